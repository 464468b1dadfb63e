//! Call waiting: a phone that is in as many calls as it may be is busy, and does not ring.

use smol_str::{SmolStr, format_smolstr};

use super::Calls;
use super::app::CALLER;
use super::dial::escaped;
use super::party::Party;
use crate::cx::{CallKey, Cx};
use crate::limits;
use crate::mediactl::PortId;
use crate::sip::Status;

/// Why a phone does not ring.
pub(super) fn full(extension: &SmolStr) -> SmolStr {
    format_smolstr!("{extension} has as many calls as it may: busy")
}

impl Calls {
    /// Whether a phone is in as many calls as it may be when one more is put through.
    pub(super) fn is_full(&self, cx: &Cx<'_>, extension: &SmolStr) -> bool {
        let most = cx.config.phones.get(extension).and_then(|phone| phone.call_waiting);
        most.is_some_and(|most| self.calls_of(extension) >= usize::from(most))
    }

    /// Keeps in the record that these were busy: they have not rung.
    pub(super) fn turn_away(&mut self, cx: &mut Cx<'_>, key: CallKey, busy: &[SmolStr]) {
        for extension in busy {
            if self.all[key].parties.len() >= limits::LEGS_PER_CALL {
                return;
            }
            let address = self.all[key].parties[CALLER].address();
            let contact = format_smolstr!("sip:{}", escaped(extension));
            // It has no media, only a name for it.
            let leg = self.ports.leg(key);
            self.ports.forget(leg);
            let mut party = Party::new(contact, leg, (self.all[key].shard, PortId(0)), address, 0);
            party.media.held = false;
            party.extension = extension.clone();
            (party.asked, party.refused) = (cx.wall, Some(Status::BUSY_HERE));
            self.lines.insert(key, extension);
            let call = &mut self.all[key];
            if let Some(script) = &mut call.script {
                script.thread.remark(full(extension));
            }
            call.parties.push(party);
        }
    }
}
