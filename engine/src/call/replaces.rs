//! INVITE with Replaces (RFC 3891): a phone takes a call that rings elsewhere, or the place of a phone that talks. It
//! may take what rings at its own extension and in its pick-up group, and of talks those of its own extension; those of
//! its group where the site says so.

use smol_str::{SmolStr, format_smolstr};

use super::app::{App, CALLER, PartyId};
use super::open::{Incoming, Refusal, read_offer};
use super::pickup::NotTaken;
use super::{Below, Calls};
use crate::cx::{CallKey, Cx};
use crate::dialog::Stage;
use crate::limits;
use crate::offer;
use crate::planted::Fault;
use crate::sip::{Replaces, Status, Uri};

/// Tells a phone whose place another has taken that its call is not lost (RFC 3326).
const REPLACED: &str = "SIP;cause=200;text=\"Taken over by another phone\"";

impl Calls {
    /// An INVITE that names a dialog to take over.
    pub(super) fn replace(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        incoming: &Incoming<'_>,
        wanted: &Replaces<'_>,
    ) -> Result<(), Refusal> {
        let (there, at, stage) = self.wanted(below, wanted)?;
        let call = &self.all[there];
        let any = cx.planted.is(Fault::AnyGroupPickedUp);
        if !any && !cx.config.may_pick_up(&incoming.caller, &call.parties[at].extension) {
            return Err(Refusal::because(
                Status::FORBIDDEN,
                "not a call of this extension or its pick-up group",
            ));
        }
        if stage == Stage::Up {
            let theirs = !cx.config.may_take_over(&incoming.caller, &call.parties[at].extension);
            if wanted.early_only || theirs {
                return Err(Refusal::because(Status::BUSY_HERE, "the call was answered already"));
            }
        }
        if (call.transfer.is_some() || call.aside.is_some()) && stage == Stage::Up {
            return Err(Refusal::because(Status::REQUEST_PENDING, "the call is being transferred"));
        }
        let left = if stage == Stage::Up { call.other_than(at) } else { Some(CALLER) };
        let left =
            left.ok_or(Refusal::because(Status::DECLINE, "there is nobody at the other end of that dialog"))?;
        let local = below.stack.transport.local_of(&incoming.flow);
        let offer = read_offer(incoming.invite, local)?;
        let no_offer = || Refusal::because(Status::NOT_ACCEPTABLE_HERE, "taking a call over needs an offer");
        let offer = Some(offer.ok_or_else(no_offer)?);
        let uri = Uri::parse(incoming.invite.request_uri()).map_err(|_| Status::BAD_REQUEST)?;
        let dialled = SmolStr::new(uri.user_unescaped());
        self.admit(cx, below, incoming)?;
        let shard = self.all[there].shard;
        let key = self.create(cx, below, incoming, &dialled, offer, Some(shard))?;
        let taken = match stage {
            Stage::Early => self.pick_up(cx, below, key, there),
            Stage::Up | Stage::Over => self.take_over(cx, below, key, (there, at, left)),
        };
        if taken.is_err() {
            let status = Status::NOT_ACCEPTABLE_HERE;
            self.refuse(cx, below, key, status, super::causes::refused_by(status));
        }
        self.settle(cx, key);
        Ok(())
    }

    /// The call and the party whose dialog is meant. It must be one that can be replaced (RFC 3891 §3).
    fn wanted(&self, below: &Below, wanted: &Replaces<'_>) -> Result<(CallKey, PartyId, Stage), Refusal> {
        let nobody = || {
            Refusal::because(Status::NO_SUCH_TRANSACTION, "no dialog here has these tags and this Call-ID")
        };
        let (key, leg, stage) = below.sessions.replaced(wanted).ok_or_else(nobody)?;
        if stage == Stage::Over {
            return Err(Refusal::because(Status::DECLINE, "that dialog is over"));
        }
        let call = self.all.get(key).ok_or_else(nobody)?;
        let at = call.parties.iter().position(|party| party.leg == Some(leg)).ok_or_else(nobody)?;
        // A dialog that is not confirmed can be replaced only by the side that began it: here, that rings somebody.
        let rings = call.summons.is_none() && matches!(&call.app, App::Hunt(hunt) if hunt.asks(at));
        if stage == Stage::Early && !rings { Err(nobody()) } else { Ok((key, at, stage)) }
    }

    /// The caller of `key` takes the place of a party that talks with `left`.
    fn take_over(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        (there, at, left): (CallKey, PartyId, PartyId),
    ) -> Result<(), NotTaken> {
        self.all[there].make_room(1);
        let call = &self.all[there];
        if call.parties.len() >= limits::LEGS_PER_CALL {
            return Err(NotTaken::Full);
        }
        let codecs = call.codecs_for(cx.config, &self.all[key], left);
        offer::speech(&codecs).ok_or(NotTaken::NoCodec)?;
        self.all[key].answer_joining(cx, below, codecs);
        let new = self.bring(cx, below, key, there);
        let call = &mut self.all[there];
        call.parties[new].answered = Some(cx.wall);
        let gone = if at == CALLER { new } else { at };
        match at {
            CALLER => {
                call.parties.swap(CALLER, new);
                call.forget_who_calls();
            }
            _ => call.peer = Some(new),
        }
        call.release(cx, below, gone, REPLACED);
        let peer = call.peer.unwrap_or(CALLER);
        call.between = Some((call.parties[CALLER].extension.clone(), call.parties[peer].extension.clone()));
        call.forget_telling();
        call.put_media(cx);
        call.keep_record(cx);
        let (number, by) = (call.id, call.parties[if at == CALLER { CALLER } else { new }].extension.clone());
        let here = self.all[key].id;
        self.remark(there, format_smolstr!("{by} takes it over in call {here}"));
        self.introduce(cx, below, there);
        self.settle(cx, there);
        self.gone_to(cx, below, key, number);
        Ok(())
    }
}
