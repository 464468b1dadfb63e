//! Calls in words.

use std::collections::BTreeMap;

use super::app::App;
use super::party::Party;
use super::{Call, CallKey, CallState, Calls};
use crate::cx::LegKey;
use crate::time::Instant;
use crate::view::{Armed, CallView, Owner, PartyView, SessionView};

impl Calls {
    /// All calls, oldest first. Takes the sessions of their parties out of `sessions`.
    pub(crate) fn views(
        &self,
        now: Instant,
        armed: &Armed,
        sessions: &mut BTreeMap<LegKey, SessionView>,
    ) -> Vec<CallView> {
        let calls = self.by_id.values().filter_map(|key| Some((*key, self.all.get(*key)?)));
        calls.map(|(key, call)| call.view(key, now, armed, sessions)).collect()
    }
}

impl Call {
    fn view(
        &self,
        key: CallKey,
        now: Instant,
        armed: &Armed,
        sessions: &mut BTreeMap<LegKey, SessionView>,
    ) -> CallView {
        let info = self.info(now);
        let mut waiting: Vec<String> =
            self.waiting.iter().map(|(_, _, named, _)| format!("the addresses of {}", named.host)).collect();
        let mut party = |party: &Party| PartyView {
            contact: party.contact.clone(),
            session: party.leg.and_then(|leg| sessions.remove(&leg)),
            media: party.media_view(),
        };
        let parties: Vec<PartyView> = self.parties.iter().map(&mut party).collect();
        if self.state == CallState::Ending {
            let legs = parties.iter().filter(|party| party.media.put);
            waiting.extend(legs.map(|party| format!("media leg {} to end", party.media.leg)));
        }
        CallView {
            id: info.id,
            from: info.from,
            to: info.to,
            state: info.state,
            app: match self.app {
                App::Hunt(_) => "hunt",
                App::Bridge => "bridge",
                App::Page(_) => "page",
                App::Script if self.conference.is_some() => "conference",
                App::Script => "dialplan",
                App::Done => "done",
            },
            age: info.age,
            parties,
            waiting,
            timers: armed.timers(Owner::Call(key)),
        }
    }
}
