//! What a program may choose about its socket, and what became of it.

use core::time::Duration;
use std::io;

/// How a [`UdpDriver`](super::UdpDriver) is set up. Take what you do not care about from the default.
///
/// ```
/// use gridmate_runtime::driver::{UdpConfig, UdpDriver};
///
/// # fn main() -> Result<(), gridmate_runtime::driver::DriverError> {
/// let config = UdpConfig { receive_buffer: 1 << 20, ..UdpConfig::default() };
/// let driver = UdpDriver::with_config("127.0.0.1:0".parse().unwrap(), config)?;
/// assert!(driver.buffers().receive > 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpConfig {
    /// Size of the system's receive buffer to ask for, bytes, for each socket. The system may grant less: see
    /// [`UdpDriver::buffers`](super::UdpDriver::buffers).
    pub receive_buffer: usize,
    /// Size of the system's send buffer to ask for, bytes.
    pub send_buffer: usize,
    /// Whether the caller's thread makes the system calls, instead of a network thread.
    pub polled: bool,
    /// Datagrams that may wait between the network thread and the game, each way, count, 1 to 65,536 (what lies outside
    /// is taken as the nearer end). Each has 1.5 KiB set aside, which costs memory once traffic has reached it. Unused
    /// when polled.
    pub queue_datagrams: usize,
    /// When the network thread is woken to send. Unused when polled.
    pub wake: Wake,
    /// The processor that the network thread is to stay on, counted from 0. Whether it does: see
    /// [`UdpDriver::thread_setup`](super::UdpDriver::thread_setup). Unused when polled.
    pub cpu: Option<usize>,
    /// Niceness of the network thread, -20 (always first) to 19 (last). Most systems let nobody but an administrator go
    /// below 0: see [`UdpDriver::thread_setup`](super::UdpDriver::thread_setup). Unused when polled.
    pub priority: Option<i32>,
    /// Whether datagrams go out marked as [`Ecn::Capable0`](crate::driver::Ecn::Capable0), and the marks of those that
    /// arrive are passed on. Without, all arrive as [`Ecn::NotCapable`](crate::driver::Ecn::NotCapable).
    pub ecn: bool,
    /// How long the network thread goes on looking for work before it sleeps. Longer than the time between two datagrams
    /// spares the wake-up of each (some 10 µs, more on a machine that saves power) and costs a processor of its own.
    /// Unused when polled.
    pub spin: Duration,
    /// Sockets bound to the same address, count, 1 to 64. With more than one the system spreads peers over them by their
    /// addresses, so that bursts meet several buffers; any program of the same user may then bind the address as well.
    /// All are served by the one thread. Where the system cannot do that (it takes `SO_REUSEPORT`) there is one.
    pub sockets: usize,
    /// Whether `[::]` is to be reachable over IPv6 alone. Other IPv6 addresses always are, IPv4 ones never.
    pub only_v6: bool,
}

impl Default for UdpConfig {
    /// 4 MiB of socket buffer each way (a server's usual share of a burst; systems default to a twentieth), a network
    /// thread that is woken at each flush and does not spin, queues of 4,096 datagrams, which is what those buffers hold
    /// of middling ones, congestion marks, and one socket for both families.
    fn default() -> Self {
        Self {
            receive_buffer: 4 << 20,
            send_buffer: 4 << 20,
            polled: false,
            queue_datagrams: 4_096,
            wake: Wake::Instant,
            cpu: None,
            priority: None,
            ecn: true,
            spin: Duration::ZERO,
            sockets: 1,
            only_v6: false,
        }
    }
}

/// When a network thread is woken to send what was flushed.
///
/// ```
/// use gridmate_runtime::driver::{UdpConfig, UdpDriver, Wake};
///
/// # fn main() -> Result<(), gridmate_runtime::driver::DriverError> {
/// // A server that flushes per player: one wake-up for 64 of them, at most two milliseconds late.
/// let config = UdpConfig { wake: Wake::Batched { datagrams: 64 }, ..UdpConfig::default() };
/// let driver = UdpDriver::with_config("127.0.0.1:0".parse().unwrap(), config)?;
/// # drop(driver);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wake {
    /// At every flush: the least delay, and a system call per flush.
    #[default]
    Instant,
    /// When so many datagrams wait, count, or a quarter of the queue. Fewer go out when something arrives, and after a
    /// millisecond or two at the latest: the thread wakes up that often by itself, idle or not.
    Batched {
        /// Datagrams to wait for.
        datagrams: usize,
    },
}

/// What the system granted of the buffers that a [`UdpConfig`] asked for, bytes, as the system counts them: Linux doubles
/// the number and spends half of it on bookkeeping. 0 where it would not say.
///
/// ```
/// use gridmate_runtime::driver::{UdpConfig, UdpDriver};
///
/// let config = UdpConfig::default();
/// let driver = UdpDriver::with_config("127.0.0.1:0".parse().unwrap(), config)?;
/// let granted = driver.buffers();
/// if granted.receive < config.receive_buffer {
///     println!("bursts will be lost: {} bytes of buffer, wanted {}", granted.receive, config.receive_buffer);
/// }
/// assert!(granted.receive > 0 && granted.send > 0);
/// # Ok::<(), gridmate_runtime::driver::DriverError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrantedBuffers {
    /// The receive buffer.
    pub receive: usize,
    /// The send buffer.
    pub send: usize,
}

/// What became of the wishes for the network thread in a [`UdpConfig`]. A wish refused is no error: the driver works.
///
/// ```
/// use gridmate_runtime::driver::{Setting, UdpConfig, UdpDriver};
///
/// # fn main() -> Result<(), gridmate_runtime::driver::DriverError> {
/// let config = UdpConfig { priority: Some(-5), ..UdpConfig::default() };
/// let driver = UdpDriver::with_config("127.0.0.1:0".parse().unwrap(), config)?;
/// if let Setting::Refused(why) = driver.thread_setup().priority {
///     println!("the network thread has to wait its turn: {why}");
/// }
/// assert_eq!(driver.thread_setup().cpu, Setting::NotAsked);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadSetup {
    /// [`UdpConfig::cpu`].
    pub cpu: Setting,
    /// [`UdpConfig::priority`].
    pub priority: Setting,
}

/// What became of one wish.
///
/// ```
/// use gridmate_runtime::driver::{Setting, UdpDriver};
///
/// let driver = UdpDriver::bind_polled("127.0.0.1:0".parse().unwrap())?;
/// assert_eq!(driver.thread_setup().cpu, Setting::NotAsked); // there is no thread
/// # Ok::<(), gridmate_runtime::driver::DriverError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Setting {
    /// There was none.
    #[default]
    NotAsked,
    /// Granted.
    Done,
    /// Refused, and why: no permission, no such processor, nothing that this system knows.
    Refused(io::ErrorKind),
}

/// System calls made to move datagrams since a driver was made, count. Fewer than datagrams where the system moves many at
/// once.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::driver::{Driver, UdpDriver};
///
/// let mut driver = UdpDriver::bind_polled("127.0.0.1:0".parse().unwrap())?;
/// let to_myself = driver.local_addr();
/// for _ in 0..10 {
///     driver.send(Instant::ZERO, to_myself, b"one of many")?;
/// }
/// driver.flush(Instant::ZERO)?;
/// let (datagrams, calls) = (driver.stats().sent, driver.syscalls().send);
/// println!("{datagrams} datagrams in {calls} calls");
/// # Ok::<(), gridmate_runtime::driver::DriverError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Syscalls {
    /// Calls that sent something or tried to.
    pub send: u64,
    /// Calls that received something or looked for it.
    pub receive: u64,
}
