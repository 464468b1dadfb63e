//! The rules that watch the wire, together: each message passes all of them as it crosses the border of the exchange.

use telex_engine::border::{RegistrationInfo, StreamId};
use telex_engine::time::Instant;

use super::access::Access;
use super::acks::Acks;
use super::answers::Answers;
use super::mirror;
use super::offers::Offers;
use super::patience::Patience;
use super::referrals::Referrals;
use super::registrar::Model;
use super::requests::Requests;
use super::retransmissions::Retransmissions;
use super::strangers::Strangers;
use super::within::Within;
use super::{Entry, Exit, Verdict};
use crate::expect;
use crate::plan::Plan;
use crate::text::Msg;

/// All rules of the wire.
#[derive(Debug)]
pub(crate) struct Border {
    requests: Requests,
    answers: Answers,
    retransmissions: Retransmissions,
    acks: Acks,
    within: Within,
    offers: Offers,
    access: Access,
    registrar: Model,
    strangers: Strangers,
    patience: Patience,
    referrals: Referrals,
    /// Nothing can be asked of the exchange.
    blind: bool,
}

impl Border {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            requests: Requests::default(),
            answers: Answers::new(plan),
            retransmissions: Retransmissions::new(plan),
            acks: Acks::default(),
            within: Within::default(),
            offers: Offers::default(),
            access: Access::new(plan),
            registrar: Model::new(plan.host.late),
            strangers: Strangers::default(),
            patience: Patience::new(plan),
            referrals: Referrals::new(plan),
            blind: expect::anything_goes(plan),
        }
    }

    /// A SIP message has wholly reached the exchange.
    pub(crate) fn enter(&mut self, entry: &Entry<'_>) {
        let first = self.requests.enter(entry);
        self.access.enter(entry);
        self.answers.enter(entry);
        self.retransmissions.enter(entry);
        self.acks.enter(entry, &self.requests);
        self.within.enter(entry, first, &self.requests);
        // What a box has broken the exchange may refuse, and then nothing follows from it.
        if entry.sound {
            self.patience.enter(entry, first, &self.requests);
        }
        self.referrals.enter(entry);
        self.requests.answered(entry);
    }

    /// A stranger's message has reached the exchange. It need not be answered, nor mean anything.
    pub(crate) fn enter_from_stranger(&mut self, entry: &Entry<'_>) {
        let first = self.requests.enter(entry);
        self.access.enter(entry);
        self.strangers.enter(entry);
        self.within.enter(entry, first, &self.requests);
    }

    /// A message leaves for a stranger.
    pub(crate) fn exit_to_stranger(&mut self, exit: &Exit<'_>) -> Verdict {
        if self.blind {
            return Ok(());
        }
        self.within.exit(exit, &self.requests)?;
        self.access.exit(exit, &self.requests)?;
        self.registrar.exit(exit, &self.requests)?;
        self.strangers.exit(exit)?;
        self.requests.left(exit);
        Ok(())
    }

    /// The last request with good credentials, as somebody on the way has seen it.
    pub(crate) fn overheard(&self) -> Option<&Msg> {
        self.access.overheard()
    }

    /// A Call-ID of the exchange's, and the user that it was asked for.
    pub(crate) fn call_to_guess(&self, luck: u64) -> Option<(String, String)> {
        self.within.call_to_guess(luck)
    }

    /// Octets have reached the exchange, whatever they say.
    pub(crate) fn received(&mut self, from: std::net::SocketAddr, octets: usize) {
        self.access.received(from.ip(), octets);
    }

    /// A SIP message leaves.
    pub(crate) fn exit(&mut self, exit: &Exit<'_>) -> Verdict {
        self.answers.exit(exit)?;
        match exit.waits {
            true => self.retransmissions.waits(exit),
            false => self.retransmissions.exit(exit)?,
        }
        mirror::answered_as_asked(exit, &self.requests)?;
        self.acks.exit(exit);
        self.within.exit(exit, &self.requests)?;
        self.patience.exit(exit);
        self.referrals.exit(exit, &self.requests)?;
        self.offers.exit(exit, &self.requests)?;
        self.access.exit(exit, &self.requests)?;
        self.registrar.exit(exit, &self.requests)?;
        self.requests.left(exit);
        Ok(())
    }

    /// A message is given to a stream that will never be open.
    pub(crate) fn unheard(&mut self, exit: &Exit<'_>) -> Verdict {
        self.answers.exit(exit)?;
        self.retransmissions.waits(exit);
        self.acks.exit(exit);
        self.within.exit(exit, &self.requests)?;
        self.referrals.exit(exit, &self.requests)?;
        self.requests.left(exit);
        self.patience.exit(exit);
        Ok(())
    }

    /// A stream is gone, as the exchange has just been told.
    pub(crate) fn stream_gone(&mut self, stream: StreamId) {
        self.retransmissions.stream_gone(stream);
    }

    /// Time passes.
    pub(crate) fn at(&mut self, now: Instant) -> Verdict {
        self.answers.at(now)?;
        self.retransmissions.at(now)?;
        self.acks.at(now)?;
        self.within.at(now)?;
        self.referrals.at(now)?;
        self.patience.at(now)
    }

    /// The exchange lists its bindings for an operator.
    pub(crate) fn listed(&mut self, now: Instant, bindings: &[RegistrationInfo]) -> Verdict {
        if self.blind { Ok(()) } else { self.registrar.listed(now, bindings) }
    }

    /// The exchange was started again: it has forgotten everything but what it stored.
    pub(crate) fn restarted(&mut self, plan: &Plan) {
        let mut fresh = Self::new(plan);
        std::mem::swap(&mut fresh.registrar, &mut self.registrar);
        std::mem::swap(&mut fresh.access, &mut self.access);
        fresh.registrar.restarted();
        fresh.access.restarted();
        *self = fresh;
    }

    /// The exchange was asked to stop: it refuses new calls.
    pub(crate) fn stops(&mut self) {
        self.strangers.changed();
    }

    /// These passwords are good from now on, by extension.
    pub(crate) fn secrets(&mut self, secrets: &std::collections::BTreeMap<String, String>) {
        self.access.secrets(secrets);
        self.strangers.changed();
        self.registrar.reconfigured(secrets);
    }

    /// Everything should be over.
    pub(crate) fn end(&self, now: Instant) -> Verdict {
        self.answers.end(now)
    }
}
