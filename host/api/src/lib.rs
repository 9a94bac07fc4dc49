//! The wire types of the customer and admin APIs, and a client of both.
