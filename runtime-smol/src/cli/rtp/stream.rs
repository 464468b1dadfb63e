//! One received stream: its packets, the sound in them, and what is to be told about both.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use telex_audio::codec::Encoding;
use telex_audio::dtmf::events::{EventReceiver, Received};
use telex_audio::playout::Content;
use telex_engine::rtp::{self, Compound, ControlPacket, Header, Kind, Packet, TelephoneEvent};

use super::control;
use super::payloads::{Meaning, Payloads};
use super::ports;
use super::sink::{Saved, Sink};
use super::source::Source;
use super::tell::{Tell, clock};

/// A source that was silent for so long gives way to another at once.
const SILENT: Duration = Duration::from_millis(200);
/// Time between two reports to the sender.
const REPORTS: Duration = Duration::from_secs(5);

/// Packets that were not what was waited for, by reason.
#[derive(Clone, Copy, Debug, Default)]
struct Refused {
    /// Not RTP, nor RTCP.
    not_rtp: u64,
    /// Broken RTP or RTCP.
    broken: u64,
    /// Of another source.
    other_source: u64,
    /// Of a payload type without a meaning.
    unknown: u64,
}

/// What the sender of a stream wants to know.
#[derive(Clone, Copy, Debug)]
struct Reports {
    to: SocketAddr,
    /// Of its last report, and when that came.
    last: (u32, Duration),
    next: Duration,
}

/// A received stream.
#[derive(Debug)]
pub(super) struct Stream {
    payloads: Payloads,
    source: Option<Source>,
    /// Another source that spoke: who, and how many packets in a row.
    rival: Option<(u32, u32)>,
    told: BTreeSet<u8>,
    refused: Refused,
    /// Our own name in reports.
    ssrc: u32,
    reports: Option<Reports>,
    keys: String,
    /// Hears keys pressed, once there were any.
    keypad: Option<EventReceiver>,
    /// The buffer has begun to give sound.
    playing: bool,
    pcm: Vec<i16>,
}

impl Stream {
    pub(super) fn new(payloads: Payloads) -> Result<Self, String> {
        Ok(Self {
            payloads,
            source: None,
            rival: None,
            told: BTreeSet::new(),
            refused: Refused::default(),
            ssrc: u32::from_be_bytes(ports::random()?),
            reports: None,
            keys: String::new(),
            keypad: None,
            playing: false,
            pcm: Vec::new(),
        })
    }

    /// When its last packet came, if any did.
    pub(super) fn last(&self) -> Option<Duration> {
        self.source.as_ref().map(|source| source.last)
    }

    /// Takes a datagram that came at `now`.
    pub(super) fn take(&mut self, now: Duration, datagram: &[u8], from: SocketAddr, tell: &mut Tell) {
        match rtp::classify(datagram) {
            Kind::Rtp => match Packet::parse(datagram) {
                Ok(packet) => self.packet(now, &packet, from, tell),
                Err(_) => self.refused.broken += 1,
            },
            Kind::Rtcp => self.control(now, datagram, from, tell),
            _ => self.refused.not_rtp += 1,
        }
    }

    fn packet(&mut self, now: Duration, packet: &Packet<'_>, from: SocketAddr, tell: &mut Tell) {
        let header = packet.header;
        let mut keys = 0;
        let content = match self.payloads.of(header.payload_type) {
            Some(Meaning::Sound(encoding)) => Some(Content::Sound(*encoding)),
            Some(Meaning::Noise(clock)) => Some(Content::Noise { clock: *clock }),
            Some(Meaning::Keys(clock)) => {
                keys = *clock;
                None
            }
            other => {
                let name = if let Some(Meaning::Other(name)) = other { name.as_str() } else { "" };
                if self.told.insert(header.payload_type) {
                    tell.warn(unknown(header.payload_type, name));
                }
                self.refused.unknown += 1;
                return;
            }
        };
        if !self.is_ours(now, &header, tell) {
            self.refused.other_source += 1;
            return;
        }
        match (content, &mut self.source) {
            (Some(Content::Sound(encoding)), None) => self.begin(now, encoding, packet, from, tell),
            // A stream begins with sound.
            (_, None) => {}
            (Some(content), Some(source)) => source.sound(now, content, packet),
            (None, Some(source)) => {
                source.other(now, &header);
                self.key(now, keys, packet, tell);
            }
        }
    }

    /// Whether a packet is of the source that is listened to; another one takes its place when it is silent, or speaks
    /// twice in a row.
    fn is_ours(&mut self, now: Duration, header: &Header, tell: &mut Tell) -> bool {
        let Some(source) = &mut self.source else { return true };
        if source.ssrc == header.ssrc {
            self.rival = None;
            return true;
        }
        let count = match self.rival {
            Some((ssrc, count)) if ssrc == header.ssrc => count + 1,
            _ => 1,
        };
        self.rival = Some((header.ssrc, count));
        if count < 2 && now - source.last < SILENT {
            return false;
        }
        self.rival = None;
        source.change(header.ssrc);
        self.keypad = None;
        let ssrc = header.ssrc;
        tell.event(
            format_args!("Another source speaks (SSRC: 0x{ssrc:08X})"),
            || json!({"event": "source", "ssrc": ssrc}),
        );
        true
    }

    fn begin(
        &mut self,
        now: Duration,
        encoding: Encoding,
        packet: &Packet<'_>,
        from: SocketAddr,
        tell: &mut Tell,
    ) {
        let Header { ssrc, payload_type, .. } = packet.header;
        let properties = encoding.properties();
        let (name, clock) = (properties.name, properties.clock);
        tell.event(
            format_args!(
                "Received first RTP packet (SSRC: 0x{ssrc:08X}, PT: {payload_type} {name}) from {from}, {} bytes",
                packet.payload.len()
            ),
            || {
                json!({
                    "event": "first_packet", "ssrc": ssrc, "payload_type": payload_type, "codec": name,
                    "clock": clock, "from": from.to_string(), "octets": packet.payload.len(),
                })
            },
        );
        self.source = Some(Source::new(now, encoding, packet));
    }

    fn key(&mut self, now: Duration, clock: u32, packet: &Packet<'_>, tell: &mut Tell) {
        let Some(event) = TelephoneEvent::parse(packet.payload) else { return };
        let Header { sequence, timestamp, marker, .. } = packet.header;
        let keypad = self.keypad.get_or_insert_with(|| EventReceiver::new(clock));
        let mut told = Vec::new();
        keypad.feed(now, (sequence, timestamp, marker), event, &mut told);
        for key in told.into_iter().filter_map(|key| match key {
            Received::Press { digit, .. } => Some(digit.key()),
            Received::Release { .. } => None,
        }) {
            self.keys.push(key);
            tell.event(format_args!("Key {key}"), || json!({"event": "key", "key": key.to_string()}));
        }
    }

    fn control(&mut self, now: Duration, datagram: &[u8], from: SocketAddr, tell: &mut Tell) {
        let Ok(compound) = Compound::parse(datagram) else {
            self.refused.broken += 1;
            return;
        };
        for packet in compound.packets() {
            match packet {
                ControlPacket::SenderReport { info, .. } => {
                    let last = (control::middle(info.ntp), now);
                    let next = self.reports.map_or(now, |reports| reports.next);
                    self.reports = Some(Reports { to: from, last, next });
                }
                ControlPacket::Goodbye { .. } => {
                    tell.event("The sender says goodbye", || json!({"event": "goodbye"}));
                }
                _ => {}
            }
        }
    }

    /// What is to be sent to the sender now, and where, if anything: there is something once it has reported itself.
    pub(super) fn report(&mut self, now: Duration) -> Option<(SocketAddr, Vec<u8>)> {
        let reports = self.reports.as_mut().filter(|reports| now >= reports.next)?;
        let source = self.source.as_mut()?;
        let [chance] = ports::random().ok()?;
        reports.next = now + REPORTS / 2 + REPORTS * u32::from(chance) / 255;
        let delay = (now.saturating_sub(reports.last.1).as_nanos() << 16) / 1_000_000_000;
        let block = source.reception.report(reports.last.0, u32::try_from(delay).unwrap_or(u32::MAX));
        Some((reports.to, control::report(self.ssrc, "telex", None, Some(&block), false)))
    }

    /// Takes the sound of the next `tick`, to be heard from `now` on.
    pub(super) fn pull(
        &mut self,
        now: Duration,
        tick: Duration,
        sink: &mut Sink,
        tell: &mut Tell,
    ) -> Result<(), String> {
        let Some(source) = &mut self.source else { return Ok(()) };
        self.pcm.clear();
        let real = source.pull(now, tick, &mut self.pcm);
        if real && !self.playing {
            self.playing = true;
            let (packets, depth) = source.depth();
            let s = if packets == 1 { "" } else { "s" };
            tell.event(
                format_args!("Jitter buffer depth: {packets} packet{s} ({}ms)", depth.as_millis()),
                || json!({"event": "buffer", "packets": packets, "depth_ms": depth.as_millis() as u64}),
            );
        }
        sink.write(source.rate, &self.pcm, real)
    }

    /// Whether the buffer had sound lately, and may have more.
    pub(super) fn waiting(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.sounding)
    }

    /// How things stand.
    pub(super) fn line(&self) -> String {
        self.source.as_ref().map_or_else(|| "Packets: 0".to_owned(), Source::line)
    }

    /// The same as a document.
    pub(super) fn document(&self, event: &str) -> Value {
        let mut document = self.source.as_ref().map_or_else(|| json!({"packets": 0}), Source::document);
        if let Value::Object(fields) = &mut document {
            let Refused { not_rtp, broken, other_source, unknown } = self.refused;
            fields.insert("event".to_owned(), event.into());
            fields.insert("keys".to_owned(), self.keys.clone().into());
            fields.insert(
                "refused".to_owned(),
                json!({
                    "not_rtp": not_rtp, "broken": broken, "other_source": other_source,
                    "unknown_payload_type": unknown,
                }),
            );
        }
        document
    }

    /// Tells everything at the end.
    pub(super) fn conclude(&self, saved: Option<Saved>, tell: &mut Tell) {
        tell.remark(self.line());
        if let Some(source) = &self.source {
            tell.remark(source.details().join(" | "));
        }
        if !self.keys.is_empty() {
            tell.remark(format_args!("Keys: {}", self.keys));
        }
        let Refused { not_rtp, broken, other_source, unknown } = self.refused;
        for (count, what) in [
            (not_rtp, "no RTP"),
            (broken, "broken RTP or RTCP"),
            (other_source, "of another source"),
            (unknown, "of unknown payload types"),
        ] {
            if count > 0 {
                tell.remark(format_args!("Ignored: {count} packets, {what}"));
            }
        }
        let mut document = self.document("ended");
        let file = saved.as_ref().map(|s| s.path.display().to_string());
        if let (Value::Object(fields), Some(file)) = (&mut document, &file) {
            fields.insert("file".to_owned(), file.clone().into());
            let length = saved.as_ref().and_then(|s| s.length).unwrap_or_default();
            fields.insert("file_seconds".to_owned(), length.as_secs_f64().into());
        }
        let ended = match &self.source {
            Some(source) => format!("Stream ended. Duration: {}.", clock(source.duration())),
            None => "Nothing was received.".to_owned(),
        };
        let kept = match (saved.map(|s| s.length), file) {
            (Some(Some(_)), Some(file)) => format!(" Saved to {file}"),
            (Some(None), Some(file)) => format!(" {file} is empty"),
            _ => String::new(),
        };
        tell.event(format_args!("{ended}{kept}"), || document);
    }
}

/// What to do about packets whose payload type is not known.
fn unknown(payload_type: u8, name: &str) -> String {
    let what = if name.is_empty() { String::new() } else { format!(" ({name})") };
    let remedy = if name.is_empty() {
        format!("; say what it is with --payload {payload_type}=NAME/CLOCK")
    } else {
        String::new()
    };
    format!("packets of payload type {payload_type}{what} are not understood and left out{remedy}")
}
