//! How much may be under way: congestion control and pacing. No sockets, no clock.
//!
//! A [`Congestion`] controller is told what was sent, acknowledged, lost and marked, and answers with a window (bytes that
//! may be in flight) and a rate (bytes a second). A [`Pacer`] turns the rate into what may leave at a flush; [`Bandwidth`]
//! measures what the path delivers. All of it is integer arithmetic, so that two runs agree on every platform.
//!
//! [`CongestionConfig`] chooses the controller. [`Adaptive`] is the one for games: it gives way when a queue builds up,
//! before that queue delays anything by much.

mod adaptive;
mod bandwidth;
mod controller;
mod cubic;
mod delay;
mod fixed;
mod hystart;
mod pacer;

#[cfg(test)]
mod tests;

pub use adaptive::Adaptive;
pub use bandwidth::Bandwidth;
pub(super) use controller::Controller;
pub use cubic::Cubic;
pub use fixed::{Fixed, Unlimited};
pub use pacer::Pacer;

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use crate::time::Instant;

/// Decides how much of one connection's traffic may be under way.
///
/// Packets are known by when they left. A controller that counts round trips can do it with that: a round trip is over
/// when something is acknowledged that was sent after it began.
///
/// What may leave is decided by what [`window`](Self::window) and [`rate`](Self::rate) say when the connection begins, after each
/// [`on_sent`](Self::on_sent), [`on_lost`](Self::on_lost) and [`on_marked`](Self::on_marked), and after the
/// [`on_acked`](Self::on_acked) of all that one datagram has acknowledged. A controller that changes its mind as time passes is heard with
/// the next of these, or with the next acknowledgement of what is known already.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{Acked, Congestion, Lost};
///
/// /// One datagram at a time, whatever happens.
/// #[derive(Debug)]
/// struct Timid;
///
/// impl Congestion for Timid {
///     fn on_sent(&mut self, _: Instant, _: usize, _: usize) {}
///     fn on_acked(&mut self, _: Instant, _: Acked) {}
///     fn on_lost(&mut self, _: Instant, _: Lost) {}
///     fn on_marked(&mut self, _: Instant, _: Instant) {}
///     fn window(&self) -> usize {
///         1_200
///     }
///     fn rate(&self) -> u64 {
///         u64::MAX
///     }
/// }
/// assert_eq!(Timid.window(), 1_200);
/// ```
pub trait Congestion: fmt::Debug + Send {
    /// A packet of `bytes` left that asks for an acknowledgement and is no probe of the path; `in_flight` includes it.
    fn on_sent(&mut self, now: Instant, bytes: usize, in_flight: usize);

    /// Packets arrived.
    fn on_acked(&mut self, now: Instant, acked: Acked);

    /// Packets count as lost.
    fn on_lost(&mut self, now: Instant, lost: Lost);

    /// The network marked a packet (ECN CE, RFC 3168) that was sent at `sent_at`.
    fn on_marked(&mut self, now: Instant, sent_at: Instant);

    /// Bytes that may be in flight.
    fn window(&self) -> usize;

    /// Pacing rate, bytes per second; `u64::MAX` when unpaced.
    fn rate(&self) -> u64;
}

/// Packets that an acknowledgement reported for the first time.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{Acked, Congestion, Cubic};
///
/// let mut cubic = Cubic::new();
/// let before = cubic.window();
/// let round_trip = Duration::from_millis(40);
/// cubic.on_acked(Instant::from_millis(40), Acked {
///     bytes: 1_200,
///     sent_at: Instant::ZERO,
///     in_flight: 10_800,
///     app_limited: false,
///     latest: round_trip,
///     smoothed: round_trip,
///     least: round_trip,
/// });
/// assert_eq!(cubic.window(), before + 1_200); // slow start
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// Bytes of the packets.
    pub bytes: usize,
    /// When the newest of them was sent.
    pub sent_at: Instant,
    /// Bytes still in flight after it.
    pub in_flight: usize,
    /// The program had too little to say to fill the window, so that this says nothing about whether the window is too big.
    pub app_limited: bool,
    /// The round trip that this acknowledgement measured.
    pub latest: Duration,
    /// The smoothed round trip, this one included.
    pub smoothed: Duration,
    /// The shortest round trip seen.
    pub least: Duration,
}

/// Packets that were given up.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{Congestion, Cubic, Lost};
///
/// let mut cubic = Cubic::new();
/// let lost = Lost { bytes: 1_200, sent_at: Instant::ZERO, in_flight: 10_800, persistent: false };
/// cubic.on_lost(Instant::from_millis(40), lost);
/// assert_eq!(cubic.window(), 8_400); // 70 % of ten datagrams
/// cubic.on_lost(Instant::from_millis(41), lost);
/// assert_eq!(cubic.window(), 8_400, "it was sent before the window shrank");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Bytes of the packets.
    pub bytes: usize,
    /// When the newest packet lost was sent.
    pub sent_at: Instant,
    /// Bytes still in flight after it.
    pub in_flight: usize,
    /// Everything sent for a long time was lost (RFC 9002, section 7.6).
    pub persistent: bool,
}

/// Makes the controller of one connection.
type Make = Arc<dyn Fn() -> Box<dyn Congestion> + Send + Sync>;

/// Which controller connections get.
///
/// ```
/// use std::sync::Arc;
/// use gridmate_runtime::carrier::{Congestion, CongestionConfig, Cubic};
///
/// assert_eq!(CongestionConfig::default().build().window(), 12_000);
/// assert_eq!(CongestionConfig::Fixed { bytes_per_second: 64_000 }.build().rate(), 64_000);
/// assert_eq!(CongestionConfig::Unlimited.build().rate(), u64::MAX);
/// let custom = CongestionConfig::Custom(Arc::new(|| Box::new(Cubic::new())));
/// assert_eq!(format!("{custom:?}"), "Custom(..)");
/// ```
#[derive(Clone, Default)]
pub enum CongestionConfig {
    /// [`Adaptive`]: reacts to loss and to delay.
    #[default]
    Adaptive,
    /// [`Cubic`]: reacts to loss, as most of the Internet does.
    Cubic,
    /// [`Fixed`]: a rate that the program knows to be right. It reacts to nothing.
    Fixed {
        /// Bytes per second.
        bytes_per_second: u64,
    },
    /// [`Unlimited`]: for a loopback, and for tests.
    Unlimited,
    /// A controller of the program's own.
    Custom(Make),
}

impl CongestionConfig {
    /// A new controller.
    #[must_use]
    pub fn build(&self) -> Box<dyn Congestion> {
        match self {
            Self::Adaptive => Box::new(Adaptive::new()),
            Self::Cubic => Box::new(Cubic::new()),
            Self::Fixed { bytes_per_second } => Box::new(Fixed::new(*bytes_per_second)),
            Self::Unlimited => Box::new(Unlimited),
            Self::Custom(make) => make(),
        }
    }
}

impl fmt::Debug for CongestionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adaptive => f.write_str("Adaptive"),
            Self::Cubic => f.write_str("Cubic"),
            Self::Fixed { bytes_per_second } => {
                f.debug_struct("Fixed").field("bytes_per_second", bytes_per_second).finish()
            }
            Self::Unlimited => f.write_str("Unlimited"),
            Self::Custom(_) => f.write_str("Custom(..)"),
        }
    }
}

/// The unit in which windows grow, bytes: one full datagram.
const DATAGRAM: u64 = 1_200;

/// The window before anything is known, bytes (RFC 9002, section 7.2).
const INITIAL_WINDOW: u64 = 10 * DATAGRAM;

/// No window is smaller, bytes: BBR's floor, twice that of RFC 9002, so that a link that loses a fifth of everything by chance still
/// carries what keeps a game together.
const LEAST_WINDOW: u64 = 4 * DATAGRAM;

/// No window is greater, bytes: 10 Gbit/s for most of a second.
const GREATEST_WINDOW: u64 = 1 << 30;

/// Assumed before the first measurement.
const INITIAL_ROUND_TRIP: Duration = Duration::from_millis(100);

/// A window, which is at most [`GREATEST_WINDOW`].
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// `value * numerator / denominator` without overflow on the way.
fn scale(value: u64, numerator: u64, denominator: u64) -> u64 {
    let wide = u128::from(value) * u128::from(numerator) / u128::from(denominator.max(1));
    u64::try_from(wide).unwrap_or(u64::MAX)
}
