//! Replicate game state.
#![forbid(unsafe_code)]

pub mod chunk;
pub mod driver;
mod ids;
pub mod limits;
pub mod prelude;
pub mod replica;
mod rng;
pub mod schema;
pub mod sim;
mod time;
pub mod wire;

#[doc(hidden)]
pub mod __private;

pub use chunk::{Registry, RegistryBuilder, RegistryError};
pub use chunk::{Propagate, ReplicaChunk, RpcContext, TimeContext};
#[cfg(feature = "derive")]
pub use gridmate_derive::{Marshal, ReplicaChunk, rpcs};
pub use ids::{MemberId, ReplicaId};
pub use rng::Rng;
pub use schema::Priority;
pub use time::Instant;
pub use wire::Marshal;
