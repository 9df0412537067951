//! Replicate game state.
#![forbid(unsafe_code)]

pub mod carrier;
pub mod chunk;
pub mod driver;
mod ids;
pub mod limits;
mod rng;
pub mod schema;
mod time;
pub mod wire;

#[doc(hidden)]
pub mod __private;

pub use ids::{MemberId, ReplicaId};
pub use rng::Rng;
pub use schema::Priority;
pub use time::Instant;
