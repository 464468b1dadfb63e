//! The media machine.
//!
//! A [`MediaShard`] holds rooms, a room holds legs. Packets enter on a leg's port and leave from the port of the leg
//! that hears them; commands say who hears whom; reports say what signalling must know. Nothing is shared between
//! rooms: each has random numbers of its own, so one call can be replayed without the others.
//!
//! The way of a packet: [`MediaShard::handle`] finds the leg by its port; the leg parses, checks the source (`latch`),
//! counts (`reception`) and hands it to the leg that listens, which rewrites the header (`egress`) and appends it
//! to [`MediaOut`]. RTCP (`control`) is answered leg by leg.
//!
//! The way of sound, where packets cannot go on as they are: a leg's `intake` decodes them into an even stream; in one
//! of twenty phases of a 20 ms frame (`ring`) its room is served (`frame`): each decoded leg gives a frame, recordings
//! take what they want (`recorder`), a mix sums up who speaks (`conference`), and each leg that must be spoken to gets
//! what it hears, what is played (`player`, `broadcast`) and its keys (`dialer`) through its encoder (`outlet`), from
//! where it leaves by the same `egress`. Keys in sound that goes on as it is are found by an `ear` beside it. Which leg
//! is decoded and which is spoken to follows from the specifications of the room and its legs alone (`room`), but for
//! the payload type that a party uses at the moment.

mod broadcast;
mod conference;
mod control;
mod converter;
mod dialer;
mod ear;
mod egress;
mod frame;
mod hush;
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
