//! Inputs, outputs and times in words, a line each.

use std::fmt::Write as _;

use telex_engine::border::{Control, Flow, StreamEvent, Transport};
use telex_engine::mediactl::{MediaCommand, MediaReport};
use telex_engine::rtp::{Compound, ControlPacket, Kind, Packet, classify};
use telex_engine::sip::{HeaderName, Message};
use telex_engine::time::{Instant, WallTime};
use telex_engine::{Action, Input};

use crate::media::Told;

/// The time of day in UTC, as logs write it: `14:03:22.417`.
pub fn clock(wall: WallTime) -> String {
    let millis = wall.as_unix_millis();
    let seconds = millis / 1000;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{:03}", millis % 1000)
}

/// A length of time: `12.4 s`, `3 min 20 s`, `2 h 5 min`.
pub fn span(time: telex_engine::time::Duration) -> String {
    let (seconds, tenths) = (time.as_secs(), time.subsec_millis() / 100);
    match seconds {
        0..120 => format!("{seconds}.{tenths} s"),
        120..7200 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A length of time to the millisecond: `0.400 s`.
pub fn exact(time: telex_engine::time::Duration) -> String {
    format!("{}.{:03} s", time.as_secs(), time.subsec_millis())
}

/// Seconds since the start of the machine.
pub fn seconds(now: Instant) -> String {
    let nanos = now.as_nanos();
    format!("{}.{:06}", nanos / 1_000_000_000, nanos / 1000 % 1_000_000)
}

/// What kind of input it is, for counts.
pub const fn kind(input: &Input) -> &'static str {
    match input {
        Input::Wake => "timers",
        Input::Datagram { .. } => "datagrams",
        Input::Stream { .. } => "stream",
        Input::Media { .. } => "media",
        Input::Control { .. } => "operator",
        Input::Config { .. } | Input::Stop { .. } => "operator",
        Input::Wall(_) => "clock",
        Input::Load { .. } => "load",
        Input::SendFailed { .. } | Input::Resolved { .. } => "network",
        Input::Stored { .. } | Input::StoreFailed { .. } => "store",
        Input::Seed(_) => "seed",
    }
}

/// An input in one line.
pub fn input(input: &Input) -> String {
    match input {
        Input::Wake => "the deadline has come".to_owned(),
        Input::Datagram { remote, bytes, .. } => format!("UDP {remote}  {}", message(bytes)),
        Input::Stream { stream, event } => match event {
            StreamEvent::Opened { remote, listener, .. } => {
                let who = if listener.is_some() { "opened by" } else { "opened to" };
                format!("TCP stream {} {who} {remote}", stream.0)
            }
            StreamEvent::Bytes(bytes) => format!("TCP stream {}  {}", stream.0, message(bytes)),
            StreamEvent::Closed => format!("TCP stream {} is gone", stream.0),
        },
        Input::SendFailed { flow } => format!("could not be sent: {}", way(flow)),
        Input::Resolved { query, answer } => format!("name {} has addresses {answer:?}", query.0),
        Input::Media { shard, report } => format!("media {}  {}", shard.0, media_report(report)),
        Input::Stored { through } => format!("stored up to record {}", through.0),
        Input::StoreFailed { at, error } => format!("not stored from record {}: {error}", at.0),
        Input::Control { request, .. } => match request {
            Control::Hangup { call } => format!("operator: hang up call {call}"),
            other => format!("operator: {other:?}"),
        },
        Input::Config { config, .. } => format!("configuration with {} phones", config.phones.len()),
        Input::Wall(wall) => format!("the wall clock says {}", clock(*wall)),
        Input::Load { waiting } => format!("input waits for {}", exact(*waiting)),
        Input::Seed(_) => "new randomness".to_owned(),
        Input::Stop { by } => format!("stop by {}", seconds(*by)),
    }
}

/// An output in one line.
pub fn action(action: &Action) -> String {
    match action {
        Action::Transmit { flow, bytes } => format!("{}  {}", way(flow), message(bytes)),
        Action::Connect { stream, remote, transport } => {
            format!("open {} stream {} to {remote}", transport.as_str(), stream.0)
        }
        Action::Disconnect { stream } => format!("close TCP stream {}", stream.0),
        Action::Resolve { query, host } => format!("look up {host} as {}", query.0),
        Action::Media { shard, command } => format!("media {}  {}", shard.0, media_command(command)),
        Action::Store { lsn, record } => format!("store record {}: {record:?}", lsn.0),
        Action::Reply { reply, .. } => format!("to the operator: {reply:?}"),
        Action::Report(event) => format!("report {event:?}"),
        Action::Stopped => "stopped".to_owned(),
    }
}

fn way(flow: &Flow) -> String {
    match flow {
        Flow::Datagram { remote, .. } => format!("{} {remote}", Transport::Udp.as_str()),
        Flow::Stream { stream } => format!("TCP stream {}", stream.0),
    }
}

/// A SIP message in one line: its start line, CSeq and Call-ID.
pub fn message(bytes: &bytes::Bytes) -> String {
    let Ok(message) = Message::parse(bytes.clone()) else {
        return format!("{} octets", bytes.len());
    };
    let mut line = match message.status() {
        Some(status) => format!("{} {}", status.code(), message.reason()),
        None => format!("{} {}", message.method_name(), message.request_uri()),
    };
    if let Some(cseq) = message.header(HeaderName::CSeq) {
        let _ = write!(line, "  CSeq {cseq}");
    }
    if let Some(call) = message.header(HeaderName::CallId) {
        let _ = write!(line, "  Call-ID {call}");
    }
    line
}

/// An input of a media machine in one line.
pub fn told(told: &Told<'_>) -> String {
    match told {
        Told::Tick => "the deadline has come".to_owned(),
        Told::Packet { port, remote, bytes } => format!("{} from {remote} on port {port}", rtp(bytes)),
        Told::Headers { port, remote, head, payload, .. } => {
            // The head alone is a packet without payload, unless it says that there is padding.
            let mut octets = head.to_vec();
            octets.iter_mut().take(1).for_each(|first| *first &= !0x20);
            octets.extend(std::iter::repeat_n(0, usize::from(*payload)));
            format!("{} (not kept) from {remote} on port {port}", rtp(&octets))
        }
        Told::Command(command) => media_command(command),
        Told::Ports(ports) => format!("{} pairs of ports are bound", ports.len()),
        Told::Seed(_) => "new randomness".to_owned(),
        Told::Library(library) => format!("there are {} sounds to be played by name", library.len()),
        Told::Music { class, bytes } => format!("{} octets of the music {class} came", bytes.len()),
        Told::MusicLength { class, octets } => {
            format!("{octets} octets of the music {class} came (not kept)")
        }
        Told::Written { recording, pieces } => {
            format!("{pieces} pieces of recording {} are written", recording.0)
        }
    }
}

/// A datagram of a media port in a few words.
pub fn rtp(bytes: &[u8]) -> String {
    match classify(bytes) {
        Kind::Rtp => Packet::parse(bytes).map_or_else(
            |wrong| format!("no RTP, {wrong}, {} octets", bytes.len()),
            |packet| {
                let h = packet.header;
                let marker = if h.marker { ", marker" } else { "" };
                format!(
                    "RTP payload type {}, sequence {}, timestamp {}, SSRC {:08x}{marker}, {} octets",
                    h.payload_type,
                    h.sequence,
                    h.timestamp,
                    h.ssrc,
                    packet.payload.len()
                )
            },
        ),
        Kind::Rtcp => Compound::parse(bytes).map_or_else(
            |wrong| format!("no RTCP, {wrong}, {} octets", bytes.len()),
            |compound| {
                let name = |packet| match packet {
                    ControlPacket::SenderReport { .. } => "sender report",
                    ControlPacket::ReceiverReport { .. } => "receiver report",
                    ControlPacket::SourceDescription { .. } => "description",
                    ControlPacket::Goodbye { .. } => "goodbye",
                    ControlPacket::Other { .. } => "other",
                };
                let names: Vec<&str> = compound.packets().map(name).collect();
                format!("RTCP {}", names.join(", "))
            },
        ),
        kind => format!("{kind:?}, {} octets", bytes.len()),
    }
}

fn media_command(command: &MediaCommand) -> String {
    match command {
        MediaCommand::WantPorts { count } => format!("bind {count} more pairs of ports"),
        MediaCommand::PutRoom { room, spec, .. } => format!("room {} shall {:?}", room.0, spec.mode),
        MediaCommand::PutLeg { leg, spec, .. } => {
            let remote = spec.remote.map_or_else(|| "nowhere yet".to_owned(), |remote| remote.to_string());
            format!("leg {} on port {} sends to {remote}", leg.0, spec.port.0)
        }
        MediaCommand::DropLeg { leg } => format!("drop leg {}", leg.0),
        MediaCommand::DropRoom { room } => format!("drop room {}", room.0),
        MediaCommand::GiveLeg { leg, port, to } => {
            format!("give leg {} and port {} to shard {}", leg.0, port.0, to.0)
        }
    }
}

pub(crate) fn media_report(report: &MediaReport) -> String {
    match report {
        MediaReport::Ports { ports } => format!("{} pairs of ports are bound", ports.len()),
        MediaReport::Latched { leg, remote, .. } => format!("leg {} is heard from {remote}", leg.0),
        MediaReport::Silent { leg, .. } => format!("leg {} is silent", leg.0),
        MediaReport::Digit { leg, digit, duration_ms, how, .. } => {
            format!("leg {} pressed {digit} for {duration_ms} ms, heard {how:?}", leg.0)
        }
        MediaReport::Pressed { leg, next, .. } => format!("leg {} was pressed the keys before {next}", leg.0),
        MediaReport::NoSound { leg, name, .. } => {
            format!("leg {} was to hear {name}, which is not there", leg.0)
        }
        MediaReport::Played { leg, number, .. } => format!("leg {} has heard all of {number}", leg.0),
        MediaReport::Quiet { leg, recording } => {
            format!("nobody speaks on leg {} in recording {}", leg.0, recording.0)
        }
        MediaReport::Recorded { recording, samples, missing, .. } => {
            format!("recording {} has ended: {samples} samples, {missing} missing", recording.0)
        }
        MediaReport::Carried { leg, stats } => {
            format!("leg {} so far: {} packets received, {} sent", leg.0, stats.received, stats.sent)
        }
        MediaReport::Dropped { leg, stats, .. } => {
            format!("leg {} has ended: {} packets received, {} sent", leg.0, stats.received, stats.sent)
        }
        MediaReport::Given { leg, stats, .. } => {
            format!(
                "leg {} goes on elsewhere: {} packets received, {} sent",
                leg.0, stats.received, stats.sent
            )
        }
    }
}
