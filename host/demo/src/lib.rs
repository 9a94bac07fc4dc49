//! A sample internal system, a webhook sink and a driver that show the whole service at work.
