//! What a phone is waiting for, and which of its timers made it act.

use telex_engine::time::Instant;

use super::leg::State;
use super::transaction::Progress;
use super::{LegTimer, Phone, Timer};

/// What a phone can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Awaited {
    /// It is switched on and not registered.
    Registration,
    /// Its refresh or farewell is not answered.
    Refresh,
    /// It called and nobody has answered or refused.
    Answer,
    /// It took its call back and does not know whether that was in time.
    Cancelled,
    /// It answered and the other side has not acknowledged.
    Acknowledgement,
    /// It holds, resumes or refreshes and has no answer.
    Change,
    /// Its owner hung up, and it may not say so yet (RFC 3261 §15).
    HangUp,
    /// It said BYE and has no answer.
    Farewell,
    /// The other party is gone, and this one does not know.
    Notice,
}

impl Awaited {
    /// In words, after "waits".
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Registration => "to be registered",
            Self::Refresh => "for the answer to a later REGISTER",
            Self::Answer => "for the call to be answered or refused",
            Self::Cancelled => "for its cancelled call to end",
            Self::Acknowledgement => "for the ACK of its answer",
            Self::Change => "for the answer to a re-INVITE",
            Self::HangUp => "to be allowed to hang up",
            Self::Farewell => "for the answer to its BYE",
            Self::Notice => "in a call that the other has left",
        }
    }
}

impl Phone {
    /// Everything the phone waits for, and the planned call it concerns. What the other party knows is not asked
    /// here.
    pub(crate) fn waits(&self) -> Vec<(Option<usize>, Awaited)> {
        let mut waits = Vec::new();
        match self.registration.waits() {
            (true, _) => waits.push((None, Awaited::Registration)),
            (false, true) => waits.push((None, Awaited::Refresh)),
            (false, false) => {}
        }
        for leg in &self.legs {
            let asks = leg.reinvite.and_then(|id| self.progress(id)).is_some_and(|p| p != Progress::Done);
            let all = [
                (leg.state == State::Calling && !leg.cancelled, Awaited::Answer),
                (leg.state == State::Calling && leg.cancelled, Awaited::Cancelled),
                (leg.unacknowledged.is_some(), Awaited::Acknowledgement),
                (asks && leg.state == State::Up, Awaited::Change),
                (leg.wants_bye && leg.ended.is_none(), Awaited::HangUp),
                (leg.state == State::Ending, Awaited::Farewell),
            ];
            waits.extend(all.iter().filter(|(is, _)| *is).map(|(_, what)| (Some(leg.call), *what)));
        }
        waits
    }

    /// The name of a timer that runs out now, and whether it is the owner's doing rather than the protocol's.
    pub(crate) fn timer_name(&self, now: Instant, timer: Timer) -> (&'static str, bool) {
        match timer {
            Timer::Client(id) => (self.client_timer(id, now), false),
            Timer::Server(id) => (self.server_timer(id, now), false),
            Timer::Register => ("registering again", false),
            Timer::Connect => ("connecting again", false),
            Timer::KeepAlive => ("keep-alive", false),
            Timer::Leg(_, LegTimer::Repeat) => ("timer of the repeated 2xx", false),
            Timer::Leg(_, LegTimer::AskAgain) => ("asking again", false),
            Timer::Leg(_, LegTimer::Refresh) => ("session refresh", false),
            Timer::Post(_) => ("the phone's own delay", false),
            Timer::Leg(..) | Timer::Power(_) => ("", true),
        }
    }
}
