//! One INVITE session: the SIP side of a leg, as caller's UAS or callee's UAC (RFC 3261 §13 to §15).

use std::collections::VecDeque;
use std::net::IpAddr;

use bytes::Bytes;
use smallvec::SmallVec;
use smol_str::SmolStr;

use super::info::Digit;
use super::moved::Moved;
use super::refer::{Referral, Referred};
use super::send_away::SentAway;
use super::session_timer::{Asked, SessionTimer};
use super::state::Dialog;
use crate::auth::Answers;
use crate::border::Flow;
use crate::cx::{CallKey, ClientKey, ServerKey};
use crate::sip::{HeaderName, Message, Method, Refresher, Status, Tagged};
use crate::time::Duration;
use crate::timers::TimerKey;

/// Methods a request of ours may meet with in an `Allow`.
pub(crate) const ALLOW: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, REGISTER, SUBSCRIBE, MESSAGE";
/// Event packages that we tell of (RFC 6665 §4.4.4): what is watched, and what a REFER begins.
pub(crate) const EVENTS: &str = "dialog, presence, message-summary, refer";
/// Option tags we understand (RFC 3262, RFC 4028, RFC 3327, RFC 4488).
pub(crate) const SUPPORTED: &str = "100rel, timer, path, replaces, norefersub";
/// What we call ourselves.
pub(crate) const AGENT: &str = concat!("Telex/", env!("CARGO_PKG_VERSION"));

/// What a session tells the call it belongs to.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The call.
    pub(crate) call: CallKey,
    /// The session.
    pub(crate) leg: crate::cx::LegKey,
    /// What happened.
    pub(crate) event: LegEvent,
}

/// What can happen to a session. After `Refused`, `Cancelled` and `Ended` the session clears itself.
#[derive(Debug)]
pub(crate) enum LegEvent {
    /// The callee gave a provisional response.
    Progress {
        /// 101 to 199.
        status: Status,
        /// Its session description, or nothing.
        body: Bytes,
    },
    /// The callee answered.
    Answered {
        /// Its session description, or nothing.
        body: Bytes,
    },
    /// The callee refused, or could not be asked.
    Refused {
        /// Its final response; `None` when there was none.
        status: Option<Status>,
        /// Where it sends us instead.
        moved: Option<Box<Moved>>,
    },
    /// The caller acknowledged our answer.
    Confirmed {
        /// Its session description, when our answer carried the offer.
        body: Bytes,
    },
    /// The caller gave up before our answer.
    Cancelled,
    /// The party accepted a refresh of ours that repeated our last description.
    Refreshed {
        /// Its answer, or nothing.
        body: Bytes,
    },
    /// The party offers a changed session; [`super::Sessions::accept_offer`] or `reject_offer` must follow.
    Offered {
        /// Its session description.
        body: Bytes,
    },
    /// The party asks for our offer; `accept_offer` must follow with it, the answer comes as `Confirmed`.
    OfferWanted,
    /// The party pressed a key and said so by INFO.
    Digit(Digit),
    /// The party hands its call over; [`super::Sessions::accept_refer`] or `refuse_refer` must follow.
    Referred(Referred),
    /// The party was asked to call somebody else, and this came of it.
    SentAway(Status),
    /// The session is over.
    Ended(Ending),
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The party said BYE.
    Bye,
    /// The party no longer answers: no ACK, no PRACK, no response to a request, or no refresh.
    Lost,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Phase {
    /// The INVITE has no final response.
    Inviting,
    /// Answered. For a UAS the ACK may still be missing, see [`Session::unacked`].
    Up,
    /// Being cleared: the call has forgotten it, a CANCEL, ACK or BYE is still under way.
    Ending,
}

/// Our 2xx to an INVITE, repeated until its ACK (§13.3.1.4).
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Unacked {
    /// The transaction that carries it.
    pub(crate) txn: ServerKey,
    /// CSeq of the INVITE.
    pub(crate) cseq: u32,
    /// The next gap.
    pub(crate) gap: Duration,
    /// Timer of the next repetition.
    pub(crate) again: TimerKey,
    /// Timer that gives up.
    pub(crate) give_up: TimerKey,
}

/// Our reliable provisional response, repeated until its PRACK (RFC 3262 §3).
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Reliable {
    /// Its RSeq.
    pub(crate) rseq: u32,
    /// The response.
    pub(crate) status: Status,
    /// Its body.
    pub(crate) body: Bytes,
    /// The next gap.
    pub(crate) gap: Duration,
    /// Timer of the next repetition.
    pub(crate) again: TimerKey,
    /// Timer that gives up.
    pub(crate) give_up: TimerKey,
}

/// A request of ours inside the dialog that changes or refreshes the session.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Ours {
    /// Its transaction.
    pub(crate) txn: ClientKey,
    /// INVITE, UPDATE, or PRACK.
    pub(crate) method: Method,
    /// Its CSeq.
    pub(crate) cseq: u32,
    /// All that it is for is to tell the peer whom it talks with.
    pub(crate) introduces: bool,
}

/// A request of the peer's that waits for the call's decision.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Theirs {
    /// Its transaction.
    pub(crate) txn: ServerKey,
    /// INVITE, UPDATE, or PRACK.
    pub(crate) method: Method,
    /// Its CSeq.
    pub(crate) cseq: u32,
    /// What it said about session timers.
    pub(crate) asked: Asked,
}

/// An INVITE outside any dialog.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Invited<'a> {
    /// Its transaction.
    pub(crate) txn: ServerKey,
    /// The message.
    pub(crate) invite: &'a Message,
    /// The way it came.
    pub(crate) flow: Flow,
    /// User part of our Contact.
    pub(crate) user: &'a str,
}

/// What a UAC needs to ask again: after 422, 401 or 407.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Invitation {
    /// Request-URI.
    pub(crate) uri: SmolStr,
    /// The way to the first hop.
    pub(crate) flow: Flow,
    /// Route header field values (URIs), first hop first.
    pub(crate) routes: SmallVec<[SmolStr; 1]>,
    /// From, a name-addr without tag.
    pub(crate) from: SmolStr,
    /// To, a name-addr without tag.
    pub(crate) to: SmolStr,
    /// User part of our Contact.
    pub(crate) user: SmolStr,
    /// Max-Forwards left.
    pub(crate) max_forwards: u32,
    /// Our offer.
    pub(crate) offer: Bytes,
    /// Header fields beside those that every INVITE has: names and values.
    pub(crate) headers: Vec<(SmolStr, SmolStr)>,
    /// What those are told who ask for credentials; `None` when we have none.
    pub(crate) answers: Option<Box<Answers>>,
}

/// What is different between asking and being asked.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Role {
    /// We were invited.
    Uas {
        /// The INVITE.
        txn: ServerKey,
        /// Its CSeq.
        cseq: u32,
        /// The peer requires reliable provisional responses (RFC 3262).
        reliable: bool,
        /// What it said about session timers.
        asked: Asked,
    },
    /// We invite.
    Uac {
        /// The INVITE.
        txn: ClientKey,
        /// Its CSeq.
        cseq: u32,
        /// How we asked.
        invitation: Box<Invitation>,
        /// Forks that answered provisionally (§12.1.2), with the last RSeq acknowledged.
        early: Vec<(Dialog, u32)>,
        /// Min-SE that a 422 asked for.
        min_se: Option<u32>,
        /// Our From tag and Call-ID.
        ids: (SmolStr, SmolStr),
    },
}

/// One INVITE session.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Session {
    /// Whose it is.
    pub(crate) call: CallKey,
    /// Asked or asking.
    pub(crate) role: Role,
    /// How far it is.
    pub(crate) phase: Phase,
    /// The dialog: a UAS's from the INVITE on, a UAC's from the 2xx on.
    pub(crate) dialog: Option<Dialog>,
    /// Contact of all our messages here.
    pub(crate) contact: SmolStr,
    /// Our latest session description.
    pub(crate) body: Bytes,
    /// Our 2xx that waits for its ACK.
    pub(crate) unacked: Option<Unacked>,
    /// Our 1xx that waits for its PRACK.
    pub(crate) reliable: Option<Reliable>,
    /// RSeq of a reliable response that the final one overtook: its PRACK may still come (RFC 3262 §3).
    pub(crate) overtaken: Option<u32>,
    /// RSeq of our next reliable response.
    pub(crate) next_rseq: u32,
    /// The answer waits for the PRACK of an earlier answer (RFC 3262 §5).
    pub(crate) held_answer: Option<Bytes>,
    /// Provisional response that waits for an earlier one's PRACK (RFC 3262 §3).
    pub(crate) held_progress: Option<(Status, Bytes)>,
    /// Our last ACK to a 2xx, to repeat when the 2xx comes again (§13.2.2.4).
    pub(crate) ack: Option<(u32, Flow, Bytes)>,
    /// Our request that is under way.
    pub(crate) ours: Option<Ours>,
    /// The peer's request that waits for the call.
    pub(crate) theirs: Option<Theirs>,
    /// The peer understands UPDATE (RFC 3311).
    pub(crate) updates: bool,
    /// It has said which methods it understands (RFC 3261 §20.5).
    pub(crate) lists_methods: bool,
    /// Whom the peer talks with, as it is told in our answers and refreshes (RFC 3325 §9.1).
    pub(crate) identity: Option<SmolStr>,
    /// The peer is to be told that as soon as it can be.
    pub(crate) introduces: bool,
    /// What keeps the session alive.
    pub(crate) timer: Option<SessionTimer>,
    /// Min-SE that a 422 to a refresh asked for (RFC 4028 §7.4).
    pub(crate) min_se: Option<u32>,
    /// Armed timer of `timer`.
    pub(crate) timer_key: Option<TimerKey>,
    /// Armed timer to ask again after 491, or to repeat a provisional response.
    pub(crate) retry_key: Option<TimerKey>,
    /// The last provisional response, to repeat every minute (§13.3.1.1).
    pub(crate) progress: Option<(Status, Bytes)>,
    /// Reason header field value of the BYE to send once the ACK has come.
    pub(crate) bye_after_ack: Option<SmolStr>,
    /// Tags of forks that answered after the one that counts, and were ended.
    pub(crate) late_forks: Vec<SmolStr>,
    /// Forks that were sent requests before one of them answered: their tags, and the CSeq of the last request.
    pub(crate) fork_cseqs: Vec<(SmolStr, u32)>,
    /// The INFO that tells of a digit and has no answer yet, and the digits to be told of after it.
    pub(crate) telling: Option<ClientKey>,
    pub(crate) untold: VecDeque<Digit>,
    /// Armed timer of a pause between them.
    pub(crate) pause: Option<TimerKey>,
    /// The transfer that the party has asked for.
    pub(crate) referral: Option<Referral>,
    /// What the party was asked to do in place of this session.
    pub(crate) sent_away: Option<SentAway>,
    /// When its dialog goes through a stream: the Contact it is found by, and where that stream came from.
    pub(crate) placed: Option<(SmolStr, IpAddr)>,
}

/// What a message says about session timers.
pub(crate) fn asked(message: &Message) -> Asked {
    let expires = message.session_expires().and_then(Result::ok);
    Asked {
        expires: expires.as_ref().map(|e| e.seconds),
        refresher_uac: expires.as_ref().and_then(|e| e.refresher).map(|r| r == Refresher::Uac),
        min_se: message.min_se().and_then(Result::ok),
        supported: message.has_token(HeaderName::Supported, "timer")
            || message.has_token(HeaderName::Require, "timer"),
    }
}

/// Whether the body of a message is a session description.
pub(crate) fn is_sdp(message: &Message) -> bool {
    message.content_type().is_some_and(|t| t.is_ok_and(|t| t.is("application", "sdp")))
}

/// Whether who does not understand the body may go on without it (RFC 3261 §20.11).
pub(crate) fn is_optional(message: &Message) -> bool {
    let disposition = message.header(HeaderName::ContentDisposition);
    let disposition = disposition.and_then(|value| Tagged::parse("Content-Disposition", value).ok());
    disposition.and_then(|d| d.params.value("handling")).is_some_and(|v| v.eq_ignore_ascii_case("optional"))
}

/// The session description a message carries, or nothing.
pub(crate) fn description(message: &Message) -> Bytes {
    if message.body().is_empty() { Bytes::new() } else { Bytes::copy_from_slice(message.body()) }
}
