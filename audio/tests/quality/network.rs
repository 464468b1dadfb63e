//! What networks do to packets, decided by a seed.

use super::speech::Chance;

/// Milliseconds in nanoseconds.
pub(crate) const MS: i64 = 1_000_000;

/// A network and a sender.
#[derive(Clone, Copy)]
pub(crate) struct Trace {
    pub(crate) name: &'static str,
    pub(crate) seconds: usize,
    /// Delays above the shortest: this much at most, evenly.
    pub(crate) jitter: i64,
    /// Packets do not overtake each other.
    pub(crate) ordered: bool,
    /// Lost, in 1/1000, and how many in a row.
    pub(crate) loss: u64,
    pub(crate) burst: u64,
    /// The sender's clock is so many millionths too fast.
    pub(crate) drift: i64,
    /// Milliseconds between hold-ups, and how long the longest is; what was held up comes at once.
    pub(crate) holdups: Option<(u64, u64)>,
    /// The sender says nothing while there is nothing to say.
    pub(crate) dtx: bool,
    /// Milliseconds per packet.
    pub(crate) packet: i64,
    /// What a real network did: for each packet how much later than it was sent it came, in tenths of a millisecond, or
    /// `-` when it did not.
    pub(crate) recorded: Option<&'static str>,
}

pub(crate) const CLEAN: Trace = Trace {
    name: "clean",
    seconds: 60,
    jitter: MS / 2,
    ordered: true,
    loss: 0,
    burst: 1,
    drift: 0,
    holdups: None,
    dtx: false,
    packet: 20,
    recorded: None,
};

impl Trace {
    /// When each packet is sent, in nanoseconds of the listener's time.
    pub(crate) fn sent(&self, index: usize) -> i64 {
        let nominal = index as i64 * self.packet * MS;
        nominal - nominal / 1000 * self.drift / 1000
    }

    /// When each of so many packets arrives; `None` when it is lost.
    pub(crate) fn arrivals(&self, packets: usize) -> Vec<Option<i64>> {
        if let Some(text) = self.recorded {
            let delays = text.split_whitespace().cycle().take(packets).enumerate();
            return delays
                .map(|(n, late)| Some(self.sent(n) + late.parse::<i64>().ok()? * MS / 10))
                .collect();
        }
        let mut chance =
            Chance::new(self.name.len() as u64 * 1000 + self.name.bytes().map(u64::from).sum::<u64>());
        let (mut last, mut lost, mut held) = (0, 0, 0);
        let mut next_hold = self.holdups.map_or(i64::MAX, |(every, _)| (every as i64) * MS);
        (0..packets)
            .map(|index| {
                let sent = self.sent(index);
                if sent >= next_hold {
                    let (every, most) = self.holdups.unwrap_or_default();
                    held = sent + (most / 4 + chance.draw(most * 3 / 4 + 1)) as i64 * MS;
                    next_hold = sent + (every / 2 + chance.draw(every)) as i64 * MS;
                }
                let mut arrival = sent + 40 * MS + chance.draw(self.jitter as u64 + 1) as i64;
                arrival = arrival.max(held + 40 * MS);
                if self.ordered {
                    arrival = arrival.max(last + MS / 10);
                    last = arrival;
                }
                if lost == 0 && chance.draw(1000 * self.burst) < self.loss {
                    lost = self.burst;
                }
                let gone = lost > 0;
                lost = lost.saturating_sub(1);
                (!gone).then_some(arrival)
            })
            .collect()
    }
}
