//! Programs of two ages in one session: what they share is agreed on, what only the newer has stays where it is written, and what
//! differs in any other way keeps them apart.

mod bits;
mod hostile;
mod moves;
mod programs;
mod refused;
mod storm;
mod udp;
