//! The controller of one connection, in place.
//!
//! What a controller knows is looked at with every packet. Behind a pointer it would be one more place in memory to wait for, of
//! every one among thousands of connections; so those that come with the carrier are not.

use super::{Acked, Adaptive, Congestion, CongestionConfig, Cubic, Fixed, Lost, Unlimited};
use crate::time::Instant;

/// See the module.
#[derive(Debug)]
pub(in crate::carrier) enum Controller {
    Adaptive(Adaptive),
    Cubic(Cubic),
    Fixed(Fixed),
    Unlimited(Unlimited),
    Custom(Box<dyn Congestion>),
}

/// Calls whichever it is.
macro_rules! of {
    ($controller:expr, $it:ident => $call:expr) => {
        match $controller {
            Controller::Adaptive($it) => $call,
            Controller::Cubic($it) => $call,
            Controller::Fixed($it) => $call,
            Controller::Unlimited($it) => $call,
            Controller::Custom($it) => $call,
        }
    };
}

impl Controller {
    pub(in crate::carrier) fn new(config: &CongestionConfig) -> Self {
        match config {
            CongestionConfig::Adaptive => Self::Adaptive(Adaptive::new()),
            CongestionConfig::Cubic => Self::Cubic(Cubic::new()),
            CongestionConfig::Fixed { bytes_per_second } => Self::Fixed(Fixed::new(*bytes_per_second)),
            CongestionConfig::Unlimited => Self::Unlimited(Unlimited),
            CongestionConfig::Custom(make) => Self::Custom(make()),
        }
    }
}

impl Congestion for Controller {
    #[inline]
    fn on_sent(&mut self, now: Instant, bytes: usize, in_flight: usize) {
        of!(self, it => it.on_sent(now, bytes, in_flight));
    }

    fn on_acked(&mut self, now: Instant, acked: Acked) {
        of!(self, it => it.on_acked(now, acked));
    }

    fn on_lost(&mut self, now: Instant, lost: Lost) {
        of!(self, it => it.on_lost(now, lost));
    }

    fn on_marked(&mut self, now: Instant, sent_at: Instant) {
        of!(self, it => it.on_marked(now, sent_at));
    }

    #[inline]
    fn window(&self) -> usize {
        of!(self, it => it.window())
    }

    fn rate(&self) -> u64 {
        of!(self, it => it.rate())
    }
}
