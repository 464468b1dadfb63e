//! What becomes of services of the exchange that are foretold: parking, pick-up, paging, conferences, call back.

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::Outcome;
use telex_dialplan::app::digits;
use telex_dialplan::explain::Does;
use telex_dialplan::task::{DialStatus, Target};

use super::super::app::{App, AppEvent};
use super::super::causes;
use super::super::dial;
use super::super::divert::not_followed;
use super::super::page::{PATIENCE, Page, asked};
use super::super::pickup::goes_on_in;
use super::super::send_away::{told_to_call, whom};
use super::super::walks::Walks;
use super::Came::{self, Ended, Outcome as Told};
use super::dial::place_of;
use super::{ANY, DONE, ENOUGH, Walk, length};
use crate::cx::{CallKey, Cx};
use crate::event::{EndCause, Rejection};
use crate::limits;
use crate::registrar::Reach;
use crate::sip::Status;
use crate::time::Duration;

impl Walk<'_> {
    /// The caller waits in a slot, nobody takes it up, and it goes back.
    pub(super) fn park(&mut self, cx: &mut Cx<'_>, lot: &SmolStr, options: &[(char, SmolStr)]) -> Came {
        let stay = |walk: &Self, cx: &mut Cx<'_>| walk.calls.parked.stay(cx, &walk.call, lot, options, None);
        if self.call.answered.is_none() {
            if let Err(why) = stay(self, cx) {
                return Told(Outcome::Refused(why));
            }
            self.answer(cx);
        }
        let (stay, _) = match stay(self, cx) {
            Ok(entered) => entered,
            Err(why) => return Told(Outcome::Refused(why)),
        };
        let slot = stay.number();
        self.suppose(format_smolstr!("nobody takes the caller up from slot {slot}"));
        let from = self.call.from.clone();
        let Some(script) = self.script() else { return DONE };
        stay.tell(&mut script.thread);
        if stay.saying {
            let time = length(cx, &digits(&format_smolstr!("{slot}")));
            self.pass(cx, time);
        }
        self.pass(cx, stay.time().min(limits::WAIT));
        if self.is_late(cx) {
            return DONE;
        }
        let Some(script) = self.script() else { return DONE };
        let back = stay.back(cx.config, &from, &mut script.thread);
        if back.is_empty() {
            return DONE;
        }
        self.dial(cx, &stay.dial(cx.config, back))
    }

    /// The caller takes up who is parked.
    pub(super) fn take_up(&mut self, cx: &Cx<'_>, lot: &SmolStr, slot: &SmolStr) -> Came {
        match self.calls.parked.find(lot, slot) {
            Some(other) => self.joins(cx, other),
            None => Told(self.script().map_or(Outcome::Done, |script| script.nobody_parked(slot))),
        }
    }

    /// The caller takes a call that rings elsewhere.
    pub(super) fn pick_up(&mut self, cx: &Cx<'_>, wanted: &[SmolStr]) -> Came {
        match self.calls.found_ringing((cx.config, cx.planted), None, &self.call.from, wanted) {
            Ok(ringing) => self.joins(cx, ringing),
            Err(why) => Told(Outcome::Refused(why)),
        }
    }

    /// The caller goes on in another call.
    fn joins(&mut self, cx: &Cx<'_>, other: CallKey) -> Came {
        let Some(call) = self.calls.all.get(other).map(|call| call.id) else { return DONE };
        self.answer(cx);
        self.remark(goes_on_in(call));
        Ended(ANY, EndCause::Joined { call })
    }

    /// The caller speaks to phones until it hangs up, or nobody hears it.
    pub(super) fn page(&mut self, cx: &mut Cx<'_>, targets: &[Target], timeout: Option<Duration>) -> Came {
        self.answer(cx);
        let (mut phones, mut busy) = (Vec::new(), 0);
        for target in targets {
            let Target::Phone(extension) = target else { continue };
            let own = *extension == self.call.from;
            match own || !self.calls.lines(&self.below.sessions, extension).is_empty() {
                true => busy += 1,
                false => phones.extend(dial::targets(cx.config, &self.below.registrar, extension)),
            }
        }
        phones.truncate(limits::LEGS_PER_CALL - 1);
        self.remark(asked(phones.len(), busy));
        let mut app = App::Page(Page::to((1..=phones.len()).collect()));
        let mut heard = false;
        for (at, target) in phones.iter().enumerate() {
            let (phone, party) = (target.extension().clone(), at + 1);
            let reached = target.reach != Reach::Unreachable;
            let event = if reached { self.paged(&phone, party) } else { Some(refused(party, None)) };
            if reached {
                self.rings.push(phone);
            }
            heard |= matches!(event, Some(AppEvent::Answered { .. }));
            if let Some(event) = event {
                app = app.on(event, &mut Vec::new());
            }
        }
        if heard {
            return self.enough();
        }
        if matches!(app, App::Page(_)) && !phones.is_empty() {
            let patience = timeout.filter(|time| !time.is_zero()).unwrap_or(PATIENCE);
            self.pass(cx, patience.min(limits::RING));
        }
        DONE
    }

    /// What a phone does that is to hear the caller.
    fn paged(&mut self, phone: &SmolStr, party: usize) -> Option<AppEvent> {
        match self.wanted.does(phone).0.clone() {
            Does::Ends(DialStatus::Answer) | Does::Presses(_) => Some(AppEvent::Answered { party }),
            Does::Ends(DialStatus::NoAnswer | DialStatus::Cancel) => None,
            Does::Ends(_) => Some(refused(party, Some(Status::BUSY_HERE))),
            Does::Moves(to) => {
                let why = SmolStr::new_static("nobody is rung any more");
                self.remark(not_followed(phone, Some(&place_of(&to)), &why));
                Some(refused(party, Some(Status::MOVED_TEMPORARILY)))
            }
        }
    }

    /// The caller comes into a conference, and stays until it hangs up.
    pub(super) fn conference(&mut self, cx: &Cx<'_>, name: &SmolStr) -> Came {
        if let Err(no) = self.calls.conferences.admits(name) {
            if let Some(script) = self.script() {
                script.failed = Some((no.status(), causes::refused_by(no.status())));
            }
            return Told(Outcome::Refused(format_smolstr!("no room: {}", no.what())));
        }
        self.answer(cx);
        self.enough()
    }

    /// The caller is told to call somebody else.
    pub(super) fn sent_away(&mut self, to: &str) -> Came {
        if self.call.answered.is_some() {
            self.suppose(SmolStr::new_static("the phone of the caller calls there, as it is told"));
            return ENOUGH;
        }
        if let Some(script) = self.script() {
            told_to_call(&mut script.thread, whom(to));
        }
        let moved = Rejection { status: Status::MOVED_TEMPORARILY.code(), cause: causes::NORMAL };
        Ended(ANY, EndCause::Refused(moved))
    }

    /// The caller wants to be called back.
    pub(super) fn request_call_back(&mut self, cx: &mut Cx<'_>, of: &SmolStr) -> Outcome {
        let Self { call, callbacks, .. } = self;
        let Some(script) = &mut call.script else { return Outcome::Done };
        callbacks.request(cx, &mut script.thread, (&call.from, false), of)
    }
}

fn refused(party: usize, status: Option<Status>) -> AppEvent {
    AppEvent::Refused { party, status }
}
