//! Faults that a simulator plants to see them found. They exist only in a build with the feature `planted`, and there
//! only in a machine that was told so; in any other build every question here is `false` at compile time.

use bytes::Bytes;

use crate::config::SipTimers;
use crate::cx::{ClientTimer, ServerTimer};
use crate::time::{Duration, Instant};

/// Longer than any run.
pub(crate) const NEVER: Duration = Duration::from_secs(1_000_000);

/// One thing that the engine does wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(not(feature = "planted"), expect(unreachable_pub, reason = "the feature makes it reachable"))]
pub enum Fault {
    /// Timer A stays at T1 instead of doubling (RFC 3261 §17.1.1.2).
    TimerAConstant,
    /// Timer B never ends an INVITE that nobody answers.
    TimerBNever,
    /// Timer E never repeats a request (§17.1.2.2).
    TimerENever,
    /// Timer F never ends a request that nobody answers.
    TimerFNever,
    /// Timer G never repeats a refusal (§17.2.1).
    TimerGNever,
    /// Timer H never ends the wait for an ACK.
    TimerHNever,
    /// Timer I is zero: INVITEs repeated after the ACK are new calls.
    TimerINone,
    /// Timer J is zero: repeated requests are new requests (§17.2.2).
    TimerJNone,
    /// Timer L is zero: INVITEs repeated after the 2xx are new calls (RFC 6026 §7.1).
    TimerLNone,
    /// No 100 covers an INVITE that takes long (§17.2.1).
    TryingMissing,
    /// A refusal is not acknowledged (§17.1.1.3).
    RefusalNotAcknowledged,
    /// A 2xx that comes again is not acknowledged again (§13.2.2.4).
    SuccessNotAcknowledgedAgain,
    /// The 2xx is sent once only (§13.3.1.4).
    SuccessSentOnce,
    /// A 2xx without ACK does not end the session (§13.3.1.4).
    NoAckIgnored,
    /// A CANCEL is not answered (§9.2).
    CancelNotAnswered,
    /// A CANCEL is answered, but its INVITE is not (§9.2).
    CancelledInviteNotAnswered,
    /// A phone that rings is not cancelled.
    CancelNotSent,
    /// A response finds its transaction by the number of its branch alone, whatever its method (§17.1.3).
    ResponseMethodIgnored,
    /// A request inside a dialog may have an old CSeq (§12.2.2).
    OldCseqAccepted,
    /// The tags of a request inside a dialog need not match (§12.2.2).
    TagsIgnored,
    /// A party that hangs up leaves the other alone.
    ByeNotForwarded,
    /// The phones that did not answer first go on ringing.
    ForkNotReleased,
    /// A second phone's 2xx to one INVITE is neither acknowledged nor ended (§13.2.2.4).
    LateAnswerIgnored,
    /// A reliable provisional response is not acknowledged (RFC 3262 §4).
    PrackNotSent,
    /// A reliable provisional response is sent once only (RFC 3262 §3).
    ReliableSentOnce,
    /// A session is not refreshed (RFC 4028 §7.2).
    RefreshNotSent,
    /// A phone rings for ever.
    RingsForEver,
    /// An RTP port is not given back.
    PortNotReleased,
    /// The record of a call is never finished.
    RecordNotFinished,
    /// The record of a call counts the time it rang as talk.
    RecordCountsRinging,
    /// The record of a call counts from when the last callee answered, not the exchange.
    RecordCountsFromCallee,
    /// A call stays in its groups when it is over.
    GroupNotLeft,
    /// Who hands a call over is not told how that ended (RFC 3515 §2.4.4).
    TransferNotTold,
    /// Who hands a call over is told that it is through as soon as somebody is asked.
    TransferToldTooSoon,
    /// A transfer that comes to nothing leaves the two apart.
    TransferNotTakenBack,
    /// Of two calls that are brought together only one side is heard.
    JoinedOneWay,
    /// Anybody picks up calls of any group.
    AnyGroupPickedUp,
    /// A REFER may lead to any host.
    ForeignTransfer,
    /// A media leg is not dropped.
    MediaLegNotDropped,
    /// Silence does not end a call.
    SilenceIgnored,
    /// A binding outlives its expiry (§10.3).
    ExpiryIgnored,
    /// A Contact with expiry 0 stays (§10.3).
    UnregisterIgnored,
    /// A REGISTER that was overtaken counts (§10.3 step 7).
    OldRegisterAccepted,
    /// Any digest response is right (RFC 7616 §3.4.1).
    AnyPasswordAccepted,
    /// A nonce count may be used again (RFC 7616 §3.4.5).
    ReplayAccepted,
    /// An INVITE needs no credentials.
    InviteNotAuthorised,
    /// Any extension may register for any other (§10.3 step 4).
    AnybodyForAnybody,
    /// Users that do not exist are refused with another status.
    UnknownUserTold,
    /// A challenge is sent ten times over.
    ChallengeTenfold,
    /// Content-Length is one too small (§20.14).
    ContentLengthShort,
    /// A response repeats only the first Via (§8.2.6.2).
    OneViaRepeated,
    /// A route set is taken in the wrong order (§12.1.2).
    RoutesReversed,
    /// The answer names a payload type that was not offered (RFC 3264 §6).
    AnswerNotOffered,
    /// The version of `o=` does not change with the description (RFC 3264 §8).
    VersionKept,
    /// Media goes to a party that holds (RFC 3264 §5.1).
    HoldNotHonoured,
    /// A packet from any address is heard.
    AnySourceHeard,
    /// Media goes to a leg of another call.
    MediaCrosses,
    /// Sound that is coded anew goes to a leg of another call.
    CodedCrosses,
    /// Sound that is coded anew ends after some seconds.
    CodedFallsSilent,
    /// A party hears itself where sound is coded anew.
    CodedComesBack,
    /// Sound that is coded anew gets softer.
    CodedSoftens,
    /// Of sound that is coded anew one frame in four is left out.
    CodedStutters,
    /// Sequence numbers jump (RFC 3550 §5.1).
    SequenceJumps,
    /// Payload types are not renumbered.
    PayloadTypeKept,
    /// The last packets of a digit are lost (RFC 4733 §2.5.1.4).
    DigitEndDropped,
    /// Each packet of a digit starts another one (RFC 4733 §2.5.1).
    DigitDoubled,
    /// The deadline is always a second ago.
    DeadlineInPast,
    /// A stream that is gone is not forgotten.
    StreamNotForgotten,
    /// A timer outlives what it was for.
    TimerLeaked,
}

/// What is planted in a machine; nothing, unless the feature is on and somebody said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Planted {
    #[cfg(feature = "planted")]
    fault: Option<Fault>,
}

#[cfg(feature = "planted")]
impl Planted {
    /// This one.
    pub(crate) const fn new(fault: Fault) -> Self {
        Self { fault: Some(fault) }
    }

    /// Whether it is this one.
    #[inline]
    pub(crate) fn is(self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

impl Planted {
    /// How long a client timer runs that should run for `length`.
    #[inline]
    pub(crate) fn client_timer(self, timer: ClientTimer, length: Duration, timers: &SipTimers) -> Duration {
        match timer {
            ClientTimer::A if self.is(Fault::TimerAConstant) => timers.t1,
            ClientTimer::B if self.is(Fault::TimerBNever) => NEVER,
            ClientTimer::E if self.is(Fault::TimerENever) => NEVER,
            ClientTimer::F if self.is(Fault::TimerFNever) => NEVER,
            _ => length,
        }
    }

    /// How long a server timer runs that should run for `length`.
    #[inline]
    pub(crate) fn server_timer(self, timer: ServerTimer, length: Duration) -> Duration {
        match timer {
            ServerTimer::G if self.is(Fault::TimerGNever) => NEVER,
            ServerTimer::H if self.is(Fault::TimerHNever) => NEVER,
            ServerTimer::I if self.is(Fault::TimerINone) => Duration::ZERO,
            ServerTimer::J if self.is(Fault::TimerJNone) => Duration::ZERO,
            ServerTimer::L if self.is(Fault::TimerLNone) => Duration::ZERO,
            ServerTimer::Trying if self.is(Fault::TryingMissing) => NEVER,
            _ => length,
        }
    }

    /// When to be woken instead of `at`.
    #[inline]
    pub(crate) fn deadline(self, at: Instant) -> Instant {
        if self.is(Fault::DeadlineInPast) { at - Duration::from_secs(1) } else { at }
    }

    /// What is sent instead of this message.
    #[inline]
    pub(crate) fn spoil(self, message: Bytes) -> Bytes {
        let spoil: fn(&str) -> String = if self.is(Fault::ContentLengthShort) {
            shortened
        } else if self.is(Fault::OneViaRepeated) {
            with_one_via
        } else if self.is(Fault::VersionKept) {
            of_first_version
        } else {
            return message;
        };
        std::str::from_utf8(&message).map(|text| Bytes::from(spoil(text))).unwrap_or(message)
    }
}

/// With a Content-Length that is one too small, where there is a body.
fn shortened(text: &str) -> String {
    let line = |line: &str| match line
        .strip_prefix("Content-Length: ")
        .and_then(|n| n.trim_end().parse::<u32>().ok())
    {
        Some(length) if length > 0 => format!("Content-Length: {}\r\n", length - 1),
        _ => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

/// With the first Via only, of a response.
fn with_one_via(text: &str) -> String {
    let mut vias = 0;
    let keep = |line: &&str| {
        vias += u32::from(line.starts_with("Via:"));
        vias <= 1 || !line.starts_with("Via:")
    };
    text.split_inclusive('\n').filter(keep).collect()
}

/// With version 1 in `o=`, where it has one digit.
fn of_first_version(text: &str) -> String {
    let line = |line: &str| match line.split_once(" IN IP") {
        Some((origin, rest))
            if line.starts_with("o=") && origin.as_bytes().iter().rev().nth(1) == Some(&b' ') =>
        {
            format!("{}1 IN IP{rest}", origin.get(..origin.len() - 1).unwrap_or_default())
        }
        _ => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

#[cfg(not(feature = "planted"))]
impl Planted {
    /// It never is.
    #[inline(always)]
    #[expect(clippy::unused_self, reason = "the same question as with the feature")]
    pub(crate) const fn is(self, _: Fault) -> bool {
        false
    }
}
