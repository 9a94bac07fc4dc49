//! A hostile plugin for the tests.
