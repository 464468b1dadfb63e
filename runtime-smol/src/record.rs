//! The recorder beside the engine: what it keeps, and how a piece of it is handed out.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use telex_engine::time::Instant;
use telex_engine::{Action, Input, Signalling};
use telex_replay::{CutError, Kept, MediaKept, Order, Recorder, Recording, Refusal, SecretKey};

/// The ring, if there is one, and what stand-ins are made with.
#[derive(Debug)]
pub(crate) struct Tape {
    recorder: Option<Recorder>,
    key: SecretKey,
    /// Whether it was told that nothing is being kept.
    refused: bool,
}

/// What was kept, on its way to whoever makes a file of it.
#[derive(Debug)]
pub(crate) struct Cutting {
    /// What was kept.
    pub(crate) kept: Kept,
    /// What stand-ins are made with.
    pub(crate) key: SecretKey,
    /// What media threads kept; each comes when its thread gets to it, or never when there is nothing.
    pub(crate) media: Vec<Receiver<MediaKept>>,
}

/// How long a media thread may take to hand out what it kept.
const PATIENCE: Duration = Duration::from_secs(5);

impl Cutting {
    /// Makes a recording of it. It takes a while: not on a thread that others wait for.
    pub(crate) fn make(&self, order: &Order) -> Result<Recording, CutError> {
        let media: Vec<MediaKept> =
            self.media.iter().filter_map(|kept| kept.recv_timeout(PATIENCE).ok()).collect();
        self.kept.cut_with(&media, order, self.key)
    }
}

impl Tape {
    /// Keeps up to so many octets, or nothing. `key` is secret.
    pub(crate) fn new(memory: Option<usize>, key: Seed32) -> Self {
        Self { recorder: memory.map(Recorder::new), key: SecretKey::from_bytes(key), refused: false }
    }

    /// Follows a change of the configuration: what was kept stays as far as it fits.
    pub(crate) fn resize(&mut self, memory: Option<usize>) {
        match (&mut self.recorder, memory) {
            (Some(recorder), Some(memory)) => recorder.resize(memory),
            (recorder, memory) => *recorder = memory.map(Recorder::new),
        }
    }

    /// The machine is about to be handed `input`. Gives the reason when from now on nothing is kept: people should know
    /// before they need it.
    pub(crate) fn before(&mut self, machine: &Signalling, now: Instant, input: &Input) -> Option<Refusal> {
        let recorder = self.recorder.as_mut()?;
        recorder.before(machine, now, input);
        let refusal = recorder.refusal();
        let before = std::mem::replace(&mut self.refused, refusal.is_some());
        refusal.filter(|_| !before)
    }

    /// This came of it.
    pub(crate) fn after(&mut self, machine: &Signalling, actions: &[Action]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.after(actions, machine.deadline().map(|deadline| deadline.at));
        }
    }

    /// What there is. Whoever hands it out tells the machine new randomness at once.
    pub(crate) fn cut(&self, now: Instant) -> Result<Cutting, String> {
        let Some(recorder) = &self.recorder else {
            return Err(
                "nothing is recorded: set [record] memory in the configuration, as in memory = \"16 MiB\""
                    .to_owned(),
            );
        };
        if let Some(refusal) = recorder.refusal() {
            return Err(format!("nothing is recorded: {refusal}"));
        }
        Ok(Cutting { kept: recorder.kept(now), key: self.key, media: Vec::new() })
    }
}

/// As many random octets as a seed has.
pub(crate) type Seed32 = [u8; 32];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use telex_engine::Boot;
    use telex_engine::config::Config;
    use telex_engine::rng::Seed;

    use super::*;

    #[test]
    fn that_nothing_is_kept_is_said_once() {
        let machine = Signalling::new(Arc::new(Config::default()), Seed::from_number(1), Boot::default());
        let mut tape = Tape::new(Some(64), [0; 32]);
        let mut before = |millis| tape.before(&machine, Instant::from_millis(millis), &Input::Wake);
        assert_eq!(before(1), Some(Refusal::TooSmall));
        assert_eq!(before(2), None);
        // It is tried again, and still does not fit.
        assert_eq!(before(3_600_000), None);
        assert!(tape.cut(Instant::from_millis(3_600_001)).is_err());
    }
}
