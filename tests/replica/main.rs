//! The replica manager without a carrier: life, values, calls, loss, and peers that do not follow the protocol.

mod audience;
mod calls;
mod composition;
mod golden;
mod life;
mod limits;
mod newcomers;
mod pressure;
mod offline;
mod saved;
mod storm;
mod suspended;
mod throttles;
mod values;
