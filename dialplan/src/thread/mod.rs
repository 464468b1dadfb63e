//! A channel on its way through a plan.
//!
//! A thread is state and nothing else: the plan and the exchange are handed in with every call, and must be the same
//! plan each time. [`Thread::next`] walks until the exchange has to do something, and says what; [`Thread::resume`]
//! tells what came of it.

mod flow;
mod outcome;
mod routine;
mod trail;

use smol_str::{SmolStr, format_smolstr};

use crate::directory::Directory;
use crate::find::{Asked, At};
use crate::pattern::Dialled;
use crate::plan::Dialplan;
use crate::scene::{Caller, Channel, MAX_NOTES, MAX_SHOWN, MAX_WORK, Place, Scene};
use crate::source::Span;
use crate::task::{Collect, Outcome, Task};
use crate::template::cut;
use crate::vars::MAX_VARIABLES;
use crate::when::Moment;
use crate::world::{Loudness, World};

pub use self::trail::{Entry, MAX_TRAIL, Trail};

/// Steps without any time going by: more of them are a loop.
pub const MAX_STEPS: u32 = 10_000;
/// How deep subroutines may call each other.
pub const MAX_STACK: usize = 64;

/// Unallocated number, by Q.850.
const UNALLOCATED: u8 = 1;
/// A temporary failure, by Q.850.
const FAILURE: u8 = 41;

/// A channel on its way through a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Thread {
    channel: Channel,
    state: State,
    /// Where the subroutines come back to.
    stack: Vec<Place>,
    /// What is to be done after an answer that had to come first.
    queued: Option<(Task, Waiting)>,
    trail: Trail,
    kind: routine::Kind,
    /// The extension `h` was begun, or there is none: what follows is the end.
    closing: bool,
    /// Steps since the time was `mark`.
    steps: u32,
    mark: i64,
    /// The Dial that goes on.
    dial: Option<outcome::Talk>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum State {
    Walking,
    /// A task is being done.
    Waiting(Waiting),
    /// It is done, and this came of it.
    Done(Waiting, Outcome),
    /// The channel has been here long enough.
    Expired,
    /// The caller is to be hung up.
    Ending(Option<u8>),
    /// It was said that the caller is to be hung up.
    Ended,
    Over,
}

/// What the outcome of a task means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Waiting {
    /// Nothing but that it is done.
    Plain,
    /// The call is answered then; something else follows if it is queued.
    Answer,
    Playback {
        /// Something of it is not there.
        failed: bool,
        /// The call is answered for it.
        answers: bool,
    },
    Read {
        variable: SmolStr,
        /// Rounds left.
        rounds: u64,
        collect: Box<Collect>,
    },
    /// Keys become an extension of the context.
    Extension {
        context: SmolStr,
        /// Without any, `t` is next rather than the next priority.
        timed: bool,
    },
    Dial {
        /// After an answered call too.
        go_on: bool,
    },
    VoiceMail,
    /// It is the last, and no step of the plan.
    Sent,
    /// Keys spell a name, or take one.
    Directory(Box<Directory>),
    /// The call ends afterwards.
    Last(u8),
}

/// Where a step leads.
enum Move {
    Next,
    To(Place),
    /// Into a subroutine.
    Enter(Place, Vec<SmolStr>),
    /// Out of it.
    Back(SmolStr),
    Task(Task, Waiting),
    /// To an extension that is not there.
    Missing {
        context: SmolStr,
        extension: SmolStr,
    },
    End(Option<u8>),
    /// On, with the last Gosub forgotten.
    Pop,
    /// Nowhere: what is next is known.
    Stay,
}

impl Thread {
    /// A thread for a caller who dialled an extension. Nothing happens before [`Thread::next`].
    pub fn new(context: &str, extension: &str, caller: Caller) -> Self {
        let place = Place { context: context.into(), extension: extension.into(), priority: 1 };
        Self {
            channel: Channel { place, caller, ..Channel::default() },
            state: State::Walking,
            stack: Vec::new(),
            queued: None,
            trail: Trail::default(),
            kind: routine::Kind::default(),
            closing: false,
            steps: 0,
            mark: i64::MIN,
            dial: None,
        }
    }

    /// A thread that somebody has sent past the plan: a task is being done for it from the beginning, `way` says of
    /// that in words, and when it is over nothing follows but the extension `h` of the context.
    pub fn sent(context: &str, extension: &str, caller: Caller, way: impl Into<SmolStr>) -> Self {
        let mut thread = Self::new(context, extension, caller);
        let place = thread.channel.place.clone();
        thread.trail.push(Entry { place, outcome: short(way.into()), ..Entry::default() });
        thread.state = State::Waiting(Waiting::Sent);
        thread
    }

    /// Sets a variable of the channel, with the marks of [`Thread::inherited`]; false when there is no room.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        self.channel.vars.set(name, value)
    }

    /// A variable of the channel.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.channel.vars.get(name).map(SmolStr::as_str)
    }

    /// Variables that a dialled channel gets, with the marks they have there.
    pub fn inherited(&self) -> Vec<(SmolStr, SmolStr)> {
        self.channel.vars.inherited()
    }

    /// Who calls, as the plan has changed it.
    pub const fn caller(&self) -> &Caller {
        &self.channel.caller
    }

    /// Where it is.
    pub const fn place(&self) -> &Place {
        &self.channel.place
    }

    /// The way it took.
    pub const fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Nothing follows any more.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// When `TIMEOUT(absolute)` runs out, by [`World::steady_ms`]: call [`Thread::expire`] then.
    pub const fn deadline(&self) -> Option<i64> {
        if self.channel.gone { None } else { self.channel.deadline }
    }

    /// Who calls is called this from now on.
    pub fn rename(&mut self, name: SmolStr) -> SmolStr {
        std::mem::replace(&mut self.channel.caller.name, name)
    }

    /// Adds to the trail what has become of the task that is being done.
    pub fn remark(&mut self, text: impl Into<SmolStr>) {
        self.told(text.into());
    }

    /// Leaves the task that is being done, because the channel has been here long enough: extension `T` is next.
    /// Before its time it changes nothing. True when the task is left.
    pub fn expire(&mut self, steady_ms: i64) -> bool {
        let due = self.deadline().is_some_and(|deadline| steady_ms >= deadline);
        let leaves = due && matches!(self.state, State::Waiting(_));
        if leaves {
            self.queued = None;
            self.state = State::Expired;
        }
        leaves
    }

    /// Leaves the task that is being done, because somebody sends the call elsewhere: what stands there is next. `by`
    /// and `reason` are what the plan then knows as `REDIRECTING(from-num)` and `REDIRECTING(reason)`.
    pub fn redirect(&mut self, context: &str, extension: &str, by: &str, reason: &str) {
        if self.is_over() || self.channel.gone {
            return;
        }
        (self.queued, self.state) = (None, State::Walking);
        self.channel.place = Place { context: context.into(), extension: extension.into(), priority: 1 };
        (self.channel.caller.rdnis, self.channel.caller.reason) = (by.into(), reason.into());
    }

    /// Tells what came of the task that was asked for. A caller who is gone may be told of at any time.
    pub fn resume(&mut self, outcome: Outcome) {
        let state = std::mem::replace(&mut self.state, State::Over);
        self.state = match (state, outcome) {
            (State::Over, _) => State::Over,
            (state @ (State::Walking | State::Ended), _) if self.channel.gone => state,
            (State::Waiting(waiting), outcome) => State::Done(waiting, outcome),
            (State::Ended, outcome) => {
                let cause = match outcome {
                    Outcome::HungUp { cause } | Outcome::Ended { cause, .. } => cause,
                    _ => 0,
                };
                State::Done(Waiting::Plain, Outcome::Ended { cause, why: SmolStr::default() })
            }
            (_, outcome @ (Outcome::HungUp { .. } | Outcome::Ended { .. })) => {
                State::Done(Waiting::Plain, outcome)
            }
            (state, _) => state,
        };
    }

    /// What the keys so far are, while a task collects them [`Until::Extension`](crate::task::Until::Extension).
    pub fn dialled(&self, plan: &Dialplan, keys: &str, now: Moment<'_>) -> Dialled {
        let context = match &self.state {
            State::Waiting(Waiting::Extension { context, .. }) => context,
            _ => &self.channel.place.context,
        };
        plan.dialled(Asked { context, extension: keys, caller: &self.channel.caller.number, now })
    }

    /// Walks on, and says what the exchange must do next; `None` when it is over. While a task is being done it is
    /// `None` too.
    pub fn next(&mut self, plan: &Dialplan, world: &mut dyn World) -> Option<Task> {
        let now = world.steady_ms();
        if now != self.mark {
            (self.mark, self.steps) = (now, 0);
            self.channel.work = 0;
        }
        loop {
            let state = std::mem::replace(&mut self.state, State::Walking);
            let step = match state {
                State::Walking => self.step(plan, world),
                State::Expired => self.too_long(plan, world),
                State::Done(waiting, outcome) => self.outcome(waiting, outcome, plan, world),
                State::Ending(cause) => {
                    if self.channel.gone {
                        self.after_hangup(plan, world);
                        continue;
                    }
                    self.state = State::Ended;
                    return Some(Task::Hangup { cause });
                }
                state @ (State::Waiting(_) | State::Ended | State::Over) => {
                    self.state = state;
                    return None;
                }
            };
            if let Some(task) = self.take(step, plan, world) {
                return Some(task);
            }
        }
    }

    /// Does what a step leads to.
    fn take(&mut self, step: Move, plan: &Dialplan, world: &mut dyn World) -> Option<Task> {
        match step {
            Move::Stay => {}
            Move::Pop => {
                if self.stack.pop().is_some() {
                    self.channel.vars.leave();
                }
                self.channel.place.priority = self.channel.place.priority.saturating_add(1);
            }
            Move::Next => self.channel.place.priority = self.channel.place.priority.saturating_add(1),
            Move::To(place) => self.channel.place = place,
            Move::Enter(place, args) => {
                if self.stack.len() == MAX_STACK {
                    let lines = self.circle(plan);
                    self.complain(
                        world,
                        format_args!("more than {MAX_STACK} subroutines within each other, in {lines}"),
                    );
                    self.state = State::Ending(Some(FAILURE));
                    return None;
                }
                let mut back = std::mem::replace(&mut self.channel.place, place);
                back.priority = back.priority.saturating_add(1);
                self.stack.push(back);
                if !self.channel.vars.enter(&args) {
                    self.complain(world, format_args!("no room for the arguments of a subroutine"));
                    self.state = State::Ending(Some(FAILURE));
                }
            }
            Move::Back(value) => match self.stack.pop() {
                Some(place) => {
                    self.channel.vars.leave();
                    self.channel.vars.set("GOSUB_RETVAL", &value);
                    self.channel.place = place;
                }
                None if self.kind == routine::Kind::Routine => self.returned(&value),
                None => {
                    self.complain(world, format_args!("Return without Gosub ends the call"));
                    self.state = State::Ending(None);
                }
            },
            Move::Missing { context, extension } => self.missing(&context, &extension, plan, world),
            Move::End(cause) => self.state = State::Ending(cause),
            Move::Task(task, _) if self.channel.gone => {
                self.complain(world, format_args!("the caller is gone: {}", kind(&task)));
                self.channel.place.priority = self.channel.place.priority.saturating_add(1);
            }
            Move::Task(task, waiting) => {
                if matches!(task, Task::Dial(_)) {
                    self.dial_begins(world);
                }
                self.state = State::Waiting(waiting);
                return Some(task);
            }
        }
        None
    }

    /// `i`, or the end.
    fn missing(&mut self, context: &str, extension: &str, plan: &Dialplan, world: &mut dyn World) {
        // From `i` to `i` too: a caller may be wrong more than once. What goes round by itself is stopped as a loop.
        let known = extension != "i";
        let special = if known { special(context, "i", plan, &mut self.channel, world) } else { None };
        self.channel.vars.set("INVALID_EXTEN", extension);
        let text = format_smolstr!("no extension {extension} in context [{context}]");
        match special {
            Some(place) => {
                self.told(format_smolstr!("{text}: i"));
                self.channel.place = place;
            }
            None => {
                self.complain(world, format_args!("{text}"));
                self.state = State::Ending(Some(UNALLOCATED));
            }
        }
    }

    /// `TIMEOUT(absolute)` has run out: `T`, or the end.
    fn too_long(&mut self, plan: &Dialplan, world: &mut dyn World) -> Move {
        self.channel.deadline = None;
        self.dial_over(world);
        let context = self.channel.place.context.clone();
        let place = special(&context, "T", plan, &mut self.channel, world);
        self.told(SmolStr::new_static(match place {
            Some(_) => "the time of TIMEOUT(absolute) is up: T",
            None => "the time of TIMEOUT(absolute) is up: the call ends",
        }));
        place.map_or(Move::End(None), Move::To)
    }

    /// One step of the walk.
    fn step(&mut self, plan: &Dialplan, world: &mut dyn World) -> Move {
        if self.deadline().is_some_and(|deadline| world.steady_ms() >= deadline) {
            return self.too_long(plan, world);
        }
        self.steps += 1;
        if self.steps > MAX_STEPS {
            self.steps = 0;
            let lines = self.circle(plan);
            self.complain(
                world,
                format_args!("stopped after {MAX_STEPS} steps without a pause: a loop in {lines}"),
            );
            return Move::End(Some(FAILURE));
        }
        if let Some(why) = self.overdone() {
            let lines = self.circle(plan);
            self.complain(world, format_args!("stopped: {why}, in {lines}"));
            return Move::End(Some(FAILURE));
        }
        let mut scene = Scene::new(plan, &mut self.channel, world);
        let place = scene.channel.place.clone();
        let Some(found) = scene.find(&place.context, &place.extension, At::Priority(place.priority)) else {
            return self.fall_through(place, plan, world);
        };
        let mut shown = flow::Shown::default();
        let step = flow::run(&found.step.prepared, &mut scene, &mut self.queued, &mut shown);
        let notes = scene.notes;
        let vars = &scene.channel.vars;
        let notes = notes.into_iter().map(|note| vars.hidden(note)).collect();
        let (args, outcome) = (vars.hidden(shown.args), vars.hidden(shown.outcome));
        self.trail.push(Entry {
            whose: SmolStr::default(),
            place,
            context: found.context.name.clone(),
            pattern: format_smolstr!("{}", found.extension),
            span: found.step.span,
            app: SmolStr::new_static(shown.app),
            args: short(args),
            outcome: short(outcome),
            notes,
        });
        step
    }

    /// What a plan may not do to the exchange, once.
    fn overdone(&mut self) -> Option<SmolStr> {
        if std::mem::take(&mut self.channel.full) {
            return Some(format_smolstr!("a channel has no more than {MAX_VARIABLES} variables"));
        }
        if self.channel.work > MAX_WORK {
            self.channel.work = 0;
            return Some(format_smolstr!("more than {MAX_WORK} octets were worked on without a pause"));
        }
        None
    }

    /// There is no such priority: a caller who dialled what is not there, or the end of an extension.
    fn fall_through(&mut self, place: Place, plan: &Dialplan, world: &mut dyn World) -> Move {
        if self.kind == routine::Kind::Routine && self.stack.is_empty() {
            return self.ran_out(world);
        }
        if place.priority == 1 && self.trail.is_empty() {
            // Nobody is there who could be told: `i` is for those who are in the plan already.
            self.complain(
                world,
                format_args!("no extension {} in context [{}]", place.extension, place.context),
            );
            return Move::End(Some(UNALLOCATED));
        }
        if place.priority == 1 {
            return Move::Missing { context: place.context, extension: place.extension };
        }
        if plan.falls_through() || self.channel.gone {
            return Move::End(None);
        }
        flow::wait_for_extension(&self.channel, None, None)
    }

    /// The extension `h`, once, and then nothing.
    fn after_hangup(&mut self, plan: &Dialplan, world: &mut dyn World) {
        let context = self.channel.place.context.clone();
        let first = !std::mem::replace(&mut self.closing, true);
        let place = if first { special(&context, "h", plan, &mut self.channel, world) } else { None };
        match place {
            Some(place) => {
                (self.channel.place, self.queued) = (place, None);
                self.state = State::Walking;
            }
            None => self.state = State::Over,
        }
    }

    /// Says what came of the last step. What was walked for others on the way has outcomes of its own.
    fn told(&mut self, outcome: SmolStr) {
        let outcome = self.channel.vars.hidden(outcome);
        if let Some(entry) = self.trail.last_own() {
            entry.outcome = short(match entry.outcome.as_str() {
                "" => outcome,
                before => format_smolstr!("{before}; {outcome}"),
            });
        }
    }

    /// A warning about the last step.
    fn complain(&mut self, world: &mut dyn World, text: std::fmt::Arguments<'_>) {
        let text = short(format_smolstr!("{text}"));
        if self.channel.may_warn() {
            world.log(Loudness::Warning, &text);
        }
        if let Some(entry) = self.trail.last_own().filter(|entry| entry.notes.len() < MAX_NOTES) {
            entry.notes.push(text);
        }
    }

    /// The lines of a loop, for people: those of the last steps, each once.
    fn circle(&self, plan: &Dialplan) -> SmolStr {
        let mut spans: Vec<Span> = self.trail.entries().map(|entry| entry.span).collect();
        spans.sort_unstable();
        spans.dedup_by_key(|span| (span.file, span.line));
        let mut places: Vec<SmolStr> = spans.iter().take(20).map(|span| plan.place(*span)).collect();
        places.dedup();
        places.join(", ").into()
    }
}

/// A text for people, not too long.
fn short(text: SmolStr) -> SmolStr {
    if text.len() <= MAX_SHOWN { text } else { cut(&text, MAX_SHOWN).into() }
}

/// An extension with a meaning of its own, if the context has it.
fn special(
    context: &str,
    name: &str,
    plan: &Dialplan,
    channel: &mut Channel,
    world: &mut dyn World,
) -> Option<Place> {
    let scene = Scene::new(plan, channel, world);
    scene.find(context, name, At::Priority(1))?;
    Some(Place { context: context.into(), extension: name.into(), priority: 1 })
}

/// What a task is, for a complaint.
const fn kind(task: &Task) -> &'static str {
    match task {
        Task::Dial(_) | Task::Page { .. } => "nobody is rung",
        Task::Play { .. } | Task::Collect(_) => "nothing is played",
        _ => "this is left out",
    }
}

#[cfg(test)]
mod tests;
