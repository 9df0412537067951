//! The replica manager without a carrier: life, values, calls, loss, and peers that do not follow the protocol.

mod audience;
mod calls;
mod golden;
mod life;
mod limits;
mod saved;
mod storm;
mod values;
