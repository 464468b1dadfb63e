//! Which phones are not like the others, who presses keys, and who attacks.

use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use super::swarm::Swarm;
use super::{OPENING, micros};
use crate::luck::Draw;
use crate::plan::characters::KEYS;
use crate::plan::{ATTACKS, Attack, Digit, Habit, Outage, Plan};

/// Which habits a feature brings, and to how many of a hundred phones each.
const BY_FEATURE: &[(&str, u32, &[Habit])] = &[
    ("slow", 25, &[Habit::Slow]),
    ("overlook", 30, &[Habit::Overlooks]),
    ("no-ack", 30, &[Habit::NeverAcks]),
    ("odd-answers", 30, &[Habit::AnswersLate, Habit::AnswersTwice, Habit::AnswersCancelled]),
    ("odd-byes", 25, &[Habit::ByeTwice, Habit::ByeEarly]),
    ("glare", 50, &[Habit::Glare]),
    ("oddities", 40, &[Habit::OutOfDialog, Habit::OddRegisters]),
    (
        "odd-syntax",
        25,
        &[
            Habit::Compact,
            Habit::Folds,
            Habit::OddCase,
            Habit::Extras,
            Habit::Verbose,
            Habit::Vias,
            Habit::Blanks,
        ],
    ),
    ("old-branches", 50, &[Habit::NoCookie]),
    ("reliable", 50, &[Habit::Reliable, Habit::WantsReliable]),
    ("routes", 40, &[Habit::Routed]),
    ("digits", 40, &[Habit::OwnNumbers]),
];

/// Habits that make messages longer.
const LENGTHENING: [Habit; 6] =
    [Habit::Verbose, Habit::Extras, Habit::Vias, Habit::Folds, Habit::Blanks, Habit::Routed];

/// The numbers that phones have for telephone events.
const EVENTS: [u8; 4] = [101, 101, 96, 110];

pub(super) fn add(plan: &mut Plan, swarm: Swarm<'_>) {
    for index in 0..plan.phones.len() {
        let luck = plan.luck_of(index);
        let habits = habits(plan.seed, luck, swarm);
        let outages = outages(plan, luck, swarm);
        let mut d = Draw::new(plan.seed, "events", luck);
        let events = (swarm.on("digits") && d.percent(85)).then(|| d.pick(&EVENTS));
        let phone = &mut plan.phones[index];
        (phone.habits, phone.outages, phone.events) = (habits, outages, events);
        // A long message does not pass a narrow link, and would be lost for ever.
        if phone.mtu.is_some() {
            phone.habits.retain(|habit| !LENGTHENING.contains(habit));
        }
    }
    for index in 0..plan.calls.len() {
        if swarm.on("digits") {
            plan.calls[index].digits = digits(plan.seed, index as u64);
        }
    }
    if swarm.on("attack") {
        plan.attacks = attacks(plan);
    }
}

fn habits(seed: u64, phone: u64, swarm: Swarm<'_>) -> Vec<Habit> {
    let mut d = Draw::new(seed, "habits", phone);
    let mut habits = Vec::new();
    for (feature, percent, of) in BY_FEATURE {
        for habit in *of {
            if d.percent(*percent) && swarm.on(feature) {
                habits.push(*habit);
            }
        }
    }
    habits
}

/// A phone loses power at most once, during the storm, and is back before everybody hangs up.
fn outages(plan: &Plan, phone: u64, swarm: Swarm<'_>) -> Vec<Outage> {
    let mut d = Draw::new(plan.seed, "outage", phone);
    if !d.percent(35) || !swarm.on("outage") {
        return Vec::new();
    }
    let span = plan.calm.since(Instant::ZERO + OPENING);
    let at = Instant::ZERO + OPENING + Duration::from_micros(d.between(0, micros(span)));
    let longest = if d.percent(40) { 75_000 } else { 8_000 };
    vec![Outage { at, lasts: Duration::from_millis(d.between(500, longest)) }]
}

fn digits(seed: u64, call: u64) -> Vec<Digit> {
    let mut d = Draw::new(seed, "digits", call);
    if !d.percent(40) {
        return Vec::new();
    }
    let keys: Vec<char> = KEYS.chars().collect();
    let mut after = Duration::from_millis(d.between(300, 2500));
    let mut digits = Vec::new();
    for _ in 0..d.between(1, 5) {
        let by = if d.percent(60) { Side::Caller } else { Side::Callee };
        digits.push(Digit { by, after, key: d.pick(&keys) });
        after += Duration::from_millis(d.between(350, 1200));
    }
    digits
}

fn attacks(plan: &Plan) -> Vec<Attack> {
    let mut d = Draw::new(plan.seed, "attacks", 0);
    let mut attacks = Vec::new();
    for (_, kind) in ATTACKS {
        if d.percent(45) {
            attacks.push(Attack {
                at: Instant::from_millis(d.between(2_000, 20_000)),
                kind: *kind,
                times: u32::try_from(d.between(3, 40)).unwrap_or(3),
                every: Duration::from_millis(d.between(20, 1500)),
            });
        }
    }
    attacks
}
