//! A Dial in progress: what its options come to.

use std::collections::BTreeMap;

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::task::{Dial, Routine};

use super::Call;
use super::app::PartyId;
use super::features::May;
use super::identity::Identity;
use super::limit::{Limit, Telling};
use super::tasks::music;
use crate::cx::Cx;
use crate::time::Instant;

/// A Dial in progress.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Dialling {
    /// The caller hears that it rings before anybody rings.
    pub(super) ring: bool,
    /// The caller hears this class of music until somebody answers.
    pub(super) music: Option<SmolStr>,
    /// The walk goes on when the callee has hung up.
    pub(super) goes_on: bool,
    /// What the caller may do by keys while they talk, and what the callee may.
    pub(super) may: (May, May),
    /// Run for each callee before it is asked.
    pub(super) before: Option<Routine>,
    /// Run for the callee that answers, before it is connected.
    pub(super) on_answer: Option<Routine>,
    /// Played to it before that.
    pub(super) announcement: Option<SmolStr>,
    /// Keys that are pressed into the callee and the caller when they are connected.
    pub(super) presses: (SmolStr, SmolStr),
    /// How long they may talk.
    pub(super) limit: Option<Limit>,
    /// What they are being told meanwhile.
    pub(super) telling: Telling,
    /// When somebody answered.
    pub(super) answered: Option<Instant>,
    /// Header fields for the callees.
    pub(super) headers: Vec<(SmolStr, SmolStr)>,
    /// More of them for one, that the subroutine has made which was run for it.
    pub(super) own_headers: BTreeMap<PartyId, Vec<(SmolStr, SmolStr)>>,
    /// Who calls, as the callees see it; `None` once somebody else does.
    pub(super) caller: Option<Identity>,
    /// Nobody is told who talks with whom.
    pub(super) keeps_identity: bool,
    /// Callees that send it elsewhere are not obeyed.
    pub(super) stays: bool,
    /// Whose phones have sent it elsewhere.
    pub(super) diverted: Vec<SmolStr>,
    /// A key of the caller that is an extension ends it while it rings.
    pub(super) is_left_by_keys: bool,
    /// Where the callee goes when the caller has hung up.
    pub(super) onward: Option<Vec<SmolStr>>,
    /// The extension `h` is run for the callee, too.
    pub(super) says_farewell: bool,
}

impl Dialling {
    /// What the INVITE of a callee carries beside what is usual.
    pub(super) fn headers_for(&self, party: PartyId) -> Vec<(SmolStr, SmolStr)> {
        let own = self.own_headers.get(&party).into_iter().flatten();
        self.headers.iter().chain(own).cloned().collect()
    }

    /// Takes in an option. False when it is none of these.
    fn take(&mut self, option: char, text: &SmolStr) -> bool {
        match option {
            'g' => self.goes_on = true,
            'A' if !text.is_empty() => self.announcement = Some(text.clone()),
            'd' => self.is_left_by_keys = true,
            'D' => self.presses = super::features::presses(text),
            'e' => self.says_farewell = true,
            'f' if !text.is_empty() => self.caller = Some(shown(text)),
            'F' if text.is_empty() => self.onward = Some(vec![SmolStr::new_static("n")]),
            'F' => self.onward = Some(text.split('^').map(|part| part.trim().into()).collect()),
            'r' | 'R' => self.ring = true,
            'm' => self.music = Some(text.clone()),
            'i' => self.stays = true,
            'I' => self.keeps_identity = true,
            // What they ask for is so anyhow, shows nowhere, or is done already.
            'o' | 'c' | 'b' | 'U' | 'S' | 'L' => {}
            _ => return false,
        }
        true
    }

    /// Takes in an option that says what the two may do by keys. False when it is none of these.
    fn take_keys(&mut self, option: char) -> bool {
        let (caller, callee) = &mut self.may;
        match option {
            'h' => callee.hang_up = true,
            'H' => caller.hang_up = true,
            't' => callee.transfer = true,
            'T' => caller.transfer = true,
            'k' => callee.park = true,
            'K' => caller.park = true,
            'w' | 'x' => callee.record = true,
            'W' | 'X' => caller.record = true,
            _ => return false,
        }
        true
    }
}

/// Who is shown where the dialplan writes `"name" <number>`, or a number.
fn shown(text: &str) -> Identity {
    let (name, number) = match text.split_once('<') {
        Some((name, number)) => (name, number.trim_end().trim_end_matches('>')),
        None => ("", text),
    };
    let name = name.trim().trim_matches('"').into();
    Identity { number: number.trim().into(), name, private: false }
}

/// Header fields of an INVITE that no dialplan writes, by both names.
const OURS: [&str; 22] = [
    "Via",
    "v",
    "From",
    "f",
    "To",
    "t",
    "Call-ID",
    "i",
    "CSeq",
    "Contact",
    "m",
    "Max-Forwards",
    "Route",
    "Record-Route",
    "Content-Length",
    "l",
    "Content-Type",
    "c",
    "Session-Expires",
    "x",
    "Authorization",
    "Proxy-Authorization",
];

impl Call {
    /// What the options of a Dial come to. `variable` is what the channel or the exchange knows by a name.
    pub(super) fn dialling<'a>(
        &self,
        cx: &mut Cx<'_>,
        wanted: &Dial,
        variable: impl Fn(&str) -> Option<&'a str>,
    ) -> Dialling {
        let mut dialling = Dialling {
            headers: self.allowed(cx, &wanted.headers),
            before: wanted.before.clone(),
            on_answer: wanted.on_answer.clone(),
            limit: Limit::of_options(&wanted.options, variable),
            caller: Some(self.presented()),
            ..Dialling::default()
        };
        for (option, text) in &wanted.options {
            let known = dialling.take(*option, text) || dialling.take_keys(*option);
            if !known {
                let text = format_smolstr!("Dial: the option {option} has no effect here");
                self.warn(cx, text);
            }
        }
        if dialling.music.as_ref().is_some_and(|class| class.is_empty()) {
            dialling.music = Some(self.own_music().unwrap_or_else(|| music("")));
        }
        dialling
    }

    /// Header fields that a dialplan may add.
    pub(super) fn allowed(&self, cx: &mut Cx<'_>, headers: &[(SmolStr, SmolStr)]) -> Vec<(SmolStr, SmolStr)> {
        let mut allowed = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
                self.warn(
                    cx,
                    format_smolstr!("Dial: the header field {name} is the exchange's own: left out"),
                );
            } else {
                allowed.push((name.clone(), value.clone()));
            }
        }
        allowed
    }
}
