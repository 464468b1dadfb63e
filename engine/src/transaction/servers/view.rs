//! Server transactions in words.

use smol_str::SmolStr;

use super::{Machine, ServerInvite, ServerKey, ServerNonInvite, Servers};
use crate::view::{Armed, Owner, TransactionView};

impl Servers {
    pub(in crate::transaction) fn views(&self, armed: &Armed) -> Vec<(ServerKey, TransactionView)> {
        let view = |(key, server): (ServerKey, &super::Server)| {
            let state = match server.machine {
                Machine::Invite(ServerInvite::Proceeding { answered: false }) => {
                    "proceeding, nothing sent yet".to_owned()
                }
                Machine::Invite(ServerInvite::Proceeding { .. }) => "proceeding".to_owned(),
                Machine::Invite(ServerInvite::Completed { g }) => format!("completed, sent {} times", g + 1),
                Machine::Invite(ServerInvite::Confirmed) => "confirmed".to_owned(),
                Machine::Invite(ServerInvite::Accepted) => "accepted".to_owned(),
                Machine::NonInvite(ServerNonInvite::Trying) => "trying".to_owned(),
                Machine::NonInvite(ServerNonInvite::Proceeding) => "proceeding".to_owned(),
                Machine::NonInvite(ServerNonInvite::Completed) => "completed".to_owned(),
            };
            let method = server.more.as_ref().map_or("non-INVITE", |more| more.method.as_str());
            let view = TransactionView {
                server: true,
                method: if matches!(server.machine, Machine::Invite(_)) { "INVITE" } else { method },
                state,
                branch: branch(&server.key),
                remote: Some(server.path.source),
                timers: armed.timers(Owner::Server(key)),
            };
            (key, view)
        };
        self.live.iter().map(view).collect()
    }
}

/// The branch in a key, which is made of sent-by, branch and method (RFC 3261 §17.2.3). Other keys stay whole.
fn branch(key: &str) -> SmolStr {
    let mut parts = key.split('\n');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(branch), Some(_), None) => branch.into(),
        _ => key.into(),
    }
}
