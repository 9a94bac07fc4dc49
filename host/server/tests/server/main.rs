//! Both APIs through their routers, on a store in memory and a clock that the test moves; and the
//! listener on real sockets. Whatever any test sends is looked for in the log of all of them.

mod access;
mod admin;
mod customer;
mod fixture;
mod listener;
