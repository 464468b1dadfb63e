//! Relays between parties that share no codec.

use std::f64::consts::TAU;

use super::*;
use telex_audio::codec::{Decoder, Encoder, Settings};

pub(super) const G722: Payload = Payload::of(9, Encoding::G722);
const OPUS: Payload = Payload::of(111, Encoding::Opus);

/// What a leg accepts that cannot be forwarded.
fn decoded(payload: Payload) -> Accepted {
    Accepted { payload, kind: Kind::Speech, forward: None }
}

/// A leg that speaks this codec only, in a room where the other speaks another.
pub(super) fn speaks(payload: Payload, port: u16, remote: &str) -> LegSpec {
    LegSpec { audio: Some(payload), accept: vec![decoded(payload)], ..leg(port, remote) }
}

/// A party that says a sine.
pub(super) struct Singer {
    voice: Voice,
    payload: Payload,
    encoder: Encoder,
    hertz: f64,
    pub(super) peak: f64,
    at: u64,
}

impl Singer {
    pub(super) fn new(ssrc: u32, payload: Payload, hertz: u32, peak: i16) -> Self {
        let encoder = Encoder::new(payload.encoding.unwrap(), Settings::default());
        let (hertz, peak) = (f64::from(hertz), f64::from(peak));
        Self { voice: Voice::new(ssrc), payload, encoder, hertz, peak, at: 0 }
    }

    /// Goes on in another codec.
    pub(super) fn change(&mut self, payload: Payload) {
        let before = self.encoder.rate();
        self.encoder = Encoder::new(payload.encoding.unwrap(), Settings::default());
        self.at = self.at * u64::from(self.encoder.rate()) / u64::from(before);
        self.payload = payload;
    }

    /// The next 20 ms.
    pub(super) fn next(&mut self) -> Vec<u8> {
        self.next_at(self.peak as i16)
    }

    /// The next 20 ms, as loud as this.
    pub(super) fn next_at(&mut self, peak: i16) -> Vec<u8> {
        let rate = u64::from(self.encoder.rate());
        let pcm: Vec<i16> = (self.at..self.at + rate / 50)
            .map(|n| ((TAU * self.hertz * n as f64 / rate as f64).sin() * f64::from(peak)) as i16)
            .collect();
        self.at += rate / 50;
        let mut payload = Vec::new();
        self.encoder.encode(&pcm, &mut payload);
        self.voice.sequence = self.voice.sequence.wrapping_add(1);
        self.voice.timestamp = self.voice.timestamp.wrapping_add(self.payload.clock / 50);
        self.voice.as_payload(self.payload.number, &payload)
    }
}

/// What was sent from a port, decoded.
pub(super) fn heard(sent: &[&Sent], port: u16, encoding: Encoding) -> Vec<i16> {
    let mut decoder = Decoder::new(encoding, encoding.properties().rate);
    let mut pcm = Vec::new();
    for s in sent.iter().filter(|s| s.port == port) {
        decoder.decode(s.payload(), &mut pcm).unwrap();
    }
    pcm
}

/// Amplitude of a frequency in sound of `rate` samples per second.
pub(super) fn amplitude(pcm: &[i16], rate: u32, hertz: u32) -> f64 {
    // Goertzel's recurrence.
    let turn = 2.0 * (TAU * f64::from(hertz) / f64::from(rate)).cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for &x in pcm {
        (s1, s2) = (f64::from(x) + turn * s1 - s2, s1);
    }
    2.0 * (s1 * s1 + s2 * s2 - turn * s1 * s2).max(0.0).sqrt() / pcm.len() as f64
}

/// Numbers and times leave without a gap, a packet each 20 ms.
pub(super) fn assert_steady(sent: &[&Sent], units: u32) {
    for pair in sent.windows(2) {
        let (a, b) = (pair[0].header(), pair[1].header());
        assert_eq!((b.ssrc, b.sequence), (a.ssrc, a.sequence.wrapping_add(1)));
        assert_eq!(b.timestamp.wrapping_sub(a.timestamp), units);
        assert!(!b.marker, "{b:?}");
    }
}

/// A call between two codecs, two seconds of a tone each way.
fn call_between(a: Payload, b: Payload) -> World {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    w.put(1, 1, speaks(a, A, ALICE));
    w.put(2, 1, speaks(b, B, BOB));
    let (mut alice, mut bob) = (Singer::new(1, a, 440, 8000), Singer::new(2, b, 600, 6000));
    for _ in 0..100 {
        w.packet(A, ALICE, &alice.next());
        w.packet(B, BOB, &bob.next());
        w.run(Duration::from_millis(20));
    }
    w
}

#[test]
fn each_pair_of_codecs_understands_each_other() {
    for (a, b) in
        [(PCMU, PCMA), (PCMA, PCMU), (G722, PCMU), (PCMA, G722), (G722, G722), (OPUS, PCMU), (G722, OPUS)]
    {
        let w = call_between(a, b);
        let sent = w.media();
        for (port, payload, own, other) in [(B, b, 600, (440, 8000.0)), (A, a, 440, (600, 6000.0))] {
            let encoding = payload.encoding.unwrap();
            let rate = encoding.properties().rate;
            let pcm = heard(&sent, port, encoding);
            let last = &pcm[pcm.len() - rate as usize..];
            let level = amplitude(last, rate, other.0);
            assert!((level - other.1).abs() < other.1 / 20.0, "{a:?} {b:?}: {level}");
            assert!(amplitude(last, rate, own) < 40.0, "nobody hears himself");
            let mine: Vec<&Sent> = sent.iter().copied().filter(|s| s.port == port).collect();
            assert!(mine.iter().all(|s| s.header().payload_type == payload.number));
            assert_steady(&mine, payload.clock / 50);
        }
        let stats = w.stats(1);
        assert!(stats.played_ms > 1900 && stats.concealed_ms == 0, "{stats:?}");
    }
}
