//! What a leg is like at a moment, for people who look into a recording. Nothing is decided by it.

use std::net::SocketAddr;

use crate::mediactl::{LegId, LegStats, Payload, PortId, Revision, RoomId, RoomMode};
use crate::time::Instant;

/// One leg at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegView {
    /// Its number.
    pub leg: LegId,
    /// Revision of the wanted state that is in force.
    pub rev: Revision,
    /// Its room.
    pub room: RoomId,
    /// How the room's legs hear each other.
    pub mode: Option<RoomMode>,
    /// Our port.
    pub port: PortId,
    /// Where the party said it receives.
    pub said: Option<SocketAddr>,
    /// Where its packets go; `None` when nothing may be sent.
    pub sends_to: Option<SocketAddr>,
    /// The source that was learnt, and its synchronisation source (RFC 3550 §3).
    pub heard_from: Option<(SocketAddr, u32)>,
    /// Whether we may send to the party.
    pub send: bool,
    /// Whether we accept media from it.
    pub receive: bool,
    /// The audio payload in use.
    pub audio: Option<Payload>,
    /// Whether something is generated into its ear.
    pub playing: bool,
    /// Whether its silence was reported.
    pub silent: bool,
    /// When the last packet was accepted, or waiting for one began.
    pub last_received: Instant,
    /// Our synchronisation source towards the party.
    pub ssrc: u32,
    /// What it carried so far.
    pub stats: LegStats,
}
