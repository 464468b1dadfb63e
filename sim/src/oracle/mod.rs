//! What must be true. Each oracle is one named function or small machine that watches the wire and the
//! phones, and says in one sentence why its rule exists. They judge from outside: nothing here reads the
//! engine's tables, except through `stats()` and `check()`.

pub(crate) mod access;
pub(crate) mod acks;
pub(crate) mod answers;
pub(crate) mod border;
pub(crate) mod bounds;
pub(crate) mod dialogs;
pub(crate) mod digits;
pub(crate) mod grammar;
pub(crate) mod handed;
pub(crate) mod host;
pub(crate) mod leftovers;
pub(crate) mod media;
pub(crate) mod mirror;
pub(crate) mod offers;
pub(crate) mod patience;
pub(crate) mod records;
pub(crate) mod referrals;
pub(crate) mod registrar;
pub(crate) mod requests;
pub(crate) mod retransmissions;
pub(crate) mod rtp;
pub(crate) mod strangers;
pub(crate) mod ties;
pub(crate) mod tones;
pub(crate) mod within;

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use telex_engine::border::{StreamId, Transport};
use telex_engine::time::Instant;

use crate::text::Msg;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The rule.
    pub oracle: &'static str,
    /// What happened.
    pub reason: String,
    /// When.
    pub at: Instant,
    /// The planned call it concerns, if it can be told.
    pub call: Option<usize>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.oracle, self.at, self.reason)
    }
}

/// What a rule returns.
pub(crate) type Verdict = Result<(), Broken>;

/// A broken rule, before the world adds which call it concerns.
pub(crate) fn broken(oracle: &'static str, at: Instant, reason: String) -> Broken {
    Broken { oracle, reason, at, call: None }
}

/// All rules with the reason for each.
pub const ORACLES: &[(&str, &str)] = &[
    ("well_formed", "a receiver may refuse what a strict reader of RFC 3261 refuses"),
    (
        "one_final_response",
        "a transaction has one outcome; two final responses tell the caller two stories (§17.2)",
    ),
    ("nothing_after_final", "a provisional response after the final one has no meaning (§17.2.1)"),
    ("every_request_answered", "a request without a final response leaves the phone waiting (§8.2)"),
    ("same_bytes_again", "a retransmission that differs is another message (§17.1, §17.2)"),
    (
        "retransmitted_on_time",
        "timers A, E, G and that of the 2xx decide how long a loss is heard (§17, §13.3.1.4)",
    ),
    ("trying_in_time", "without a 100 within 200 ms phones retransmit their INVITE (§17.2.1)"),
    ("answered_as_asked", "a response that does not repeat its request finds nobody (RFC 3261 §8.2.6.2)"),
    (
        "acknowledged",
        "a final response to INVITE is repeated for half a minute until its ACK comes (§17.1.1.3, §13.2.2.4)",
    ),
    (
        "reliable_acknowledged",
        "a reliable provisional response is repeated until its PRACK comes (RFC 3262 §4)",
    ),
    (
        "unacknowledged_ends",
        "a call whose 2xx is never acknowledged is ended, or it stays up on one side (§13.3.1.4)",
    ),
    (
        "cancel_ends_the_invite",
        "a cancelled INVITE is answered at once, or the caller's phone rings on (§9.2)",
    ),
    (
        "success_needs_a_dialog",
        "whoever guesses a Call-ID but no tags must not end or change a call (§12.2.2)",
    ),
    (
        "old_requests_are_refused",
        "a request that was overtaken must not undo what the newer one did (§12.2.2)",
    ),
    ("requests_in_known_dialogs", "a request in a dialog that was never opened reaches nobody (§12.2.1.1)"),
    ("numbers_rise", "a request whose CSeq does not rise is refused by the phone (§12.2.1.1)"),
    ("routes_are_kept", "a request that leaves the route set out may never arrive (§12.2.1.1)"),
    (
        "answers_fit_their_offers",
        "a phone need not understand an answer that does not fit its offer (RFC 3264 §6)",
    ),
    ("versions_tell_changes", "a phone may ignore a description whose version has not risen (RFC 3264 §8)"),
    ("credentials_come_first", "nobody calls or registers as an extension without its secret (§22)"),
    ("nonces_count_once", "whoever overhears credentials must not use them again (RFC 7616 §3.4.5)"),
    ("no_amplification", "a stranger who forges its address must not have a victim flooded"),
    (
        "existence_is_not_told",
        "whoever can tell which extensions exist needs to guess only passwords (RFC 3261 §22.1)",
    ),
    ("ringing_ends", "a caller is told in the end that nobody answers (§16.7, §20.19)"),
    (
        "sessions_are_refreshed",
        "a session that is not refreshed ends by itself, in the middle of the talk (RFC 4028 §10)",
    ),
    ("limits_hold", "a table without limit is taken by whoever asks often enough"),
    (
        "one_rtp_stream",
        "a phone that is sent another source or a jump of numbers drops or delays what follows (RFC 3550 §5.1)",
    ),
    ("known_payload_types", "a payload type that a phone did not name is noise to it (RFC 3264 §6.1)"),
    ("calls_are_recorded", "a bill that says something else than the people who talked is wrong"),
    ("digits_arrive_once", "a key that comes twice or not at all is a wrong PIN (RFC 4733 §2.5)"),
    (
        "second_answer_ended",
        "a phone whose answer came too late believes to be in a call until it is told (§13.2.2.4)",
    ),
    (
        "nobody_rings_in_vain",
        "a phone that rings on for a call that is over is answered into silence (§9, §16.7 step 10)",
    ),
    ("nobody_else_hangs_up", "only its own parties end a call"),
    ("registrar_as_modelled", "calls go where the registrar says, so that it has to be right (§10.3)"),
    ("bye_after_ack", "the called side may not end a dialog before its 2xx is acknowledged (§15)"),
    ("no_stranger_invited", "an INVITE that belongs to no call rings a phone for nothing"),
    ("ends_agree", "at rest both sides of a call agree whether it is up"),
    ("settled", "when faults stop, every call is soon either up or over"),
    ("nothing_left", "what outlives its call is a leak"),
    ("nobody_hears_a_stranger", "a voice in the wrong call is the worst fault a telephone exchange can have"),
    ("held_party_is_silent", "a party that asked only to send is sent nothing (RFC 3264 §5.1)"),
    ("media_both_ways", "an answered call without sound in both directions is no call"),
    (
        "referral_told_once",
        "who hands a call over waits until it is told, once, what came of that (RFC 3515 §2.4.4)",
    ),
    (
        "calls_stay_here",
        "a call that is handed over to another host is one that somebody pays for (RFC 5589 §9)",
    ),
    ("transfers_come_true", "what a phone is told of a transfer is what the people then hear"),
    (
        "talks_are_mutual",
        "whoever was handed over, parked, picked up or replaced talks with one other, who talks with it",
    ),
    (
        "sound_as_loud_as_spoken",
        "a voice that is coded anew and comes out softer is not understood, and a louder one hurts",
    ),
    ("speech_is_whole", "what the network carried and the exchange swallows is a word that was not heard"),
    ("media_ports_closed", "a packet to a phone that has no call there wakes nobody but wastes and leaks"),
    ("wakes_bounded", "a machine that wakes without progress burns a core"),
    ("no_panic", "an invariant of the engine, asserted by itself, does not hold"),
    ("registration_is_kept", "a registration that is not handed to the store is forgotten by a restart"),
    (
        "registrar_is_the_store",
        "after a restart phones are reached as if nothing had happened, as far as the store knows them",
    ),
    ("control_answered", "an operator's question has one answer, at once, and it is true"),
    (
        "stops_in_time",
        "a stop refuses new calls, lets the others end, is over when it was to be, and says so once",
    ),
    ("prompts_are_there", "a caller who waits for the end of what nobody says waits for ever"),
    ("no_error_event", "an event of error severity means that the engine found itself wrong"),
];

/// A SIP message at the moment it leaves the exchange.
pub(crate) struct Exit<'a> {
    pub(crate) now: Instant,
    pub(crate) msg: &'a Msg,
    pub(crate) raw: &'a Bytes,
    pub(crate) transport: Transport,
    /// It is given to a stream that is not up yet. That may never be, and then the message goes another way.
    pub(crate) waits: bool,
    /// The stream that it is given to.
    pub(crate) stream: Option<StreamId>,
    pub(crate) remote: SocketAddr,
    pub(crate) cause: Cause<'a>,
}

impl Exit<'_> {
    /// Whether it answers the request that is being handled.
    pub(crate) fn is_provoked(&self) -> bool {
        match self.cause {
            Cause::Messages(causes) => causes.iter().any(|cause| {
                cause.is_request()
                    && cause.branch() == self.msg.branch()
                    && cause.method() == self.msg.method()
            }),
            Cause::Wake | Cause::Other => false,
        }
    }
}

/// A SIP message at the moment it has wholly reached the exchange.
pub(crate) struct Entry<'a> {
    pub(crate) now: Instant,
    pub(crate) msg: &'a Msg,
    pub(crate) source: SocketAddr,
    /// Its Content-Length is the truth. What a box on the way has broken the exchange may refuse, or not.
    pub(crate) sound: bool,
}

/// What the exchange was handling when it acted.
#[derive(Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// Its own deadline.
    Wake,
    /// These messages: a stream may bring several at once.
    Messages(&'a [Msg]),
    /// Anything else: media, store, streams, operators.
    Other,
}
