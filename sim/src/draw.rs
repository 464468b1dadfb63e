//! From a seed and a few settings to a plan.

use telex_engine::border::Transport;
use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use crate::luck::Draw;
use crate::plan::{
    BrokenTimer, CallPlan, Cut, ExchangePlan, Faults, Hold, Partition, PhonePlan, Plan, Reaction,
};

/// What a person chooses; the seed decides the rest. Probabilities are in parts of a million.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many calls are made.
    pub calls: usize,
    /// How many phones there are; 0 lets the seed decide.
    pub phones: usize,
    /// Packets lost one by one.
    pub loss: u32,
    /// Packets that arrive twice.
    pub duplicate: u32,
    /// Packets that later ones overtake.
    pub reorder: u32,
    /// Latency of every link; `None` lets the seed decide.
    pub latency: Option<Duration>,
    /// Whether the seed may add bursts of loss, partitions, broken streams and streams in pieces.
    pub storms: bool,
    /// A timer of the engine to break.
    pub broken: Option<BrokenTimer>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            calls: 20,
            phones: 0,
            loss: 0,
            duplicate: 0,
            reorder: 0,
            latency: None,
            storms: true,
            broken: None,
        }
    }
}

/// Phones register before this; calls begin after it.
const OPENING: Duration = Duration::from_secs(8);
/// Faults last this long after the last call was dialled.
const TAIL: Duration = Duration::from_secs(20);
/// Everything is at rest this long after the last fault: two lives of a transaction, the longest ring and the
/// media timeout fit into it.
const CALM: Duration = Duration::from_secs(120);
/// Every table is empty this long after all hung up: a BYE may live 32 s and its transaction another 32 s.
const EMPTY: Duration = Duration::from_secs(120);

/// Draws the plan of `seed`.
pub fn draw(seed: u64, settings: &Settings) -> Plan {
    let mut d = Draw::new(seed, "plan", 0);
    let count = if settings.phones > 0 { settings.phones } else { phones_for(settings.calls, &mut d) };
    let phones: Vec<PhonePlan> = (0..count).map(|i| phone(seed, i, settings)).collect();
    // About one new call a second keeps a few of them alive at any time.
    let busy = Duration::from_millis(settings.calls as u64 * d.between(400, 1600));
    let mut calls: Vec<CallPlan> = (0..settings.calls).map(|i| call(seed, i, busy, &phones)).collect();
    calls.sort_by_key(|c| c.at);
    let calm = Instant::ZERO + OPENING + busy + TAIL;
    let empty = calm + CALM;
    Plan {
        seed,
        faults: faults(seed, settings, &phones, calm),
        exchange: ExchangePlan {
            shards: if d.percent(30) { 2 } else { 1 },
            ring: Duration::from_secs(d.between(5, 20)),
            media_timeout: Duration::from_secs(d.between(15, 30)),
            session: Duration::from_secs(if d.percent(30) { 90 } else { 1800 }),
            broken: settings.broken,
        },
        phones,
        calls,
        calm,
        empty,
        end: empty + EMPTY,
    }
}

/// Few phones for few calls; for many calls so many that a phone is not in dozens of them at once.
fn phones_for(calls: usize, d: &mut Draw) -> usize {
    usize::try_from(d.between(3, 8)).unwrap_or(3) + calls / 50
}

fn phone(seed: u64, index: usize, settings: &Settings) -> PhonePlan {
    let mut d = Draw::new(seed, "phone", index as u64);
    // Some extensions have two phones: the second shares the first's number.
    let twin = index > 1 && d.percent(20);
    let number = 100 + if twin { index - 1 } else { index };
    let drawn = Duration::from_millis(d.between(1, 80));
    let latency = settings.latency.unwrap_or(drawn);
    PhonePlan {
        extension: number.to_string(),
        password: format!("secret-{number}"),
        transport: if d.percent(25) { Transport::Tcp } else { Transport::Udp },
        codecs: d.pick::<&[u8]>(&[&[0, 8], &[8, 0], &[0], &[0, 8], &[8, 0], &[9, 8, 0]]).to_vec(),
        latency,
        jitter: Duration::from_micros(d.between(0, 20_000)).min(latency),
        registers: Instant::from_millis(d.between(0, 3000)),
        expires: u32::try_from(d.pick(&[60, 90, 120, 600, 3600])).unwrap_or(3600),
        session_timers: d.percent(40),
    }
}

fn call(seed: u64, index: usize, busy: Duration, phones: &[PhonePlan]) -> CallPlan {
    let mut d = Draw::new(seed, "call", index as u64);
    let at = Instant::ZERO + OPENING + Duration::from_micros(d.between(0, micros(busy)));
    let caller = usize::try_from(d.between(0, phones.len() as u64 - 1)).unwrap_or(0);
    let ring = |d: &mut Draw| Duration::from_millis(d.between(50, 4000));
    let reactions = (0..2)
        .map(|_| match d.between(0, 99) {
            0..70 => Reaction::Answer(ring(&mut d)),
            70..80 => Reaction::Refuse(ring(&mut d), 486),
            80..85 => Reaction::Refuse(ring(&mut d), 603),
            85..90 => Reaction::Refuse(ring(&mut d), 480),
            _ => Reaction::Ignore,
        })
        .collect();
    let dial = dialled(&mut d, &phones[caller].extension, phones);
    // Few calls last until everybody hangs up, and none to the tone, which never pauses.
    let talk = match d.between(0, 99) {
        _ if dial == "*60" => Duration::from_secs(d.between(1, 9)),
        0..90 => Duration::from_millis(d.between(100, 9000)),
        _ => Duration::from_secs(100_000),
    };
    let hold = d.percent(20).then(|| Hold {
        by: if d.percent(50) { Side::Caller } else { Side::Callee },
        after: Duration::from_millis(d.between(500, 3000)),
        lasts: Duration::from_millis(d.between(500, 5000)),
    });
    CallPlan {
        at,
        caller,
        dial,
        cancel: d.percent(12).then(|| Duration::from_millis(d.between(0, 4000))),
        reactions,
        by: if d.percent(50) { Side::Caller } else { Side::Callee },
        talk,
        hold,
        late_offer: d.percent(5),
    }
}

/// Mostly another extension; sometimes a service, a number that nobody has, or oneself.
fn dialled(d: &mut Draw, own: &str, phones: &[PhonePlan]) -> String {
    match d.between(0, 99) {
        0..4 => "*43".to_owned(),
        4..8 => "*60".to_owned(),
        8..10 => "9999".to_owned(),
        _ => {
            let others: Vec<&str> =
                phones.iter().map(|p| p.extension.as_str()).filter(|extension| *extension != own).collect();
            if others.is_empty() { "*43".to_owned() } else { d.pick(&others).to_owned() }
        }
    }
}

fn faults(seed: u64, settings: &Settings, phones: &[PhonePlan], calm: Instant) -> Faults {
    let mut faults = Faults {
        loss: settings.loss,
        duplicate: settings.duplicate,
        reorder: settings.reorder,
        ..Faults::default()
    };
    let mut d = Draw::new(seed, "faults", 0);
    let rough = settings.storms && settings.loss > 0;
    if rough && d.percent(30) {
        faults.burst = settings.loss / 5;
    }
    if settings.storms && d.percent(70) {
        faults.split = 300_000;
    }
    for (phone, planned) in phones.iter().enumerate() {
        let mut d = Draw::new(seed, "fault", phone as u64);
        let at =
            Instant::ZERO + OPENING + Duration::from_micros(d.between(0, micros(calm.since(Instant::ZERO))));
        let longest = if d.percent(25) { 20_000 } else { 5000 };
        let lasts = Duration::from_millis(d.between(100, longest));
        if rough && d.percent(15) && at + lasts < calm {
            faults.partitions.push(Partition { phone, from: at, until: at + lasts });
        }
        if rough && planned.transport == Transport::Tcp && d.percent(30) && at < calm {
            faults.cuts.push(Cut { phone, at });
        }
    }
    faults
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_a_function_of_its_seed() {
        let settings = Settings { loss: 50_000, ..Settings::default() };
        assert_eq!(draw(7, &settings), draw(7, &settings));
        assert_ne!(draw(7, &settings), draw(8, &settings));
    }

    #[test]
    fn nothing_is_planned_after_the_storm() {
        for seed in 0..200 {
            let plan = draw(seed, &Settings { loss: 50_000, ..Settings::default() });
            assert!(plan.calls.iter().all(|c| c.at + TAIL <= plan.calm), "{plan}");
            assert!(plan.faults.partitions.iter().all(|p| p.until <= plan.calm), "{plan}");
            assert!(plan.calls.iter().all(|c| plan.phones[c.caller].extension != c.dial));
        }
    }
}
