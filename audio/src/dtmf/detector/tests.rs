use super::*;
use crate::codec::g711;
use crate::conceal::Concealment;
use crate::tone::sine::{Sine, peak};
use proptest::prelude::*;

const RATES: [u32; 2] = [8000, 16_000];

/// A digit as a line delivers it.
#[derive(Clone, Copy)]
struct Signal {
    digit: Digit,
    /// Tenths of dBm0.
    low: i16,
    high: i16,
    /// Deviation of each tone per mille.
    low_off: i32,
    high_off: i32,
    milliseconds: u32,
}

impl Signal {
    fn new(key: char) -> Self {
        let digit = Digit::from_char(key).unwrap();
        Self { digit, low: -100, high: -100, low_off: 0, high_off: 0, milliseconds: 50 }
    }

    fn add_to(self, rate: u32, pcm: &mut Vec<i16>) {
        let (low, high) = self.digit.hertz();
        let off = |hertz: u32, per_mille: i32| (hertz as i32 * (1000 + per_mille)) as u32;
        let mut low = Sine::new(off(low, self.low_off), rate, peak(self.low));
        let mut high = Sine::new(off(high, self.high_off), rate, peak(self.high));
        // Real senders do not begin at the crossing of both.
        low.skip(self.milliseconds * 3);
        high.skip(self.milliseconds * 5);
        pcm.extend((0..rate * self.milliseconds / 1000).map(|_| low.sample().saturating_add(high.sample())));
    }
}

fn silence(rate: u32, milliseconds: u32, pcm: &mut Vec<i16>) {
    pcm.resize(pcm.len() + (rate * milliseconds / 1000) as usize, 0);
}

/// Noise with a flat spectrum and nearly normal samples, of so many tenths of dBm0.
fn noise(pcm: &mut [i16], tenths: i16, seed: u32) {
    let mut state = seed | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state) / 4_294_967_296.0 - 0.5
    };
    let deviation = f64::from(peak(tenths)) / 2f64.sqrt();
    for sample in pcm {
        let normal: f64 = (0..12).map(|_| uniform()).sum();
        *sample = (f64::from(*sample) + normal * deviation).round() as i16;
    }
}

fn listen(rate: u32, pcm: &[i16]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut detector = Detector::new(rate).unwrap();
    // As it comes in a call: a frame of 20 ms at a time.
    for frame in pcm.chunks(rate as usize / 50) {
        detector.feed(frame, &mut events);
    }
    detector.feed(&vec![0; rate as usize / 5], &mut events);
    events
}

fn keys(events: &[Event]) -> String {
    let press = |event: &Event| match event {
        Event::Press { digit, .. } => Some(digit.key()),
        Event::Release { .. } => None,
    };
    events.iter().filter_map(press).collect()
}

/// All sixteen digits as `signal` makes them, each after a pause that shifts it against the looks; what was heard.
fn row(rate: u32, change: &dyn Fn(Signal) -> Signal, line: &dyn Fn(&mut Vec<i16>)) -> String {
    let mut pcm = Vec::new();
    for (n, digit) in Digit::all().enumerate() {
        silence(rate, 60, &mut pcm);
        pcm.resize(pcm.len() + n * 7, 0);
        change(Signal { digit, ..Signal::new('0') }).add_to(rate, &mut pcm);
    }
    silence(rate, 60, &mut pcm);
    line(&mut pcm);
    keys(&listen(rate, &pcm))
}

const ALL: &str = "0123456789*#ABCD";

fn untouched(_: &mut Vec<i16>) {}

/// Asserts what becomes of all digits at both rates.
fn all_heard(what: &str, change: &dyn Fn(Signal) -> Signal, line: &dyn Fn(&mut Vec<i16>)) {
    for rate in RATES {
        assert_eq!(row(rate, change, line), ALL, "{what} at {rate} Hz");
    }
}

fn none_heard(what: &str, change: &dyn Fn(Signal) -> Signal) {
    for rate in RATES {
        assert_eq!(row(rate, change, &untouched), "", "{what} at {rate} Hz");
    }
}

/// Q.24 annex A: 40 ms are a digit everywhere, 20 to 25 ms are none, by country.
#[test]
fn forty_milliseconds_are_a_digit_and_twenty_three_are_none() {
    for milliseconds in [40, 41, 43, 47, 50, 100] {
        all_heard("long enough", &|s| Signal { milliseconds, ..s }, &untouched);
    }
    for milliseconds in [5, 10, 15, 20, 23] {
        none_heard("too short", &|s| Signal { milliseconds, ..s });
    }
}

/// Q.24: a deviation of 1.5 % is accepted, in whichever tone, one of 3.5 % is not.
#[test]
fn frequencies_are_accepted_to_one_and_a_half_per_cent() {
    for (low, high) in [(1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (1, -1), (-1, -1)] {
        let off = |per_mille| move |s| Signal { low_off: low * per_mille, high_off: high * per_mille, ..s };
        for per_mille in [5, 10, 15, 18] {
            all_heard("near enough", &off(per_mille), &untouched);
        }
        for per_mille in [30, 35, 40] {
            none_heard("too far", &off(per_mille));
        }
    }
}

/// Q.24: the high tone may be 8 dB softer (10 in Australia, which a line with less than that delivers as 9) or 4 dB
/// louder.
#[test]
fn tones_may_differ_in_level_as_lines_make_them() {
    for twist in [-90, -80, -60, -40, 0, 40, 60, 70] {
        all_heard("within", &|s| Signal { high: s.low + twist, ..s }, &untouched);
    }
    for twist in [-150, -120, 100, 130] {
        none_heard("beyond", &|s| Signal { high: s.low + twist, ..s });
    }
}

#[test]
fn levels_from_full_scale_to_minus_36_dbm0() {
    let mu = |pcm: &mut Vec<i16>| pcm.iter_mut().for_each(|x| *x = g711::mu_decode(g711::mu_encode(*x)));
    let a = |pcm: &mut Vec<i16>| pcm.iter_mut().for_each(|x| *x = g711::a_decode(g711::a_encode(*x)));
    for level in [0, -30, -100, -250, -300, -360] {
        for (what, line) in [("linear", &untouched as &dyn Fn(&mut Vec<i16>)), ("mu-law", &mu), ("A-law", &a)]
        {
            all_heard(what, &|s| Signal { low: level, high: level, milliseconds: 40, ..s }, line);
        }
    }
    none_heard("too soft", &|s| Signal { low: -450, high: -450, ..s });
}

#[test]
fn noise_15_db_below_the_digit_does_not_matter() {
    for (seed, below) in (1..8).flat_map(|seed| [(seed, 150), (seed, 200)]) {
        // Two tones of -10 dBm0 are -7 dBm0.
        let line = |pcm: &mut Vec<i16>| noise(pcm, -70 - below, seed * 7919);
        all_heard("in noise", &|s| Signal { milliseconds: 45, ..s }, &line);
    }
}

/// The same key twice, with a gap: one press when a packet of 20 ms is missing, two after a pause of 40 ms.
#[test]
fn a_lost_packet_does_not_end_a_digit_and_a_pause_does() {
    for (gap, presses) in [(5, 1), (10, 1), (20, 1), (40, 2), (50, 2)] {
        for (rate, shift) in RATES.into_iter().flat_map(|rate| (0..20).map(move |n| (rate, n * 9))) {
            let mut pcm = vec![0; 500 + shift];
            let one = Signal { milliseconds: 50, ..Signal::new('7') };
            one.add_to(rate, &mut pcm);
            silence(rate, gap, &mut pcm);
            one.add_to(rate, &mut pcm);
            let heard = keys(&listen(rate, &pcm));
            assert_eq!(heard, "7".repeat(presses), "gap of {gap} ms at {rate} Hz, shifted by {shift}");
        }
    }
}

/// Any one packet of a digit of 100 ms may be missing, wherever packets begin.
#[test]
fn a_digit_with_a_lost_packet_is_one_press() {
    for (offset, lost) in (0..160).step_by(11).flat_map(|offset| (0..8).map(move |lost| (offset, lost))) {
        let mut pcm = vec![0; 320 + offset];
        Signal { milliseconds: 100, ..Signal::new('#') }.add_to(8000, &mut pcm);
        silence(8000, 100, &mut pcm);
        pcm[lost * 160..lost * 160 + 160].fill(0);
        assert_eq!(keys(&listen(8000, &pcm)), "#", "{offset} {lost}");
    }
}

/// The same when the gap is filled in from what was before.
#[test]
fn a_digit_with_a_concealed_packet_is_one_press() {
    for (digit, lost) in Digit::all().flat_map(|digit| (0..10).map(move |lost| (digit, lost))) {
        let mut pcm = vec![0; 500];
        Signal { digit, milliseconds: 100, ..Signal::new('0') }.add_to(8000, &mut pcm);
        silence(8000, 100, &mut pcm);
        let (mut concealment, mut heard) = (Concealment::new(8000), Vec::new());
        for (n, frame) in pcm.chunks(160).enumerate() {
            if n == lost {
                concealment.conceal(frame.len(), &mut heard);
            } else {
                let from = heard.len();
                heard.extend_from_slice(frame);
                concealment.received(&mut heard[from..]);
            }
        }
        assert_eq!(keys(&listen(8000, &heard)), digit.to_string(), "packet {lost}");
    }
}

#[test]
fn begin_and_duration_are_those_of_the_tones() {
    for (rate, offset) in RATES.into_iter().flat_map(|rate| (0..30).map(move |n| (rate, n * 13))) {
        for milliseconds in [45, 80, 200, 1000] {
            let mut pcm = vec![0; 1000 + offset];
            Signal { milliseconds, ..Signal::new('D') }.add_to(rate, &mut pcm);
            let events = listen(rate, &pcm);
            let [Event::Press { at, .. }, Event::Release { digit, duration }] = events[..] else {
                panic!("{events:?}");
            };
            assert_eq!(digit.key(), 'D');
            let (near, per) = (u64::from(rate) / 1000, u64::from(rate) * u64::from(milliseconds) / 1000);
            assert!(at.abs_diff(1000 + offset as u64) <= 4 * near, "{at} {offset}");
            assert!(duration.abs_diff(per) <= 6 * near, "{duration} {per}");
        }
    }
}

#[test]
fn a_new_digit_without_a_pause_ends_the_old_one() {
    let mut pcm = Vec::new();
    for key in ['1', '9', '*'] {
        Signal { milliseconds: 60, ..Signal::new(key) }.add_to(8000, &mut pcm);
    }
    let events = listen(8000, &pcm);
    assert_eq!(keys(&events), "19*");
    assert!(events.iter().enumerate().all(|(n, event)| matches!(event, Event::Press { .. }) == (n % 2 == 0)));
}

/// Sounds that are near to digits: one tone of a pair, pairs of one group, tones of exchanges and of fax machines, and
/// digits with the harmonics that a voice would have.
#[test]
fn other_tones_are_no_digits() {
    let near: [&[u32]; 14] = [
        &[770],
        &[1336],
        &[697, 852],
        &[1209, 1477],
        &[350, 440],
        &[480, 620],
        &[425],
        &[950],
        &[1400],
        &[1100],
        &[2100],
        &[697, 1209, 1394],
        &[770, 1336, 2310],
        &[852, 1477, 1704, 2954],
    ];
    for (hertz, rate) in near.into_iter().flat_map(|hertz| RATES.map(|rate| (hertz, rate))) {
        let mut sines: Vec<Sine> = hertz.iter().map(|&hz| Sine::new(hz * 1000, rate, 6000)).collect();
        let pcm: Vec<i16> = (0..rate).map(|_| sines.iter_mut().map(Sine::sample).sum()).collect();
        assert_eq!(keys(&listen(rate, &pcm)), "", "{hertz:?} at {rate} Hz");
    }
}

/// A voice made of pulses through three resonances that glide: five minutes of every pitch and vowel.
#[test]
fn a_synthetic_voice_presses_no_key() {
    let mut seed = 1_u32;
    let mut draw = |from: f64, to: f64| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        from + (to - from) * f64::from(seed >> 8) / f64::from(1 << 24)
    };
    let mut detector = Detector::new(8000).unwrap();
    let (mut events, mut phase, mut states, mut pcm) = (Vec::new(), 0.0, [[0.0; 2]; 3], Vec::new());
    let (mut pitch, mut formants) = (120.0, [500.0, 1500.0, 2500.0]);
    for _ in 0..5 * 60 * 5 {
        // A syllable of 200 ms.
        let target = draw(80.0, 400.0);
        let goals = [draw(250.0, 950.0), draw(800.0, 2300.0), draw(2000.0, 3200.0)];
        let loudness = draw(500.0, 6000.0);
        pcm.clear();
        for _ in 0..1600 {
            pitch += (target - pitch) / 2000.0;
            phase += pitch / 8000.0;
            let mut x = if phase >= 1.0 { loudness } else { 0.0 };
            phase -= f64::floor(phase);
            for ((formant, goal), state) in formants.iter_mut().zip(goals).zip(&mut states) {
                *formant += (goal - *formant) / 500.0;
                let (radius, angle) = (0.96_f64, std::f64::consts::TAU * *formant / 8000.0);
                let y = x + 2.0 * radius * angle.cos() * state[0] - radius * radius * state[1];
                *state = [y, state[0]];
                x = y * 0.6;
            }
            pcm.push(x as i16);
        }
        detector.feed(&pcm, &mut events);
    }
    assert_eq!(keys(&events), "");
}

proptest! {
    /// How the stream is cut does not matter.
    #[test]
    fn pieces_do_not_matter(cuts in prop::collection::vec(1..700_usize, 1..60), wide: bool) {
        let rate = RATES[usize::from(wide)];
        let mut pcm = Vec::new();
        for key in ['4', '2'] {
            silence(rate, 45, &mut pcm);
            Signal::new(key).add_to(rate, &mut pcm);
        }
        silence(rate, 100, &mut pcm);
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        Detector::new(rate).unwrap().feed(&pcm, &mut whole);
        let mut detector = Detector::new(rate).unwrap();
        let mut rest = &pcm[..];
        for cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            detector.feed(now, &mut pieces);
            rest = later;
        }
        detector.feed(rest, &mut pieces);
        prop_assert_eq!(keys(&whole), "42");
        prop_assert_eq!(whole, pieces);
    }

    /// Whatever comes, presses and releases alternate.
    #[test]
    fn any_samples_will_do(pcm in prop::collection::vec(prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX)], 0..3000)) {
        let events = listen(8000, &pcm);
        for pair in events.windows(2) {
            let presses = [pair[0], pair[1]].map(|event| matches!(event, Event::Press { .. }));
            prop_assert!(presses[0] != presses[1]);
        }
    }
}

#[test]
fn other_rates_are_refused_and_a_reset_forgets() {
    assert!(Detector::new(48_000).is_none() && Detector::new(0).is_none());
    let (mut pcm, mut events) = (Vec::new(), Vec::new());
    Signal { milliseconds: 100, ..Signal::new('3') }.add_to(8000, &mut pcm);
    let mut detector = Detector::new(8000).unwrap();
    detector.feed(&pcm, &mut events);
    assert_eq!(detector.pressed().map(Digit::key), Some('3'));
    detector.reset();
    assert_eq!(detector.pressed(), None);
    detector.feed(&[0; 8000], &mut events);
    assert_eq!(events.len(), 1);
}

/// What listening costs; `cargo test -p telex-audio listening -- --ignored --nocapture`.
#[test]
#[ignore = "it measures, and prints"]
fn the_cost_of_listening() {
    for rate in RATES {
        let mut pcm = vec![0; rate as usize / 50];
        noise(&mut pcm, -150, 1);
        let (mut detector, mut events, mut best) = (Detector::new(rate).unwrap(), Vec::new(), u128::MAX);
        for _ in 0..20 {
            let start = std::time::Instant::now();
            (0..500).for_each(|_| detector.feed(std::hint::black_box(&pcm), &mut events));
            best = best.min(start.elapsed().as_nanos() / 500);
        }
        println!("{rate} Hz: {best} ns per frame of 20 ms");
    }
}
