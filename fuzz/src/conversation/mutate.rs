//! How the fuzzer varies conversations: whole steps are put in, taken out, doubled and moved, so that what comes after
//! keeps its meaning.

use super::STEP;

/// Varies the first `size` octets of `data`; gives how many there are then.
pub fn mutate(data: &mut [u8], size: usize, seed: u32) -> usize {
    let mut luck = Luck(seed);
    let steps = size.saturating_sub(1) / STEP;
    let room = (data.len().saturating_sub(1) / STEP).min(super::STEPS);
    let place = |n: usize| 1 + n * STEP;
    if steps == 0 || data.is_empty() {
        return size;
    }
    let at = luck.below(steps);
    match luck.below(8) {
        // A new step.
        0 | 1 if steps < room => {
            data.copy_within(place(at)..place(steps), place(at + 1));
            data[place(at)] = u8::try_from(luck.below(32)).unwrap_or(0);
            for octet in &mut data[place(at) + 1..place(at + 1)] {
                *octet = luck.octet();
            }
            place(steps + 1)
        }
        // The same step again, somewhere later.
        2 if steps < room => {
            let to = at + luck.below(steps - at + 1);
            let mut step = [0; STEP];
            step.copy_from_slice(&data[place(at)..place(at + 1)]);
            data.copy_within(place(to)..place(steps), place(to + 1));
            data[place(to)..place(to + 1)].copy_from_slice(&step);
            place(steps + 1)
        }
        3 if steps > 1 => {
            data.copy_within(place(at + 1)..place(steps), place(at));
            place(steps - 1)
        }
        4 => {
            let other = luck.below(steps);
            for n in 0..STEP {
                data.swap(place(at) + n, place(other) + n);
            }
            place(steps)
        }
        // The end is cut off.
        5 if steps > 4 => place(steps - luck.below(3)),
        _ => {
            data[place(at) + luck.below(STEP)] = luck.octet();
            place(steps)
        }
    }
}

/// SplitMix32.
struct Luck(u32);

impl Luck {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9);
        let mut z = self.0;
        z = (z ^ (z >> 16)).wrapping_mul(0x85eb_ca6b);
        z = (z ^ (z >> 13)).wrapping_mul(0xc2b2_ae35);
        z ^ (z >> 16)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next()).unwrap_or(0) % n.max(1)
    }

    /// Small numbers are the likelier ones: they speak of what was said lately.
    fn octet(&mut self) -> u8 {
        let [low, high, ..] = self.next().to_le_bytes();
        if high & 1 == 0 { low & 7 } else { low }
    }
}
