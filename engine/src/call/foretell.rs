//! Where a call would go, without making it: a thread walks the plan in force in the exchange as it is now, and of what
//! depends on people something is supposed. The walk is the real one, and so is what the dialplan reads; what is set
//! stays in a copy. A test makes the calls, and compares.

mod dial;
mod services;

use std::collections::VecDeque;

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::explain::{Supposition, looked_at};
use telex_dialplan::scene::Caller;
use telex_dialplan::task::{Collect, Say, Task};
use telex_dialplan::{Asked, At, Dialled, Dialplan, Moment, Outcome, Thread, World};

use super::callback::CallBacks;
use super::dial::Asking;
use super::identity::identity_of;
use super::onward::farewell;
use super::open::matched;
use super::script::{Collecting, Script, ended};
use super::tasks::pressing;
use super::walks::{Eyes, Facts, Walks, Work};
use super::{Below, Call, Calls, causes};
use crate::border::{CallState, Foretold, Lsn};
use crate::cx::{Cx, Journal};
use crate::event::{EndCause, Rejection, Side};
use crate::limits;
use crate::mediactl::{RoomId, ShardId};
use crate::registrar::Registrar;
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
        let (number, plan) = self.plans.current();
        let context = cx.config.context_of(&wanted.from);
        let ms = wall_ms(cx.wall);
        let now = Moment::new(ms, &cx.config.zone);
        let asked = Asked { context, extension: &wanted.to, caller: &wanted.from, now };
        let considered = looked_at(&plan, asked, At::Priority(1));
        let told = |way, ends, rings, over| Foretold {
            at_ms: ms,
            when: format_smolstr!("{now}"),
            context: context.into(),
            considered,
            way,
            ends,
            rings,
            supposed: Vec::new(),
            over,
        };
        if matched(&cx, &plan, &wanted.from, &wanted.to).is_none() {
            let way = super::open::no_match(context, &wanted.to);
            let cause = causes::refused_by(Status::NOT_FOUND).q850();
            return told(way, format_smolstr!("refused with 404, cause {cause}"), Vec::new(), true);
        }
        let mut call = imagined(&cx, self.next_id, wanted);
        let caller = Caller {
            number: wanted.from.clone(),
            name: call.name.clone(),
            dnid: wanted.to.clone(),
            ..Caller::default()
        };
        let thread = Thread::new(context, &wanted.to, caller);
        call.script = Some(Box::new(Script::new(number, thread, Vec::new())));
        let mut walk = Walk {
            calls: self,
            below,
            values: self.values.clone(),
            callbacks: self.callbacks.clone(),
            call,
            plan,
            keys: wanted.keys.iter().cloned().collect(),
            wanted,
            left: limits::FORETOLD_TASKS,
            ringing: Vec::new(),
            rings: Vec::new(),
            supposed: Vec::new(),
            farewell: None,
            ends: SmolStr::default(),
        };
        let over = walk.run_out(&mut cx);
        let Walk { call, plan, ends, rings, supposed, .. } = walk;
        let way = call.script.map(|script| format!("{}", script.thread.trail().told(&plan)));
        Foretold { supposed, ..told(way.unwrap_or_default(), ends, rings, over) }
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
    callbacks: CallBacks,
    call: Call,
    plan: Dialplan,
    /// What is pressed each time keys are collected.
    keys: VecDeque<SmolStr>,
    wanted: &'a Supposition,
    /// Tasks until enough is told.
    left: usize,
    /// The phones that ring now.
    ringing: Vec<SmolStr>,
    /// Whom it rings, in order.
    rings: Vec<SmolStr>,
    /// What people do that nobody has said they would.
    supposed: Vec<SmolStr>,
    /// The phone that does what the extension `h` says when the call ends.
    farewell: Option<SmolStr>,
    /// How it ends, in words.
    ends: SmolStr,
}

impl Walks for Walk<'_> {
    fn call(&self) -> Option<&Call> {
        Some(&self.call)
    }

    fn call_mut(&mut self) -> Option<&mut Call> {
        Some(&mut self.call)
    }

    fn registrar(&self) -> &Registrar {
        &self.below.registrar
    }

    fn is_full(&self, cx: &Cx<'_>, extension: &SmolStr) -> bool {
        let here = self.call.from == *extension || self.ringing.contains(extension);
        let most = cx.config.phones.get(extension).and_then(|phone| phone.call_waiting);
        most.is_some_and(|most| self.calls.calls_of(extension) + usize::from(here) >= usize::from(most))
    }

    fn look(&mut self, cx: &mut Cx<'_>, facts: Option<&mut Facts>, work: Work<'_>) {
        let _ = self.see(cx, facts, work);
    }
}

/// What comes of a task.
enum Came {
    Outcome(Outcome),
    /// The call ends so.
    Ended(Status, EndCause),
    /// More than is told.
    Endless,
}

use Came::{Ended, Endless, Outcome as Told};

const DONE: Came = Told(Outcome::Done);
/// Nobody is refused with it.
const ANY: Status = Status::TEMPORARILY_UNAVAILABLE;
/// The caller has enough of it.
const ENOUGH: Came = Ended(ANY, EndCause::HungUp(Side::Caller));

impl Walk<'_> {
    /// True when it came to its end.
    fn run_out(&mut self, cx: &mut Cx<'_>) -> bool {
        let mut outcome = Outcome::Done;
        loop {
            let came = if self.may_go_on(cx) {
                match self.next(cx, outcome) {
                    Some(task) => self.came_in_time_of(cx, &task),
                    None => self.fallen_out(),
                }
            } else {
                Ended(Status::SERVER_INTERNAL_ERROR, EndCause::Dialplan(causes::CONGESTION))
            };
            match came {
                Told(came) => outcome = came,
                Ended(status, cause) => {
                    self.conclude(cx, status, cause);
                    return true;
                }
                Endless => return false,
            }
            if !self.is_more() {
                return false;
            }
        }
    }

    /// What comes of a task, which is left when the time is up that the dialplan lets the call last.
    fn came_in_time_of(&mut self, cx: &mut Cx<'_>, task: &Task) -> Came {
        let (began, failed) = ((cx.now, cx.wall), self.script().and_then(|script| script.failed.clone()));
        let came = self.came_of(cx, task);
        if cx.now == began.0 || !self.is_late(cx) || matches!(came, Endless) {
            return came;
        }
        let Some(script) = self.call.script.as_deref_mut() else { return came };
        let at = script.thread.deadline().unwrap_or_default();
        if !script.thread.expire(at) {
            return came;
        }
        (script.dial, script.failed) = (None, failed);
        (cx.now, cx.wall) = began;
        let left = at.saturating_sub(cx.steady_ms()).max(0).unsigned_abs();
        self.pass(cx, Duration::from_millis(left));
        DONE
    }

    /// Whether the time is up that the dialplan lets the call last.
    fn is_late(&mut self, cx: &Cx<'_>) -> bool {
        let deadline = self.script().and_then(|script| script.thread.deadline());
        deadline.is_some_and(|at| cx.steady_ms() >= at)
    }

    /// Whether a task may follow.
    fn is_more(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    /// Whether it does not go round without ever waiting.
    fn may_go_on(&mut self, cx: &Cx<'_>) -> bool {
        self.script().is_some_and(|script| script.may_go_on(cx.now))
    }

    /// Lets the dialplan work.
    fn see<R>(
        &mut self,
        cx: &mut Cx<'_>,
        facts: Option<&mut Facts>,
        work: impl FnOnce(&mut Thread, &Dialplan, &mut dyn World) -> R,
    ) -> Option<R> {
        let mut script = self.call.script.take()?;
        let eyes = Eyes {
            registrar: &self.below.registrar,
            values: &mut self.values,
            calls: &self.calls.all,
            lines: &self.calls.lines,
            parked: &self.calls.parked,
            foretold: Some(&self.ringing),
        };
        let plan = &self.plan;
        let done = eyes.look(cx, &self.call, &mut script, facts, |thread, world| work(thread, plan, world));
        self.call.script = Some(script);
        Some(done)
    }

    /// Tells the thread an outcome and gets what it wants next.
    fn next(&mut self, cx: &mut Cx<'_>, outcome: Outcome) -> Option<Task> {
        let walk = |thread: &mut Thread, plan: &Dialplan, world: &mut dyn World| {
            thread.resume(outcome);
            thread.next(plan, world)
        };
        self.see(cx, None, walk)?
    }

    /// Says what is supposed, once.
    fn suppose(&mut self, text: SmolStr) {
        if !self.supposed.contains(&text) {
            self.supposed.push(text);
        }
    }

    /// The extension `h`.
    fn conclude(&mut self, cx: &mut Cx<'_>, status: Status, cause: EndCause) {
        let answered = self.call.answered.is_some();
        let cause = match ended(answered, status, cause) {
            // Who was not answered cancels.
            EndCause::HungUp(Side::Caller) if !answered => EndCause::Cancelled,
            cause => cause,
        };
        let number = cause.q850();
        self.ends = match (&cause, answered) {
            (EndCause::Refused(Rejection { status: 302, .. }), false) => {
                SmolStr::new_static("the caller calls there itself")
            }
            (EndCause::Refused(refused), false) => {
                format_smolstr!("refused with {}, cause {number}", refused.status)
            }
            (EndCause::NoAnswer, false) => format_smolstr!("refused with {}, cause {number}", status.code()),
            (EndCause::Cancelled | EndCause::HungUp(_), false) => SmolStr::new_static("the caller gives up"),
            (EndCause::HungUp(_), true) => SmolStr::new_static("somebody hangs up"),
            (EndCause::TimeUp, true) => SmolStr::new_static("their time is up"),
            (EndCause::Joined { call }, _) => format_smolstr!("it goes on in call {call}"),
            _ => format_smolstr!("the exchange hangs up, cause {number}"),
        };
        let mut outcome = causes::outcome_of(&cause);
        (self.call.state, self.call.cause) = (CallState::Ending, Some(cause));
        if let Some(phone) = self.farewell.take() {
            farewell(self, cx, &phone, number);
        }
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
        let (status, cause) = self.script().and_then(|script| script.failed.take()).unwrap_or(usual);
        Ended(status, cause)
    }

    /// The caller hears this until it hangs up.
    fn enough(&mut self) -> Came {
        self.suppose(SmolStr::new_static("the caller hangs up where only that ends it"));
        ENOUGH
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
            Task::Busy(None) | Task::Congestion(None) | Task::Music { time: None, .. } => self.enough(),
            Task::Echo | Task::Milliwatt => {
                self.answer(cx);
                self.enough()
            }
            Task::Conference { name } => self.conference(cx, name),
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
            Task::Transfer(to) => self.sent_away(to),
            Task::Park { lot, options } => self.park(cx, lot, options),
            Task::ParkedCall { lot, slot } => self.take_up(cx, lot, slot),
            Task::Pickup(wanted) => self.pick_up(cx, wanted),
            Task::Page { targets, timeout, .. } => self.page(cx, targets, *timeout),
            Task::CallBack { of } => Told(self.request_call_back(cx, of)),
            Task::CancelCallBack => Told(self.callbacks.cancel(&self.call.from)),
            Task::Queue { .. } => Told(Outcome::Refused("queues are not possible yet".into())),
            Task::VoiceMail { .. } | Task::Messages { .. } => {
                Told(Outcome::Refused("voicemail is not possible yet".into()))
            }
            _ => DONE,
        }
    }

    /// What the caller presses. What is more than enough is not: it is known by then.
    fn collect(&mut self, cx: &mut Cx<'_>, wanted: &Collect) -> Outcome {
        let waits = !wanted.say.is_empty() || !wanted.first.is_zero();
        let pressed = if waits { self.keys.pop_front() } else { None };
        if waits && pressed.is_none() {
            self.suppose(match self.wanted.keys.is_empty() {
                true => SmolStr::new_static("the caller presses nothing"),
                false => SmolStr::new_static("the caller presses nothing more"),
            });
        }
        let plan = self.plan.clone();
        let Some(script) = self.call.script.as_deref() else { return Outcome::Done };
        let thread = &script.thread;
        let (outcome, time) =
            collected(cx, wanted, pressed.unwrap_or_default(), &|got, now| thread.dialled(&plan, got, now));
        self.pass(cx, time);
        outcome
    }
}

fn wall_ms(at: WallTime) -> i64 {
    i64::try_from(at.as_unix_millis()).unwrap_or(i64::MAX)
}

/// What comes of collecting keys when these are pressed, and after how long.
fn collected(
    cx: &Cx<'_>,
    wanted: &Collect,
    pressed: SmolStr,
    dialled: &dyn Fn(&str, Moment<'_>) -> Dialled,
) -> (Outcome, Duration) {
    let mut collecting = Collecting { wanted: wanted.clone(), got: String::new(), saying: false };
    let now = Moment::new(wall_ms(cx.wall), &cx.config.zone);
    let enough = collecting.take(&mut String::from(pressed), &|got| dialled(got, now));
    let time = match (enough, collecting.got.is_empty()) {
        (true, _) => Duration::ZERO,
        (false, true) => length(cx, &wanted.say) + wanted.first,
        (false, false) => wanted.next,
    };
    (Outcome::Keys { keys: collecting.got.into(), timeout: !enough }, time.min(limits::WAIT))
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
