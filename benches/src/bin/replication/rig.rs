//! What every library has to do to be measured.

use crate::model::Body;

/// A server and its clients, all in this thread, each moved when it is told to.
pub trait Rig {
    /// Writes one field of every entity, by its name for the entity, as a game would.
    fn write_health(&mut self, bodies: &[Body]);
    /// Writes the rest of what changes.
    fn write_position(&mut self, bodies: &[Body]);
    /// One tick of the server: all that has arrived is taken in, all that there is to say is sent.
    fn serve(&mut self);
    /// One tick of a client.
    fn follow(&mut self, client: usize);
    /// Takes messages to the other side, of libraries that leave that to others. Nobody's time.
    fn carry(&mut self) {}
    /// How many clients there are.
    fn clients(&self) -> usize;
    /// One more client. It is there when it says so, some ticks later.
    fn join(&mut self);
    /// The last client goes.
    fn leave(&mut self);
    /// Sent to and by clients since the beginning.
    fn traffic(&self) -> Traffic;
    /// How many entities a client has.
    fn count(&mut self, client: usize) -> usize;
    /// What a client sees, in the order of ids; none of libraries that have no clients.
    fn seen(&mut self, client: usize) -> Option<Vec<Body>>;
    /// By how much what a client sees may differ from what was written: position, health.
    fn tolerance(&self) -> (f32, f32) {
        (0.0, 0.0)
    }
}

/// Everything that was handed to the network, or to what stands in for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    pub down_bytes: u64,
    pub down_datagrams: u64,
    pub up_bytes: u64,
    pub up_datagrams: u64,
}

impl Traffic {
    pub const fn since(self, before: Self) -> Self {
        Self {
            down_bytes: self.down_bytes - before.down_bytes,
            down_datagrams: self.down_datagrams - before.down_datagrams,
            up_bytes: self.up_bytes - before.up_bytes,
            up_datagrams: self.up_datagrams - before.up_datagrams,
        }
    }
}
