//! Call back: who found a phone busy is called when that is free, and then the phone is (completion of calls to busy
//! subscribers, ETSI EN 300 359-1).
//!
//! The exchange makes the call itself: it asks the phones of who wanted it, and the one that answers becomes the caller
//! of a call that begins in the dialplan as if it had dialled.

use std::collections::BTreeMap;

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::scene::Caller;
use telex_dialplan::{Outcome, Thread};

use super::app::{App, CALLER, PartyId};
use super::dial::{self, Asking};
use super::identity::{PROHIBITED, identity_of};
use super::open::matched;
use super::script::{Doing, Script};
use super::{Below, Call, Calls};
use crate::border::CallState;
use crate::config::Config;
use crate::cx::{CallKey, Cx, Timer};
use crate::event::{EndCause, Rejection};
use crate::limits;
use crate::time::{Duration, Instant};

/// How often it is looked whether both phones are free.
const LOOK: Duration = Duration::from_secs(2);
/// How long who wanted to be called back is rung.
const RING: Duration = Duration::from_secs(30);

type Begun = Result<Doing, Outcome>;

/// Calls that phones want to be called back for.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct CallBacks {
    /// What each phone dialled last and found busy.
    busy: BTreeMap<SmolStr, SmolStr>,
    /// What is wanted, by who wants it: one of each.
    wanted: BTreeMap<SmolStr, Wanted>,
    next: u32,
}

/// A call that is wanted.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Wanted {
    /// Of whose timer it is.
    id: u32,
    /// The phone to be called.
    of: SmolStr,
    /// How long it is wanted.
    until: Instant,
    /// Who wants it does not show itself.
    private: bool,
}

impl CallBacks {
    /// Other phones are there from now on.
    pub(super) fn retain(&mut self, config: &Config) {
        let known = |phone: &SmolStr| config.phones.contains_key(phone);
        self.busy.retain(|from, to| known(from) && known(to));
        self.wanted.retain(|from, wanted| known(from) && known(&wanted.of));
    }

    /// A call is over. Who found a phone busy may ask to be called back for it, until it calls again.
    pub(super) fn ended(&mut self, config: &Config, call: &Call) {
        let Call { from, to, cause: Some(cause), .. } = call else { return };
        let phones = [from, to].iter().all(|phone| config.phones.contains_key(*phone));
        if !phones {
            return;
        }
        match cause {
            EndCause::Refused(Rejection { status: 486 | 600, .. }) => {
                self.busy.insert(from.clone(), to.clone())
            }
            _ if self.busy.get(from) == Some(to) => self.busy.remove(from),
            _ => None,
        };
    }

    fn want(
        &mut self,
        cx: &mut Cx<'_>,
        from: &SmolStr,
        of: &SmolStr,
        private: bool,
    ) -> Result<(), &'static str> {
        if self.wanted.len() >= limits::CALL_BACKS && !self.wanted.contains_key(from) {
            return Err("TOO_MANY_REQUESTS");
        }
        self.next = self.next.wrapping_add(1);
        let (id, until) = (self.next, cx.now + limits::CALL_BACK);
        self.wanted.insert(from.clone(), Wanted { id, of: of.clone(), until, private });
        cx.timers.arm(cx.now + LOOK, Timer::CallBack(id));
        Ok(())
    }
}

impl CallBacks {
    /// `from`, that may hide itself, wants to be called back when a phone is free: this one, or the one that it found
    /// busy last.
    pub(super) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        thread: &mut Thread,
        (from, private): (&SmolStr, bool),
        of: &SmolStr,
    ) -> Outcome {
        let of = if of.is_empty() { self.busy.get(from).cloned() } else { Some(of.clone()) };
        let phone = |extension: &SmolStr| cx.config.phones.contains_key(extension);
        let done = match of {
            Some(of) if phone(from) && phone(&of) && of != *from => {
                self.want(cx, from, &of, private).map(|()| of)
            }
            Some(_) => Err("NOT_GENERIC"),
            None => Err("NO_CORE_INSTANCE"),
        };
        if let Ok(of) = &done {
            thread.remark(format_smolstr!("{from} is called back when {of} is free"));
        }
        let (result, reason) = match done {
            Ok(_) => ("SUCCESS", ""),
            Err(why) => ("FAIL", why),
        };
        set([("CC_REQUEST_RESULT", result), ("CC_REQUEST_REASON", reason)])
    }

    /// `from` does not want to be called back any more.
    pub(super) fn cancel(&mut self, from: &SmolStr) -> Outcome {
        self.busy.remove(from);
        let (result, reason) = match self.wanted.remove(from) {
            Some(_) => ("SUCCESS", ""),
            None => ("FAIL", "NO_CORE_INSTANCE"),
        };
        set([("CC_CANCEL_RESULT", result), ("CC_CANCEL_REASON", reason)])
    }
}

fn set(values: [(&'static str, &'static str); 2]) -> Outcome {
    let one = |(name, value)| (SmolStr::new_static(name), SmolStr::new_static(value));
    Outcome::Set(values.map(one).to_vec())
}

impl Calls {
    /// The caller wants to be called back when a phone is free: this one, or the one that it found busy last.
    pub(super) fn request_call_back(&mut self, cx: &mut Cx<'_>, key: CallKey, of: &SmolStr) -> Begun {
        let caller = &self.all[key].parties[CALLER];
        let (from, private) = (caller.extension.clone(), caller.private);
        let Some(script) = &mut self.all[key].script else { return Err(Outcome::Done) };
        Err(self.callbacks.request(cx, &mut script.thread, (&from, private), of))
    }

    /// The caller does not want to be called back any more.
    pub(super) fn cancel_call_back(&mut self, key: CallKey) -> Begun {
        Err(self.callbacks.cancel(&self.all[key].parties[CALLER].extension))
    }

    /// Looks whether a call can be made that is wanted.
    pub(crate) fn look(&mut self, cx: &mut Cx<'_>, below: &mut Below, id: u32) {
        let found = self.callbacks.wanted.iter().find(|(_, wanted)| wanted.id == id);
        let Some((from, wanted)) = found else { return };
        let (from, of, until, private) = (from.clone(), wanted.of.clone(), wanted.until, wanted.private);
        if cx.now >= until {
            self.callbacks.wanted.remove(&from);
            return;
        }
        let free = |phone: &SmolStr| {
            self.calls_of(phone) == 0 && !dial::targets(cx.config, &below.registrar, phone).is_empty()
        };
        let room = self.all.len() < cx.config.max_calls.min(limits::CALLS) && !self.ports.tight();
        if !free(&from) || !free(&of) || !room {
            cx.timers.arm(cx.now + LOOK, Timer::CallBack(id));
            return;
        }
        self.callbacks.wanted.remove(&from);
        self.call_back(cx, below, &from, &of, private);
    }

    /// Rings who wanted the call.
    fn call_back(&mut self, cx: &mut Cx<'_>, below: &mut Below, from: &SmolStr, of: &SmolStr, private: bool) {
        let targets = dial::targets(cx.config, &below.registrar, from);
        let id = self.next_id;
        self.next_id += 1;
        let name = identity_of(cx.config, from).name;
        let mut call = Call::begun(cx, id, (from.clone(), name), of, self.ports.room(None), Asking::own());
        call.summons = Some(Box::new(identity_of(cx.config, of)));
        let key = self.all.insert(call);
        self.by_id.insert(id, key);
        *self.shares.entry(from.clone()).or_default() += 1;
        self.lines.insert(key, from);
        self.hunt(cx, below, key, &targets, RING.min(cx.config.ring), None);
        if let Some(call) = self.all.get_mut(key) {
            call.parties.iter_mut().for_each(|party| party.private = private);
        }
        self.go_on(cx, below, key);
        self.settle(cx, key);
    }

    /// Who wanted the call has answered: it begins.
    pub(super) fn summoned(&mut self, cx: &mut Cx<'_>, key: CallKey, party: PartyId) {
        let (number, plan) = self.plans.current();
        let call = &mut self.all[key];
        call.disarm(cx);
        call.summons = None;
        call.parties.swap(CALLER, party);
        (call.answered, call.state, call.own_words) = (Some(cx.now), CallState::Up, true);
        call.app = App::Script;
        let caller = Caller {
            number: call.from.clone(),
            name: call.name.clone(),
            dnid: call.to.clone(),
            pres: if call.parties[CALLER].private { PROHIBITED } else { "" }.into(),
            ..Caller::default()
        };
        let context = cx.config.context_of(&call.from);
        let known = matched(cx, &plan, &call.from, &call.to).is_some();
        let thread = Thread::new(context, &call.to, caller);
        self.plans.hold(number);
        call.script = Some(Box::new(Script::new(number, thread, Vec::new())));
        if !known {
            call.warn(
                cx,
                format_smolstr!("no extension of context [{context}] matches {} any more", call.to),
            );
        }
        call.put_media(cx);
        call.tell_answered(cx, CALLER);
    }
}
