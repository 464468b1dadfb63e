//! The choice from the fixed codebook: eight pieces of five samples, of 64 shapes each, and a gain for the subframe.

use super::excitation::{SHARES_3, gain};
use super::tables::SHAPES_5_64;
use crate::codec::g729::SUBFRAME;
use crate::codec::g729::pulses::Samples;

/// Samples of a piece.
const PIECE: usize = 5;
/// Pieces of a subframe.
pub(super) const PIECES: usize = SUBFRAME / PIECE;
/// Bits of the number of a shape.
pub(super) const BITS: u32 = 6;

/// Codes of the frame's gain.
const GAINS: usize = 32;

/// What is sent of a subframe, and what it gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Innovation {
    /// Row of [`SHARES_3`].
    pub(super) share: usize,
    pub(super) shapes: [usize; PIECES],
    /// Samples, 8 bits behind the point.
    pub(super) given: [i32; SUBFRAME],
    /// What is left of the weighted target.
    pub(super) left: [i32; SUBFRAME],
}

/// The code of the gain nearest to a level, by ratio.
pub(super) fn nearest(level: i64) -> usize {
    let ratio = |code: &usize| {
        let (gain, level) = (gain(*code), (level << 8).max(1));
        (gain.max(level) << 16) / gain.min(level).max(1)
    };
    (0..GAINS).min_by_key(ratio).unwrap_or(0)
}

/// The shapes and the gain that leave least of the target, piece by piece: each is taken with what it does to those
/// behind it.
pub(super) fn search(target: &[i32; SUBFRAME], response: &Samples, whole: i64) -> Innovation {
    // Each shape behind the filter, 12 bits behind the point, within its own piece.
    let heard: [[i64; PIECE]; 64] = std::array::from_fn(|row| {
        std::array::from_fn(|n| {
            (0..=n).map(|at| i64::from(SHAPES_5_64[row][at]) * i64::from(response[n - at])).sum()
        })
    });
    let tries = (0..SHARES_3.len()).map(|share| {
        let level = (whole * SHARES_3[share]) >> 15;
        let mut tried = Innovation { share, shapes: [0; PIECES], given: [0; SUBFRAME], left: *target };
        for piece in 0..PIECES {
            let start = piece * PIECE;
            let wanted = &tried.left[start..start + PIECE];
            let left = |heard: &[i64; PIECE]| -> i64 {
                let each = heard.iter().zip(wanted);
                each.map(|(&heard, &wanted)| (i64::from(wanted) - ((level * heard) >> 25)).pow(2)).sum()
            };
            let best = heard.iter().enumerate().min_by_key(|(_, heard)| left(heard)).map_or(0, |(at, _)| at);
            tried.shapes[piece] = best;
            for (at, &part) in SHAPES_5_64[best].iter().enumerate() {
                let sample = level * i64::from(part);
                tried.given[start + at] = (sample >> 5) as i32;
                for n in start + at..SUBFRAME {
                    tried.left[n] -= ((sample * i64::from(response[n - start - at])) >> 25) as i32;
                }
            }
        }
        tried
    });
    let error = |tried: &Innovation| tried.left.iter().map(|&left| i64::from(left).pow(2)).sum::<i64>();
    tries.min_by_key(error).unwrap_or(Innovation {
        share: 0,
        shapes: [0; PIECES],
        given: [0; SUBFRAME],
        left: *target,
    })
}
