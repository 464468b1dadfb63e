//! Runs a recording again.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use telex_engine::config::Config;
use telex_engine::time::{Duration, Instant, WallTime};
use telex_engine::{Actions, Input, Signalling};

use crate::changes::Change;
use crate::difference::{Difference, Parting, first};
use crate::entry::{Checkpoint, Entry, state_hash};
use crate::file::Recording;
use crate::place::Place;
use crate::words;

/// Checkpoints that a replay keeps of itself for going back.
const CHECKPOINTS: usize = 64;
/// Steps between two of them at first.
const EVERY: usize = 64;
/// How often a machine whose timers have parted from the recording is woken between two of its inputs, at most.
const WAKES: usize = 1000;

/// A machine on its way through a recording.
#[derive(Debug)]
pub struct Replayer<'a> {
    recording: &'a Recording,
    changes: &'a [Change],
    machine: Signalling,
    /// Inputs that the machine has been handed.
    done: usize,
    checkpoints: BTreeMap<usize, Vec<u8>>,
    every: usize,
    tally: Tally,
    actions: Actions,
}

/// What a replay has shown so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How far it has come: going back does not take back what was seen.
    pub inputs: usize,
    /// Inputs by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Outputs in the recording.
    pub outputs: u64,
    /// Those of them that came out the same.
    pub identical: u64,
    /// Outputs that the recording does not have.
    pub more: u64,
    /// Where the machine first wanted to be woken at another time.
    pub parting: Option<Parting>,
    /// The first output that did not.
    pub difference: Option<Box<Difference>>,
}

/// Why a recording cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The state at its beginning cannot be read.
    #[error(
        "the state at the beginning cannot be read: {error}; it was made by telex {made_by}, this is {this}"
    )]
    Checkpoint {
        /// What is wrong.
        error: postcard::Error,
        /// What wrote it.
        made_by: String,
        /// What reads it.
        this: String,
    },
    /// The engine broke.
    #[error("the engine panicked at input #{step}, {input}")]
    Panic {
        /// Which input.
        step: usize,
        /// The input in words.
        input: String,
    },
}

impl<'a> Replayer<'a> {
    /// At the beginning of a recording, with these changes of its configuration.
    ///
    /// # Errors
    /// [`ReplayError::Checkpoint`].
    pub fn new(recording: &'a Recording, changes: &'a [Change]) -> Result<Self, ReplayError> {
        let machine = begin(recording, &recording.checkpoint, changes)?;
        let mut checkpoints = BTreeMap::new();
        checkpoints.insert(0, postcard::to_stdvec(&machine).unwrap_or_default());
        Ok(Self {
            recording,
            changes,
            machine,
            done: 0,
            checkpoints,
            every: EVERY,
            tally: Tally::default(),
            actions: Actions::new(),
        })
    }

    /// Hands the machine the next input. False when there is none.
    ///
    /// # Errors
    /// [`ReplayError::Panic`].
    pub fn step(&mut self) -> Result<bool, ReplayError> {
        let recording = self.recording;
        let Some(entry) = recording.entries.get(self.done) else { return Ok(false) };
        if let Some((_, start)) = recording.starts.iter().find(|(at, _)| *at == self.done) {
            self.machine = begin(recording, start, self.changes)?;
        }
        let mut input = entry.input.clone();
        if let Input::Config { config, .. } = &mut input
            && let Some(other) = changed(config, self.changes)
        {
            *config = other;
        }
        self.actions.clear();
        // Wakes are inputs and came when the recorded machine wanted them. One with other timers gets its own.
        if self.tally.parting.is_some_and(|parting| parting.step < self.done) {
            self.wake_until(entry.now)?;
        }
        let due = self.machine.deadline().map(|deadline| deadline.why);
        let (machine, actions) = (&mut self.machine, &mut self.actions);
        catch_unwind(AssertUnwindSafe(|| machine.handle(entry.now, input, actions)))
            .map_err(|_| ReplayError::Panic { step: self.done, input: words::input(&entry.input) })?;
        if self.done == self.tally.inputs {
            self.count(entry, due);
        }
        self.done += 1;
        if self.done.is_multiple_of(self.every) {
            self.keep();
        }
        Ok(true)
    }

    fn wake_until(&mut self, now: Instant) -> Result<(), ReplayError> {
        for _ in 0..WAKES {
            let Some(deadline) = self.machine.deadline().filter(|deadline| deadline.at < now) else { break };
            self.actions.clear();
            let (machine, actions) = (&mut self.machine, &mut self.actions);
            catch_unwind(AssertUnwindSafe(|| machine.handle(deadline.at, Input::Wake, actions)))
                .map_err(|_| ReplayError::Panic { step: self.done, input: deadline.why.to_owned() })?;
            if self.done == self.tally.inputs && !self.actions.is_empty() {
                self.tally.more += self.actions.len() as u64;
                if self.tally.difference.is_none() {
                    self.tally.difference = Some(Box::new(Difference {
                        step: self.done,
                        now: deadline.at,
                        wall: self.machine.wall_at(deadline.at),
                        input: None,
                        due: Some(deadline.why),
                        output: 0,
                        expected: None,
                        got: self.actions.first().cloned(),
                    }));
                }
            }
        }
        self.actions.clear();
        Ok(())
    }

    fn count(&mut self, entry: &Entry, due: Option<&'static str>) {
        let tally = &mut self.tally;
        tally.inputs += 1;
        *tally.kinds.entry(words::kind(&entry.input)).or_default() += 1;
        tally.outputs += entry.actions.len() as u64;
        let pairs = entry.actions.iter().zip(&self.actions);
        tally.identical += pairs.filter(|(expected, got)| expected == got).count() as u64;
        tally.more += self.actions.len().saturating_sub(entry.actions.len()) as u64;
        let got = self.machine.deadline();
        if tally.parting.is_none() && got.map(|deadline| deadline.at) != entry.deadline {
            tally.parting = Some(Parting {
                step: self.done,
                now: entry.now,
                expected: entry.deadline,
                got: got.map(|deadline| (deadline.at, deadline.why)),
            });
        }
        if tally.difference.is_none()
            && let Some(output) = first(&entry.actions, &self.actions)
        {
            tally.difference = Some(Box::new(Difference {
                step: self.done,
                now: entry.now,
                wall: self.machine.wall_at(entry.now),
                input: Some(entry.input.clone()),
                due,
                output,
                expected: entry.actions.get(output).cloned(),
                got: self.actions.get(output).cloned(),
            }));
        }
    }

    fn keep(&mut self) {
        if self.checkpoints.contains_key(&self.done) {
            return;
        }
        self.checkpoints.insert(self.done, postcard::to_stdvec(&self.machine).unwrap_or_default());
        if self.checkpoints.len() > CHECKPOINTS {
            self.every *= 2;
            let every = self.every;
            self.checkpoints.retain(|step, _| step.is_multiple_of(every));
        }
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// [`ReplayError::Panic`].
    pub fn run(&mut self) -> Result<&Tally, ReplayError> {
        while self.step()? {}
        Ok(&self.tally)
    }

    /// Goes to where the input of this number is the next one, forwards or back.
    ///
    /// # Errors
    /// [`ReplayError::Panic`].
    pub fn go(&mut self, step: usize) -> Result<(), ReplayError> {
        let step = step.min(self.recording.entries.len());
        if step < self.done
            && let Some((at, state)) = self.checkpoints.range(..=step).next_back()
            && let Ok(machine) = postcard::from_bytes(state)
        {
            self.machine = machine;
            self.done = *at;
        }
        while self.done < step {
            self.step()?;
        }
        Ok(())
    }

    /// Where the recording is at `place`: the number of the first input that comes later.
    pub fn find(&self, place: Place) -> usize {
        let last = self.recording.entries.len();
        let wall = |time| Place::wall(self.recording.wall(), time);
        let later = |(after, clock): (Duration, WallTime)| match place {
            Place::Step(_) => false,
            Place::After(time) => after > time,
            Place::Clock(time) => clock > wall(time),
        };
        match place {
            Place::Step(step) => step.min(last),
            _ => self.recording.times().position(later).unwrap_or(last),
        }
    }

    /// The moment at `place`; that of the last input before it when it is named by number.
    pub fn moment(&self, place: Place) -> Instant {
        match place {
            Place::After(time) => self.now() + time.saturating_sub(self.elapsed()),
            Place::Step(_) => self.now(),
            Place::Clock(time) => {
                let wall = Place::wall(self.recording.wall(), time);
                self.now() + wall.since(self.wall())
            }
        }
    }

    /// What it has shown so far.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The machine as it is now.
    pub const fn machine(&self) -> &Signalling {
        &self.machine
    }

    /// The number of the next input.
    pub const fn position(&self) -> usize {
        self.done
    }

    /// The moment of the last input.
    pub fn now(&self) -> Instant {
        let last = self.done.checked_sub(1).and_then(|n| self.recording.entries.get(n));
        last.map_or(self.recording.checkpoint.now, |entry| entry.now)
    }

    /// How long after the beginning of the recording that was.
    pub fn elapsed(&self) -> Duration {
        let last = self.done.checked_sub(1).and_then(|n| self.recording.times().nth(n));
        last.map_or(Duration::ZERO, |(after, _)| after)
    }

    /// The same by the wall clock.
    pub fn wall(&self) -> WallTime {
        self.machine.wall_at(self.now())
    }

    /// A number that differs when the state differs in anything.
    pub fn state_hash(&self) -> u64 {
        state_hash(&self.machine)
    }

    /// What the last step wanted done.
    pub fn actions(&self) -> &Actions {
        &self.actions
    }
}

fn begin(
    recording: &Recording,
    checkpoint: &Checkpoint,
    changes: &[Change],
) -> Result<Signalling, ReplayError> {
    let unreadable = |error| ReplayError::Checkpoint {
        error,
        made_by: recording.header.build.clone(),
        this: crate::build(),
    };
    let mut machine = checkpoint.machine().map_err(unreadable)?;
    if let Some(config) = changed(machine.config(), changes) {
        machine.assume_config(config);
    }
    Ok(machine)
}

fn changed(config: &Config, changes: &[Change]) -> Option<Arc<Config>> {
    if changes.is_empty() {
        return None;
    }
    let mut config = config.clone();
    changes.iter().for_each(|change| change.apply(&mut config));
    Some(Arc::new(config))
}

impl Tally {
    /// Whether everything came out as recorded.
    pub fn is_identical(&self) -> bool {
        self.difference.is_none() && self.parting.is_none()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        writeln!(f, "inputs {} ({})", self.inputs, kinds.join(", "))?;
        write!(f, "outputs {}  identical {}", self.outputs, self.identical)?;
        if self.more > 0 {
            write!(f, "  more than recorded {}", self.more)?;
        }
        if self.is_identical() {
            return writeln!(f, "  first difference: none");
        }
        writeln!(f)?;
        if let Some(parting) = &self.parting {
            write!(f, "{parting}")?;
        }
        match &self.difference {
            None => writeln!(f, "no output differs"),
            Some(difference) => write!(f, "{difference}"),
        }
    }
}
