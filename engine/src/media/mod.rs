//! The media machine.
//!
//! A [`MediaShard`] holds rooms, a room holds legs. Packets enter on a leg's port and leave from the port of the leg
//! that hears them; commands say who hears whom; reports say what signalling must know. Nothing is shared between
//! rooms: each has random numbers of its own, so one call can be replayed without the others.
//!
//! The way of a packet: [`MediaShard::handle`] finds the leg by its port; the leg parses, checks the source (`latch`),
//! counts (`reception`) and hands it to the leg that listens, which rewrites the header (`egress`) and appends it
//! to [`MediaOut`]. Generated audio (`player`) leaves in one of twenty phases of a 20 ms frame (`ring`). RTCP
//! (`control`) is answered leg by leg.

mod conference;
mod control;
mod converter;
mod dialer;
mod egress;
mod frame;
mod intake;
mod keypad;
mod keys;
mod latch;
mod leg;
mod out;
mod outlet;
mod player;
mod quality;
mod reception;
mod recorder;
mod ring;
mod room;
mod shard;
mod view;
mod voice;

#[cfg(test)]
mod tests;

pub use out::{MediaIo, MediaOut, Outgoing, PacketArena};
pub use shard::{MediaInput, MediaShard, ShardStats};
pub use view::LegView;

slotmap::new_key_type! {
    /// A leg's place in its shard.
    struct LegKey;
    /// A room's place in its shard.
    struct RoomKey;
}
