//! What a listener gets, compared with what was said.
//!
//! The sound is compared with the same sound through the codec alone, in pieces of 20 ms in which either has voice:
//!
//! - `waves`: percent of pieces of which no place of the reference, at a delay that is possible, is the same but for
//!   noise 20 dB below. Concealment, joints of time scaling and silence are not the same; nor, for a while, what a
//!   codec with a memory makes of the packets after a loss. It shows that nothing else is touched.
//! - `level`: percent of pieces whose energy, or that of the differences between samples (the high tones), is wrong by
//!   more than 6 dB. A hole in a word is; good concealment is not, nor a joint in time scaling. It is what is heard.
//! - `clicks`: pieces in which the sound bends twice as sharply as anywhere in the reference near the place.

use std::time::Duration;

use telex_audio::codec::{Decoder, Encoder, Encoding, Settings as Coding};
use telex_audio::playout::{Packet, Playout, Settings};

use crate::fixed::Fixed;
use crate::network::{MS, Trace};
use crate::speech::speech;

pub(crate) const HEAD: &str = "
                               |                       playout                        |         fixed 60 ms
codec trace                    |  ms  95% | late% made% paced% waves% level% clicks | late% hole% waves% level% clicks
";

/// Sound, its packets, and what becomes of it when they all arrive.
pub(crate) struct Material {
    encoding: Encoding,
    rate: u32,
    seconds: usize,
    packet: i64,
    said: Vec<i16>,
    packets: Vec<Vec<u8>>,
    reference: Vec<i16>,
}

impl Material {
    pub(crate) fn new(encoding: Encoding, seconds: usize, packet: i64) -> Self {
        let rate = encoding.properties().rate.min(16_000);
        let said = speech(rate, seconds, 7);
        let coding = Coding { rate, loss_percent: 10, ..Coding::default() };
        let (mut encoder, mut decoder) = (Encoder::new(encoding, coding), Decoder::new(encoding, rate));
        let mut reference = Vec::with_capacity(said.len());
        let packets = said
            .chunks_exact(rate as usize * packet as usize / 1000)
            .map(|piece| {
                let mut payload = Vec::new();
                encoder.encode(piece, &mut payload);
                decoder.decode(&payload, &mut reference).expect("as encoded");
                payload
            })
            .collect();
        Self { encoding, rate, seconds, packet, said, packets, reference }
    }

    pub(crate) fn fits(&self, trace: &Trace) -> bool {
        self.seconds == trace.seconds && self.packet == trace.packet
    }

    fn samples(&self) -> usize {
        self.rate as usize * self.packet as usize / 1000
    }

    /// Which packets arrive when, and the sequence number of each packet.
    fn sent(&self, trace: &Trace) -> (Vec<(i64, usize)>, Vec<u16>) {
        let quiet = |piece: &[i16]| trace.dtx && piece.iter().all(|s| s.unsigned_abs() < 40);
        let silent: Vec<bool> = self.said.chunks_exact(self.samples()).map(quiet).collect();
        let arrivals = trace.arrivals(self.packets.len());
        let mut events: Vec<(i64, usize)> = (0..self.packets.len())
            .filter(|&index| !silent[index])
            .filter_map(|index| Some((arrivals[index]?, index)))
            .collect();
        events.sort_unstable();
        let numbers = silent.iter().scan(65_000_u16, |next, silent| {
            let number = *next;
            *next = next.wrapping_add(u16::from(!silent));
            Some(number)
        });
        (events, numbers.collect())
    }

    /// A line of the table.
    pub(crate) fn row(&self, trace: &Trace) -> String {
        let (events, numbers) = self.sent(trace);
        let ticks = trace.packet as u32 * self.encoding.properties().clock / 1000;
        let frame = self.rate as usize / 50;
        let mut playout = Playout::new(self.rate, Settings::default());
        let ours = self.run(&events, |event, now, pcm| {
            let now = Duration::from_nanos(now as u64);
            if let Some(index) = event {
                let packet = Packet {
                    sequence: numbers[index],
                    timestamp: (index as u32).wrapping_mul(ticks).wrapping_sub(100_000),
                    content: self.encoding.into(),
                    payload: &self.packets[index],
                };
                playout.insert(now, packet);
            } else {
                playout.pull(now, frame, pcm);
            }
            i64::from(playout.stats().delay_us) * 1000
        });
        let mut fixed = Fixed::new(self.encoding, self.rate, self.samples());
        let theirs = self.run(&events, |event, now, pcm| {
            match event {
                Some(index) => fixed.insert(now, index as u64, &self.packets[index]),
                None => fixed.pull(now, frame, pcm),
            }
            60 * MS
        });
        let stats = playout.stats();
        let mut delays: Vec<i64> = ours.delays.iter().skip(50).map(|delay| delay / MS).collect();
        delays.sort_unstable();
        let percent = |part: u64, whole: u64| part as f64 * 100.0 / whole as f64;
        let row = format!(
            "{:5} {:24} | {:3} {:4} | {:5.2} {:5.2} {:6.2} {} | {:5.2} {:5.2} {}",
            self.encoding.properties().name,
            trace.name,
            delays.iter().sum::<i64>() / delays.len() as i64,
            delays[delays.len() * 95 / 100],
            percent(stats.late + stats.belated, stats.packets),
            percent(stats.concealed, stats.samples),
            percent(stats.expanded + stats.compressed, stats.samples),
            self.compare(&ours, trace),
            percent(fixed.late, stats.packets),
            percent(fixed.silent, stats.samples),
            self.compare(&theirs, trace),
        );
        row + "\n"
    }

    /// Lets the listener pull 20 ms at a time while packets arrive. `what` is told of a packet or of a pull, and says
    /// what the delay above the network's shortest is, in nanoseconds.
    fn run(
        &self,
        events: &[(i64, usize)],
        mut what: impl FnMut(Option<usize>, i64, &mut Vec<i16>) -> i64,
    ) -> Heard {
        let mut heard = Heard { pcm: Vec::with_capacity(self.said.len()), delays: Vec::new() };
        let mut coming = events.iter().peekable();
        for pull in 0..self.seconds as i64 * 50 {
            let now = pull * 20 * MS + 7 * MS;
            while let Some((arrival, index)) = coming.next_if(|(arrival, _)| *arrival <= now) {
                what(Some(*index), *arrival, &mut heard.pcm);
            }
            let delay = what(None, now, &mut heard.pcm);
            heard.delays.push(delay);
        }
        heard
    }

    fn compare(&self, heard: &Heard, trace: &Trace) -> Difference {
        let (rate, piece) = (self.rate as usize, self.rate as usize / 50);
        // Opus computes in floats: the last bits may differ between kinds of processor.
        let mut difference = Difference { coarse: self.encoding == Encoding::Opus, ..Difference::default() };
        // How far behind the last piece was found.
        let mut known = 0;
        // From the second second on, when all have begun.
        for (index, sound) in heard.pcm.chunks_exact(piece).enumerate().skip(50) {
            // What was said when this is heard less the shortest way; the source's clock counts.
            let now = index as i64 * 20 * MS + 7 * MS - 40 * MS;
            let now = now + now / 1000 * trace.drift / 1000;
            let place = (now / 1000 * i64::from(self.rate) / 1_000_000) as usize;
            let told = (heard.delays[index] / 1000 * i64::from(self.rate) / 1_000_000) as usize;
            let limit = energy(sound) / 100;
            let found = [(told, rate / 500), (known, rate / 500), (0, rate * 6 / 10)]
                .into_iter()
                .find_map(|range| find(sound, &self.reference, place, range, limit));
            known = found.unwrap_or(told);
            let start = place.saturating_sub(known).clamp(3 * piece, self.reference.len() - 2 * piece);
            difference.add(
                (sound, &self.reference[start..start + piece], found.is_some()),
                &heard.pcm[index * piece - 2..(index + 1) * piece],
                &self.reference[start - 3 * piece..start + 2 * piece],
            );
        }
        difference
    }
}

/// What was heard.
struct Heard {
    pcm: Vec<i16>,
    /// At each pull, the delay above the network's shortest, in nanoseconds, as far as it is known.
    delays: Vec<i64>,
}

/// How it differs.
#[derive(Default)]
struct Difference {
    coarse: bool,
    voiced: u32,
    waves: u32,
    level: u32,
    clicks: u32,
}

impl Difference {
    fn add(&mut self, (sound, meant, same): (&[i16], &[i16], bool), joined: &[i16], near: &[i16]) {
        let loud = |sound: &[i16]| energy(sound) > 300 * 300 * sound.len() as u64;
        // Silence in place of speech counts as well.
        if loud(sound) || loud(meant) {
            self.voiced += 1;
            self.waves += u32::from(!same);
            let off = |one: u64, other: u64| one > 4 * other || other > 4 * one;
            let level = off(energy(sound), energy(meant)) || off(slopes(sound), slopes(meant));
            self.level += u32::from(!same && level);
        }
        let sharpest = bends(near).max().unwrap_or(0);
        self.clicks += u32::from(bends(joined).any(|bend| bend > 2 * sharpest + 400));
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = |part: u32| f64::from(part) * 100.0 / f64::from(self.voiced.max(1));
        let digits = if self.coarse { 0 } else { 2 };
        write!(f, "{:6.digits$} {:6.digits$} {:6}", percent(self.waves), percent(self.level), self.clicks)
    }
}

/// How far behind the place, at so much more or less than expected, the reference is like the piece but for so much
/// energy.
fn find(
    sound: &[i16],
    reference: &[i16],
    place: usize,
    (expected, around): (usize, usize),
    limit: u64,
) -> Option<usize> {
    (0..=around).flat_map(|off| [expected + off, expected.saturating_sub(off)]).find(|behind| {
        let Some(start) = place.checked_sub(*behind) else { return false };
        let Some(other) = reference.get(start..start + sound.len()) else { return false };
        let mut noise = 0;
        sound.chunks(16).zip(other.chunks(16)).all(|(sound, other)| {
            noise += difference(sound, other);
            noise <= limit
        })
    })
}

fn energy(sound: &[i16]) -> u64 {
    sound.iter().map(|&s| i64::from(s).pow(2) as u64).sum()
}

fn difference(one: &[i16], other: &[i16]) -> u64 {
    one.iter().zip(other).map(|(&a, &b)| (i64::from(a) - i64::from(b)).pow(2) as u64).sum()
}

/// Energy of first differences, and some noise.
fn slopes(sound: &[i16]) -> u64 {
    difference(sound, &sound[1..]) + 100 * sound.len() as u64
}

/// Second differences.
fn bends(sound: &[i16]) -> impl Iterator<Item = i32> {
    sound.windows(3).map(|w| (i32::from(w[0]) - 2 * i32::from(w[1]) + i32::from(w[2])).abs())
}
