//! Models of the network, in virtual time, and whole sessions inside them.
//!
//! Everything here is arithmetic on numbers that the caller supplies: the same seed gives the same weather. [`Link`] decides
//! what becomes of a datagram; [`World`] runs many nodes over such links, in one thread and as fast as the machine can.

mod link;
mod world;

pub use link::{
    BurstLoss, Conditioner, Damage, Deliveries, Delivery, JitterShape, Link, LinkConfig, LinkConfigError, Refusal,
};
pub use world::{NodeKey, World, WorldError};
