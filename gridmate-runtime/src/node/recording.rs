//! A session is recorded as it goes on.

use core::time::Duration;

use super::Node;
use crate::limits;
use crate::replica::Recorder;
use crate::time::Instant;

/// What is being recorded, and what of it the program has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Recording {
    recorder: Option<Recorder>,
    bytes: Vec<u8>,
}

impl Node {
    /// Records all replicas from the next tick on, with everything written whole every `key_every`: see [`Recorder`] for what that is, and
    /// [`Player`](crate::replica::Player) for watching it. Whatever was recorded before and not taken is gone.
    ///
    /// A node never writes to a file by itself: take what there is every few ticks.
    ///
    /// ```
    /// use core::time::Duration;
    /// use gridmate_runtime::prelude::*;
    ///
    /// # let network = MemoryNetwork::new();
    /// # let mut file = std::io::sink();
    /// # let mut now = Instant::ZERO;
    /// # let mut node = Node::host(network.bind_any()?, NodeConfig::new(Registry::builder().build()?))?;
    /// use std::io::Write as _;
    ///
    /// let mut recorded = Vec::new();
    /// node.start_recording(now, Duration::from_secs(5));
    /// while now < Instant::from_millis(500) {
    ///     node.tick(now)?;
    ///     node.take_recording(&mut recorded);
    ///     file.write_all(&recorded)?; // `file` is a `std::fs::File`, or a thread that has one
    ///     now += Duration::from_millis(20);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_recording(&mut self, now: Instant, key_every: Duration) {
        self.stop_recording();
        self.recording.bytes.clear();
        let recorder = Recorder::start(&mut self.replicas, now, key_every, &mut self.recording.bytes);
        self.recording.recorder = Some(recorder);
    }

    /// Records no more; what was recorded can still be taken.
    pub fn stop_recording(&mut self) {
        if let Some(recorder) = self.recording.recorder.take() {
            recorder.stop(&mut self.replicas);
        }
    }

    /// Replaces `into` by what was recorded since the last call. False when nothing is being recorded any more: it was stopped, or more
    /// than [`limits::RECORDING_BYTES`] had not been taken; what was recorded up to then is a good recording.
    pub fn take_recording(&mut self, into: &mut Vec<u8>) -> bool {
        into.clear();
        core::mem::swap(&mut self.recording.bytes, into);
        self.recording.recorder.is_some()
    }

    pub(super) fn record(&mut self, now: Instant) {
        let Recording { recorder: Some(recorder), bytes } = &mut self.recording else { return };
        recorder.record(&mut self.replicas, now, bytes);
        if bytes.len() > limits::RECORDING_BYTES {
            self.stop_recording();
        }
    }
}
