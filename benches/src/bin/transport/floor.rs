//! What memory alone takes of ten thousand connections: the same datagrams in the same order, and no carrier.
//!
//! All that is done about a connection is to change one word in each of a few lines of memory that are its own, at one end when
//! something leaves there and at the other when it comes: a message, and two frames after it came its acknowledgement. That is as often as a
//! carrier has to look at a connection. There is nothing to wait for but memory, and the processor is free to look ahead.

use std::hint::black_box;

/// Bytes that come from memory together.
const LINE: usize = 64;

/// Bytes of a datagram with a message, and of one with an acknowledgement, as ours are.
const MESSAGE: usize = 76;
const ACKNOWLEDGEMENT: usize = 14;

/// Frames until a message is acknowledged.
const HELD: usize = 2;

#[derive(Clone)]
#[repr(align(64))]
struct Line([u64; LINE / size_of::<u64>()]);

/// See the module.
pub struct Floor {
    /// Of a connection at one end, count.
    lines: usize,
    ends: [Vec<Line>; 2],
    /// Under way to each end.
    under_way: [Datagrams; 2],
    arriving: Datagrams,
    /// By frame: who owes an acknowledgement since then.
    owed: [[Vec<u32>; HELD + 1]; 2],
    frame: usize,
}

#[derive(Default)]
struct Datagrams {
    bytes: Vec<u8>,
    /// For whom, and how long.
    each: Vec<(u32, usize)>,
}

impl Datagrams {
    fn push(&mut self, connection: u32, len: usize, first: u64) {
        self.each.push((connection, len));
        self.bytes.extend_from_slice(&first.to_le_bytes());
        self.bytes.resize(self.bytes.len() + len - size_of::<u64>(), 7);
    }
}

impl Floor {
    pub fn new(connections: usize, lines: usize) -> Self {
        Self {
            lines,
            ends: [(); 2].map(|()| vec![Line([0; LINE / size_of::<u64>()]); connections * lines]),
            under_way: Default::default(),
            arriving: Datagrams::default(),
            owed: Default::default(),
            frame: 0,
        }
    }

    /// One frame of `frames` in a second: every so many connections speak.
    pub fn frame(&mut self, frames: usize) {
        self.frame += 1;
        let connections = u32::try_from(self.ends[0].len() / self.lines).unwrap_or(u32::MAX);
        for end in 0..2 {
            std::mem::swap(&mut self.arriving, &mut self.under_way[end]);
            let mut bytes = &self.arriving.bytes[..];
            for &(connection, len) in &self.arriving.each {
                let (datagram, rest) = bytes.split_at(len);
                touch(&mut self.ends[end], self.lines, connection, u64::from(datagram[0]));
                bytes = rest;
                if len == MESSAGE {
                    self.owed[end][self.frame % (HELD + 1)].push(connection);
                }
            }
            self.arriving.bytes.clear();
            self.arriving.each.clear();
        }
        for end in 0..2 {
            let out = &mut self.under_way[1 - end];
            for connection in self.owed[end][(self.frame + 1) % (HELD + 1)].drain(..) {
                let first = touch(&mut self.ends[end], self.lines, connection, 1);
                out.push(connection, ACKNOWLEDGEMENT, first);
            }
            let first = u32::try_from(self.frame % frames).unwrap_or(0);
            for connection in (first..connections).step_by(frames) {
                let first = touch(&mut self.ends[end], self.lines, connection, 1);
                out.push(connection, MESSAGE, first);
            }
        }
    }
}

/// Changes a word in each line of a connection.
fn touch(end: &mut [Line], lines: usize, connection: u32, by: u64) -> u64 {
    let from = connection as usize * lines;
    let mut sum = 0;
    for line in &mut end[from..from + lines] {
        line.0[0] += by;
        sum += line.0[0];
    }
    black_box(sum)
}
