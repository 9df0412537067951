//! The life of connections, a line of JSON for each thing that happens.

use core::fmt::{self, Display};
use core::time::Duration;
use std::io::{self, Write};
use std::net::SocketAddr;

use super::config::ConnectionId;
use super::stats::DropCause;
use super::telemetry::{ConnectionChange, PacketReceived, PacketSent, PacketSettled, PathMetrics, Telemetry};
use crate::time::Instant;

/// Writes everything that an endpoint tells, one JSON object a line, with the names that qlog has for the same where it has some.
///
/// Times are milliseconds. Give it a `BufWriter` if writing is slow. After the first error it writes nothing more; the error is in
/// [`error`](Self::error).
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{CarrierConfig, Endpoint, Trace};
///
/// let trace = Arc::new(Mutex::new(Trace::new(Vec::new()))); // or a file
/// let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
/// endpoint.set_telemetry(Some(Box::new(trace.clone())));
/// endpoint.connect(Instant::from_millis(20), ([10, 0, 0, 1], 4_000).into(), b"Ada")?;
/// endpoint.handle_datagram(Instant::from_millis(21), ([203, 0, 113, 9], 53).into(), b"?");
///
/// let text = String::from_utf8(core::mem::take(trace.lock().unwrap().get_mut()))?;
/// let lines: Vec<&str> = text.lines().collect();
/// assert_eq!(lines[0], r#"{"time":20.000,"name":"connecting","connection":"0.0","address":"10.0.0.1:4000"}"#);
/// assert_eq!(lines[1], r#"{"time":21.000,"name":"packet_dropped","from":"203.0.113.9:53","length":1,"trigger":"Short"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Trace<W> {
    out: W,
    error: Option<io::Error>,
}

impl<W: Write + Send> Trace<W> {
    /// A trace that begins with what happens next.
    pub const fn new(out: W) -> Self {
        Self { out, error: None }
    }

    /// Where it writes to.
    pub const fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Gives back where it has written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// What has kept it from writing.
    pub const fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    fn line(&mut self, now: Instant, name: &str, rest: fmt::Arguments<'_>) {
        if self.error.is_none() {
            let time = Millis((now - Instant::ZERO).as_micros());
            self.error = writeln!(self.out, r#"{{"time":{time},"name":"{name}",{rest}}}"#).err();
        }
    }

    fn settled(&mut self, now: Instant, name: &str, connection: ConnectionId, packet: PacketSettled) {
        let (id, age) = (Id(connection), Millis((now - packet.sent_at).as_micros()));
        let PacketSettled { number, bytes, .. } = packet;
        self.line(now, name, format_args!(r#""connection":{id},"number":{number},"length":{bytes},"age":{age}"#));
    }
}

impl<W: Write + Send> Telemetry for Trace<W> {
    fn packet_sent(&mut self, now: Instant, connection: ConnectionId, packet: PacketSent) {
        let (id, PacketSent { number, bytes, ack_eliciting, probe }) = (Id(connection), packet);
        let rest = format_args!(
            r#""connection":{id},"number":{number},"length":{bytes},"ack_eliciting":{ack_eliciting},"is_mtu_probe_packet":{probe}"#
        );
        self.line(now, "packet_sent", rest);
    }

    fn packet_received(&mut self, now: Instant, connection: ConnectionId, packet: PacketReceived) {
        let (id, PacketReceived { number, bytes, marked }) = (Id(connection), packet);
        let rest = format_args!(r#""connection":{id},"number":{number},"length":{bytes},"marked":{marked}"#);
        self.line(now, "packet_received", rest);
    }

    fn packet_acked(&mut self, now: Instant, connection: ConnectionId, packet: PacketSettled) {
        self.settled(now, "packet_acked", connection, packet);
    }

    fn packet_lost(&mut self, now: Instant, connection: ConnectionId, packet: PacketSettled) {
        self.settled(now, "packet_lost", connection, packet);
    }

    fn datagram_dropped(&mut self, now: Instant, from: SocketAddr, bytes: usize, cause: DropCause) {
        let rest = format_args!(r#""from":"{from}","length":{bytes},"trigger":"{cause:?}""#);
        self.line(now, "packet_dropped", rest);
    }

    fn path_measured(&mut self, now: Instant, connection: ConnectionId, path: PathMetrics) {
        let (id, latest, smoothed) = (Id(connection), OrNull(path.latest_rtt), OrNull(path.smoothed_rtt));
        let PathMetrics { window, in_flight, datagram, .. } = path;
        let rate = Rate(path.rate);
        let rest = format_args!(
            r#""connection":{id},"congestion_window":{window},"bytes_in_flight":{in_flight},"pacing_rate":{rate},"latest_rtt":{latest},"smoothed_rtt":{smoothed},"mtu":{datagram}"#
        );
        self.line(now, "metrics_updated", rest);
    }

    fn connection_changed(&mut self, now: Instant, connection: ConnectionId, change: ConnectionChange) {
        let id = Id(connection);
        let mut at = |name, address| self.line(now, name, format_args!(r#""connection":{id},"address":"{address}""#));
        match change {
            ConnectionChange::Connecting { address } => at("connecting", address),
            ConnectionChange::Incoming { address } => at("incoming", address),
            ConnectionChange::Connected { address } => at("connected", address),
            ConnectionChange::Moved { address } => at("moved", address),
            ConnectionChange::Accepted => self.line(now, "accepted", format_args!(r#""connection":{id}"#)),
            ConnectionChange::Refused => self.line(now, "refused", format_args!(r#""connection":{id}"#)),
            ConnectionChange::Ended { reason, was_connected } => {
                let rest = format_args!(r#""connection":{id},"trigger":"{reason:?}","was_connected":{was_connected}"#);
                self.line(now, "connection_closed", rest);
            }
        }
    }
}

/// Microseconds, shown as milliseconds.
struct Millis(u128);

impl Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

/// A connection, as a text.
struct Id(ConnectionId);

impl Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}.{}\"", self.0.index, self.0.generation)
    }
}

struct OrNull(Option<Duration>);

impl Display for OrNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(span) => Millis(span.as_micros()).fmt(f),
            None => f.write_str("null"),
        }
    }
}

/// Bytes per second, as qlog's bits per second, or nothing when there is no limit.
struct Rate(u64);

impl Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == u64::MAX { f.write_str("null") } else { write!(f, "{}", u128::from(self.0) * 8) }
    }
}
