//! Recordings that one of two who talk begins and ends by keys (options `w W x X` of Dial). Who presses hears a beep
//! when it begins and two when it ends.

use telex_audio::tone::Cadence;

use super::Calls;
use super::app::PartyId;
use crate::border::{ControlReply, RecordOrder, RecordWhat};
use crate::cx::{CallKey, Cx};
use crate::mediactl::Playing;

/// What is heard when a recording begins, and when it ends.
const BEGINS: &str = "!1400/200";
const ENDS: &str = "!1400/150,!0/100,!1400/150";

impl Calls {
    /// Begins a recording of a talk, or ends one that was begun so. What others have begun goes on.
    pub(super) fn record_by_keys(&mut self, cx: &mut Cx<'_>, key: CallKey, by: PartyId) {
        let Some(call) = self.all.get(key) else { return };
        let (id, own) = (call.id, call.recording.map(|spec| spec.id));
        let (order, beep) = match own.is_some() && own == call.touched {
            true => (RecordOrder::Stop, ENDS),
            false => (RecordOrder::Start { what: RecordWhat::Mixed, format: None }, BEGINS),
        };
        let begun = match self.record(cx, id, order) {
            ControlReply::Recording { recording, .. } if order != RecordOrder::Stop => Some(recording),
            ControlReply::Recording { .. } => None,
            _ => {
                if let Some(call) = self.all.get(key) {
                    call.warn(cx, "a key was to record the call: it is recorded already, or cannot be");
                }
                return;
            }
        };
        let Some(call) = self.all.get_mut(key) else { return };
        call.touched = begun;
        if let Some(script) = &mut call.script {
            script.thread.remark(if begun.is_some() { "recorded by a key" } else { "no longer recorded" });
        }
        if let Ok(sound) = beep.parse::<Cadence>()
            && call.tell(by, Playing::Tones(sound))
        {
            call.put_media(cx);
        }
    }
}
