//! What a listener gets, compared with what was said.
//!
//! The sound is compared with the same sound through the codec alone, in pieces of 20 ms that have voice in them. A
//! piece is `whole` when some place of the reference, at a delay that is possible, is like it but for noise 20 dB below;
//! joints of time scaling, concealment and silence are not. `corners` are clicks: samples at which the line bends much more
//! sharply than anywhere in the reference near the place.

use std::fmt::Write as _;
use std::time::Duration;

use telex_audio::codec::{Decoder, Encoder, Encoding, Settings as Coding};
use telex_audio::playout::{Packet, Playout, Settings};

use crate::fixed::Fixed;
use crate::network::{MS, Trace};
use crate::speech::speech;

pub(crate) const HEAD: &str = "\
codec trace                    | delay 95 % | late % conceal % stretch % damaged % clicks | fixed: delay late % silent % damaged % clicks\n";

/// What was sent and heard.
struct Heard {
    pcm: Vec<i16>,
    /// At each pull, the delay above the network's shortest, in nanoseconds, as far as it is known.
    delays: Vec<i64>,
}

pub(crate) fn row(encoding: Encoding, trace: &Trace) -> String {
    let properties = encoding.properties();
    let rate = properties.rate;
    let samples = rate as usize * trace.packet as usize / 1000;
    let said = speech(rate, trace.seconds, 7);
    let (packets, reference) = encoded(encoding, &said, samples);
    let silent: Vec<bool> = said
        .chunks_exact(samples)
        .map(|piece| trace.dtx && piece.iter().all(|s| s.unsigned_abs() < 40))
        .collect();
    let mut events: Vec<(i64, usize)> = trace
        .arrivals(packets.len())
        .iter()
        .enumerate()
        .filter(|(index, _)| !silent[*index])
        .filter_map(|(index, arrival)| Some(((*arrival)?, index)))
        .collect();
    events.sort_unstable();
    let sequences: Vec<u16> = silent
        .iter()
        .scan(65_000_u16, |next, silent| {
            let sequence = *next;
            *next = next.wrapping_add(u16::from(!silent));
            Some(sequence)
        })
        .collect();
    let ticks = trace.packet as u32 * properties.clock / 1000;

    let mut playout = Playout::new(rate, Settings::default());
    let ours = run(trace, rate, &events, |event, now, pcm| match event {
        Some(index) => {
            let packet = Packet {
                sequence: sequences[index],
                timestamp: (index as u32).wrapping_mul(ticks).wrapping_sub(100_000),
                marker: false,
                content: encoding.into(),
                payload: &packets[index],
            };
            playout.insert(Duration::from_nanos(now as u64), packet);
            0
        }
        None => {
            playout.pull(Duration::from_nanos(now as u64), rate as usize / 50, pcm);
            i64::from(playout.stats().delay_us) * 1000
        }
    });
    let stats = playout.stats();

    let mut fixed = Fixed::new(encoding, samples);
    let theirs = run(trace, rate, &events, |event, now, pcm| match event {
        Some(index) => {
            fixed.insert(now, index as u64, &packets[index]);
            0
        }
        None => {
            fixed.pull(now, rate as usize / 50, pcm);
            60 * MS
        }
    });

    let mut delays: Vec<i64> = ours.delays.iter().copied().skip(50).collect();
    delays.sort_unstable();
    let mean = delays.iter().sum::<i64>() / delays.len() as i64 / MS;
    let most = delays[delays.len() * 95 / 100] / MS;
    let percent = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
    let (damaged, clicks) = compare(&ours, &reference, rate, trace);
    let (fixed_damaged, fixed_clicks) = compare(&theirs, &reference, rate, trace);
    let mut row = String::new();
    writeln!(
        row,
        "{:5} {:24} | {mean:5} {most:4} | {:6.2} {:9.2} {:9.2} {damaged:9.2} {clicks:6} | {:12} {:6.2} {:8.2} {fixed_damaged:9.2} {fixed_clicks:6}",
        properties.name,
        trace.name,
        percent(stats.late, stats.packets),
        percent(stats.concealed, stats.samples),
        percent(stats.expanded + stats.compressed, stats.samples),
        60,
        percent(fixed.late, stats.packets),
        percent(fixed.silent, stats.samples),
    )
    .unwrap();
    row
}

fn encoded(encoding: Encoding, said: &[i16], samples: usize) -> (Vec<Vec<u8>>, Vec<i16>) {
    let (mut encoder, mut decoder) = (Encoder::new(encoding, Coding::default()), Decoder::new(encoding, 0));
    let mut reference = Vec::new();
    let packets = said
        .chunks_exact(samples)
        .map(|piece| {
            let mut payload = Vec::new();
            encoder.encode(piece, &mut payload);
            decoder.decode(&payload, &mut reference).unwrap();
            payload
        })
        .collect();
    (packets, reference)
}

/// Lets the listener pull 20 ms at a time while packets arrive. `what` is told of a packet or of a pull.
fn run(
    trace: &Trace,
    rate: u32,
    events: &[(i64, usize)],
    mut what: impl FnMut(Option<usize>, i64, &mut Vec<i16>) -> i64,
) -> Heard {
    let mut heard = Heard { pcm: Vec::with_capacity(rate as usize * trace.seconds), delays: Vec::new() };
    let mut coming = events.iter().peekable();
    for pull in 0..trace.seconds as i64 * 50 {
        let now = pull * 20 * MS + 7 * MS;
        while let Some((arrival, index)) = coming.next_if(|(arrival, _)| *arrival <= now) {
            what(Some(*index), *arrival, &mut heard.pcm);
        }
        let delay = what(None, now, &mut heard.pcm);
        heard.delays.push(delay);
    }
    heard
}

/// Percent of pieces with voice that are not whole, and the number of clicks.
fn compare(heard: &Heard, reference: &[i16], rate: u32, trace: &Trace) -> (f64, usize) {
    let piece = rate as usize / 50;
    let (mut voiced, mut damaged, mut clicks) = (0, 0, 0);
    // How far behind the last piece was found.
    let mut known = 0;
    for (index, sound) in heard.pcm.chunks_exact(piece).enumerate().skip(50) {
        // What was said when this is heard less the shortest way; the source's clock counts.
        let now = index as i64 * 20 * MS + 7 * MS - 40 * MS;
        let now = now + now / 1000 * trace.drift / 1000;
        let place = (now / 1000 * i64::from(rate) / 1_000_000) as usize;
        let told = (heard.delays[index] / 1000 * i64::from(rate) / 1_000_000) as usize;
        let limit = energy(sound) / 100;
        let found = find(sound, reference, place, (told, rate as usize / 500), limit)
            .or_else(|| find(sound, reference, place, (known, rate as usize / 500), limit))
            .or_else(|| find(sound, reference, place, (0, rate as usize * 6 / 10), limit));
        let behind = found.unwrap_or(told);
        let start = place.saturating_sub(behind).min(reference.len() - 2 * piece);
        let loud = |sound: &[i16]| energy(sound) > 300 * 300 * piece as u64;
        // Silence in place of speech counts as well.
        if loud(sound) || loud(&reference[start..start + piece]) {
            voiced += 1;
            damaged += i32::from(found.is_none());
        }
        known = behind;
        let near = &reference[start.saturating_sub(3 * piece)..start + 2 * piece];
        let sharpest = bends(near).max().unwrap_or(0);
        let before = index * piece;
        let click = bends(&heard.pcm[before - 2..before + piece]).any(|bend| bend > 2 * sharpest + 400);
        clicks += usize::from(click);
        if click && std::env::var_os("CLICKS").is_some() {
            println!(
                "click {} {index} told {told} behind {behind} sharpest {sharpest} bend {:?}",
                trace.name,
                bends(&heard.pcm[before - 2..before + piece]).max()
            );
        }
    }
    (f64::from(damaged) * 100.0 / f64::from(voiced.max(1)), clicks)
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

/// Second differences.
fn bends(sound: &[i16]) -> impl Iterator<Item = i32> {
    sound.windows(3).map(|w| (i32::from(w[0]) - 2 * i32::from(w[1]) + i32::from(w[2])).abs())
}
