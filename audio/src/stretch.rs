//! Time scaling of speech: a piece of about one pitch period is taken out or put in where the signal is most like
//! itself, and the ends are faded into each other, so that neither pitch nor loudness changes (waveform similarity
//! overlap-add).
//!
//! All lengths are in samples. Everything works on a line of samples and a place in it; what is before the place was
//! heard already and is only looked at.

/// Likeness of two pieces that are the same but for loudness.
pub const ALIKE: i32 = 1 << 14;

/// Where two pieces of sound can be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// Samples between the two pieces.
    pub lag: usize,
    /// Correlation of the two, from -[`ALIKE`] to [`ALIKE`].
    pub likeness: i32,
    /// Mean square of the louder of the two.
    pub power: u32,
}

/// Finds how many samples, `least` to `most`, are best taken out at `place`; the ends fade over `fade` samples. `None`
/// when the line is too short to take out `least`.
pub fn find_shorter(line: &[i16], place: usize, (least, most): (usize, usize), fade: usize) -> Option<Join> {
    let most = most.min(line.len().checked_sub(place + fade)?);
    let before = (fade / 2).min(place);
    let still = line.get(place - before..place + fade)?;
    search(still, least, most, |lag| line.get(place + lag - before..place + lag + fade))
}

/// Finds how many samples, `least` to `most`, are best said again at `place`; the ends fade over `fade` samples. `None`
/// when there are not `least` samples before the place or `fade` behind it.
pub fn find_longer(line: &[i16], place: usize, (least, most): (usize, usize), fade: usize) -> Option<Join> {
    let before = (fade / 2).min(place.checked_sub(least)?);
    let still = line.get(place - before..place + fade)?;
    search(still, least, most.min(place - before), |lag| line.get(place - lag - before..place - lag + fade))
}

/// Finds where in `old`, which goes on from what was heard, `new` is best joined on: [`Join::lag`] samples of `old` are
/// heard first, then the two fade over `fade` samples. `None` when either is shorter than that.
pub fn find_meeting(old: &[i16], new: &[i16], fade: usize) -> Option<Join> {
    let most = old.len().checked_sub(fade)?;
    search(new.get(..fade)?, 0, most, |lag| old.get(lag..lag + fade))
}

/// Takes `join.lag` samples out of the line at `place`. `join` is from [`find_shorter`] with the same `fade`.
pub fn shorten(line: &mut Vec<i16>, place: usize, join: Join, fade: usize) {
    if place + join.lag + fade > line.len() {
        return;
    }
    // From the end, since the pieces overlap when the fade is longer than the lag.
    for index in (0..fade).rev() {
        let (from, to) = (line[place + index], line[place + join.lag + index]);
        line[place + join.lag + index] = mixed((from, to), (index, fade), join.likeness);
    }
    line.drain(place..place + join.lag);
}

/// Puts `join.lag` samples into the line at `place`. `join` is from [`find_longer`] with the same `fade`.
pub fn lengthen(line: &mut Vec<i16>, place: usize, join: Join, fade: usize) {
    let end = line.len();
    if join.lag > place || place + fade > end {
        return;
    }
    let again = place - join.lag;
    line.resize(end + join.lag, 0);
    // What followed the earlier piece follows the fade, so that the samples between are heard twice.
    line.copy_within(again + fade..end, place + fade);
    // From the end, since the pieces overlap when the fade is longer than the lag.
    for index in (0..fade).rev() {
        let (from, to) = (line[place + index], line[again + index]);
        line[place + index] = mixed((from, to), (index, fade), join.likeness);
    }
}

/// Lets `new` follow the line: what is on the line from `place` is heard for `join.lag` samples more, fades into `new`
/// over `fade` samples, and the rest of it is gone. `join` is from [`find_meeting`] with the same `fade`.
pub fn meet(line: &mut Vec<i16>, place: usize, new: &[i16], join: Join, fade: usize) {
    let start = place + join.lag;
    if start + fade > line.len() || fade > new.len() {
        return;
    }
    line.truncate(start + fade);
    for (index, (old, new)) in line[start..].iter_mut().zip(new).enumerate() {
        *old = mixed((*old, *new), (index, fade), join.likeness);
    }
    line.extend_from_slice(&new[fade..]);
}

/// The lag of the piece that is most like `still`. At high rates a coarse search over every so-manieth sample comes
/// first: the pitch is found below 4 kHz, what is above only decides the last few samples.
fn search<'a>(
    still: &[i16],
    least: usize,
    most: usize,
    piece: impl Fn(usize) -> Option<&'a [i16]>,
) -> Option<Join> {
    /// Lags that are looked at in full, and samples of a piece that a coarse look takes.
    const FEW: usize = 128;
    if least > most {
        return None;
    }
    let stride = ((most - least) / FEW).max(still.len() / FEW).max(1);
    let best = (least..=most)
        .step_by(stride)
        .filter_map(|lag| Some((correlation(still, piece(lag)?, stride).0, std::cmp::Reverse(lag))))
        .max()?;
    let coarse = best.1.0;
    let (from, to) = (coarse.saturating_sub(stride - 1).max(least), (coarse + stride - 1).min(most));
    (from..=to)
        .filter_map(|lag| {
            let (likeness, power) = correlation(still, piece(lag)?, 1);
            Some(Join { lag, likeness, power })
        })
        .max_by_key(|join| (join.likeness, std::cmp::Reverse(join.lag)))
}

/// Normalised correlation of two pieces of one length, from -[`ALIKE`] to [`ALIKE`], over every `stride`th sample, and
/// the mean square of the louder one.
fn correlation(one: &[i16], other: &[i16], stride: usize) -> (i32, u32) {
    let (mut cross, mut own, mut others, mut count) = (0_i64, 0_i64, 0_i64, 0);
    for (&a, &b) in one.iter().zip(other).step_by(stride) {
        let (a, b) = (i64::from(a), i64::from(b));
        cross += a * b;
        own += a * a;
        others += b * b;
        count += 1;
    }
    let power = u32::try_from(own.max(others) / i64::max(count, 1)).unwrap_or(u32::MAX);
    let scale =
        i64::try_from((own.unsigned_abs()).isqrt() * (others.unsigned_abs()).isqrt()).unwrap_or(i64::MAX);
    if scale == 0 {
        // Silence is like silence, and like nothing else.
        return (if own == others { ALIKE } else { 0 }, power);
    }
    let likeness = i128::from(cross) * i128::from(ALIKE) / i128::from(scale);
    (i32::try_from(likeness).unwrap_or(0).clamp(-ALIKE, ALIKE), power)
}

/// A sample of the fade from one piece to another. Weights fall and rise along straight lines; pieces that are not
/// alike would lose loudness in the middle, by as much as their likeness says, which is made good.
fn mixed((from, to): (i16, i16), (index, fade): (usize, usize), likeness: i32) -> i16 {
    let up = ((2 * index + 1) * ALIKE as usize / (2 * fade)) as i64;
    let down = i64::from(ALIKE) - up;
    let likeness = i64::from(likeness.max(0));
    let power = up * up + down * down + 2 * up * down / i64::from(ALIKE) * likeness;
    let sum = i64::from(from) * down + i64::from(to) * up;
    (sum / power.isqrt().max(1)).clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A voice-like wave: harmonics of `rate / period` under a falling envelope, in integers.
    fn voiced(samples: usize, period: usize) -> Vec<i16> {
        (0..samples)
            .map(|index| {
                let phase = index as f64 / period as f64 * std::f64::consts::TAU;
                let wave: f64 =
                    (1..8).map(|n| (phase * f64::from(n) + f64::from(n * n)).sin() / f64::from(n)).sum();
                (wave * 6000.0) as i16
            })
            .collect()
    }

    /// Greatest second difference: a click is a corner.
    fn corner(line: &[i16]) -> i32 {
        let at = |index: usize| i32::from(line[index]);
        (2..line.len()).map(|i| (at(i) - 2 * at(i - 1) + at(i - 2)).abs()).max().unwrap_or(0)
    }

    #[test]
    fn a_period_is_found_taken_out_and_put_in_without_a_trace() {
        for (rate, period) in [(8000, 57), (16_000, 133), (48_000, 391)] {
            let line = voiced(rate / 10, period);
            let (lags, fade, place) = ((rate / 400, rate / 80), rate / 125, rate / 20);
            let join = find_shorter(&line, place, lags, fade).unwrap();
            assert_eq!(join.lag % period, 0, "{rate} {join:?}");
            let mut short = line.clone();
            shorten(&mut short, place, join, fade);
            assert_eq!(short.len(), line.len() - join.lag);
            let join = find_longer(&line, place, lags, fade).unwrap();
            assert_eq!(join.lag % period, 0, "{rate} {join:?}");
            let mut long = line.clone();
            lengthen(&mut long, place, join, fade);
            assert_eq!(long.len(), line.len() + join.lag);
            for changed in [&short, &long] {
                assert!(corner(changed) <= corner(&line) * 11 / 10, "{rate}");
                // What was heard already is untouched, and the end comes as it was.
                assert_eq!(changed[..place], line[..place]);
                assert_eq!(changed[changed.len() - rate / 40..], line[line.len() - rate / 40..]);
            }
        }
    }

    #[test]
    fn the_order_of_samples_is_kept() {
        let line: Vec<i16> = (0..100).map(|n| n * 100).collect();
        let join = Join { lag: 10, likeness: ALIKE, power: 0 };
        let (mut short, mut long) = (line.clone(), line.clone());
        shorten(&mut short, 50, join, 4);
        assert_eq!(short[..50], line[..50]);
        assert_eq!(short[54..], line[64..]);
        lengthen(&mut long, 50, join, 4);
        assert_eq!(long[..50], line[..50]);
        assert_eq!(long[54..], line[44..]);
        // A fade longer than the lag.
        let mut long = line.clone();
        lengthen(&mut long, 50, join, 16);
        assert_eq!(long[66..], line[56..]);
        assert!(long[50..66].iter().zip(&line[50..66]).all(|(new, old)| *new < *old && *new >= *old - 1000));
    }

    #[test]
    fn noise_keeps_its_loudness() {
        let mut state = 1_u32;
        let line: Vec<i16> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 18) as i16 - 8192
        })
        .take(20_000)
        .collect();
        let power = |line: &[i16]| line.iter().map(|&s| i64::from(s).pow(2)).sum::<i64>() / line.len() as i64;
        let mut faded = line[..10_000].to_vec();
        meet(&mut faded, 0, &line[10_000..], Join { lag: 0, likeness: 0, power: 0 }, 10_000);
        assert!((power(&faded) * 100 / power(&line) - 100).abs() < 5);
    }

    #[test]
    fn what_is_too_short_is_left_alone() {
        let line = [1; 50];
        assert_eq!(find_shorter(&line, 20, (20, 40), 16), None);
        assert_eq!(find_longer(&line, 10, (20, 40), 16), None);
        assert_eq!(find_meeting(&line[..10], &line, 16), None);
        assert_eq!(find_shorter(&line, 60, (0, 0), 16), None);
        let join = Join { lag: 60, likeness: ALIKE, power: 0 };
        let mut same = line.to_vec();
        shorten(&mut same, 0, join, 4);
        lengthen(&mut same, 30, join, 4);
        meet(&mut same, 0, &line, join, 4);
        assert_eq!(same, line);
    }
}
