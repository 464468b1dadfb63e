//! The source that is listened to: its packets counted, buffered and made sound.

use std::time::Duration;

use serde_json::{Value, json};
use telex_audio::codec::{Decoder, Encoding};
use telex_audio::emodel::{self, Conditions, Impairment};
use telex_audio::playout::{Content, Packet as Sound, Playout, Settings, Stats};
use telex_engine::rtp::{Header, Packet};

use super::control::tenths;
use super::reception::Reception;
use super::tell::clock;

/// The source that is listened to.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) ssrc: u32,
    /// Of its first packet, and the number that packet had.
    encoding: Encoding,
    payload_type: u8,
    pub(super) reception: Reception,
    began: Duration,
    /// When its last packet came.
    pub(super) last: Duration,
    /// Sound in its first packet.
    packet: Duration,
    playout: Playout,
    /// Samples per second of what is pulled.
    pub(super) rate: u32,
    ticks: u64,
    /// Whether the last tick had sound in it that was received.
    pub(super) sounding: bool,
}

impl Source {
    /// Begins with its first packet.
    pub(super) fn new(now: Duration, encoding: Encoding, packet: &Packet<'_>) -> Self {
        let properties = encoding.properties();
        let mut source = Self {
            ssrc: packet.header.ssrc,
            encoding,
            payload_type: packet.header.payload_type,
            reception: Reception::new(now, &packet.header, Some(properties.clock)),
            began: now,
            last: now,
            packet: length(encoding, packet.payload),
            playout: Playout::new(properties.rate, Settings::default()),
            rate: properties.rate,
            ticks: 0,
            sounding: false,
        };
        source.insert(now, encoding.into(), packet);
        source
    }

    /// Takes a packet with sound, or with what silence sounds like.
    pub(super) fn sound(&mut self, now: Duration, content: Content, packet: &Packet<'_>) {
        self.last = now;
        let clock = match content {
            Content::Sound(encoding) => encoding.properties().clock,
            Content::Noise { clock } => clock,
        };
        self.reception.take(now, &packet.header, Some(clock));
        self.insert(now, content, packet);
    }

    /// Takes a packet with something else.
    pub(super) fn other(&mut self, now: Duration, header: &Header) {
        self.last = now;
        self.reception.take(now, header, None);
        // Its number is not missing.
        let _ = self.playout.insert_other(now, header.sequence);
    }

    fn insert(&mut self, now: Duration, content: Content, packet: &Packet<'_>) {
        let Header { sequence, timestamp, .. } = packet.header;
        let sound = Sound { sequence, timestamp, content, payload: packet.payload };
        // What becomes of it is in the statistics.
        let _ = self.playout.insert(now, sound);
    }

    /// From now on another one is listened to.
    pub(super) fn change(&mut self, ssrc: u32) {
        self.ssrc = ssrc;
        self.reception.change(ssrc);
        self.playout.restart();
    }

    /// Appends the sound of the next `tick`; whether any of it was received.
    pub(super) fn pull(&mut self, now: Duration, tick: Duration, pcm: &mut Vec<i16>) -> bool {
        // Some rates do not fit a tick: what is left over is not forgotten.
        let upto = |ticks: u64| tick.as_micros() as u64 * ticks * u64::from(self.rate) / 1_000_000;
        let samples = upto(self.ticks + 1) - upto(self.ticks);
        self.ticks += 1;
        self.sounding = self.playout.pull(now, samples as usize, pcm).sound > 0;
        self.sounding
    }

    /// How long packets wait, in packets and in time.
    pub(super) fn depth(&self) -> (u128, Duration) {
        let stats = self.playout.stats();
        let depth = Duration::from_micros(stats.delay_us.max(stats.target_us).into());
        (depth.as_nanos().div_ceil(self.packet.as_nanos().max(1)), depth)
    }

    /// From its first to its last packet, the sound of that with it.
    pub(super) fn duration(&self) -> Duration {
        self.last.saturating_sub(self.began) + self.packet
    }

    /// Mean opinion score in hundredths; `None` for codecs about which nothing is published. The network's own delay is
    /// not known and not in it.
    fn opinion(&self) -> Option<u16> {
        let stats = self.playout.stats();
        let expected = (self.reception.received() + self.reception.lost()).max(1);
        let late = u32::try_from(stats.late.saturating_mul(1_000_000) / expected).unwrap_or(1_000_000);
        let delay = Duration::from_micros(stats.delay_us.into()) + self.packet;
        Some(emodel::opinion(&Conditions {
            codec: Impairment::of(self.encoding)?,
            lost_ppm: self.reception.lost_ppm().saturating_add(late),
            burst: 100,
            delay_us: u32::try_from(delay.as_micros()).unwrap_or(u32::MAX),
        }))
    }

    /// How things stand.
    pub(super) fn line(&self) -> String {
        let reception = &self.reception;
        format!(
            "Packets: {} | Lost: {} ({:.2}%) | Jitter: {:.1}ms | Delay: {}ms",
            reception.received(),
            reception.lost(),
            f64::from(reception.lost_ppm()) / 10_000.0,
            reception.jitter().as_secs_f64() * 1000.0,
            self.playout.stats().delay_us / 1000,
        )
    }

    /// What else there is to say at the end, unless it is nothing.
    pub(super) fn details(&self) -> Vec<String> {
        let Stats { late, malformed, dropped, restarts, concealed, noise, most_us, .. } =
            self.playout.stats();
        let (duplicates, reordered) = (self.reception.duplicates, self.reception.reordered);
        let counts = [
            ("Late", late),
            ("Duplicates", duplicates),
            ("Out of order", reordered),
            ("Undecodable", malformed),
            ("Dropped", dropped),
            ("Began anew", restarts),
        ];
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        let mut parts: Vec<String> = counts.map(|(name, count)| format!("{name}: {count}")).collect();
        for (name, samples) in [("Concealed", concealed), ("Comfort noise", noise)] {
            if samples > 0 {
                parts.push(format!("{name}: {:.2}s", samples as f64 / f64::from(self.rate)));
            }
        }
        parts.push(format!("Longest delay: {}ms", most_us / 1000));
        if let Some(opinion) = self.opinion() {
            parts.push(format!("MOS: {}.{:02}", opinion / 100, opinion % 100));
        }
        parts
    }

    pub(super) fn document(&self) -> Value {
        let (r, s) = (&self.reception, self.playout.stats());
        let seconds = |samples: u64| tenths(samples as f64 / f64::from(self.rate) * 100.0) / 100.0;
        json!({
            "ssrc": self.ssrc, "codec": self.encoding.properties().name, "payload_type": self.payload_type,
            "packets": r.received(), "lost": r.lost(), "lost_percent": f64::from(r.lost_ppm()) / 10_000.0,
            "duplicates": r.duplicates, "reordered": r.reordered,
            "jitter_ms": tenths(r.jitter().as_secs_f64() * 10_000.0) / 10.0,
            "delay_ms": f64::from(s.delay_us) / 1000.0, "delay_most_ms": f64::from(s.most_us) / 1000.0,
            "late": s.late, "undecodable": s.malformed, "dropped": s.dropped, "restarts": s.restarts,
            "concealed_seconds": seconds(s.concealed), "noise_seconds": seconds(s.noise),
            "seconds": self.duration().as_secs_f64(), "duration": clock(self.duration()),
            "mos": self.opinion().map(|opinion| f64::from(opinion) / 100.0),
        })
    }
}

/// Sound in a payload.
fn length(encoding: Encoding, payload: &[u8]) -> Duration {
    let rate = encoding.properties().rate;
    let decoder = Decoder::new(encoding, rate);
    let samples = decoder.samples(payload).unwrap_or(0);
    Duration::from_secs_f64(samples as f64 / f64::from(decoder.rate().max(1)))
}
