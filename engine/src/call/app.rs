//! What a call does: small machines that see events of parties and return orders. They see no message, no session
//! description and no timer, so a new feature is a new file beside [`hunt`](super::hunt) and not an arm in a call.

use super::hunt::Hunt;
use super::page::Page;
use crate::event::{EndCause, Side};
use crate::sip::Status;

/// A party of a call: its place in [`super::Call::parties`]. The caller is the first.
pub(crate) type PartyId = usize;
/// The caller.
pub(crate) const CALLER: PartyId = 0;

/// What can happen to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppEvent {
    /// A callee gave a provisional response.
    Progress {
        /// Who.
        party: PartyId,
        /// 101 to 199.
        status: Status,
        /// It can be heard already.
        media: bool,
    },
    /// A callee answered.
    Answered {
        /// Who.
        party: PartyId,
    },
    /// A callee refused or could not be asked.
    Refused {
        /// Who.
        party: PartyId,
        /// Its response, if there was one.
        status: Option<Status>,
    },
    /// A callee sends us elsewhere, and others are asked in its place.
    Moved {
        /// Who.
        party: PartyId,
    },
    /// Another contact of the same extension declines: this one is not asked any more.
    Declined {
        /// Who.
        party: PartyId,
    },
    /// The caller gave up before the answer.
    Cancelled,
    /// A party ended its session.
    HungUp {
        /// Who.
        party: PartyId,
    },
    /// A party no longer answers.
    Lost {
        /// Who.
        party: PartyId,
    },
    /// A party that should send media does not.
    Silent {
        /// Who.
        party: PartyId,
    },
    /// It has rung for as long as it may.
    NoAnswer,
    /// They have talked for as long as they may.
    TimeUp,
    /// Somebody outside the call ends it.
    Stop(Outside),
}

/// Who outside a call ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outside {
    /// An operator.
    Operator,
    /// The exchange is stopping.
    Stopping,
}

impl Outside {
    pub(super) fn cause(self) -> EndCause {
        match self {
            Self::Operator => EndCause::Operator,
            Self::Stopping => EndCause::Stopping,
        }
    }
}

/// What an app wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Tell the caller how far it is.
    Ring {
        /// 101 to 199.
        status: Status,
    },
    /// Tell the caller, and let it hear this callee.
    EarlyMedia {
        /// Who.
        party: PartyId,
        /// 101 to 199.
        status: Status,
    },
    /// Answer the caller and connect it with this callee.
    Connect {
        /// Who.
        party: PartyId,
    },
    /// This callee has answered, and is asked or told something before it is connected.
    Screen {
        /// Who.
        party: PartyId,
    },
    /// Let this callee hear the caller, and others as well.
    Admit {
        /// Who.
        party: PartyId,
    },
    /// The caller has nobody any more whom it speaks to: its walk goes on.
    Alone,
    /// Let a party go.
    Release {
        /// Who.
        party: PartyId,
        /// Why, as a Reason header field (RFC 3326).
        reason: &'static str,
    },
    /// Refuse the caller and end the call.
    Refuse {
        /// With what.
        status: Status,
        /// For the record.
        cause: EndCause,
    },
    /// End the call: whoever is left is let go.
    End {
        /// For the record.
        cause: EndCause,
    },
}

/// What a call does at present.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum App {
    /// Looks for one who answers.
    Hunt(Hunt),
    /// Two parties talk.
    Bridge,
    /// The caller speaks to many.
    Page(Page),
    /// The caller is alone with the exchange, which does what the dialplan says.
    Script,
    /// Nothing any more.
    Done,
}

/// Which side a party is on.
pub(crate) const fn side(party: PartyId) -> Side {
    if party == CALLER { Side::Caller } else { Side::Callee }
}

impl App {
    /// Whether this callee may still answer.
    pub(super) fn asks(&self, party: PartyId) -> bool {
        match self {
            Self::Hunt(hunt) => hunt.asks(party),
            Self::Page(page) => page.asks(party),
            Self::Bridge | Self::Script | Self::Done => false,
        }
    }

    /// One event in, the next app and what it wants done out.
    pub(crate) fn on(self, event: AppEvent, orders: &mut Vec<Order>) -> Self {
        match (self, event) {
            (Self::Done, _) => Self::Done,
            (Self::Hunt(hunt), event) => hunt.on(event, orders),
            (Self::Page(page), event) => page.on(event, orders),
            (app, event) => {
                let cause = match event {
                    AppEvent::HungUp { party } => EndCause::HungUp(side(party)),
                    AppEvent::Lost { party } => EndCause::Lost(side(party)),
                    AppEvent::Silent { party } => EndCause::Silent(side(party)),
                    AppEvent::Stop(who) => who.cause(),
                    AppEvent::Cancelled => EndCause::Cancelled,
                    AppEvent::TimeUp => EndCause::TimeUp,
                    AppEvent::Progress { .. }
                    | AppEvent::Answered { .. }
                    | AppEvent::Refused { .. }
                    | AppEvent::Moved { .. }
                    | AppEvent::Declined { .. }
                    | AppEvent::NoAnswer => return app,
                };
                orders.push(Order::End { cause });
                Self::Done
            }
        }
    }
}

/// The end of a hunt by somebody outside.
pub(super) fn stopped(who: Outside) -> Order {
    Order::Refuse { status: Status::TEMPORARILY_UNAVAILABLE, cause: who.cause() }
}
