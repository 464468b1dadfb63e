//! What came of a task, and where it leads.

use smol_str::{SmolStr, format_smolstr};

use super::{Move, Thread, Waiting, flow, special};
use crate::directory::{Directory, Led};
use crate::find::At;
use crate::plan::Dialplan;
use crate::scene::{Place, Scene};
use crate::task::{DialStatus, Outcome, Task};
use crate::vars::is_secret;
use crate::world::World;

/// When a Dial began, and when somebody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Talk {
    began: i64,
    answered: Option<i64>,
}

impl Thread {
    /// The Dial that goes on has connected the caller with somebody, at this moment of [`World::steady_ms`].
    pub fn connected(&mut self, steady_ms: i64) {
        if let Some(talk) = &mut self.dial {
            talk.answered = Some(steady_ms);
        }
        // For the extension `h`, whoever hangs up.
        self.channel.vars.set("DIALSTATUS", DialStatus::Answer.as_str());
    }

    /// A Dial begins: what is known of one before is not of this one.
    pub(super) fn dial_begins(&mut self, world: &dyn World) {
        self.dial = Some(Talk { began: world.steady_ms(), answered: None });
        for name in ["DIALSTATUS", "DIALEDTIME", "ANSWEREDTIME"] {
            if self.channel.vars.get(name).is_some() {
                self.channel.vars.set(name, "");
            }
        }
    }

    /// A Dial is over. How long it took is said of one that was answered.
    pub(super) fn dial_over(&mut self, world: &dyn World) {
        let Some(talk) = self.dial.take() else { return };
        let Some(answered) = talk.answered else {
            self.channel.vars.set("DIALSTATUS", DialStatus::Cancel.as_str());
            return;
        };
        let now = world.steady_ms();
        for (name, since) in [("DIALEDTIME", talk.began), ("ANSWEREDTIME", answered)] {
            let seconds = now.saturating_sub(since).max(0) / 1000;
            self.channel.vars.set(name, &seconds.to_string());
        }
    }

    pub(super) fn outcome(
        &mut self,
        waiting: Waiting,
        outcome: Outcome,
        plan: &Dialplan,
        world: &mut dyn World,
    ) -> Move {
        self.dial_over(world);
        match outcome {
            Outcome::HungUp { cause } => self.gone(cause, "the caller hung up"),
            Outcome::Ended { cause, why } => self.gone(cause, &why),
            Outcome::Refused(why) => {
                self.complain(world, format_args!("{why}"));
                self.failed(&waiting);
                match (waiting, self.queued.take()) {
                    (Waiting::Last(cause), _) => Move::End(Some(cause)),
                    (Waiting::Sent, _) => Move::End(None),
                    (Waiting::Answer, Some((task, waiting))) => Move::Task(task, waiting),
                    _ => Move::Next,
                }
            }
            Outcome::Set(values) => {
                let next = self.done(&waiting);
                for (name, value) in values {
                    self.told(format_smolstr!("{name}={value}"));
                    self.channel.vars.set(&name, &value);
                }
                next
            }
            Outcome::Done
                if matches!(
                    waiting,
                    Waiting::Extension { .. } | Waiting::Read { .. } | Waiting::Directory(_)
                ) =>
            {
                self.keys(waiting, &SmolStr::default(), true, plan, world)
            }
            Outcome::Left { context, extension } => {
                self.told(format_smolstr!("left by the key {extension}"));
                self.go(context, extension, plan, world)
            }
            Outcome::Goto(place) => self.directed(&waiting, &place, plan, world),
            Outcome::Done => self.done(&waiting),
            Outcome::Keys { keys, timeout } => self.keys(waiting, &keys, timeout, plan, world),
            Outcome::Dialled { status, cause, answered } => {
                self.told(format_smolstr!("{}, cause {cause}", status.as_str()));
                let vars = &mut self.channel.vars;
                vars.set("DIALSTATUS", status.as_str());
                vars.set("HANGUPCAUSE", &cause.to_string());
                if status == DialStatus::Answer {
                    vars.set("ANSWEREDTIME", &answered.as_secs().to_string());
                }
                match (status, waiting) {
                    (DialStatus::Answer, Waiting::Dial { go_on: true }) => {
                        self.channel.answered = true;
                        Move::Next
                    }
                    (DialStatus::Answer, _) | (_, Waiting::Sent) => Move::End(None),
                    (DialStatus::Cancel, _) => Move::End(Some(cause)),
                    _ => Move::Next,
                }
            }
        }
    }

    /// The call is over. Without a cause it is that of the last Dial, or an ordinary end.
    fn gone(&mut self, cause: u8, why: &str) -> Move {
        let vars = &mut self.channel.vars;
        if cause > 0 {
            vars.set("HANGUPCAUSE", &cause.to_string());
        } else if vars.get("HANGUPCAUSE").is_none() {
            vars.set("HANGUPCAUSE", "16");
        }
        if !why.is_empty() {
            self.told(format_smolstr!("{why}, cause {cause}"));
        }
        self.channel.gone = true;
        Move::End(None)
    }

    /// Where the exchange sends it.
    fn directed(
        &mut self,
        waiting: &Waiting,
        place: &[SmolStr],
        plan: &Dialplan,
        world: &mut dyn World,
    ) -> Move {
        if matches!(waiting, Waiting::Dial { .. }) {
            self.channel.vars.set("DIALSTATUS", DialStatus::Answer.as_str());
        }
        let mut scene = Scene::new(plan, &mut self.channel, world);
        match flow::resolve(place, &mut scene) {
            Ok(place) => {
                self.told(format_smolstr!("goes on at {place}"));
                Move::To(place)
            }
            Err(missing) => flow::astray(missing, &scene),
        }
    }

    /// Variables that say it did not work.
    fn failed(&mut self, waiting: &Waiting) {
        let vars = &mut self.channel.vars;
        match waiting {
            Waiting::Playback { .. } => vars.set("PLAYBACKSTATUS", "FAILED"),
            Waiting::Read { .. } => vars.set("READSTATUS", "ERROR"),
            Waiting::VoiceMail => vars.set("VMSTATUS", "FAILED"),
            Waiting::Dial { .. } => vars.set("DIALSTATUS", "CHANUNAVAIL"),
            _ => true,
        };
        if vars.get("TRYSTATUS").is_some() {
            vars.set("TRYSTATUS", "FAILED");
        }
    }

    fn done(&mut self, waiting: &Waiting) -> Move {
        match *waiting {
            Waiting::Answer => {
                self.channel.answered = true;
                return self.queued.take().map_or(Move::Next, |(task, waiting)| Move::Task(task, waiting));
            }
            Waiting::Playback { failed, answers } => {
                self.channel.answered |= answers;
                self.channel.vars.set("PLAYBACKSTATUS", if failed { "FAILED" } else { "SUCCESS" });
            }
            Waiting::VoiceMail => {
                self.channel.vars.set("VMSTATUS", "SUCCESS");
            }
            Waiting::Dial { go_on: false } | Waiting::Sent => return Move::End(None),
            Waiting::Last(cause) => return Move::End(Some(cause)),
            _ => {}
        }
        Move::Next
    }

    fn keys(
        &mut self,
        waiting: Waiting,
        keys: &SmolStr,
        timeout: bool,
        plan: &Dialplan,
        world: &mut dyn World,
    ) -> Move {
        let secret = matches!(&waiting, Waiting::Read { variable, .. } if is_secret(variable));
        let late = if timeout { ", then nothing" } else { "" };
        self.told(match keys.as_str() {
            "" => SmolStr::new_static("no keys"),
            _ if secret => format_smolstr!("keys ****{late}"),
            keys => format_smolstr!("keys {keys}{late}"),
        });
        match waiting {
            Waiting::Extension { context, timed } => {
                if !keys.is_empty() {
                    return self.go(context, keys.clone(), plan, world);
                }
                if !timed {
                    return Move::Next;
                }
                let place = special(&context, "t", plan, &mut self.channel, world);
                place.map_or(Move::End(None), Move::To)
            }
            Waiting::Read { variable, rounds, collect } => {
                if keys.is_empty() && rounds > 1 {
                    let task = Task::Collect((*collect).clone());
                    return Move::Task(task, Waiting::Read { variable, rounds: rounds - 1, collect });
                }
                let mut scene = Scene::new(plan, &mut self.channel, world);
                scene.set(&variable, keys);
                scene.set("READSTATUS", if timeout { "TIMEOUT" } else { "OK" });
                Move::Next
            }
            Waiting::VoiceMail => {
                let name = if keys == "*" { "a" } else { "o" };
                let context = self.channel.place.context.clone();
                let place = special(&context, name, plan, &mut self.channel, world);
                place.map_or(Move::Next, Move::To)
            }
            Waiting::Directory(directory) => self.named(directory, keys, plan, world),
            waiting => {
                self.channel.vars.set("KEYS", keys);
                self.done(&waiting)
            }
        }
    }

    /// On with the directory of names.
    fn named(
        &mut self,
        mut directory: Box<Directory>,
        keys: &str,
        plan: &Dialplan,
        world: &mut dyn World,
    ) -> Move {
        let mut scene = Scene::new(plan, &mut self.channel, world);
        let (result, extension) = match directory.keys(keys, &mut scene) {
            Led::Ask(collect) => return Move::Task(Task::Collect(collect), Waiting::Directory(directory)),
            Led::Nowhere(result) => (result, None),
            Led::To(extension, result) => (result, Some(extension)),
        };
        scene.set("DIRECTORY_RESULT", result);
        scene.set("DIRECTORY_EXTEN", extension.as_deref().unwrap_or_default());
        match extension {
            Some(extension) => self.go(directory.context, extension, plan, world),
            None => Move::Next,
        }
    }

    /// To an extension that was dialled.
    fn go(&mut self, context: SmolStr, extension: SmolStr, plan: &Dialplan, world: &mut dyn World) -> Move {
        let scene = Scene::new(plan, &mut self.channel, world);
        match scene.find(&context, &extension, At::Priority(1)) {
            Some(_) => Move::To(Place { context, extension, priority: 1 }),
            None => Move::Missing { context, extension },
        }
    }
}
