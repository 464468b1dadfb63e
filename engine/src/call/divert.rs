//! A callee sends us elsewhere by a 3xx (RFC 3261 §8.1.3.4): who is dialled there is asked in its place, as if the
//! callee had dialled, so that nobody reaches more than it could itself.
//!
//! The dialplan says whom that means. Where it comes to a Dial, those are asked together with whoever rings yet, and
//! the Dial that is going on keeps its options and what follows it. Where it does something else, the caller is sent
//! there if nobody else rings. Who is at another host is asked like anybody whom a Dial names, if the site allows that
//! host; somebody there who diverts reaches such hosts, and no number here.

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::task::{Dial, Task};
use telex_dialplan::{Asked, At, Dialplan, Moment, Outcome, Thread, World};

use super::app::{App, AppEvent, CALLER, PartyId};
use super::dialling::Dialling;
use super::identity::Diversion;
use super::local::whom;
use super::script::{Doing, Script};
use super::walks::{Live, Walks};
use super::{Below, Call, Calls, causes, dial, elsewhere};
use crate::cx::{CallKey, CallTimer, Cx};
use crate::dialog::{Elsewhere, Moved, Place};
use crate::limits;
use crate::sip::Status;

/// Why a callee is not followed that sends a call elsewhere.
pub(super) struct No {
    /// In words.
    pub(super) why: SmolStr,
    /// How that place refuses, where it was looked for somebody there.
    pub(super) status: Option<Status>,
}

impl From<SmolStr> for No {
    fn from(why: SmolStr) -> Self {
        Self { why, status: None }
    }
}

impl From<&'static str> for No {
    fn from(why: &'static str) -> Self {
        SmolStr::new_static(why).into()
    }
}

/// Where a number leads.
pub(super) enum Leads {
    /// To others that ring.
    Dial(Dial),
    /// To the exchange itself.
    Service,
}

impl Calls {
    /// A callee sends us elsewhere. True when that is followed, or has come to a refusal of its own; otherwise the
    /// callee has refused.
    pub(super) fn moved(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        moved: &Moved,
    ) -> bool {
        let Err(No { why, status }) = self.follow(cx, below, key, party, moved) else { return true };
        let Some(call) = self.all.get_mut(key) else { return false };
        let callee = &call.parties[party].extension;
        let text = not_followed(
            callee,
            moved.to.iter().find(|to| to.place == Place::Ours).or(moved.to.first()),
            &why,
        );
        if let Some(script) = &mut call.script {
            script.thread.remark(text.clone());
        }
        call.warn(cx, text);
        if let Some(status) = status {
            let event = AppEvent::Refused { party, status: Some(status) };
            call.lost_early(cx, event);
            self.decide(cx, below, key, event);
        }
        status.is_some()
    }

    fn follow(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        moved: &Moved,
    ) -> Result<(), No> {
        let no = |why: &'static str| Err(why.into());
        let call = self.all.get_mut(key).ok_or_else(SmolStr::default)?;
        let alone = match &call.app {
            App::Hunt(hunt) if hunt.asks(party) => hunt.asks_only(party),
            _ => return no("nobody is rung any more"),
        };
        let callee = call.parties[party].extension.clone();
        let rang = call.parties[party].rang;
        let dial = call.script.as_mut().and_then(|script| script.dial.as_mut());
        let Some(dial) = dial else { return no("no Dial goes on") };
        send_on(dial, &callee)?;
        let place = moved.to.iter().find(|place| !matches!(place.place, Place::Nowhere(_)));
        let Some(place) = place.or(moved.to.first()) else { return no("it names nowhere to go") };
        let usual = if rang { "unknown" } else { "unconditional" };
        let reason = if moved.reason.is_empty() { SmolStr::new_static(usual) } else { moved.reason.clone() };
        let by = Diversion { by: call.parties[party].number(), reason };
        match leads(&mut Live { calls: self, below, key }, cx, place, &callee, &by)? {
            Leads::Dial(dial) => self.ask_instead(cx, below, key, party, &dial, by, alone),
            Leads::Service if alone => {
                self.send_there(cx, below, key, party, place, &by);
                Ok(())
            }
            Leads::Service => no("others ring, and nobody is rung there"),
        }
    }

    /// Asks those whom the number means, beside whoever rings yet.
    #[expect(clippy::too_many_arguments, reason = "a callee of a call, and who is asked in its place")]
    fn ask_instead(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        instead: &Dial,
        by: Diversion,
        alone: bool,
    ) -> Result<(), No> {
        let mut targets = instead_of(&mut Live { calls: self, below, key }, cx, instead)?;
        let call = &mut self.all[key];
        let mut diversions = vec![by];
        diversions.extend(call.parties[party].diversions.iter().cloned());
        if call.parties.len() + targets.len() > limits::LEGS_PER_CALL {
            return Err("the call has too many parties".into());
        }
        let headers = call.allowed(cx, &instead.headers);
        for target in &mut targets {
            target.headers.extend(headers.iter().cloned());
            target.diversions.clone_from(&diversions);
        }
        let (added, failed) = self.ask_all(cx, below, key, &targets);
        if added.is_empty() {
            return Err("there are no RTP ports for it".into());
        }
        let call = &mut self.all[key];
        call.tell_forwarded(cx, below);
        if let Some(script) = &mut call.script {
            script.thread.remark(sent_on(&diversions[0].by, &targets));
        }
        call.lost_early(cx, AppEvent::Refused { party, status: None });
        if let App::Hunt(hunt) = &mut call.app {
            hunt.also(&added);
        }
        if alone {
            // Who is asked now has the time that it always has.
            let patience = instead.timeout.unwrap_or(cx.config.ring).min(limits::RING);
            let expires = call.asking_ends(cx.now);
            call.arm(cx, key, patience.min(expires), CallTimer::NoAnswer);
        }
        self.apply(cx, below, key, AppEvent::Moved { party });
        for (party, status) in failed {
            self.apply(cx, below, key, AppEvent::Refused { party, status });
        }
        self.go_on(cx, below, key);
        self.settle(cx, key);
        Ok(())
    }

    /// The caller goes to a service of the exchange in place of the callee.
    fn send_there(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        place: &Elsewhere,
        by: &Diversion,
    ) {
        let call = &mut self.all[key];
        call.disarm(cx);
        call.tell_forwarded(cx, below);
        call.lost_early(cx, AppEvent::Refused { party, status: None });
        call.peer = None;
        call.app = App::Script;
        let context = cx.config.context_of(&by.by);
        if let Some(script) = &mut call.script {
            script.send_to(context, &place.number, by);
            script.play(None);
            (script.doing, script.outcome) = (Doing::Going, Some(Outcome::Done));
        }
        call.put_media(cx);
        self.go_on(cx, below, key);
        self.settle(cx, key);
    }
}

/// What becomes of a redirection that is not obeyed.
pub(super) fn not_followed(callee: &SmolStr, place: Option<&Elsewhere>, why: &SmolStr) -> SmolStr {
    let to = place.map_or("", |place| if place.place == Place::Ours { &place.number } else { &place.uri });
    format_smolstr!("{callee} sends its calls to {to}: not followed, {why}")
}

/// Who is asked in place of another.
pub(super) fn sent_on(by: &SmolStr, targets: &[dial::Target]) -> SmolStr {
    let whom: Vec<SmolStr> = targets.iter().map(dial::Target::told).collect();
    format_smolstr!("{by} sends its calls on: {}", whom.join("&"))
}

/// Whether a callee of this Dial may send the call elsewhere; it has then.
pub(super) fn send_on(dial: &mut Dialling, callee: &SmolStr) -> Result<(), SmolStr> {
    if dial.stays {
        return Err(SmolStr::new_static("its Dial has the option i"));
    }
    if dial.diverted.len() >= limits::DIVERSIONS {
        return Err(SmolStr::new_static("the call has been sent elsewhere too often"));
    }
    if !dial.diverted.contains(callee) {
        dial.diverted.push(callee.clone());
    }
    Ok(())
}

/// Where the place leads to which a callee sends us: to another host, or by the dialplan of that callee.
pub(super) fn leads(
    walks: &mut dyn Walks,
    cx: &mut Cx<'_>,
    place: &Elsewhere,
    callee: &SmolStr,
    by: &Diversion,
) -> Result<Leads, No> {
    match &place.place {
        Place::Nowhere(why) => return Err((*why).into()),
        Place::Away(away) => return Ok(Leads::Dial(elsewhere::dial(away, None))),
        Place::Ours if !cx.config.phones.contains_key(callee) => {
            return Err("only phones of this exchange send calls to its numbers".into());
        }
        Place::Ours => {}
    }
    let number = &place.number;
    let context = cx.config.context_of(callee);
    let mut facts = walks.script().map(|script| script.facts.clone()).unwrap_or_default();
    let ms = i64::try_from(cx.wall.as_unix_millis()).unwrap_or(i64::MAX);
    let now = Moment::new(ms, &cx.config.zone);
    let asked = Asked { context, extension: number, caller: callee, now };
    let mut leads = Err(No::from(SmolStr::default()));
    walks.look(cx, Some(&mut facts), &mut |thread, plan, world| {
        if plan.find(asked, At::Priority(1)).is_none() {
            leads = Err(format_smolstr!("context [{context}] has no such number").into());
            return;
        }
        let mut branch = thread.branch(context, number);
        branch.redirect(context, number, &by.by, by.reason_of_plan());
        leads = first(&mut branch, plan, world).map_err(|status| {
            let why = format_smolstr!("{number} is refused there by {}", status.code());
            No { why, status: Some(status) }
        });
        thread.tell_of(&branch, &format_smolstr!("calls that {callee} sends on"));
    });
    leads
}

/// Whom a Dial means to which a callee sends the call: nobody who has sent it on itself.
pub(super) fn instead_of(
    walks: &mut dyn Walks,
    cx: &mut Cx<'_>,
    instead: &Dial,
) -> Result<Vec<dial::Target>, No> {
    let (mut targets, busy) = whom(walks, cx, instead);
    let dial = walks.script().and_then(|script| script.dial.as_ref()).ok_or_else(SmolStr::default)?;
    let before = targets.len();
    targets.retain(|target| !dial.diverted.contains(target.extension()));
    if !targets.is_empty() {
        return Ok(targets);
    }
    let (why, status) = match (before, busy.is_empty()) {
        (1.., _) => ("it goes round in a circle", None),
        (_, false) => ("everybody there is busy", Some(Status::BUSY_HERE)),
        (_, true) => ("nobody is registered there", None),
    };
    Err(No { why: SmolStr::new_static(why), status })
}

impl Script {
    /// The walk goes on at a service of the exchange, to which a callee sends the caller.
    pub(super) fn send_to(&mut self, context: &str, number: &SmolStr, by: &Diversion) {
        self.thread.remark(format_smolstr!("{} sends its calls to {number}", by.by));
        self.thread.redirect(context, number, &by.by, by.reason_of_plan());
        self.dial = None;
        let status = Status::TEMPORARILY_UNAVAILABLE;
        self.failed = Some((status, causes::refused_by(status)));
    }
}

impl Call {
    /// Tells a caller who is not answered that its call goes elsewhere (RFC 3261 §21.1.3).
    fn tell_forwarded(&self, cx: &mut Cx<'_>, below: &mut Below) {
        let Some(leg) = self.leg(CALLER).filter(|_| self.answered.is_none()) else { return };
        // As with ringing: reliably, to who made no offer, it would have to bring ours (RFC 3262 §5).
        if self.parties[CALLER].has_spoken() || !below.sessions.is_reliable(leg) {
            let (status, nothing) = (Status::FORWARDED, bytes::Bytes::new());
            below.sessions.progress(cx, &mut below.stack, leg, status, nothing);
        }
    }

    /// Tells that the dialplan has sent the call on, when it says so and has not said the same before.
    pub(super) fn tell_plan_forwards(&mut self, cx: &mut Cx<'_>, below: &mut Below) {
        let Some(script) = &mut self.script else { return };
        let caller = script.thread.caller();
        let by = (caller.rdnis.clone(), caller.reason.clone());
        if by.0.is_empty() || by.1.is_empty() || script.forwarded_by.as_ref() == Some(&by) {
            return;
        }
        script.forwarded_by = Some(by);
        self.tell_forwarded(cx, below);
    }
}

/// What a walk comes to first; `Err` with why it leads nowhere.
fn first(branch: &mut Thread, plan: &Dialplan, world: &mut dyn World) -> Result<Leads, Status> {
    for _ in 0..limits::TASKS_AT_ONCE {
        match branch.next(plan, world) {
            Some(Task::Ringing | Task::Progress | Task::StopTones) => branch.resume(Outcome::Done),
            Some(Task::Dial(dial)) => return Ok(Leads::Dial(dial)),
            Some(Task::Busy(_)) => return Err(Status::BUSY_HERE),
            Some(Task::Congestion(_)) => return Err(causes::status_of(causes::CONGESTION)),
            Some(Task::Hangup { cause }) => {
                return Err(causes::status_of(cause.unwrap_or(causes::NORMAL)));
            }
            Some(_) => return Ok(Leads::Service),
            None => break,
        }
    }
    Err(Status::TEMPORARILY_UNAVAILABLE)
}
