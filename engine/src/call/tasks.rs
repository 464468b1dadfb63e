//! What a dialplan wants done: each task begins here, and is over at once or leaves something to wait for.

use smol_str::{SmolStr, format_smolstr};
use telex_audio::tone::{Cadence, Plan, Signal};
use telex_dialplan::Outcome;
use telex_dialplan::task::{Dial, DialStatus, Task};

use super::app::{App, CALLER, Order};
use super::causes;
use super::local::whom;
use super::script::{Doing, Script};
use super::walks::Live;
use super::{Below, Call, Calls};
use crate::border::{RecordOrder, RecordWhat};
use crate::config::TONES;
use crate::cx::{CallKey, CallTimer, Cx};
use crate::event::EndCause;
use crate::limits;
use crate::mediactl::Playing;
use crate::offer::OfferError;
use crate::sip::Status;
use crate::time::Duration;

/// What is to be waited for.
pub(super) type Begun = Result<Doing, Outcome>;

const DONE: Begun = Err(Outcome::Done);

fn refused(why: &'static str) -> Begun {
    Err(Outcome::Refused(SmolStr::new_static(why)))
}

impl Calls {
    /// Begins what the thread of a call wants next.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, task: Task) {
        let begun = self.try_begin(cx, below, key, task);
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(script) = call.script.as_mut() else { return };
        match begun {
            Ok(doing) => {
                let serves = doing.serves() || matches!(doing, Doing::Waiting) && entertains(cx, script);
                let endless = match &doing {
                    Doing::Playing { .. } | Doing::Music => true,
                    Doing::Collecting(collecting) => collecting.saying,
                    _ => false,
                };
                script.doing = doing;
                // A caller who is not answered may be gone without a word, and on hold it hears no end.
                if endless && call.answered.is_none() && call.timer.is_none() {
                    call.arm(cx, key, limits::RING, CallTimer::Script);
                }
                if serves {
                    self.transferred(cx, below, key);
                }
                self.collect_keys(cx, key);
            }
            // What ended the call, or was over before it began, has said so already.
            Err(_) if script.outcome.is_some() => {}
            Err(outcome) => script.over(outcome),
        }
    }

    fn try_begin(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, task: Task) -> Begun {
        let Some(call) = self.all.get_mut(key) else { return DONE };
        match task {
            Task::Answer(then) => self.answer(cx, below, key, then),
            Task::Hangup { cause: Some(cause) } => self.hang_up(cx, below, key, cause),
            Task::Hangup { cause: None } => {
                self.fall_out(cx, below, key);
                DONE
            }
            Task::Ringing => self.ringing(cx, below, key),
            Task::Progress => call.early(cx, below).map_or_else(|()| refused(NO_OFFER), |()| DONE),
            Task::Busy(then) => self.taken(cx, below, key, causes::BUSY, then),
            Task::Congestion(then) => self.taken(cx, below, key, causes::CONGESTION, then),
            Task::Wait(time) => Ok(call.wait(cx, key, time)),
            Task::Play { say, escape, answer } => {
                if answer && call.answered.is_none() {
                    return self.answer_first(cx, below, key, Task::Play { say, escape, answer });
                }
                call.say_all(cx, below, &say, escape)
            }
            Task::Collect(collect) => call.collect(cx, below, collect),
            Task::Tones(name) => call.tones(cx, below, &name),
            Task::StopTones => {
                call.hear_sound(cx, None);
                DONE
            }
            Task::Echo => self.echo(cx, below, key),
            Task::Milliwatt if call.answered.is_none() => self.answer_first(cx, below, key, Task::Milliwatt),
            Task::Milliwatt => {
                call.hear_sound(cx, Some(MILLIWATT));
                Ok(Doing::Listening)
            }
            Task::Music { .. } if call.early(cx, below).is_err() => refused(NO_OFFER),
            Task::Music { class, time } => {
                let class = call.own_music().filter(|_| class.is_empty()).unwrap_or_else(|| music(&class));
                call.hear_sound(cx, Some(Playing::Music(class)));
                call.disarm(cx);
                if let Some(time) = time {
                    call.wait(cx, key, time);
                }
                Ok(Doing::Music)
            }
            Task::Dial(dial) => self.dial(cx, below, key, &dial),
            Task::Record { .. } => self.record_caller(cx, below, key, task),
            Task::Monitor { file, .. } => self.monitor(cx, key, &file),
            Task::StopMonitor => {
                let call = call.id;
                self.record(cx, call, RecordOrder::Stop);
                DONE
            }
            Task::SendDigits { .. } if call.early(cx, below).is_err() => refused(NO_OFFER),
            Task::SendDigits { keys, gap } => Ok(call.press_keys(cx, below, key, &keys, gap)),
            Task::Conference { name } => self.conference(cx, below, key, &name),
            Task::Transfer(to) => self.send_away(cx, below, key, &to),
            Task::Park { lot, options } => self.park(cx, below, key, &lot, &options),
            Task::ParkedCall { lot, slot } => self.take_up(cx, below, key, &lot, &slot),
            Task::Pickup(extensions) => self.pickup(cx, below, key, &extensions),
            Task::Page { targets, options, timeout } => {
                self.page(cx, below, key, &targets, &options, timeout)
            }
            Task::Queue { .. } => refused("queues are not possible yet"),
            Task::VoiceMail { .. } | Task::Messages { .. } => refused("voicemail is not possible yet"),
            Task::CallBack { of } => self.request_call_back(cx, key, &of),
            Task::CancelCallBack => self.cancel_call_back(key),
        }
    }

    /// Answers the caller. One that made no offer is waited for: it is heard from its ACK on.
    fn answer(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, then: Duration) -> Begun {
        let Some(call) = self.all.get_mut(key) else { return DONE };
        if call.answered.is_some() {
            return if then.is_zero() { DONE } else { Ok(call.wait(cx, key, then)) };
        }
        let offered = call.parties[CALLER].has_spoken();
        match call.answer_self(cx, below) {
            Ok(()) if !offered => Ok(Doing::Acknowledged(then)),
            Ok(()) if then.is_zero() => DONE,
            Ok(()) => Ok(call.wait(cx, key, then)),
            Err(_) => {
                let status = Status::NOT_ACCEPTABLE_HERE;
                self.finish(cx, below, key, status, causes::refused_by(status));
                DONE
            }
        }
    }

    /// Answers the caller, and then does this. Whoever has to be waited for hears it from its beginning.
    pub(super) fn answer_first(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        task: Task,
    ) -> Begun {
        match self.answer(cx, below, key, Duration::ZERO) {
            Err(Outcome::Done) if self.all.get(key).is_some_and(|call| call.cause.is_none()) => {
                self.try_begin(cx, below, key, task)
            }
            Ok(doing) => {
                let script = self.all.get_mut(key).and_then(|call| call.script.as_mut());
                if let Some(script) = script {
                    script.next = Some(Box::new(task));
                }
                Ok(doing)
            }
            begun => begun,
        }
    }

    fn hang_up(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, cause: u8) -> Begun {
        self.finish(cx, below, key, causes::status_of(cause), EndCause::Dialplan(cause));
        DONE
    }

    fn ringing(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) -> Begun {
        let Some(call) = self.all.get_mut(key) else { return DONE };
        if call.answered.is_some() {
            call.hear_sound(cx, Some(signal(&cx.config.country, Signal::Ringback)));
        } else {
            self.perform(cx, below, key, Order::Ring { status: Status::RINGING });
        }
        DONE
    }

    /// Tells the caller that there is no way, for this reason.
    fn taken(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        cause: u8,
        then: Option<Duration>,
    ) -> Begun {
        let Some(call) = self.all.get_mut(key) else { return DONE };
        if call.answered.is_none() || call.can_be_taken_back() {
            return self.hang_up(cx, below, key, cause);
        }
        let what = if cause == causes::BUSY { Signal::Busy } else { Signal::Congestion };
        call.hear_sound(cx, Some(signal(&cx.config.country, what)));
        if let Some(then) = then {
            call.wait(cx, key, then);
        }
        Ok(Doing::Listening)
    }

    fn echo(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) -> Begun {
        let unanswered = self.all.get(key).is_some_and(|call| call.answered.is_none());
        if unanswered {
            // What is not decoded may be anything that the caller has.
            if let Some(script) = self.all.get_mut(key).and_then(|call| call.script.as_mut()) {
                script.doing = Doing::Echo;
            }
            let Err(Outcome::Done) = self.answer(cx, below, key, Duration::ZERO) else {
                return Ok(Doing::Echo);
            };
        }
        let Some(call) = self.all.get_mut(key).filter(|call| call.cause.is_none()) else { return DONE };
        if let Some(script) = &mut call.script {
            script.doing = Doing::Echo;
        }
        if !unanswered {
            call.put_room(cx);
            call.put_media(cx);
        }
        Ok(Doing::Echo)
    }

    /// Rings others.
    fn dial(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, wanted: &Dial) -> Begun {
        let (targets, busy) = whom(&mut Live { calls: self, below, key }, cx, wanted);
        self.turn_away(cx, key, &busy);
        let call = &self.all[key];
        let thread = call.script.as_ref().map(|script| &script.thread);
        let variable = |name: &str| thread.and_then(|thread| thread.variable(name));
        let dialling =
            call.dialling(cx, wanted, |name| variable(name).or_else(|| self.values.global_of(name)));
        let call = &mut self.all[key];
        let (ring, music) = (dialling.ring, dialling.music.clone());
        if let Some(script) = &mut call.script {
            script.dial = Some(Box::new(dialling));
            script.doing = Doing::Dialling;
        }
        if targets.is_empty() {
            let (failed, outcome) = nobody(&busy);
            if let Some(script) = &mut call.script {
                (script.failed, script.dial) = (Some(failed), None);
            }
            return Err(outcome);
        }
        call.tell_plan_forwards(cx, below);
        if let Some(class) = music.filter(|_| call.early(cx, below).is_ok()) {
            call.hear_sound(cx, Some(Playing::Music(class)));
        } else if call.answered.is_some() {
            call.hear_sound(cx, Some(signal(&cx.config.country, Signal::Ringback)));
        } else if ring {
            self.perform(cx, below, key, Order::Ring { status: Status::RINGING });
        }
        let patience = wanted.timeout.unwrap_or(cx.config.ring).min(limits::RING);
        let busy = (!busy.is_empty()).then_some(Status::BUSY_HERE);
        self.hunt(cx, below, key, &targets, patience, busy);
        Ok(Doing::Dialling)
    }

    fn conference(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, name: &SmolStr) -> Begun {
        let joined = match self.all.get(key).is_some_and(|call| call.answered.is_some()) {
            true => self.join(cx, key, name),
            // Who cannot come in is refused, and not answered.
            false => self.conferences.admits(name).and_then(|()| self.join(cx, key, name)),
        };
        if let Err(no) = joined {
            below.stack.transport.no_room(cx, no.what());
            let call = &mut self.all[key];
            if let Some(script) = &mut call.script {
                script.failed = Some((no.status(), causes::refused_by(no.status())));
            }
            return Err(Outcome::Refused(format_smolstr!("no room: {}", no.what())));
        }
        let call = &mut self.all[key];
        call.hear_sound(cx, None);
        if call.answered.is_some() {
            return Ok(Doing::Conference);
        }
        match self.answer(cx, below, key, Duration::ZERO) {
            Ok(Doing::Acknowledged(_)) | Err(Outcome::Done) => Ok(Doing::Conference),
            begun => begun,
        }
    }

    fn monitor(&mut self, cx: &mut Cx<'_>, key: CallKey, file: &str) -> Begun {
        let call = self.all[key].id;
        let order = RecordOrder::Start { what: RecordWhat::Mixed, format: None };
        match self.record_as(cx, call, order, file) {
            crate::border::ControlReply::Recording { .. } => DONE,
            _ => Err(not_recorded()),
        }
    }
}

/// How a Dial ends that rings nobody: these are in as many calls as they may be, and the others are not there.
pub(super) fn nobody(busy: &[SmolStr]) -> ((Status, EndCause), Outcome) {
    let (status, cause) = match busy {
        [] => (DialStatus::ChanUnavail, causes::ABSENT),
        _ => (DialStatus::Busy, causes::BUSY),
    };
    let failed = (causes::status_of(cause), causes::refused_with(cause));
    (failed, Outcome::Dialled { status, cause, answered: Duration::ZERO })
}

/// Why there is nothing to be heard before the answer.
pub(super) const NO_OFFER: &str =
    "the caller made no offer, so it hears nothing before the answer: answer first";
/// 1004 Hz at 0 dBm0.
const MILLIWATT: Playing = Playing::Tone { hertz: 1004, level: telex_audio::tone::sine::peak(0) };

/// The class of music, the usual one when it has no name.
pub(super) fn music(class: &str) -> SmolStr {
    if class.is_empty() { SmolStr::new_static("default") } else { class.into() }
}

/// A tone of a country.
pub(super) fn signal(country: &str, signal: Signal) -> Playing {
    let plan = Plan::of(country).unwrap_or(&Plan::all()[0]);
    Playing::Tones(plan.cadence(signal))
}

/// Whether a caller hears something for its own sake while it waits: no ringing, and nothing that says that there is no
/// way.
fn entertains(cx: &Cx<'_>, script: &Script) -> bool {
    let told = [Signal::Ringback, Signal::Busy, Signal::Congestion];
    script
        .sound
        .as_ref()
        .is_some_and(|sound| !told.iter().any(|told| signal(&cx.config.country, *told) == *sound))
}

/// The tones of this name, or those that it is a list of.
pub(super) fn tones(country: &str, name: &str) -> Result<Playing, Outcome> {
    match TONES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, known)) => Ok(signal(country, *known)),
        None => match name.parse::<Cadence>() {
            Ok(cadence) => Ok(Playing::Tones(cadence)),
            Err(bad) => Err(Outcome::Refused(format_smolstr!("{bad}"))),
        },
    }
}

/// How long it takes to press these keys.
pub(super) fn pressing(keys: &str, gap: Duration) -> Duration {
    keys.chars().take(limits::PRESSES).map(|key| press_length(key) + gap.max(limits::DIGIT_USUAL / 2)).sum()
}

pub(super) fn press_length(key: char) -> Duration {
    if matches!(key, 'w' | 'W') { Duration::from_millis(500) } else { limits::DIGIT_USUAL }
}

/// What comes of an order to record that cannot be followed.
pub(super) fn not_recorded() -> Outcome {
    Outcome::Refused(SmolStr::new_static("it cannot be recorded: not answered yet, or recorded already"))
}

impl Call {
    /// Arms the timer of what is being done.
    pub(super) fn wait(&mut self, cx: &mut Cx<'_>, key: CallKey, time: Duration) -> Doing {
        self.arm(cx, key, time.min(limits::WAIT), CallTimer::Script);
        Doing::Waiting
    }

    /// Lets the caller hear us before the answer, if that was not done. `Err` when it made no offer.
    pub(super) fn early(&mut self, cx: &mut Cx<'_>, below: &mut Below) -> Result<(), ()> {
        if self.answered.is_some() || self.own_words {
            return Ok(());
        }
        if !self.parties[CALLER].has_spoken() {
            return Err(());
        }
        let body = self.describe_self(cx, true).map_err(|_: OfferError| ())?;
        if let Some(leg) = self.leg(CALLER) {
            below.sessions.progress(cx, &mut below.stack, leg, Status::SESSION_PROGRESS, body);
        }
        self.put_media(cx);
        Ok(())
    }

    fn tones(&mut self, cx: &mut Cx<'_>, below: &mut Below, name: &str) -> Begun {
        let sound = tones(&cx.config.country, name)?;
        if self.early(cx, below).is_err() {
            return refused(NO_OFFER);
        }
        self.hear_sound(cx, Some(sound));
        DONE
    }

    fn press_keys(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        keys: &str,
        gap: Duration,
    ) -> Doing {
        self.press_row(cx, below, CALLER, keys, gap);
        self.put_media(cx);
        self.wait(cx, key, pressing(keys, gap))
    }

    pub(super) fn is_scripted(&self) -> bool {
        matches!(self.app, App::Script)
    }
}
