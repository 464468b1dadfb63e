//! Asking several contacts at once: the first answer wins, the others are let go (RFC 3261 §16.7). A refusal of one is
//! a refusal of its extension at most: the others ring on.

use super::app::{App, AppEvent, CALLER, Order, PartyId, stopped};
use super::causes::refused_by;
use crate::event::EndCause;
use crate::sip::Status;

/// Tells a phone that stops ringing that the call is not missed (RFC 3326).
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";
/// Tells a phone that stops ringing that the caller gave up.
const GAVE_UP: &str = "SIP;cause=487;text=\"Caller gave up\"";
/// Tells a phone that stops ringing that it has rung long enough.
const TOO_LONG: &str = "SIP;cause=480;text=\"No answer\"";
/// Tells a phone that stops ringing that another one of the same extension declined.
const DECLINED: &str = "SIP;cause=603;text=\"Declined elsewhere\"";

/// A hunt in progress.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Hunt {
    /// Callees without a final response.
    asked: Vec<PartyId>,
    /// The best refusal so far.
    best: Option<Status>,
    /// What the caller was told last.
    told: Option<Status>,
    /// The INVITE itself runs out, before the exchange loses patience.
    expires: bool,
    /// Who answers is asked or told something before it is connected.
    screens: bool,
}

impl Hunt {
    /// A hunt among these callees.
    pub(crate) fn among(asked: Vec<PartyId>) -> Self {
        Self { asked, ..Self::default() }
    }

    /// The same for an INVITE that runs out by its own word (RFC 3261 §13.3.1).
    pub(crate) fn expiring(self, expires: bool) -> Self {
        Self { expires, ..self }
    }

    /// The same, where who answers is asked or told something before it is connected.
    pub(crate) fn screening(self, screens: bool) -> Self {
        Self { screens, ..self }
    }

    /// Whether this callee may still answer.
    pub(super) fn asks(&self, party: PartyId) -> bool {
        self.asked.contains(&party)
    }

    /// These are asked, too.
    pub(super) fn also(&mut self, callees: &[PartyId]) {
        self.asked.extend(callees);
    }

    /// Whether nobody but this callee may still answer.
    pub(super) fn asks_only(&self, party: PartyId) -> bool {
        self.asked == [party]
    }

    /// This has refused already.
    pub(super) fn refused_by(self, status: Status) -> Self {
        Self { best: Some(self.best.map_or(status, |best| better(best, status))), ..self }
    }

    /// One event in, the next app and what it wants done out.
    pub(crate) fn on(mut self, event: AppEvent, orders: &mut Vec<Order>) -> App {
        match event {
            AppEvent::Progress { party, status, media } => self.progress(party, status, media, orders),
            AppEvent::Answered { party } => {
                self.release_all(Some(party), ELSEWHERE, orders);
                if std::mem::take(&mut self.screens) {
                    // From now on it is the only one; when it is connected, it answers again.
                    self.asked = vec![party];
                    orders.push(Order::Screen { party });
                    return App::Hunt(self);
                }
                orders.push(Order::Connect { party });
                return App::Bridge;
            }
            AppEvent::Refused { party, status } => return self.refused(party, status, orders),
            AppEvent::HungUp { party: CALLER } | AppEvent::Lost { party: CALLER } | AppEvent::Cancelled => {
                self.release_all(None, GAVE_UP, orders);
                orders.push(Order::End { cause: EndCause::Cancelled });
                return App::Done;
            }
            AppEvent::HungUp { party } | AppEvent::Lost { party } => {
                return self.refused(party, None, orders);
            }
            AppEvent::NoAnswer => {
                self.release_all(None, TOO_LONG, orders);
                let status = match self.expires {
                    true => Status::REQUEST_TERMINATED,
                    false => Status::TEMPORARILY_UNAVAILABLE,
                };
                orders.push(Order::Refuse { status, cause: EndCause::NoAnswer });
                return App::Done;
            }
            AppEvent::Stop(who) => {
                self.release_all(None, GAVE_UP, orders);
                orders.push(stopped(who));
                return App::Done;
            }
            AppEvent::Moved { party } => {
                self.asked.retain(|&p| p != party);
                // The caller knows that it goes elsewhere: who rings there is told again.
                self.told = None;
            }
            AppEvent::Declined { party } => {
                self.asked.retain(|&p| p != party);
                orders.push(Order::Release { party, reason: DECLINED });
            }
            AppEvent::Silent { .. } | AppEvent::TimeUp => {}
        }
        App::Hunt(self)
    }

    fn progress(&mut self, party: PartyId, status: Status, media: bool, orders: &mut Vec<Order>) {
        if media {
            self.told = Some(status);
            orders.push(Order::EarlyMedia { party, status });
        } else if self.told != Some(status) {
            self.told = Some(status);
            orders.push(Order::Ring { status });
        }
    }

    fn refused(mut self, party: PartyId, status: Option<Status>, orders: &mut Vec<Order>) -> App {
        self.asked.retain(|&p| p != party);
        let status = for_the_caller(status);
        self.best = Some(self.best.map_or(status, |best| better(best, status)));
        let Some(best) = self.best.filter(|_| self.asked.is_empty()) else { return App::Hunt(self) };
        orders.push(Order::Refuse { status: best, cause: refused_by(best) });
        App::Done
    }

    fn release_all(&mut self, but: Option<PartyId>, reason: &'static str, orders: &mut Vec<Order>) {
        for &party in self.asked.iter().filter(|&&p| Some(p) != but) {
            orders.push(Order::Release { party, reason });
        }
    }
}

/// What a callee's refusal means to the caller. A callee that cannot be asked, that sends us elsewhere or that wants
/// credentials of us is not available; its overload is not ours (§16.7 step 6).
fn for_the_caller(status: Option<Status>) -> Status {
    match status {
        None => Status::TEMPORARILY_UNAVAILABLE,
        Some(Status::SERVICE_UNAVAILABLE) => Status::SERVER_INTERNAL_ERROR,
        Some(status) if status.code() < 400 => Status::TEMPORARILY_UNAVAILABLE,
        Some(Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED | Status::REQUEST_TIMEOUT) => {
            Status::TEMPORARILY_UNAVAILABLE
        }
        // The call does not exist there, but it does here.
        Some(Status::NO_SUCH_TRANSACTION | Status::REQUEST_TERMINATED) => Status::TEMPORARILY_UNAVAILABLE,
        // About our request, not the caller's; and some say what to do instead in a header field that is not passed on.
        Some(status) if matches!(status.code(), 400 | 405 | 406 | 414..=417 | 420..=423 | 491 | 494) => {
            Status::TEMPORARILY_UNAVAILABLE
        }
        Some(status) => status,
    }
}

/// The better of two refusals: what says most about the person called. Those who are asked together are persons of
/// their own, not forks of one request, so a global one (§16.7 step 5) speaks for nobody else.
fn better(a: Status, b: Status) -> Status {
    let rank = |s: Status| match s.code() {
        486 | 600 | 603 => 1,
        480 => 3,
        400..=499 | 600.. => 2,
        _ => 4,
    };
    if rank(b) < rank(a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a hunt among two phones.
    fn play(events: &[AppEvent]) -> (App, Vec<Order>) {
        let mut orders = Vec::new();
        let mut app = App::Hunt(Hunt::among(vec![1, 2]));
        for &event in events {
            app = app.on(event, &mut orders);
        }
        (app, orders)
    }

    fn refused(party: PartyId, status: Status) -> AppEvent {
        AppEvent::Refused { party, status: Some(status) }
    }

    #[test]
    fn the_first_answer_wins_and_the_others_are_let_go() {
        let (app, orders) = play(&[AppEvent::Answered { party: 2 }]);
        assert!(matches!(app, App::Bridge));
        assert_eq!(orders, [Order::Release { party: 1, reason: ELSEWHERE }, Order::Connect { party: 2 }]);
    }

    #[test]
    fn who_is_screened_answers_twice_and_may_refuse_between() {
        let answered = AppEvent::Answered { party: 2 };
        for (then, last) in [
            (answered, Order::Connect { party: 2 }),
            (
                refused(2, Status::BUSY_HERE),
                Order::Refuse { status: Status::BUSY_HERE, cause: refused_by(Status::BUSY_HERE) },
            ),
            (AppEvent::Cancelled, Order::End { cause: EndCause::Cancelled }),
        ] {
            let mut orders = Vec::new();
            let app = App::Hunt(Hunt::among(vec![1, 2]).screening(true));
            let app = app.on(answered, &mut orders);
            assert_eq!(orders[1..], [Order::Screen { party: 2 }]);
            app.on(then, &mut orders);
            assert_eq!(orders.last(), Some(&last));
        }
    }

    #[test]
    fn a_busy_phone_does_not_stop_the_other_from_ringing() {
        let (app, orders) = play(&[refused(1, Status::BUSY_HERE)]);
        assert!(matches!(app, App::Hunt(_)));
        assert_eq!(orders, []);
    }

    #[test]
    fn the_caller_hears_the_best_refusal() {
        let (_, orders) =
            play(&[refused(1, Status::BUSY_HERE), AppEvent::Refused { party: 2, status: None }]);
        assert_eq!(
            orders,
            [Order::Refuse { status: Status::BUSY_HERE, cause: refused_by(Status::BUSY_HERE) }]
        );
    }

    #[test]
    fn who_declines_does_not_stop_the_others_from_ringing() {
        for code in [600, 603, 604, 606] {
            let status = Status::new(code).unwrap();
            let (app, orders) = play(&[refused(1, status)]);
            assert!(matches!(app, App::Hunt(_)), "{code}");
            assert_eq!(orders, [], "{code}");
            let (app, orders) = play(&[refused(1, status), AppEvent::Answered { party: 2 }]);
            assert!(matches!(app, App::Bridge));
            assert_eq!(orders, [Order::Connect { party: 2 }]);
        }
        let (_, orders) = play(&[refused(1, Status::DECLINE), refused(2, Status::TEMPORARILY_UNAVAILABLE)]);
        assert!(matches!(orders[0], Order::Refuse { status: Status::DECLINE, .. }));
    }

    #[test]
    fn what_else_rings_of_an_extension_that_declines_is_let_go() {
        let (app, orders) = play(&[AppEvent::Declined { party: 2 }, refused(1, Status::DECLINE)]);
        assert!(matches!(app, App::Done));
        assert_eq!(orders[0], Order::Release { party: 2, reason: DECLINED });
        assert_eq!(orders[1], Order::Refuse { status: Status::DECLINE, cause: refused_by(Status::DECLINE) });
    }

    #[test]
    fn a_phone_that_is_full_does_not_make_the_exchange_look_full() {
        let busy = refused(1, Status::SERVICE_UNAVAILABLE);
        let (_, orders) = play(&[busy, refused(2, Status::SERVICE_UNAVAILABLE)]);
        assert!(matches!(orders[0], Order::Refuse { status: Status::SERVER_INTERNAL_ERROR, .. }));
    }

    #[test]
    fn what_a_phone_finds_wrong_with_our_request_is_not_the_callers_business() {
        for code in [400, 405, 415, 420, 422, 423, 494] {
            let status = Status::new(code).unwrap();
            let (_, orders) = play(&[refused(1, status), refused(2, status)]);
            assert!(
                matches!(orders[0], Order::Refuse { status: Status::TEMPORARILY_UNAVAILABLE, .. }),
                "{code}"
            );
        }
    }

    #[test]
    fn ringing_is_told_once() {
        let ringing = |party| AppEvent::Progress { party, status: Status::RINGING, media: false };
        let (_, orders) = play(&[ringing(1), ringing(2)]);
        assert_eq!(orders, [Order::Ring { status: Status::RINGING }]);
    }

    #[test]
    fn a_caller_who_gives_up_silences_every_phone() {
        let (app, orders) = play(&[AppEvent::Cancelled]);
        assert!(matches!(app, App::Done));
        assert_eq!(orders.len(), 3);
        assert_eq!(orders[2], Order::End { cause: EndCause::Cancelled });
    }
}
