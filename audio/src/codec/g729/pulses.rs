//! The fixed codebook: four pulses of one size, each on a track of its own (clause 3.8).

use super::SUBFRAME;
use super::spectrum::Filter;

/// 40 samples.
pub(in crate::codec) type Samples = [i16; SUBFRAME];

/// The size of a pulse: one, 13 bits behind the point.
const ONE: i16 = 8192;

/// The pulses of their codes.
pub(super) fn place(places: u16, signs: u8) -> Samples {
    let mut samples = [0; SUBFRAME];
    let [first, second, third] = [0, 3, 6].map(|shift| usize::from(places >> shift & 7) * 5);
    let fourth = usize::from(places >> 10 & 7) * 5 + 3 + usize::from(places >> 9 & 1);
    for (pulse, at) in [first, second + 1, third + 2, fourth].into_iter().enumerate() {
        samples[at] = if signs >> pulse & 1 == 1 { ONE - 1 } else { -ONE };
    }
    samples
}

/// Repeats the pulses at the pitch, if that is shorter than the subframe, by so much (14 bits behind the point;
/// clause 3.8, equation 48).
pub(super) fn sharpen(samples: &mut Samples, delay: usize, share: i16) {
    for n in delay..SUBFRAME {
        let echo = (i32::from(samples[n - delay]) * i32::from(share)) >> 14;
        samples[n] = (i32::from(samples[n]) + echo).clamp(-32_768, 32_767) as i16;
    }
}

/// A signal through a filter that is given by its answer to one pulse, 12 bits behind the point. (Wide, because both
/// may be loud.)
pub(in crate::codec) fn convolve(signal: &Samples, response: &Samples) -> [i32; SUBFRAME] {
    std::array::from_fn(|n| {
        let sum: i64 = (0..=n).map(|i| i64::from(signal[i]) * i64::from(response[n - i])).sum();
        (sum >> 12).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    })
}

/// How like the target is to each sample's answer.
pub(in crate::codec) fn backward(target: &[i32; SUBFRAME], response: &Samples) -> [i64; SUBFRAME] {
    std::array::from_fn(|n| (n..SUBFRAME).map(|k| i64::from(target[k]) * i64::from(response[k - n])).sum())
}

/// The places and signs whose filtered pulses are most like the target. The signs are set beforehand to those of the
/// likeness at each place; of the 8192 choices of places those are tried whose first three are promising.
pub(super) fn search(likeness: &[i64; SUBFRAME], response: &Samples) -> (u16, u8) {
    let loudest = likeness.iter().map(|value| value.unsigned_abs()).max().unwrap_or(0);
    let down = (64 - loudest.leading_zeros()).saturating_sub(13);
    let like = likeness.map(|value| (value.unsigned_abs() >> down) as i32);
    let loud = energies(likeness, response);
    let promising = promising(&like);
    let mut best = (0_i64, 1_i64, [0, 1, 2, 3]);
    for first in (0..SUBFRAME).step_by(5) {
        for second in (1..SUBFRAME).step_by(5) {
            // What each further pulse adds: its own energy, and twice what it has in common with these two.
            let added: Samples32 =
                std::array::from_fn(|at| loud[at][at] + 2 * (loud[first][at] + loud[second][at]));
            let like_two = like[first] + like[second];
            let loud_two = loud[first][first] + loud[second][second] + 2 * loud[first][second];
            for third in (2..SUBFRAME).step_by(5) {
                let like_three = like_two + like[third];
                if like_three < promising {
                    continue;
                }
                let loud_three = loud_two + added[third];
                for fourth in (3..SUBFRAME).step_by(5).flat_map(|at| [at, at + 1]) {
                    let like_four = i64::from(like_three + like[fourth]);
                    let loud_four = i64::from(loud_three + added[fourth] + 2 * loud[third][fourth]).max(1);
                    // The share of the target that is met: likeness squared by energy.
                    if like_four * like_four * best.1 > best.0 * loud_four {
                        best = (like_four * like_four, loud_four, [first, second, third, fourth]);
                    }
                }
            }
        }
    }
    let [first, second, third, fourth] = best.2.map(|at| at as u16);
    let [first, second, third] = [first, second, third].map(|at| at / 5);
    let places = first + (second << 3) + (third << 6) + ((fourth % 5 - 3) << 9) + ((fourth / 5) << 10);
    let signs = best.2.iter().enumerate().map(|(pulse, &at)| u8::from(likeness[at] >= 0) << pulse).sum();
    (places, signs)
}

/// How like three pulses must be to be worth a fourth: 0.4 of the way from the mean to the most (clause 3.8.1).
fn promising(like: &Samples32) -> i32 {
    let tracks = [0, 1, 2].map(|track| like[track..].iter().step_by(5));
    let most: i32 = tracks.clone().map(|track| track.copied().max().unwrap_or(0)).iter().sum();
    let mean: i32 = tracks.map(|track| track.sum::<i32>() / 8).iter().sum();
    mean + (most - mean) * 2 / 5
}

type Samples32 = [i32; SUBFRAME];

/// The energy that two pulses have in common behind the filter, with their signs, in at most 17 bits.
fn energies(likeness: &[i64; SUBFRAME], response: &Samples) -> [Samples32; SUBFRAME] {
    let total: i64 = response.iter().map(|&h| i64::from(h).pow(2)).sum::<i64>();
    let down = (64 - total.leading_zeros()).saturating_sub(16);
    let mut energies = [[0; SUBFRAME]; SUBFRAME];
    for apart in 0..SUBFRAME {
        let mut sum = 0_i64;
        for late in (apart..SUBFRAME).rev() {
            let early = late - apart;
            sum += i64::from(response[SUBFRAME - 1 - early]) * i64::from(response[SUBFRAME - 1 - late]);
            let signed = if (likeness[early] < 0) == (likeness[late] < 0) { sum } else { -sum };
            // Cannot be cut off: no product of two is larger than the total.
            energies[early][late] = (signed >> down) as i32;
            energies[late][early] = energies[early][late];
        }
    }
    energies
}

/// The answer of one over a filter to one pulse, 12 bits behind the point.
pub(in crate::codec) fn response(filter: &Filter) -> Samples {
    let mut samples = [0_i16; SUBFRAME];
    for n in 0..SUBFRAME {
        let past: i32 = (1..=10.min(n)).map(|i| i32::from(filter[i]) * i32::from(samples[n - i])).sum();
        let new = if n == 0 { 4096 } else { 0 };
        samples[n] = (new - ((past + (1 << 11)) >> 12)).clamp(-32_768, 32_767) as i16;
    }
    samples
}
