//! Call waiting: whom a Dial can ring, and who has as many calls as he wants.

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::task::Target as Named;

use super::app::CALLER;
use super::dial::{Target, escaped, targets, through};
use super::party::Party;
use super::{Below, Calls};
use crate::cx::{CallKey, Cx};
use crate::limits;
use crate::mediactl::PortId;
use crate::sip::Status;

impl Calls {
    /// Contacts of all whom a Dial names, and the phones among these that are in as many calls as they may be.
    pub(super) fn reachable(
        &self,
        cx: &mut Cx<'_>,
        below: &Below,
        key: CallKey,
        wanted: &[Named],
    ) -> (Vec<Target>, Vec<SmolStr>) {
        let (mut reached, mut busy) = (Vec::new(), Vec::new());
        for target in wanted {
            match target {
                Named::Phone(extension) if self.is_full(cx, extension) => busy.push(extension.clone()),
                Named::Phone(extension) => {
                    reached.extend(targets(cx.config, &below.registrar, extension));
                }
                Named::Trunk { number, trunk } => {
                    reached.extend(through(cx.config, &below.registrar, trunk, number));
                }
                Named::Local { extension, context } => {
                    let text =
                        format_smolstr!("Dial cannot ring Local/{extension}@{context} yet: it is left out");
                    self.all[key].warn(cx, text);
                }
            }
        }
        (reached, busy)
    }

    /// Whether a phone is in as many calls as it may be when one more is put through.
    fn is_full(&self, cx: &Cx<'_>, extension: &SmolStr) -> bool {
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
                script.thread.remark(format_smolstr!("{extension} has as many calls as it may: busy"));
            }
            call.parties.push(party);
        }
    }
}
