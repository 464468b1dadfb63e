//! Who calls whom, and what becomes of it.

use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use super::swarm::Swarm;
use super::{OPENING, micros};
use crate::luck::Draw;
use crate::plan::{CallPlan, Hold, PhonePlan, Reaction};

pub(super) fn call(
    seed: u64,
    index: usize,
    busy: Duration,
    phones: &[PhonePlan],
    swarm: Swarm<'_>,
) -> CallPlan {
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
        .map(|drawn| match drawn {
            Reaction::Refuse(after, _) if !swarm.on("refuse") => Reaction::Answer(after),
            Reaction::Ignore if !swarm.on("refuse") => Reaction::Answer(Duration::from_secs(2)),
            drawn => drawn,
        })
        .collect();
    let dial = dialled(&mut d, &phones[caller].extension, phones, swarm);
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
    let cancel = d.percent(12).then(|| Duration::from_millis(d.between(0, 4000)));
    CallPlan {
        at,
        caller,
        dial,
        cancel: cancel.filter(|_| swarm.on("cancel")),
        reactions,
        by: if d.percent(50) { Side::Caller } else { Side::Callee },
        talk,
        hold: hold.filter(|_| swarm.on("hold")),
        digits: Vec::new(),
        late_offer: d.percent(5) && swarm.on("late-offer"),
        transfers: Vec::new(),
        takes: None,
    }
}

/// Mostly another extension; sometimes a service, a number that nobody has, or oneself.
fn dialled(d: &mut Draw, own: &str, phones: &[PhonePlan], swarm: Swarm<'_>) -> String {
    match d.between(0, 99) {
        0..4 if swarm.on("service") => "*43".to_owned(),
        4..8 if swarm.on("service") => "*60".to_owned(),
        8..10 if swarm.on("service") => "9999".to_owned(),
        _ => {
            let others: Vec<&str> =
                phones.iter().map(|p| p.extension.as_str()).filter(|extension| *extension != own).collect();
            if others.is_empty() { "*43".to_owned() } else { d.pick(&others).to_owned() }
        }
    }
}
