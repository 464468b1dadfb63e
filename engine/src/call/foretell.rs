//! Where a call would go, without making it: a thread walks the plan in force in the exchange as it is now, and of what
//! depends on people something is supposed. The walk is the real one, and so is what the dialplan reads; what is set
//! stays in a copy. A test makes the calls, and compares. Not walked: Local targets, subroutines of callees (Dial b and
//! U), redirections, call back, and what becomes of parking, pages and pick-ups.

use std::collections::{BTreeMap, VecDeque};

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::explain::{Supposition, looked_at};
use telex_dialplan::scene::Caller;
use telex_dialplan::task::{Collect, Dial, DialStatus, Say, Target, Task};
use telex_dialplan::{Asked, At, Dialplan, Moment, Outcome, Thread};

use super::app::{App, AppEvent, Order};
use super::dial::{self, Asking};
use super::hunt::Hunt;
use super::identity::identity_of;
use super::limit::Limit;
use super::open::matched;
use super::script::{Collecting, ended, failed_dial};
use super::tasks::pressing;
use super::world::Sight;
use super::{Below, Call, Calls, causes, elsewhere};
use crate::border::{CallState, Foretold, Lsn};
use crate::cx::{Cx, Journal};
use crate::event::{EndCause, Side};
use crate::limits;
use crate::mediactl::{RoomId, ShardId};
use crate::sip::Status;
use crate::time::{Duration, WallTime};
use crate::timers::Timers;

impl Calls {
    /// Where a call would go. Nothing is changed by asking.
    pub(crate) fn foretell(&self, cx: &Cx<'_>, below: &Below, wanted: &Supposition) -> Foretold {
        let (mut rng, mut timers, mut out) = (cx.rng.clone(), Timers::default(), Vec::new());
        let mut journal = Journal::new(Lsn(0));
        let wall = wanted.at_ms.and_then(|ms| u64::try_from(ms).ok()).map(WallTime::from_unix_millis);
        let mut cx = Cx {
            now: cx.now,
            wall: wall.unwrap_or(cx.wall),
            config: cx.config,
            rng: &mut rng,
            timers: &mut timers,
            out: &mut out,
            journal: &mut journal,
            planted: cx.planted,
        };
        let plan = self.plans.current().1;
        let context = cx.config.context_of(&wanted.from);
        let ms = i64::try_from(cx.wall.as_unix_millis()).unwrap_or(i64::MAX);
        let now = Moment::new(ms, &cx.config.zone);
        let asked = Asked { context, extension: &wanted.to, caller: &wanted.from, now };
        let considered = looked_at(&plan, asked, At::Priority(1));
        let told = |way, ends, rings, over| Foretold {
            at_ms: ms,
            context: context.into(),
            considered,
            way,
            ends,
            rings,
            over,
        };
        if matched(&cx, &plan, &wanted.from, &wanted.to).is_none() {
            let way = super::open::no_match(context, &wanted.to);
            let cause = causes::refused_by(Status::NOT_FOUND).q850();
            return told(way, format_smolstr!("refused with 404, cause {cause}"), Vec::new(), true);
        }
        let call = imagined(&cx, self.next_id, wanted);
        let caller = Caller {
            number: wanted.from.clone(),
            name: call.name.clone(),
            dnid: wanted.to.clone(),
            ..Caller::default()
        };
        let thread = Thread::new(context, &wanted.to, caller);
        let mut walk = Walk {
            calls: self,
            below,
            values: self.values.clone(),
            call,
            plan,
            thread,
            groups: Vec::new(),
            facts: BTreeMap::new(),
            keys: wanted.keys.iter().cloned().collect(),
            wanted,
            failed: None,
            rings: Vec::new(),
            ends: SmolStr::default(),
        };
        let over = walk.run_out(&mut cx);
        told(format!("{}", walk.thread.trail().told(&walk.plan)), walk.ends, walk.rings, over)
    }
}

/// A call that nobody makes.
fn imagined(cx: &Cx<'_>, id: u64, wanted: &Supposition) -> Call {
    let caller = (wanted.from.clone(), identity_of(cx.config, &wanted.from).name);
    Call::begun(cx, id, caller, &wanted.to, (ShardId(0), RoomId(0)), Asking::own())
}

/// A walk in progress.
struct Walk<'a> {
    calls: &'a Calls,
    below: &'a Below,
    values: super::Values,
    call: Call,
    plan: Dialplan,
    thread: Thread,
    groups: Vec<(SmolStr, SmolStr)>,
    facts: BTreeMap<SmolStr, SmolStr>,
    /// What is pressed each time keys are collected.
    keys: VecDeque<SmolStr>,
    wanted: &'a Supposition,
    /// How the last Dial failed.
    failed: Option<(Status, EndCause)>,
    /// Whom it rings, in order.
    rings: Vec<SmolStr>,
    /// How it ends, in words.
    ends: SmolStr,
}

/// What comes of a task.
enum Came {
    Outcome(Outcome),
    /// The call ends so.
    Ended(Status, EndCause),
}

use Came::{Ended, Outcome as Told};

const DONE: Came = Told(Outcome::Done);
/// Nobody is refused with it.
const ANY: Status = Status::TEMPORARILY_UNAVAILABLE;
/// The caller has enough of it.
const ENOUGH: Came = Ended(ANY, EndCause::HungUp(Side::Caller));

impl Walk<'_> {
    /// True when it came to its end.
    fn run_out(&mut self, cx: &mut Cx<'_>) -> bool {
        let mut next = self.next(cx, Outcome::Done);
        let mut busy = (cx.now, 1);
        for _ in 0..limits::FORETOLD_TASKS {
            let came = match next {
                Some(task) => self.came_of(cx, &task),
                None => self.fallen_out(),
            };
            busy = if busy.0 == cx.now { (cx.now, busy.1 + 1) } else { (cx.now, 1) };
            let came = if busy.1 > limits::TASKS_AT_ONCE {
                Ended(Status::SERVER_INTERNAL_ERROR, EndCause::Dialplan(causes::CONGESTION))
            } else {
                came
            };
            match came {
                Told(outcome) => next = self.next(cx, outcome),
                Ended(status, cause) => {
                    self.conclude(cx, status, cause);
                    return true;
                }
            }
        }
        false
    }

    /// Tells the thread an outcome and gets what it wants next.
    fn next(&mut self, cx: &mut Cx<'_>, outcome: Outcome) -> Option<Task> {
        let mut sight = Sight {
            cx,
            registrar: &self.below.registrar,
            values: &mut self.values,
            calls: &self.calls.all,
            lines: &self.calls.lines,
            call: &self.call,
            parked: &self.calls.parked,
            failed: self.failed.as_ref().map(|(_, cause)| cause),
            groups: &mut self.groups,
            facts: &mut self.facts,
            headers: &[],
        };
        self.thread.resume(outcome);
        self.thread.next(&self.plan, &mut sight)
    }

    /// The extension `h`.
    fn conclude(&mut self, cx: &mut Cx<'_>, status: Status, cause: EndCause) {
        let answered = self.call.answered.is_some();
        let cause = ended(answered, status, cause);
        let number = cause.q850();
        self.ends = match (&cause, answered) {
            (EndCause::Refused(refused), false) => {
                format_smolstr!("refused with {}, cause {number}", refused.status)
            }
            (EndCause::NoAnswer, false) => format_smolstr!("refused with {}, cause {number}", status.code()),
            (EndCause::HungUp(_), false) => SmolStr::new_static("the caller gives up"),
            (EndCause::HungUp(_), true) => SmolStr::new_static("somebody hangs up"),
            _ => format_smolstr!("the exchange hangs up, cause {number}"),
        };
        let mut outcome = causes::outcome_of(&cause);
        (self.call.state, self.call.cause) = (CallState::Ending, Some(cause));
        for _ in 0..limits::TASKS_AT_ONCE {
            if self.next(cx, outcome).is_none() {
                break;
            }
            outcome = Outcome::Refused(SmolStr::new_static(super::script::GONE));
        }
    }

    /// The dialplan has nothing more.
    fn fallen_out(&mut self) -> Came {
        let usual = (Status::TEMPORARILY_UNAVAILABLE, EndCause::Dialplan(causes::NORMAL));
        let (status, cause) = self.failed.take().unwrap_or(usual);
        Ended(status, cause)
    }

    fn pass(&mut self, cx: &mut Cx<'_>, time: Duration) {
        cx.now += time;
        cx.wall = cx.wall + time;
    }

    fn answer(&mut self, cx: &Cx<'_>) {
        if self.call.answered.is_none() {
            self.call.answered = Some(cx.now);
            self.call.state = CallState::Up;
        }
    }

    fn came_of(&mut self, cx: &mut Cx<'_>, task: &Task) -> Came {
        let up = self.call.answered.is_some();
        match task {
            Task::Hangup { cause: Some(cause) } => {
                Ended(causes::status_of(*cause), EndCause::Dialplan(*cause))
            }
            Task::Hangup { cause: None } => self.fallen_out(),
            Task::Busy(_) if !up => Ended(causes::status_of(causes::BUSY), EndCause::Dialplan(causes::BUSY)),
            Task::Congestion(_) if !up => {
                let cause = causes::CONGESTION;
                Ended(causes::status_of(cause), EndCause::Dialplan(cause))
            }
            Task::Busy(Some(time)) | Task::Congestion(Some(time)) => {
                self.pass(cx, (*time).min(limits::WAIT));
                DONE
            }
            Task::Busy(None) | Task::Congestion(None) | Task::Music { time: None, .. } => ENOUGH,
            Task::Echo | Task::Milliwatt | Task::Conference { .. } => {
                self.answer(cx);
                ENOUGH
            }
            Task::Answer(time) => {
                self.answer(cx);
                self.pass(cx, (*time).min(limits::WAIT));
                DONE
            }
            Task::Wait(time) | Task::Music { time: Some(time), .. } => {
                self.pass(cx, (*time).min(limits::WAIT));
                DONE
            }
            Task::Play { say, answer, .. } => {
                if *answer {
                    self.answer(cx);
                }
                let time = length(cx, say);
                self.pass(cx, time);
                DONE
            }
            Task::Record { most, .. } => {
                self.answer(cx);
                self.pass(cx, (*most).min(limits::WAIT));
                DONE
            }
            Task::SendDigits { keys, gap } => {
                self.pass(cx, pressing(keys, *gap));
                DONE
            }
            Task::Tones(name) => {
                Told(super::tasks::tones(&cx.config.country, name).err().unwrap_or(Outcome::Done))
            }
            Task::Monitor { .. } if !up => Told(super::tasks::not_recorded()),
            Task::Collect(collect) => Told(self.collect(cx, collect)),
            Task::Dial(dial) => self.dial(cx, dial),
            Task::Transfer(_) | Task::Park { .. } => ENOUGH,
            Task::Queue { .. } => Told(Outcome::Refused("queues are not possible yet".into())),
            Task::VoiceMail { .. } | Task::Messages { .. } => {
                Told(Outcome::Refused("voicemail is not possible yet".into()))
            }
            _ => DONE,
        }
    }

    /// What is pressed. What is more than enough is not: it is known by then.
    fn collect(&mut self, cx: &mut Cx<'_>, wanted: &Collect) -> Outcome {
        let mut collecting = Collecting { wanted: wanted.clone(), got: String::new(), saying: false };
        let ms = i64::try_from(cx.wall.as_unix_millis()).unwrap_or(i64::MAX);
        let now = Moment::new(ms, &cx.config.zone);
        let (plan, thread) = (&self.plan, &self.thread);
        let extension = |got: &str| thread.dialled(plan, got, now);
        let has_time = !wanted.say.is_empty() || !wanted.first.is_zero();
        let pressed = if has_time { self.keys.pop_front() } else { None }.unwrap_or_default();
        let enough = collecting.take(&mut String::from(pressed), &extension);
        let time = match (enough, collecting.got.is_empty()) {
            (true, _) => Duration::ZERO,
            (false, true) => length(cx, &wanted.say) + wanted.first,
            (false, false) => wanted.next,
        };
        self.pass(cx, time.min(limits::WAIT));
        Outcome::Keys { keys: collecting.got.into(), timeout: !enough }
    }

    /// Rings others.
    fn dial(&mut self, cx: &mut Cx<'_>, wanted: &Dial) -> Came {
        let (mut phones, mut busy) = (Vec::new(), None);
        for target in &wanted.targets {
            let targets = match target {
                Target::Phone(extension) if self.calls.is_full(cx, extension) => {
                    busy = Some(Status::BUSY_HERE);
                    continue;
                }
                Target::Phone(extension) => dial::targets(cx.config, &self.below.registrar, extension),
                Target::Trunk { number, trunk } => {
                    dial::through(cx.config, &self.below.registrar, trunk, number)
                }
                Target::Uri { uri, name } => elsewhere::target(cx.config, uri, name).into_iter().collect(),
                Target::Local { .. } => Vec::new(),
            };
            phones.extend(targets.iter().map(|target| target.extension().clone()));
        }
        phones.truncate(limits::LEGS_PER_CALL - 1);
        if phones.is_empty() {
            let (status, cause) = match busy {
                Some(_) => (DialStatus::Busy, causes::BUSY),
                None => (DialStatus::ChanUnavail, causes::ABSENT),
            };
            self.failed = Some((causes::status_of(cause), causes::refused_with(cause)));
            return Told(Outcome::Dialled { status, cause, answered: Duration::ZERO });
        }
        let fate = self.fate(&phones, busy);
        self.rings.extend(phones);
        match fate {
            Fate::Answered => {
                self.answer(cx);
                self.thread.connected(cx.steady_ms());
                let limit = Limit::of_options(&wanted.options, |_| None);
                let most = limit.map_or(limits::WAIT, |limit| limit.most);
                self.failed = None;
                let talk = self.wanted.talk.min(most);
                self.pass(cx, talk);
                match wanted.options.iter().any(|(letter, _)| *letter == 'g') {
                    true => Told(Outcome::Dialled {
                        status: DialStatus::Answer,
                        cause: causes::NORMAL,
                        answered: talk,
                    }),
                    false => Ended(ANY, EndCause::HungUp(Side::Callee)),
                }
            }
            Fate::Refused(status, cause) => {
                if cause == EndCause::NoAnswer {
                    let patience = wanted.timeout.unwrap_or(cx.config.ring).min(limits::RING);
                    self.pass(cx, patience);
                }
                let outcome = failed_dial(status, &cause);
                self.failed = Some((status, cause));
                Told(outcome)
            }
        }
    }

    /// What comes of phones that are asked together.
    fn fate(&self, phones: &[SmolStr], busy: Option<Status>) -> Fate {
        let hunt = Hunt::among((1..=phones.len()).collect());
        let mut app = App::Hunt(match busy {
            Some(status) => hunt.refused_by(status),
            None => hunt,
        });
        let mut orders = Vec::new();
        let events = phones.iter().enumerate().filter_map(|(at, phone)| {
            let party = at + 1;
            let refused = |status| Some(AppEvent::Refused { party, status });
            match self.wanted.dial_of(phone) {
                DialStatus::Answer => Some(AppEvent::Answered { party }),
                DialStatus::Busy => refused(Some(Status::BUSY_HERE)),
                DialStatus::Congestion => refused(Some(Status::SERVICE_UNAVAILABLE)),
                DialStatus::ChanUnavail => refused(None),
                DialStatus::NoAnswer | DialStatus::Cancel => None,
            }
        });
        for event in events.chain([AppEvent::NoAnswer]) {
            if let App::Hunt(_) = app {
                app = app.on(event, &mut orders);
            }
        }
        let fate = orders.into_iter().find_map(|order| match order {
            Order::Connect { .. } => Some(Fate::Answered),
            Order::Refuse { status, cause } => Some(Fate::Refused(status, cause)),
            _ => None,
        });
        fate.unwrap_or(Fate::Refused(Status::TEMPORARILY_UNAVAILABLE, EndCause::NoAnswer))
    }
}

enum Fate {
    Answered,
    Refused(Status, EndCause),
}

/// How long it takes to say this.
fn length(cx: &Cx<'_>, say: &[Say]) -> Duration {
    let one = |say: &Say| match say {
        Say::Prompt(name) => {
            Duration::from_millis(cx.config.sounds.get(name).map_or(0, crate::mediactl::Clip::ms))
        }
        Say::Pause(time) => *time,
    };
    say.iter().map(one).sum()
}
