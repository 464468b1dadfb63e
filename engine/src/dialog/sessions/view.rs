//! Sessions in words.

use std::collections::BTreeMap;

use super::{ClientKey, LegKey, Phase, Role, ServerKey, Session, Sessions, Stack};
use crate::dialog::state::Dialog;
use crate::view::{Armed, DialogView, Owner, SessionView, TransactionView};

impl Sessions {
    /// All sessions with their transactions, and the transactions that belong to none.
    pub(crate) fn views(
        &self,
        stack: &Stack,
        armed: &Armed,
    ) -> (BTreeMap<LegKey, SessionView>, Vec<TransactionView>) {
        let (clients, servers) = stack.transactions.views(armed);
        let mut views: BTreeMap<LegKey, SessionView> = self
            .all
            .iter()
            .map(|(leg, session)| (leg, session.view(armed.timers(Owner::Leg(leg)))))
            .collect();
        let mut others = Vec::new();
        let clients = clients.into_iter().map(|(key, view)| (self.leg_of_client(key), view));
        let servers = servers.into_iter().map(|(key, view)| (self.leg_of_server(key), view));
        for (leg, view) in servers.chain(clients) {
            match leg.and_then(|leg| views.get_mut(&leg)) {
                Some(session) => session.transactions.push(view),
                None => others.push(view),
            }
        }
        (views, others)
    }

    fn leg_of_client(&self, txn: ClientKey) -> Option<LegKey> {
        self.by_client.get(txn).copied()
    }

    fn leg_of_server(&self, txn: ServerKey) -> Option<LegKey> {
        self.by_server.get(txn).copied()
    }
}

impl Session {
    fn view(&self, timers: Vec<crate::view::TimerView>) -> SessionView {
        let state = match (self.phase, &self.role) {
            (Phase::Inviting, Role::Uas { .. }) => "asked us, not answered yet",
            (Phase::Inviting, Role::Uac { .. }) => "is being asked",
            (Phase::Up, _) => "confirmed",
            (Phase::Ending, _) => "ending",
        };
        let mut dialogs: Vec<DialogView> = Vec::new();
        if let Role::Uac { early, .. } = &self.role {
            dialogs.extend(early.iter().map(|(dialog, _)| dialog.view("early")));
        }
        let confirmed = if self.phase == Phase::Inviting { "early" } else { "confirmed" };
        dialogs.extend(self.dialog.as_ref().map(|dialog| dialog.view(confirmed)));
        SessionView { state, dialogs, waiting: self.waiting(), timers, transactions: Vec::new() }
    }

    fn waiting(&self) -> Vec<String> {
        let mut waiting = Vec::new();
        match (&self.role, self.phase) {
            (Role::Uac { cseq, .. }, Phase::Inviting) => {
                waiting.push(format!("a final response to INVITE CSeq {cseq}"));
            }
            (Role::Uac { cseq, .. }, Phase::Ending) if self.dialog.is_none() => {
                waiting.push(format!("the end of INVITE CSeq {cseq}, which was cancelled or let go"));
            }
            (Role::Uas { cseq, .. }, Phase::Inviting) => {
                waiting.push(format!("our answer to INVITE CSeq {cseq}"));
            }
            _ => {}
        }
        let unacked = self.unacked.as_ref();
        waiting.extend(unacked.map(|u| format!("the ACK for our 2xx to INVITE CSeq {}", u.cseq)));
        waiting.extend(
            self.reliable.as_ref().map(|r| format!("the PRACK for our {} RSeq {}", r.status.code(), r.rseq)),
        );
        let ours = self.ours.as_ref();
        waiting.extend(ours.map(|ours| format!("an answer to {} CSeq {}", ours.method.as_str(), ours.cseq)));
        let theirs = self.theirs.as_ref();
        waiting.extend(theirs.map(|t| format!("our answer to {} CSeq {}", t.method.as_str(), t.cseq)));
        if self.bye_after_ack.is_some() {
            waiting.push("the ACK, to say BYE after it".to_owned());
        }
        waiting
    }
}

impl Dialog {
    fn view(&self, state: &'static str) -> DialogView {
        DialogView {
            state,
            call_id: self.call_id.clone(),
            local_tag: self.local_tag.clone(),
            remote_tag: self.remote_tag.clone(),
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq(),
            target: self.target.clone(),
        }
    }
}
