//! Models of the network, in virtual time, and whole sessions inside them.
//!
//! Everything here is arithmetic on numbers that the caller supplies: the same seed gives the same weather. [`Link`] decides
//! what becomes of a datagram, [`Nat`] whose address it bears, [`SkewedClock`] what a node takes for the time; [`World`] runs
//! many nodes over such links, in one thread and as fast as the machine can.

mod clock;
mod link;
mod nat;
mod world;

pub use clock::SkewedClock;
pub use link::{
    BurstLoss, Conditioner, Damage, Deliveries, Delivery, JitterShape, Link, LinkConfig, LinkConfigError, Refusal,
};
pub use nat::{Nat, NatConfig, NatKind, NatRefusal, Outbound};
pub use world::{NodeKey, World, WorldError};
