//! Music that comes while it is heard: a radio, a player. Everybody hears the same moment of it.

use std::sync::Arc;

use smol_str::SmolStr;
use telex_audio::codec::g722;

use super::ring::millis;
use crate::limits::{BROADCAST_AHEAD, BROADCASTS};
use crate::mediactl::{CLIP_RATE, Library};
use crate::time::{Duration, Instant};

/// What comes after a gap is heard this much later, so that what follows may be late by as much.
const LEAD: Duration = Duration::from_millis(300);
/// What has passed and is kept: a room may be served late.
const PAST: Duration = Duration::from_millis(200);

/// How many samples so long is.
fn samples(span: Duration) -> u64 {
    span.as_millis() as u64 * u64::from(CLIP_RATE / 1000)
}

/// The sound of one class. The number of a sample is the time when it is heard.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Broadcast {
    class: SmolStr,
    decoder: g722::Decoder,
    /// The number of the first sample that is kept.
    from: u64,
    pcm: Vec<i16>,
}

impl Broadcast {
    /// Takes what has come: it is heard after what came before, or, where there is nothing more of that, after a
    /// while. What is too far ahead is left out.
    fn take(&mut self, now: Instant, octets: &[u8]) {
        let present = sample(millis(now));
        let past = present.saturating_sub(samples(PAST));
        if self.end() <= present {
            self.pcm.clear();
            self.from = present + samples(LEAD);
        } else if let Ok(passed) = usize::try_from(past.saturating_sub(self.from)) {
            self.pcm.drain(..passed.min(self.pcm.len()));
            self.from = self.from.max(past);
        }
        let ahead = self.end().saturating_sub(present);
        let room = samples(BROADCAST_AHEAD).saturating_sub(ahead) / 2;
        let taken = octets.get(..usize::try_from(room).unwrap_or(usize::MAX)).unwrap_or(octets);
        self.decoder.decode(taken, &mut self.pcm);
    }

    fn end(&self) -> u64 {
        self.from + self.pcm.len() as u64
    }

    /// Appends `count` samples from number `at` on; silence where there are none.
    pub(super) fn read(&self, at: u64, count: usize, pcm: &mut Vec<i16>) {
        let end = pcm.len() + count;
        let early = usize::try_from(self.from.saturating_sub(at)).map_or(count, |early| early.min(count));
        pcm.resize(pcm.len() + early, 0);
        let first = usize::try_from((at + early as u64).saturating_sub(self.from)).unwrap_or(usize::MAX);
        let kept = self.pcm.get(first..).unwrap_or_default();
        pcm.extend_from_slice(kept.get(..count - early).unwrap_or(kept));
        pcm.resize(end, 0);
    }
}

/// The number of the sample that is heard in this millisecond.
fn sample(ms: u64) -> u64 {
    ms.saturating_mul(u64::from(CLIP_RATE / 1000))
}

/// What there is to be heard by name.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Sounds {
    pub(super) library: Arc<Library>,
    broadcasts: Vec<Broadcast>,
    /// The millisecond of the frame that is being made.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) frame: u64,
}

impl Sounds {
    /// A piece of a broadcast has come, as G.722 at 64 kbit/s; an empty one ends it.
    pub(super) fn take(&mut self, now: Instant, class: &SmolStr, octets: &[u8]) {
        let place = self.broadcasts.iter().position(|broadcast| broadcast.class == *class);
        let place = match place {
            Some(place) if octets.is_empty() => {
                self.broadcasts.remove(place);
                return;
            }
            Some(place) => place,
            None if octets.is_empty() || self.broadcasts.len() == BROADCASTS => return,
            None => {
                let (class, decoder) = (class.clone(), g722::Decoder::default());
                self.broadcasts.push(Broadcast { class, decoder, from: 0, pcm: Vec::new() });
                self.broadcasts.len() - 1
            }
        };
        if let Some(broadcast) = self.broadcasts.get_mut(place) {
            broadcast.take(now, octets);
        }
    }

    /// What is broadcast as this class of music.
    pub(super) fn broadcast(&self, class: &str) -> Option<&Broadcast> {
        self.broadcasts.iter().find(|broadcast| broadcast.class == class)
    }

    /// The number of the first sample of the frame that is being made.
    pub(super) fn present(&self) -> u64 {
        sample(self.frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many octets of a sine that goes on where it was.
    struct Tone(u32, g722::Encoder);

    impl Tone {
        fn next(&mut self, octets: u32) -> Vec<u8> {
            let wave = |n| (f64::from(n) * 500.0 / 16_000.0 * std::f64::consts::TAU).sin() * 8000.0;
            let pcm: Vec<i16> = (self.0..self.0 + 2 * octets).map(|n| wave(n) as i16).collect();
            self.0 += 2 * octets;
            let mut coded = Vec::new();
            self.1.encode(&pcm, &mut coded);
            coded
        }
    }

    fn tone() -> Tone {
        Tone(0, g722::Encoder::default())
    }

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn heard(sounds: &Sounds, ms: u64, count: usize) -> Vec<i16> {
        let mut pcm = Vec::new();
        sounds.broadcast("radio").unwrap().read(sample(ms), count, &mut pcm);
        assert_eq!(pcm.len(), count);
        pcm
    }

    fn silent(pcm: &[i16]) -> bool {
        pcm.iter().all(|&sample| sample == 0)
    }

    #[test]
    fn what_comes_is_heard_a_little_later_and_without_a_gap() {
        let (mut sounds, mut tone, class) = (Sounds::default(), tone(), SmolStr::new("radio"));
        // 50 ms each, some late, some early, some together.
        for (come, count) in [(1000, 1), (1049, 1), (1140, 1), (1150, 2), (1490, 5)] {
            sounds.take(at(come), &class, &tone.next(400 * count));
        }
        assert!(silent(&heard(&sounds, 1290, 10 * 16)));
        let pcm = heard(&sounds, 1300, 500 * 16);
        let mut exact = Vec::new();
        g722::Decoder::default().decode(&self::tone().next(4000), &mut exact);
        assert_eq!(pcm, exact);
        assert!(silent(&heard(&sounds, 1800, 320)), "there is no more yet");
        // What has passed is forgotten.
        sounds.take(at(1790), &class, &tone.next(400));
        assert!(
            silent(&heard(&sounds, 1580, 10 * 16)) && heard(&sounds, 1590, 320) == pcm[290 * 16..310 * 16]
        );
    }

    #[test]
    fn after_a_gap_there_is_a_lead_again_and_what_is_too_much_is_left_out() {
        let (mut sounds, mut tone, class) = (Sounds::default(), tone(), SmolStr::new("radio"));
        sounds.take(at(0), &class, &tone.next(400));
        sounds.take(at(351), &class, &tone.next(400));
        assert!(silent(&heard(&sounds, 351, 300 * 16)) && !silent(&heard(&sounds, 651, 320)));
        for _ in 0..10 {
            sounds.take(at(400), &class, &tone.next(8000));
        }
        assert!(!silent(&heard(&sounds, 2390, 160)) && silent(&heard(&sounds, 2400, 320)));
        let room = sounds.broadcast("radio").unwrap().pcm.capacity();
        sounds.take(at(500), &class, &[0; 100_000]);
        let broadcast = sounds.broadcast("radio").unwrap();
        assert_eq!((broadcast.end(), broadcast.pcm.capacity()), (sample(2500), room), "no memory for more");
        // The end of time is no trouble.
        sounds.take(Instant::from_millis(u64::MAX / 2_000_000), &class, &[0; 400]);
    }

    #[test]
    fn a_broadcast_that_is_over_is_gone_and_there_are_only_so_many() {
        let mut sounds = Sounds::default();
        sounds.take(at(0), &"radio".into(), &[]);
        assert!(sounds.broadcast("radio").is_none());
        for n in 0..BROADCASTS + 2 {
            sounds.take(at(0), &SmolStr::from(n.to_string()), &[0; 40]);
        }
        assert_eq!(sounds.broadcasts.len(), BROADCASTS);
        assert!(sounds.broadcast("0").is_some());
        sounds.take(at(0), &"0".into(), &[]);
        assert!(sounds.broadcast("0").is_none() && sounds.broadcasts.len() == BROADCASTS - 1);
    }

    /// With what it has, a broadcast goes on for ever.
    #[test]
    fn a_broadcast_needs_no_more_memory_after_a_while() {
        let (mut sounds, mut tone, class) = (Sounds::default(), tone(), SmolStr::new("radio"));
        let mut rooms = Vec::new();
        for n in 0..200 {
            sounds.take(at(50 * n), &class, &tone.next(400));
            rooms.push(sounds.broadcast("radio").unwrap().pcm.capacity());
        }
        assert!(rooms[20] < 20_000 && rooms[20..].iter().all(|room| *room == rooms[20]), "{rooms:?}");
    }
}
