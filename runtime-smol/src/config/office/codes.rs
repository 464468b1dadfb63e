//! `[codes]`: what is dialled to switch something, or to do it.

use std::collections::BTreeMap;

use smol_str::{SmolStr, format_smolstr};
use telex_engine::config::Config;
use toml::de::DeTable;

use super::steps::extension;
use super::{Office, Plan};

/// Families of lasting values by extension: a number or `off`, ...
pub(super) const ALWAYS: &str = "forward";
pub(super) const BUSY: &str = "forward-busy";
pub(super) const NO_ANSWER: &str = "forward-no-answer";
pub(super) const UNREGISTERED: &str = "forward-unregistered";
/// ... `on` or `off`, ...
pub(super) const DISTURB: &str = "do-not-disturb";
/// ... and numbers.
pub(super) const LAST_CALLER: &str = "last-caller";
pub(super) const LAST_NUMBER: &str = "last-number";

/// A code of the table.
struct Code {
    key: &'static str,
    usual: &'static str,
    /// A number is dialled behind it.
    number: bool,
}

const fn plain(key: &'static str, usual: &'static str) -> Code {
    Code { key, usual, number: false }
}

const fn before(key: &'static str, usual: &'static str) -> Code {
    Code { key, usual, number: true }
}

const CODES: [Code; 20] = [
    before("forward", "*72"),
    plain("forward_off", "*73"),
    before("busy", "*90"),
    plain("busy_off", "*91"),
    before("no_answer", "*52"),
    plain("no_answer_off", "*53"),
    before("unregistered", "*62"),
    plain("unregistered_off", "*63"),
    plain("do_not_disturb", "*78"),
    plain("do_not_disturb_off", "*79"),
    plain("last_caller", "*69"),
    plain("redial", "*66"),
    plain("call_back", "*37"),
    plain("call_back_off", "*38"),
    plain("pickup", "*8"),
    before("pickup_extension", "**"),
    before("intercom", "*80"),
    before("page", "*81"),
    before("hide_number", "*67"),
    plain("music", "*65"),
];

/// Every key of the section.
pub(in crate::config) const KEYS: [&str; CODES.len()] = {
    let mut keys = [""; CODES.len()];
    let mut at = 0;
    while at < keys.len() {
        keys[at] = CODES[at].key;
        at += 1;
    }
    keys
};

/// What is dialled to switch something, by key; what is switched off is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Codes(BTreeMap<&'static str, SmolStr>);

impl Plan<'_> {
    pub(super) fn codes(&mut self, root: &DeTable<'_>) -> Option<Codes> {
        let section = self.reader.section(root, "codes")?;
        let heading = root.get_key_value("codes").map(|(key, _)| key.span()).unwrap_or_default();
        let mut codes = Codes::default();
        let numbers = self.numbers();
        for Code { key, usual, number } in &CODES {
            let text = self.reader.text(section, key);
            let code = SmolStr::new(text.as_ref().map_or(*usual, |text| text.value));
            if code.is_empty() {
                continue;
            }
            let span = text.map_or(heading.clone(), |text| text.span);
            let digits = code.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
            let taken = numbers.contains(&code) || codes.all().any(|other| *other == code);
            let swallowed = numbers.iter().find(|taken| *number && goes_on(&code, taken));
            let mixed = codes.all_with_numbers().find(|(_, other)| *number && mixed(&code, other));
            let title = match (swallowed, mixed) {
                _ if taken || !digits || code.len() > 8 || ["*43", "*60"].contains(&code.as_str()) => {
                    format!("`{code}` cannot be the code `{key}`")
                }
                (Some(taken), _) => format!("`{code}` with a number behind it could be `{taken}`"),
                (_, Some((key, other))) => {
                    format!(
                        "`{code}` and the code `{key}`, `{other}`, cannot be told apart with numbers behind them"
                    )
                }
                (None, None) => {
                    codes.0.insert(key, code);
                    continue;
                }
            };
            let remedy =
                "use up to 8 of 0-9 * #, each code once and not as another number; \"\" switches one off";
            self.reader.wrong(&span, title, "not free, or not a code", remedy);
        }
        Some(codes)
    }

    /// Numbers of phones, conferences and parking lots.
    fn numbers(&self) -> Vec<SmolStr> {
        let Config { phones, conferences, parking, .. } = self.config;
        let slots = parking.values().flat_map(|lot| lot.slots.0..=lot.slots.1);
        let lots = parking.values().map(|lot| lot.extension.clone());
        let lots = lots.chain(slots.map(|slot| format_smolstr!("{slot}")));
        phones.keys().chain(conferences.keys()).cloned().chain(lots).collect()
    }
}

/// Whether a number is a code and digits.
fn goes_on(code: &str, number: &str) -> bool {
    number.strip_prefix(code).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether what begins with one code may begin with the other.
fn mixed(code: &str, other: &str) -> bool {
    goes_on(code, other) || goes_on(other, code)
}

impl Codes {
    /// The code under a key; empty is none.
    fn of(&self, key: &str) -> &str {
        self.0.get(key).map_or("", SmolStr::as_str)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &SmolStr> {
        self.0.values()
    }

    /// Those that have a number behind them, with their keys.
    fn all_with_numbers(&self) -> impl Iterator<Item = (&'static str, &SmolStr)> {
        let with = |key: &str| CODES.iter().any(|code| code.key == key && code.number);
        self.0.iter().filter(move |(key, _)| with(key)).map(|(key, code)| (*key, code))
    }

    /// The code that a number could be, with something behind it.
    pub(super) fn in_front_of(&self, number: &str) -> Option<(&'static str, SmolStr)> {
        let found = self.all_with_numbers().find(|(_, code)| goes_on(code, number));
        found.map(|(key, code)| (key, code.clone()))
    }

    /// Whether calls leave behind who called last, and who was called.
    pub(super) fn remember(&self) -> (bool, bool) {
        (!self.of("last_caller").is_empty(), !self.of("redial").is_empty())
    }

    pub(super) fn write(&self, text: &mut String, office: &Office) {
        for (key, off, family, prompt) in [
            ("forward", "forward_off", ALWAYS, "call-fwd-unconditional"),
            ("busy", "busy_off", BUSY, "call-fwd-on-busy"),
            ("no_answer", "no_answer_off", NO_ANSWER, "call-fwd-no-ans"),
            // The words for a phone that does not answer fit one that is away.
            ("unregistered", "unregistered_off", UNREGISTERED, "call-fwd-no-ans"),
        ] {
            forward(text, self.of(key), family, prompt);
            add(text, self.of(off), switch(family, "off", prompt));
        }
        add(text, self.of("do_not_disturb"), switch(DISTURB, "on", "do-not-disturb"));
        add(text, self.of("do_not_disturb_off"), switch(DISTURB, "off", "do-not-disturb"));
        add(text, self.of("last_caller"), again(LAST_CALLER, CALLER, "vm-nonumber"));
        add(text, self.of("redial"), again(LAST_NUMBER, "${CDR(src)}", "pbx-invalid"));
        add(
            text,
            self.of("call_back"),
            requested("CallCompletionRequest()", "CC_REQUEST_RESULT", "activated"),
        );
        let off = requested("CallCompletionCancel()", "CC_CANCEL_RESULT", "de-activated");
        add(text, self.of("call_back_off"), off);
        add(text, self.of("pickup"), vec!["Pickup()".to_owned()]);
        with_number(text, self.of("pickup_extension"), |number| vec![format!("Pickup({number})")]);
        with_number(text, self.of("intercom"), |number| intercom(number, office));
        let page = self.of("page");
        for (number, group) in office.groups.iter().filter(|_| !page.is_empty()) {
            add(text, &format!("{page}{number}"), group.page(office));
        }
        with_number(text, self.of("hide_number"), |number| {
            vec!["Set(CALLERID(pres)=prohib)".to_owned(), format!("Goto(${{CHANNEL(context)}},{number},1)")]
        });
        add(text, self.of("music"), vec!["Answer()".to_owned(), "MusicOnHold()".to_owned()]);
    }
}

/// The extension of the caller, as the exchange knows it.
const CALLER: &str = "${CALLERID(num)}";

fn add(text: &mut String, code: &str, steps: Vec<String>) {
    if !code.is_empty() {
        *text += &extension(code, steps);
    }
}

/// A code with a number behind it, which the steps are given.
fn with_number(text: &mut String, code: &str, steps: impl FnOnce(&str) -> Vec<String>) {
    let number = format!("${{EXTEN:{}}}", code.len());
    let pattern = if code.is_empty() { String::new() } else { format!("_{code}X!") };
    add(text, &pattern, steps(&number));
}

/// A code that is followed by the number to forward to, or asks for it.
fn forward(text: &mut String, code: &str, family: &str, prompt: &str) {
    let steps = vec![
        "Answer()".to_owned(),
        format!("Read(FORWARD_TO,{prompt},20)"),
        "(set)Set(REACHED=0)".to_owned(),
        // No number, the caller's own and one that leads nowhere are not kept, and nothing of who did not dial this.
        format!(
            "ExecIf($[\"${{FORWARD_TO}}\" != \"\" & \"${{FORWARD_TO}}\" != \"{CALLER}\" & \
             \"${{CALLERID(rdnis)}}\" = \"\"]?Set(REACHED=${{DIALPLAN_EXISTS(${{CHANNEL(context)}},${{FORWARD_TO}},1)}}))"
        ),
        "GotoIf($[${REACHED} = 0]?wrong)".to_owned(),
        format!("Set(DB({family}/{CALLER})=${{FORWARD_TO}})"),
        format!("Playback({prompt}&activated)"),
        "Hangup()".to_owned(),
        "(wrong)Playback(pbx-invalid)".to_owned(),
    ];
    add(text, code, steps);
    with_number(text, code, |number| vec![format!("Set(FORWARD_TO={number})"), format!("Goto({code},set)")]);
}

/// A code that sets something of the caller's phone. Who was sent here by a transfer or a forward has not dialled it.
fn switch(family: &str, value: &str, prompt: &str) -> Vec<String> {
    let said = if value == "on" { "activated" } else { "de-activated" };
    vec![
        "ExecIf($[\"${CALLERID(rdnis)}\" != \"\"]?Hangup(21))".to_owned(),
        format!("Set(DB({family}/{CALLER})={value})"),
        format!("Playback({prompt}&{said})"),
    ]
}

/// A code that calls a number kept for the caller's phone; says `prompt` where there is none.
fn again(family: &str, caller: &str, prompt: &str) -> Vec<String> {
    vec![
        format!("Set(NUMBER=${{DB({family}/{caller})}})"),
        "GotoIf($[\"${NUMBER}\" = \"\"]?none)".to_owned(),
        // What is called now is what is kept.
        "Set(CALLERID(dnid)=${NUMBER})".to_owned(),
        "GotoIf($[${DIALPLAN_EXISTS(${CHANNEL(context)},${NUMBER},1)} = 0]?none)".to_owned(),
        "Goto(${CHANNEL(context)},${NUMBER},1)".to_owned(),
        format!("(none)Playback({prompt})"),
    ]
}

/// A code that asks for something, and says whether it will be.
fn requested(step: &str, result: &str, said: &str) -> Vec<String> {
    vec![
        step.to_owned(),
        format!("GotoIf($[\"${{{result}}}\" = \"SUCCESS\"]?done)"),
        "Playback(feature-not-avail-line)".to_owned(),
        "Hangup()".to_owned(),
        format!("(done)Playback({said})"),
    ]
}

/// A call that the phone answers by itself: by the header fields that phones of different makers look at.
fn intercom(number: &str, office: &Office) -> Vec<String> {
    let rests = office.rests_now("${PHONE}");
    vec![
        format!("Set(PHONE={number})"),
        "Set(STATE=${DEVICE_STATE(PJSIP/${PHONE})})".to_owned(),
        "GotoIf($[\"${STATE}\" = \"UNKNOWN\"]?wrong)".to_owned(),
        // Nobody is listened to who asked for quiet, or has another call.
        format!("GotoIf($[{rests}]?busy)"),
        "GotoIf($[\"${STATE}\" != \"NOT_INUSE\" & \"${STATE}\" != \"UNAVAILABLE\"]?busy)".to_owned(),
        "Set(PJSIP_HEADER(add,Call-Info)=<sip:intercom>\\;answer-after=0)".to_owned(),
        "Set(PJSIP_HEADER(add,Alert-Info)=<http://intercom>\\;info=alert-autoanswer\\;delay=0)".to_owned(),
        "Dial(PJSIP/${PHONE},20)".to_owned(),
        "Hangup()".to_owned(),
        "(busy)Busy(20)".to_owned(),
        "(wrong)Playback(pbx-invalid)".to_owned(),
    ]
}
