//! The customer API and the admin API over HTTP.
