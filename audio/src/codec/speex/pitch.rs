//! The adaptive codebook: what the excitation was a pitch ago, by three gains for three neighbouring delays.

use super::excitation::LEAST;
use super::tables::GAINS_7;
use crate::codec::g729::SUBFRAME;
use crate::codec::g729::pulses::{Samples, convolve};

/// The most delay.
const MOST: usize = LEAST + 127;

/// Delays that are tried with all gains.
const TRIED: usize = 4;
/// What the gains may come to together, 6 bits behind the point: more would let errors grow at the receiver.
const LOUDEST: i32 = 72;

/// A delay and its gains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pitch {
    pub(super) delay: usize,
    /// Row of the codebook.
    pub(super) row: usize,
    /// What it gives, 6 bits behind the point.
    pub(super) given: [i32; SUBFRAME],
    /// The same behind the weighting filter, as whole levels.
    pub(super) weighted: [i32; SUBFRAME],
}

/// The excitation at a delay; `excitation` ends where the subframe begins. What is not known yet is what was a delay
/// before that.
fn past(excitation: &[i16], delay: usize, later: i32) -> Samples {
    let end = excitation.len() as i32;
    let delay = delay as i32;
    std::array::from_fn(|n| {
        let mut at = n as i32 - delay + later;
        if at >= 0 {
            at -= delay;
        }
        if at < 0 {
            usize::try_from(end + at).ok().and_then(|at| excitation.get(at).copied()).unwrap_or(0)
        } else {
            0
        }
    })
}

/// What three gains come to as one.
fn loudness(gains: &[i32; 3]) -> i32 {
    let side = |gain: i32| if gain > 0 { gain } else { -gain / 2 };
    gains[1].abs() + side(gains[0]) + side(gains[2])
}

/// The delay and gains that leave least of the weighted target.
pub(super) fn search(
    excitation: &[i16],
    target: &[i32; SUBFRAME],
    backward: &[i64; SUBFRAME],
    response: &Samples,
) -> Pitch {
    let mut tried = [(0_i128, LEAST); TRIED];
    for delay in LEAST..=MOST {
        let samples = past(excitation, delay, 0);
        let each = samples.iter().zip(backward);
        let like: i64 = each.map(|(&sample, &like)| i64::from(sample) * (like >> 6)).sum();
        let energy: i64 = samples.iter().map(|&sample| i64::from(sample).pow(2)).sum();
        let score = if like > 0 { i128::from(like).pow(2) / i128::from(energy.max(1)) } else { 0 };
        if let Some(place) = tried.iter().position(|(other, _)| score > *other) {
            tried[place..].rotate_right(1);
            tried[place] = (score, delay);
        }
    }
    let mut best = Pitch { delay: LEAST, row: 0, given: [0; SUBFRAME], weighted: [0; SUBFRAME] };
    let mut least = 0;
    for (_, delay) in tried.into_iter().filter(|(score, _)| *score > 0) {
        let taps = [-1, 0, 1].map(|later| past(excitation, delay, later));
        let heard = taps.map(|tap| convolve(&tap, response));
        let product = |a: &[i32; SUBFRAME], b: &[i32; SUBFRAME]| -> i64 {
            a.iter().zip(b).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum()
        };
        let like = std::array::from_fn::<_, 3, _>(|i| product(&heard[i], target));
        let both: [[i64; 3]; 3] =
            std::array::from_fn(|i| std::array::from_fn(|j| product(&heard[i], &heard[j])));
        for (row, codes) in GAINS_7.iter().enumerate() {
            let gains = codes.map(|gain| i32::from(gain) + 32);
            if loudness(&gains) > LOUDEST {
                continue;
            }
            let mut left = 0_i128;
            for (i, &gain) in gains.iter().enumerate() {
                left -= i128::from(like[i]) * i128::from(gain) * 128;
                for (j, &other) in gains.iter().enumerate() {
                    left += i128::from(both[i][j]) * i128::from(gain * other);
                }
            }
            if left < least {
                least = left;
                let sum =
                    |of: [i32; 3]| of.iter().zip(gains).map(|(&sample, gain)| sample * gain).sum::<i32>();
                best = Pitch {
                    delay,
                    row,
                    given: std::array::from_fn(|n| sum([0, 1, 2].map(|tap| i32::from(taps[tap][n])))),
                    weighted: std::array::from_fn(|n| {
                        let each = heard.iter().zip(gains);
                        (each.map(|(tap, gain)| i64::from(tap[n]) * i64::from(gain)).sum::<i64>() >> 6) as i32
                    }),
                };
            }
        }
    }
    best
}
