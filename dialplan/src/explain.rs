//! A walk through a plan without an exchange: its facts are given, and what comes of its tasks is supposed.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::time::Duration;

use smol_str::{SmolStr, ToSmolStr};

use crate::considered::Considered;
use crate::find::{Asked, At};
use crate::plan::Dialplan;
use crate::task::{DialStatus, Outcome, Task};
use crate::thread::Thread;
use crate::world::{DeviceState, Loudness, World};

/// Tasks of a walk that is only supposed.
pub const MAX_TASKS: usize = 500;
/// Lines of the log that are kept.
const MAX_LOG: usize = 1_000;

/// An exchange that is nothing but its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// The zone's name.
    pub zone: SmolStr,
    /// Facts of the channel, of its record and of the party it is connected with, as [`World::fact`] names them.
    pub facts: BTreeMap<SmolStr, SmolStr>,
    /// Header fields of the INVITE.
    pub headers: Vec<(SmolStr, SmolStr)>,
    /// Variables of the exchange.
    pub globals: BTreeMap<SmolStr, SmolStr>,
    /// Lasting values by `family/key`.
    pub db: BTreeMap<SmolStr, SmolStr>,
    /// How devices are.
    pub devices: BTreeMap<SmolStr, DeviceState>,
    /// Channels in groups, by `group@category`.
    pub groups: BTreeMap<SmolStr, usize>,
    /// Extensions that people are reached at, with their names.
    pub names: BTreeMap<SmolStr, SmolStr>,
    /// Prompts that are missing; all others are there.
    pub missing: Vec<SmolStr>,
    /// What was written in the log.
    pub log: Vec<(Loudness, SmolStr)>,
    /// What chance goes on from.
    pub seed: u64,
}

impl Facts {
    /// Nothing is known but the time and the zone.
    pub fn at(now_ms: i64, zone: &str) -> Self {
        Self {
            now_ms,
            zone: zone.into(),
            facts: BTreeMap::new(),
            headers: Vec::new(),
            globals: BTreeMap::new(),
            db: BTreeMap::new(),
            devices: BTreeMap::new(),
            groups: BTreeMap::new(),
            names: BTreeMap::new(),
            missing: Vec::new(),
            log: Vec::new(),
            seed: 0,
        }
    }
}

impl World for Facts {
    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn zone(&self) -> &str {
        &self.zone
    }

    fn random(&mut self, low: i64, high: i64) -> i64 {
        // SplitMix64.
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        let span = i128::from(high) - i128::from(low) + 1;
        let value = i128::from(low) + i128::from(z) % span.max(1);
        i64::try_from(value).unwrap_or(low)
    }

    fn log(&mut self, loudness: Loudness, text: &str) {
        if self.log.len() < MAX_LOG {
            self.log.push((loudness, text.into()));
        }
    }

    fn fact(&self, name: &str) -> Option<SmolStr> {
        self.facts.get(name).cloned()
    }

    fn set_fact(&mut self, name: &str, value: &str) -> bool {
        self.facts.insert(name.into(), value.into());
        true
    }

    fn header(&self, name: &str, number: usize) -> Option<SmolStr> {
        let mut all = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        all.nth(number.checked_sub(1)?).map(|(_, value)| value.clone())
    }

    fn global(&self, name: &str) -> Option<SmolStr> {
        self.globals.get(name).cloned()
    }

    fn set_global(&mut self, name: &str, value: &str) -> bool {
        self.globals.insert(name.into(), value.into());
        true
    }

    fn db(&self, family: &str, key: &str) -> Option<SmolStr> {
        self.db.get(format!("{family}/{key}").as_str()).cloned()
    }

    fn set_db(&mut self, family: &str, key: &str, value: Option<&str>) -> bool {
        let path = SmolStr::from(format!("{family}/{key}"));
        match value {
            Some(value) => self.db.insert(path, value.into()),
            None => self.db.remove(&path),
        };
        true
    }

    fn device(&self, name: &str) -> DeviceState {
        self.devices.get(name).copied().unwrap_or_default()
    }

    fn group_count(&self, group: &str, category: &str) -> usize {
        self.groups.get(format!("{group}@{category}").as_str()).copied().unwrap_or(0)
    }

    fn set_group(&mut self, group: &str, category: &str) {
        let fact = SmolStr::from(format!("group/{category}"));
        if let Some(old) = self.facts.insert(fact, group.into()) {
            let count = self.groups.entry(format!("{old}@{category}").into()).or_default();
            *count = count.saturating_sub(1);
        }
        *self.groups.entry(format!("{group}@{category}").into()).or_default() += 1;
    }

    fn names(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.names.iter().for_each(|(extension, name)| visit(extension, name));
    }

    fn has_prompt(&self, name: &str) -> bool {
        !self.missing.iter().any(|missing| missing == name)
    }
}

/// What is supposed to come of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supposed {
    /// How every Dial ends.
    pub dial: DialStatus,
    /// What the caller presses each time keys are collected; then nothing.
    pub keys: VecDeque<SmolStr>,
}

impl Default for Supposed {
    /// Nobody answers, and nothing is pressed.
    fn default() -> Self {
        Self { dial: DialStatus::NoAnswer, keys: VecDeque::new() }
    }
}

impl Supposed {
    /// What comes of a task.
    pub fn outcome(&mut self, task: &Task) -> Outcome {
        match task {
            Task::Hangup { cause } => {
                Outcome::Ended { cause: cause.unwrap_or_default(), why: SmolStr::default() }
            }
            Task::Echo
            | Task::Milliwatt
            | Task::Conference { .. }
            | Task::Park { .. }
            | Task::ParkedCall { .. }
            | Task::Page { .. }
            | Task::Music { time: None, .. } => Outcome::HungUp { cause: 16 },
            Task::Collect(_) => {
                let keys = self.keys.pop_front().unwrap_or_default();
                Outcome::Keys { timeout: keys.is_empty(), keys }
            }
            Task::Dial(_) => {
                let (cause, answered) = match self.dial {
                    DialStatus::Answer => (16, Duration::from_secs(60)),
                    DialStatus::Busy => (17, Duration::ZERO),
                    DialStatus::NoAnswer => (19, Duration::ZERO),
                    // As RFC 3398 says of a 503.
                    DialStatus::Congestion => (41, Duration::ZERO),
                    DialStatus::ChanUnavail => (20, Duration::ZERO),
                    DialStatus::Cancel => (16, Duration::ZERO),
                };
                Outcome::Dialled { status: self.dial, cause, answered }
            }
            _ => Outcome::Done,
        }
    }
}

/// What a phone does that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Does {
    /// A Dial to it alone ends so; one that it answers, when it hangs up.
    Ends(DialStatus),
    /// It answers, and presses these keys each time it is asked for some before it is connected.
    Presses(SmolStr),
    /// It sends its calls to this number (302).
    Moves(SmolStr),
}

/// A call that nobody makes, for the exchange to follow through the plan in force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Supposition {
    /// Who calls: an extension.
    pub from: SmolStr,
    /// What is dialled.
    pub to: SmolStr,
    /// When, in milliseconds since 1970; `None` is now.
    pub at_ms: Option<i64>,
    /// What phones do that are asked: by extension, and what all others do by the empty name.
    pub phones: Vec<(SmolStr, Does)>,
    /// How long they talk when one answers.
    pub talk: Duration,
    /// What the caller presses each time keys are collected; then nothing.
    pub keys: Vec<SmolStr>,
}

impl Supposition {
    /// Now; nobody answers, and nothing is pressed.
    pub fn call(from: &str, to: &str) -> Self {
        let (phones, keys, talk) = (Vec::new(), Vec::new(), Duration::from_secs(60));
        Self { from: from.into(), to: to.into(), at_ms: None, phones, talk, keys }
    }

    /// What a phone does that is asked, and whether that was said of this one.
    pub fn does(&self, phone: &str) -> (&Does, bool) {
        let of = |name: &str| self.phones.iter().rev().find(|(known, _)| known == name).map(|(_, does)| does);
        match of(phone) {
            Some(does) => (does, true),
            None => (of("").unwrap_or(&Does::Ends(DialStatus::NoAnswer)), false),
        }
    }
}

/// Walks a thread to its end, or for [`MAX_TASKS`] tasks; true if it came to its end. What it did is in its trail.
pub fn walk(
    thread: &mut Thread,
    plan: &Dialplan,
    world: &mut dyn World,
    choose: &mut dyn FnMut(&Task) -> Outcome,
) -> bool {
    for _ in 0..MAX_TASKS {
        match thread.next(plan, world) {
            Some(task) => thread.resume(choose(&task)),
            None => return thread.is_over(),
        }
    }
    false
}

/// Lines that are told of for one number.
const MAX_CONSIDERED: usize = 200;
/// Numbers of one context that do not fit and are told of one by one.
const MAX_NUMBERS: usize = 3;

/// Everything that is looked at for a number, a line each: what it is, its context, where it stands, and why it does or
/// does not fit. Numbers that are written out and do not fit are counted where there are many.
pub fn looked_at(plan: &Dialplan, asked: Asked<'_>, at: At<'_>) -> String {
    let all = plan.consider(asked, at);
    let mut rows = Vec::new();
    let mut text = String::new();
    for of_context in all.chunk_by(|a, b| std::ptr::eq(a.context, b.context)) {
        let context = &of_context[0].context.name;
        let plain = of_context.iter().filter(|one| one.is_other_number()).count();
        let counted = plain > MAX_NUMBERS;
        rows.extend(of_context.iter().filter(|one| !counted || !one.is_other_number()).map(Row::One));
        if counted {
            rows.push(Row::Numbers(plain, context));
        }
    }
    let (names, contexts, places) =
        rows.iter().take(MAX_CONSIDERED).fold((0, 0, 0), |widest, row| match row {
            Row::One(one) => {
                let (name, place) = (one.name().chars().count(), plan.place(one.span()).chars().count());
                let context = one.context.name.chars().count() + 2;
                (widest.0.max(name.min(24)), widest.1.max(context.min(24)), widest.2.max(place.min(40)))
            }
            Row::Numbers(..) => widest,
        });
    for row in rows.iter().take(MAX_CONSIDERED) {
        let _ = match row {
            Row::One(one) => {
                let (context, place) = (format!("[{}]", one.context.name), plan.place(one.span()));
                let name = one.name();
                writeln!(text, "  {name:<names$}  {context:<contexts$}  {place:<places$}  {}", one.verdict())
            }
            Row::Numbers(count, context) => writeln!(text, "  and {count} other numbers of [{context}]"),
        };
    }
    match rows.len() {
        0 => text += "  there is nothing to look at\n",
        count if count > MAX_CONSIDERED => {
            let _ = writeln!(text, "  and {} more", count - MAX_CONSIDERED);
        }
        _ => {}
    }
    text
}

/// A line of what was looked at.
enum Row<'a, 'b> {
    One(&'b Considered<'a>),
    /// So many numbers of a context that do not fit.
    Numbers(usize, &'a str),
}

/// The variables of `[globals]`, each with the values of those before it, and of what the exchange has already.
pub fn globals(plan: &Dialplan, world: &mut dyn World) {
    for setting in plan.globals() {
        let value = match crate::template::Template::parse(&setting.value) {
            Ok(text) => {
                let mut channel = crate::scene::Channel::default();
                text.eval(&mut crate::scene::Scene::new(plan, &mut channel, world))
            }
            Err(_) => setting.value.to_smolstr(),
        };
        if !world.set_global(&setting.name, &value) {
            world.log(Loudness::Warning, &format!("no room for the global {}", setting.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Caller;
    use crate::when::Moment;

    const PLAN: &str = "[globals]\nRING=20\nPHONES=PJSIP/${RING}1\n\
        [internal]\nexten => 100,1,Answer()\nexten => _1XX,1,Dial(PJSIP/${EXTEN},${RING})\nsame => n,Goto(${DIALSTATUS},1)\n\
        exten => BUSY,1,Busy(3)\ninclude => rest\n[rest]\nexten => _[A-Z].,1,Playback(vm-intro&nothing)\n";

    fn told(extension: &str, dial: DialStatus) -> String {
        let plan = Dialplan::parse("office.conf", PLAN).expect("it is right");
        let mut world = Facts::at(1_795_375_800_000, "Europe/Berlin");
        world.missing.push("nothing".into());
        globals(&plan, &mut world);
        let mut thread =
            Thread::new("internal", extension, Caller { number: "100".into(), ..Caller::default() });
        let mut supposed = Supposed { dial, ..Supposed::default() };
        assert!(walk(&mut thread, &plan, &mut world, &mut |task| supposed.outcome(task)));
        assert_eq!(world.globals.get("PHONES").map(SmolStr::as_str), Some("PJSIP/201"));
        let now = Moment::new(world.now_ms, "Europe/Berlin");
        let asked = Asked { context: "internal", extension, caller: "100", now };
        format!("{}{}", looked_at(&plan, asked, At::Priority(1)), thread.trail().told(&plan))
    }

    #[test]
    fn secrets_that_are_pressed_are_not_told() {
        let text = "[a]\nexten => 1,1,Read(PIN,enter,4)\nsame => n,Gosub(check,s,1(${PIN}))\nsame => n,Set(SECRET_X=a${PIN}b)\n\
            same => n,NoOp(${SECRET_X} ${PIN})\nsame => n,Set(CODE=${PIN})\nsame => n,GotoIf($[\"${PIN}\" = \"4711\"]?${PIN},1)\n\
            exten => i,1,Read(CODE,enter,4)\n[check]\nexten => s,1,NoOp(${ARG1})\nsame => n,Return(${ARG1})\n";
        let plan = Dialplan::parse("x", text).expect("it is right");
        let mut world = Facts::at(0, "UTC");
        let mut thread = Thread::new("a", "1", Caller::default());
        let keys = ["4711", "0815"].map(SmolStr::from).into();
        let mut supposed = Supposed { keys, ..Supposed::default() };
        assert!(walk(&mut thread, &plan, &mut world, &mut |task| supposed.outcome(task)));
        let told = thread.trail().told(&plan).to_string();
        assert!(!told.contains("4711"), "{told}");
        assert!(told.contains("Read(PIN,enter,4)  -> keys ****\n"), "{told}");
        assert!(told.contains("-> keys 0815"), "its variable is none of a secret: {told}");
    }

    #[test]
    fn the_way_of_a_call_is_told_from_its_first_number_to_its_end() {
        insta::assert_snapshot!(told("150", DialStatus::NoAnswer), @r"
          100      [internal]  office.conf:5   does not fit: character 2 is 5, not 0
          BUSY     [internal]  office.conf:8   does not fit: character 1 is 1, not B
          _1XX     [internal]  office.conf:6   fits and comes first
          _[A-Z].  [rest]      office.conf:11  does not fit: character 1 is 1, not one of A-Z
        150 matched _1XX in context [internal]
          office.conf:6   1. Dial(PJSIP/150,20)  -> NOANSWER, cause 19
          office.conf:7   2. Goto(internal,NOANSWER,1)
        NOANSWER matched _[A-Z]. in context [rest]
          office.conf:11  1. Playback(vm-intro&nothing)
            warning: no prompt is named nothing
        ");
        insta::assert_snapshot!(told("99", DialStatus::Busy), @r"
        100      [internal]  office.conf:5   does not fit: character 1 is 9, not 1
        BUSY     [internal]  office.conf:8   does not fit: character 1 is 9, not B
        _1XX     [internal]  office.conf:6   does not fit: character 1 is 9, not 1
        _[A-Z].  [rest]      office.conf:11  does not fit: character 1 is 9, not one of A-Z
        ");
    }
    #[test]
    fn numbers_that_are_not_meant_are_counted_and_what_no_file_holds_has_its_place() {
        let numbers: String = (100..150).map(|number| format!("exten => {number},1,Answer()\n")).collect();
        let text = format!(
            "[internal]\n{numbers}exten => _2XX,1,Answer()\ninclude => rest\n[rest]\nexten => 7,1,Wait(1)\n same => n,Answer()\n"
        );
        let plan = Dialplan::parse("telex.toml", &text).expect("it is right");
        let plan = plan
            .with_places("telex.toml", &|_, extension| format!("telex.toml:9 (phone {extension})").into());
        let asked = Asked { context: "internal", extension: "7", caller: "", now: Moment::new(0, "UTC") };
        insta::assert_snapshot!(looked_at(&plan, asked, At::Priority(1)), @r"
        _2XX  [internal]  telex.toml:9 (phone _2XX)  does not fit: character 1 is 7, not 2
        and 50 other numbers of [internal]
        7     [rest]      telex.toml:9 (phone 7)     fits and comes first
        ");
        let mut thread = Thread::new("internal", "7", Caller::default());
        let mut supposed = Supposed::default();
        assert!(walk(&mut thread, &plan, &mut Facts::at(0, "UTC"), &mut |task| supposed.outcome(task)));
        insta::assert_snapshot!(thread.trail().told(&plan), @r"
        7 matched 7 in context [rest]
          telex.toml:9 (phone 7)  1. Wait(1)
                                  2. Answer()
        ");
    }
}
