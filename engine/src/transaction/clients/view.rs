//! Client transactions in words.

use super::{ClientInvite, ClientKey, ClientNonInvite, Clients, Machine};
use crate::view::{Armed, Owner, TransactionView};

impl Clients {
    pub(in crate::transaction) fn views(&self, armed: &Armed) -> Vec<(ClientKey, TransactionView)> {
        let view = |(key, client): (ClientKey, &super::Client)| {
            let state = match client.machine {
                Machine::Invite(ClientInvite::Calling { a, .. }) => format!("calling, sent {} times", a + 1),
                Machine::Invite(ClientInvite::Proceeding { cancelled: true }) => {
                    "proceeding, cancelled".to_owned()
                }
                Machine::Invite(ClientInvite::Proceeding { .. }) => "proceeding".to_owned(),
                Machine::Invite(ClientInvite::Completed) => "completed".to_owned(),
                Machine::Invite(ClientInvite::Accepted) => "accepted".to_owned(),
                Machine::NonInvite(ClientNonInvite::Trying { e }) => format!("trying, sent {} times", e + 1),
                Machine::NonInvite(ClientNonInvite::Proceeding) => "proceeding".to_owned(),
                Machine::NonInvite(ClientNonInvite::Completed) => "completed".to_owned(),
            };
            let view = TransactionView {
                server: false,
                method: client.method.as_str(),
                state,
                branch: client.branch.clone(),
                remote: Some(client.remote),
                timers: armed.timers(Owner::Client(key)),
            };
            (key, view)
        };
        self.live.iter().map(view).collect()
    }
}
