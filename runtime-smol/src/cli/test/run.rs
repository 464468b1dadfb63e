//! A scenario as it happens.

use std::time::Duration;

use smol_str::SmolStr;
use telex_engine::agent::CallHandle;
use telex_engine::border::Actions;
use telex_engine::sip::Status;
use telex_engine::time::Instant;

use super::coverage::Walked;
use super::media::Heard;
use super::phone::{Line, Phone, State};
use super::script::{Act, Expectation, Habit, Recorded, Scenario, Sound, Step, What};
use super::site::Site;
use super::world::World;

/// What somebody does is waited for as long as for what is expected.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lines of the diary and calls whose ways are told when something is wrong.
const TOLD_LINES: usize = 40;
const TOLD_CALLS: usize = 3;

/// What came of a scenario.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What did not come true; `None` when all did.
    pub(super) failure: Option<Failure>,
    /// Lines of the dialplan that were walked.
    pub(super) walked: Walked,
}

/// What did not come true.
#[derive(Debug)]
pub(super) struct Failure {
    /// The line of the scenario.
    pub(super) line: usize,
    /// As it is written.
    pub(super) step: String,
    /// The clock on the wall, and how long the scenario had lasted.
    pub(super) clock: String,
    /// What was expected.
    pub(super) expected: String,
    /// What was found instead.
    pub(super) found: String,
    /// What had happened, a line each.
    pub(super) happened: Vec<String>,
    /// How the calls went through the dialplan.
    pub(super) ways: Vec<String>,
}

/// What is wrong: expected, found.
type Wrong = (String, String);

/// Plays a scenario.
pub(super) fn run(scenario: &Scenario, site: &Site) -> Outcome {
    let mut run = Run { world: World::new(site, scenario.at.as_deref()), site, ended: 0 };
    let wrong = scenario.steps.iter().find_map(|step| {
        let done = run.step(step);
        run.world.keep_ways();
        done.err().map(|wrong| (step, wrong))
    });
    let failure = wrong.map(|(step, wrong)| run.failure(step, wrong));
    Outcome { failure, walked: run.world.walked }
}

struct Run<'a> {
    world: World<'a>,
    site: &'a Site,
    /// Ended calls that were expected already.
    ended: usize,
}

impl Run<'_> {
    fn failure(&self, step: &Step, (expected, found): Wrong) -> Failure {
        let world = &self.world;
        let lasted = seconds(world.since(world.now));
        let clock = format!("{}, {lasted} s after the beginning", self.site.clock.told(world.wall()));
        let left_out = world.diary.len().saturating_sub(TOLD_LINES);
        let more = (left_out > 0).then(|| format!("({left_out} lines before are left out)"));
        let line = |(at, text): &(Instant, String)| format!("{} s  {text}", seconds(world.since(*at)));
        let happened = more.into_iter().chain(world.diary.iter().skip(left_out).map(line)).collect();
        let mut ways = Vec::new();
        for way in world.ways.values().rev().take(TOLD_CALLS).collect::<Vec<_>>().into_iter().rev() {
            ways.push(format!("call {} from {} to {}:", way.call, way.from, way.to));
            ways.extend(way.text.lines().map(|line| format!("  {line}")));
        }
        Failure { line: step.line, step: step.text.clone(), clock, expected, found, happened, ways }
    }

    fn step(&mut self, step: &Step) -> Result<(), Wrong> {
        match &step.what {
            What::Wait(time) => {
                self.world.pass(self.world.now + *time, &|_| false);
                Ok(())
            }
            What::Advance(text) => {
                let now = self.world.wall();
                let Some(then) = self.site.clock.next(now, text) else {
                    let found = format!("it is {} already", self.site.clock.told(now));
                    return Err((format!("a time to come: {text}"), found));
                };
                self.world.pass(self.world.now + then.since(now), &|_| false);
                Ok(())
            }
            What::Act(phone, act) => self.act(&phone.name, act),
            What::Trunk(trunk, up) => {
                self.world.note(format!("trunk {} is {}", trunk.name, if *up { "up" } else { "down" }));
                self.become_(&trunk.name, if *up { Habit::Reachable } else { Habit::Unreachable });
                Ok(())
            }
            What::Expect(expectation, patience) => self.expect(expectation, *patience),
            What::Never(expectation, time) => {
                let came =
                    self.world.pass(self.world.now + *time, &|world| holds(world, expectation, 0).is_some());
                if !came {
                    return Ok(());
                }
                let not = format!("not: {}", wanted(expectation));
                Err((not, instead(&self.world, expectation)))
            }
        }
    }

    fn expect(&mut self, expectation: &Expectation, patience: Duration) -> Result<(), Wrong> {
        let ended = self.ended;
        self.world.watches_ways = matches!(expectation, Expectation::Match(..));
        self.world.pass(self.world.now + patience, &|world| holds(world, expectation, ended).is_some());
        match holds(&self.world, expectation, ended) {
            Some(ended) => {
                self.ended = ended;
                Ok(())
            }
            None => Err((
                format!("{} within {} s", wanted(expectation), seconds(patience)),
                instead(&self.world, expectation),
            )),
        }
    }

    /// Waits until a phone is ready for what somebody does with it.
    fn until(
        &mut self,
        name: &str,
        what: &str,
        ready: &dyn Fn(&World<'_>, &Phone) -> bool,
    ) -> Result<(), Wrong> {
        let is = |world: &World<'_>| world.phone(name).is_some_and(|phone| ready(world, phone));
        if self.world.pass(self.world.now + PATIENCE, &is) {
            return Ok(());
        }
        Err((format!("{name} {what}"), self.world.state_of(name)))
    }

    /// The call of a phone that is in use, once it has been answered.
    fn answered(&mut self, name: &str) -> Result<CallHandle, Wrong> {
        let up = |_: &World<'_>, phone: &Phone| phone.current().is_some_and(|line| line.state == State::Up);
        self.until(name, "is in a call that was answered", &up)?;
        self.current(name)
    }

    fn current(&self, name: &str) -> Result<CallHandle, Wrong> {
        let call = self.world.phone(name).and_then(Phone::current).map(|line| line.call);
        call.ok_or_else(|| (format!("{name} has a call"), self.world.state_of(name)))
    }

    fn ringing(&mut self, name: &str) -> Result<CallHandle, Wrong> {
        self.until(name, "rings", &|_, phone| phone.ringing().is_some())?;
        let call = self.world.phone(name).and_then(Phone::ringing).map(|line| line.call);
        call.ok_or_else(|| (format!("{name} rings"), self.world.state_of(name)))
    }

    fn order<T>(
        &mut self,
        name: &str,
        order: impl FnOnce(&mut Phone, Instant, &mut Actions) -> T,
    ) -> Option<T> {
        self.world.order(name, order)
    }

    fn act(&mut self, name: &str, act: &Act) -> Result<(), Wrong> {
        match act {
            Act::Dials(number) => {
                self.world.note(format!("{name} dials {number}"));
                let dialled = self.order(name, |phone, now, out| phone.dial(now, number, out));
                let wrong = || (format!("{name} dials {number}"), "this cannot be dialled".to_owned());
                dialled.filter(|dialled| *dialled).map(|_| ()).ok_or_else(wrong)
            }
            Act::Answers => {
                let call = self.ringing(name)?;
                self.world.note(format!("{name} answers"));
                self.order(name, |phone, now, out| phone.answer(now, call, out));
                Ok(())
            }
            Act::Refuses(status) => {
                let call = self.ringing(name)?;
                let status = Status::new(*status).unwrap_or(Status::BUSY_HERE);
                self.world.note(format!("{name} refuses: {}", super::phone::told(status)));
                self.order(name, |phone, now, out| phone.refuse(now, call, status, out));
                Ok(())
            }
            Act::HangsUp => {
                let call = self.current(name)?;
                self.world.note(format!("{name} hangs up"));
                self.order(name, |phone, now, out| phone.hang_up(now, call, out));
                Ok(())
            }
            Act::Presses(keys) => {
                self.until(name, "is in a call with somebody who hears keys", &|world, phone| {
                    world.takes_keys(&phone.name)
                })?;
                self.world.note(format!("{name} presses {keys}"));
                keys.chars().for_each(|key| self.world.press(name, key));
                Ok(())
            }
            Act::Holds | Act::Resumes => self.hold(name, *act == Act::Holds),
            Act::Transfers(number) => {
                let call = self.answered(name)?;
                self.world.note(format!("{name} transfers its call to {number}"));
                self.order(name, |phone, now, out| phone.transfer(now, call, number, None, out));
                Ok(())
            }
            Act::Joins => self.join(name),
            Act::Is(habit) => {
                self.become_(name, *habit);
                Ok(())
            }
        }
    }

    fn hold(&mut self, name: &str, on: bool) -> Result<(), Wrong> {
        let call = if on {
            self.answered(name)?
        } else {
            let held = self.world.phone(name).and_then(|phone| phone.lines.iter().find(|line| line.held));
            let wrong = || (format!("{name} holds a call"), self.world.state_of(name));
            held.map(|line| line.call).ok_or_else(wrong)?
        };
        self.world.note(format!("{name} {}", if on { "holds its call" } else { "takes its call back" }));
        self.order(name, |phone, now, out| phone.hold(now, call, on, out));
        Ok(())
    }

    /// The other party of the call that is held gets the one of the call in use.
    fn join(&mut self, name: &str) -> Result<(), Wrong> {
        let found = self.world.phone(name).and_then(|phone| {
            let held = phone.lines.iter().find(|line| line.held && line.state == State::Up)?;
            let other =
                phone.lines.iter().find(|line| line.call != held.call && line.state != State::Ringing)?;
            Some((held.call, other.call, other.other.clone()))
        });
        let Some((held, other, number)) = found else {
            let expected = format!("{name} holds one call and is in another");
            return Err((expected, self.world.state_of(name)));
        };
        self.world.note(format!("{name} joins its calls"));
        self.order(name, |phone, now, out| phone.transfer(now, held, &number, Some(other), out));
        Ok(())
    }

    fn become_(&mut self, name: &str, habit: Habit) {
        self.order(name, |phone, now, out| match habit {
            Habit::Free => phone.busy = false,
            Habit::Busy => phone.busy = true,
            Habit::Reachable => phone.unreachable = false,
            Habit::Unreachable => phone.unreachable = true,
            Habit::Registered => phone.register(now, true, out),
            Habit::Unregistered => phone.register(now, false, out),
        });
    }
}

/// Whether something is so; how many ended calls are expected then.
fn holds(world: &World<'_>, expectation: &Expectation, ended: usize) -> Option<usize> {
    let holds = match expectation {
        Expectation::Rings(phone, from, name) => {
            let shows = |line: &Line| {
                line.state == State::Ringing
                    && from.as_ref().is_none_or(|from| *from == line.other)
                    && name.as_ref().is_none_or(|name| *name == line.name)
            };
            world.phone(&phone.name).is_some_and(|phone| phone.lines.iter().any(shows))
        }
        Expectation::Hears(phone, Sound::Voice(other)) => {
            world.voices(&phone.name).contains(&other.name.as_str())
        }
        Expectation::Hears(phone, Sound::Keys(keys)) => world.keys(&phone.name).ends_with(keys.as_str()),
        Expectation::Hears(phone, sound) => matches_sound(sound, &world.hears(&phone.name)),
        Expectation::Talks(phone, other) => {
            let with = world.talks_with(&phone.name);
            other.as_ref().map_or(!with.is_empty(), |other| with.contains(&other.name.as_str()))
        }
        Expectation::Told(phone, status) => {
            let refused = world.phone(&phone.name).and_then(|phone| phone.refused.flatten());
            refused.is_some_and(|refused| refused.code() == *status)
        }
        Expectation::Idle(phone) => world.phone(&phone.name).is_none_or(|phone| phone.lines.is_empty()),
        Expectation::Ends(how) => {
            let mut records = world.records.iter().enumerate().skip(ended);
            let found = records.find(|(_, record)| how.is_none_or(|how| record.disposition() == how));
            return found.map(|(at, _)| at + 1);
        }
        Expectation::Record(wanted) => world.records.iter().any(|record| {
            record.disposition() == wanted.disposition
                && wanted.talked.is_none_or(|talked| record.talked.as_secs() == talked)
                && wanted.from.as_ref().is_none_or(|from| *from == record.from)
                && wanted.to.as_ref().is_none_or(|to| *to == record.to)
        }),
        Expectation::Log(text) => world.logged.iter().any(|line| line.contains(text.as_str())),
        Expectation::Match(pattern, context) => world.matched().any(|(matched, within)| {
            matched == pattern && context.as_ref().is_none_or(|context| context == within)
        }),
    };
    holds.then_some(ended)
}

fn matches_sound(sound: &Sound, heard: &Heard) -> bool {
    match (sound, heard) {
        (Sound::Ringback, Heard::Ringback)
        | (Sound::Itself, Heard::Itself)
        | (Sound::Nothing, Heard::Nothing | Heard::Pause)
        | (Sound::Music(None), Heard::Music(_)) => true,
        (Sound::Tone(wanted), Heard::Tone(name)) => wanted == name,
        (Sound::Prompt(wanted), Heard::Prompt(name)) | (Sound::Music(Some(wanted)), Heard::Music(name)) => {
            wanted == name
        }
        _ => false,
    }
}

/// What is expected, in words.
fn wanted(expectation: &Expectation) -> String {
    match expectation {
        Expectation::Rings(phone, None, None) => format!("{} rings", phone.name),
        Expectation::Rings(phone, from, name) => {
            let shown: Vec<&str> = from.iter().chain(name).map(SmolStr::as_str).collect();
            format!("{} rings and shows {}", phone.name, shown.join(" "))
        }
        Expectation::Hears(phone, sound) => {
            let sound = match sound {
                Sound::Ringback => "ringback".to_owned(),
                Sound::Tone("dial tone") => "dial tone".to_owned(),
                Sound::Tone("tone") => "a tone".to_owned(),
                Sound::Tone(name) => format!("{name} tone"),
                Sound::Prompt(name) => format!("prompt {name}"),
                Sound::Music(class) => format!("music {}", class.as_deref().unwrap_or_default()),
                Sound::Voice(other) => other.name.to_string(),
                Sound::Itself => "itself".to_owned(),
                Sound::Keys(keys) => format!("keys {keys}"),
                Sound::Nothing => "nothing".to_owned(),
            };
            format!("{} hears {}", phone.name, sound.trim_end())
        }
        Expectation::Talks(phone, None) => format!("{} talks with somebody", phone.name),
        Expectation::Talks(phone, Some(other)) => format!("{} talks with {}", phone.name, other.name),
        Expectation::Told(phone, status) => format!("{} is told {status}", phone.name),
        Expectation::Idle(phone) => format!("{} is idle", phone.name),
        Expectation::Ends(None) => "a call ends".to_owned(),
        Expectation::Ends(Some(how)) => format!("a call ends: {}", how.as_str().to_ascii_lowercase()),
        Expectation::Record(Recorded { disposition, talked, from, to }) => {
            let mut text = format!("a record of a call: {}", disposition.as_str().to_ascii_lowercase());
            for (before, part) in [
                (", talked for", talked.map(|seconds| format!("{seconds}s"))),
                (", from", from.as_ref().map(ToString::to_string)),
                (", to", to.as_ref().map(ToString::to_string)),
            ] {
                if let Some(part) = part {
                    text = format!("{text}{before} {part}");
                }
            }
            text
        }
        Expectation::Log(text) => format!("a line of the log with \"{text}\" in it"),
        Expectation::Match(pattern, None) => format!("a number that matches {pattern}"),
        Expectation::Match(pattern, Some(context)) => {
            format!("a number that matches {pattern} in [{context}]")
        }
    }
}

/// What is so instead, in words.
fn instead(world: &World<'_>, expectation: &Expectation) -> String {
    let several = |lines: Vec<String>, none: &str| match lines.is_empty() {
        true => none.to_owned(),
        false => lines.join("; "),
    };
    match expectation {
        Expectation::Ends(_) | Expectation::Record(_) => {
            let record = |record: &telex_engine::cdr::CallRecord| {
                let how = record.disposition().as_str().to_ascii_lowercase();
                format!("from {} to {}: {how}, {}s", record.from, record.to, record.talked.as_secs())
            };
            several(world.records.iter().map(record).collect(), "no call has ended")
        }
        Expectation::Log(_) => {
            several(world.logged.iter().map(|line| format!("\"{line}\"")).collect(), "nothing was logged")
        }
        Expectation::Match(..) => {
            let matched = world.matched().map(|(pattern, context)| format!("{pattern} in [{context}]"));
            several(matched.collect(), "nothing has matched")
        }
        Expectation::Hears(phone, Sound::Keys(_)) => {
            let keys = world.keys(&phone.name);
            format!("{}; it has heard keys \"{keys}\"", world.state_of(&phone.name))
        }
        one => several(one.phones().map(|phone| world.state_of(&phone.name)).collect(), ""),
    }
}

/// Seconds to the millisecond.
fn seconds(time: Duration) -> String {
    match time.subsec_millis() {
        0 => time.as_secs().to_string(),
        millis => format!("{}.{millis:03}", time.as_secs()),
    }
}
