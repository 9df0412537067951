//! Replicas that change hands: asked for, given, taken, inherited, and claimed by those who have no right to.

mod ball;
mod claims;
mod goods;
mod heirs;
mod interim;
mod leaves;
mod matrix;
mod meshed;
mod order;
mod storm;
mod succession;
mod takeover;
mod udp;
mod world;
