//! The replica manager without a carrier: life, values, calls, loss, and peers that do not follow the protocol.

mod audience;
mod calls;
mod calls_arguments;
mod calls_asked;
mod calls_directed;
mod calls_storm;
mod composition;
mod golden;
mod life;
mod limits;
mod newcomers;
mod offline;
mod pressure;
mod saved;
mod storm;
mod suspended;
mod throttles;
mod values;
