//! Input that no correct peer sends: dropped and counted, never a panic, never growth, never a wrong value.

mod datagrams;
mod messages;
mod speakers;
