//! Models of the network, in virtual time: what a test or a simulation puts between two nodes.
//!
//! Everything here is arithmetic on numbers that the caller supplies. The same seed gives the same weather.

mod link;

pub use link::{Deliveries, Delivery, Link, LinkConfig, LinkConfigError, Refusal};
