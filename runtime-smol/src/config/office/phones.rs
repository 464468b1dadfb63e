//! What a `[[phone]]` says of calls to it: forwarding and rest.

use telex_dialplan::names::nearest;
use telex_engine::config::Config;

use super::codes::{ALWAYS, BUSY, DISTURB, LAST_CALLER, LAST_NUMBER, NO_ANSWER, UNREGISTERED};
use super::steps::extension;
use super::{Office, Place, Plan};
use crate::config::reader::{At, Reader, Section, duration};

/// Where a call goes on that is forwarded. `s`: whose it was, the context with that one's rights, the number. `chosen`:
/// whose it is, the context, the family of lasting values in which a code puts the number, and that of `telex.toml`;
/// it comes back where there is none, or `off`.
pub(super) const FORWARD: &str = "\n[telex-forward]\n\
exten => s,1,Set(FORWARDS=$[0${FORWARDS} + 1])\n \
same => n,GotoIf($[${FORWARDS} > 10]?round)\n \
same => n,Set(CALLERID(rdnis)=${ARG1})\n \
same => n,Set(REDIRECTING(reason)=cfu)\n \
same => n,ExecIf($[\"${DIALSTATUS}\" = \"BUSY\"]?Set(REDIRECTING(reason)=cfb))\n \
same => n,ExecIf($[\"${DIALSTATUS}\" = \"NOANSWER\"]?Set(REDIRECTING(reason)=cfnr))\n \
same => n,ExecIf($[\"${DIALSTATUS}\" = \"CHANUNAVAIL\"]?Set(REDIRECTING(reason)=unavailable))\n \
same => n,Set(DIALSTATUS=)\n \
same => n,Goto(${ARG2},${ARG3},1)\n \
same => n(round),Log(WARNING,forwarded in a circle: ${ARG1})\n \
same => n,Hangup(25)\n";
pub(super) const CHOSEN: &str = "exten => chosen,1,Set(FORWARD_TO=${DB(${ARG3}/${ARG1})})\n \
same => n,ExecIf($[\"${FORWARD_TO}\" = \"\"]?Set(FORWARD_TO=${ARG4}))\n \
same => n,GosubIf($[\"${FORWARD_TO}\" != \"off\"]?s,1(${ARG1},${ARG2},${FORWARD_TO}))\n \
same => n,Return()\n";

/// Seconds that a phone rings before somebody else gets the call, where nothing is said.
const AFTER: u64 = 20;

/// What becomes of calls to a phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answering {
    pub(super) always: Option<Place>,
    busy: Option<Place>,
    no_answer: Option<Place>,
    unregistered: Option<Place>,
    /// Seconds until nobody answers.
    after: Option<u64>,
    pub(super) do_not_disturb: bool,
}

impl Answering {
    pub(super) fn forwards(&self) -> bool {
        self.places().next().is_some()
    }

    /// Where calls go on, whatever the reason.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        [&self.always, &self.busy, &self.no_answer, &self.unregistered].into_iter().flatten()
    }
}

impl Plan<'_> {
    /// What an entry says of calls to it, if anything.
    pub(super) fn phone(&mut self, phone: Section<'_>) {
        let Some(extension) = self.reader.peek_text(phone, "extension") else { return };
        let context = self.config.context_of(extension);
        let answering = self.answering(phone, context);
        if answering != Answering::default() {
            self.read.office.phones.insert(extension.into(), answering);
        }
    }

    fn answering(&mut self, phone: Section<'_>, context: &str) -> Answering {
        let do_not_disturb = self.reader.flag(phone, "do_not_disturb").unwrap_or_default();
        let mut answering = Answering { do_not_disturb, ..Answering::default() };
        const WHEN: [&str; 5] = ["always", "busy", "no_answer", "unregistered", "after"];
        for (when, to) in self.reader.named_texts(phone, "forward") {
            let place = match when.value {
                "always" => &mut answering.always,
                "busy" => &mut answering.busy,
                "no_answer" => &mut answering.no_answer,
                "unregistered" => &mut answering.unregistered,
                "after" => {
                    answering.after = seconds(self.reader, &to);
                    continue;
                }
                other => {
                    let near = nearest(other, WHEN).map(|known| format!("did you mean `{known}`?"));
                    let remedy = near.unwrap_or_else(|| format!("write some of {}", WHEN.join(", ")));
                    let title = format!("calls are not forwarded `{other}`");
                    self.reader.wrong(&when.span, title, "not known", remedy);
                    continue;
                }
            };
            *place = self.lead(&to, context);
        }
        answering
    }
}

/// Remembers who calls a phone. Who does not want to be seen is not called back either.
pub(super) fn has_called(phone: &str) -> String {
    let seen = "${IF($[\"${CALLERID(pres):0:6}\" = \"prohib\"]?:${CALLERID(num)})}";
    format!("Set(DB({LAST_CALLER}/{phone})={seen})")
}

/// Remembers what the caller has dialled.
pub(super) fn has_dialled() -> String {
    format!("Set(DB({LAST_NUMBER}/${{CDR(src)}})=${{CALLERID(dnid)}})")
}

/// From a second to an hour.
fn seconds(reader: &mut Reader, text: &At<&str>) -> Option<u64> {
    let known = duration(text.value).map(|time| time.as_secs()).filter(|s| (1..=3600).contains(s));
    if known.is_none() {
        let remedy = "write a time from 1s to 1h, as in \"20s\"";
        reader.wrong(&text.span, "this is not how long a phone may ring", "not such a time", remedy);
    }
    known
}

impl Office {
    /// What becomes of calls to phones; `None` where they just ring.
    pub(super) fn answering(&self, extension: &str, config: &Config) -> Option<String> {
        let usual = Answering::default();
        let answering = self.phones.get(extension).unwrap_or(&usual);
        let context = config.context_of(extension);
        match &self.codes {
            Some(codes) => Some(answering.by_codes(extension, context, codes.remember())),
            None if *answering != usual => Some(answering.fixed(extension)),
            None => None,
        }
    }
}

impl Answering {
    /// Rings the phone; not for long, if somebody else gets the call then.
    fn dial(&self, phone: &str, codes: bool) -> String {
        let chosen = format!("\"${{DB({NO_ANSWER}/{phone})}}\"");
        let after = match (self.after, &self.no_answer) {
            (Some(seconds), _) => format!(",{seconds}"),
            (None, Some(_)) if codes => format!(",${{IF($[{chosen} = \"off\"]?:{AFTER})}}"),
            (None, Some(_)) => format!(",{AFTER}"),
            (None, None) if codes => {
                format!(",${{IF($[{chosen} = \"\" | {chosen} = \"off\"]?:{AFTER})}}")
            }
            (None, None) => String::new(),
        };
        format!("Dial(PJSIP/{phone}{after})")
    }

    /// As the configuration says it once and for all.
    fn fixed(&self, phone: &str) -> String {
        let forward = |to: &Place| format!("telex-forward,s,1({phone},{},{})", to.context, to.extension);
        if let Some(to) = &self.always {
            return extension(phone, vec![format!("Gosub({})", forward(to))]);
        }
        let mut steps = Vec::new();
        let on = |cause: &str, to: &Place| {
            format!("GosubIf($[\"${{DIALSTATUS}}\" = \"{cause}\"]?{})", forward(to))
        };
        if !self.do_not_disturb {
            steps.push(self.dial(phone, false));
            steps.extend(self.no_answer.iter().map(|to| on("NOANSWER", to)));
            steps.extend(self.unregistered.iter().map(|to| on("CHANUNAVAIL", to)));
        }
        let mut taken: Vec<String> = self.busy.iter().map(|to| format!("Gosub({})", forward(to))).collect();
        if self.do_not_disturb || !taken.is_empty() {
            taken.push("Busy(20)".to_owned());
            if !self.do_not_disturb {
                steps.push("GotoIf($[\"${DIALSTATUS}\" = \"BUSY\"]?busy)".to_owned());
                steps.push("Hangup()".to_owned());
                taken[0].insert_str(0, "(busy)");
            }
            steps.extend(taken);
        }
        extension(phone, steps)
    }

    /// As phones switch it, and before they do as the configuration says. `remember` are the lasting values that
    /// calls leave behind.
    fn by_codes(&self, phone: &str, context: &str, remember: (bool, bool)) -> String {
        let chosen = |family: &str, to: &Option<Place>| {
            let (context, to) = match to {
                Some(to) => (to.context.as_str(), to.extension.as_str()),
                None => (context, "off"),
            };
            format!("Gosub(telex-forward,chosen,1({phone},{context},{family},{to}))")
        };
        let mut steps = Vec::new();
        let (last_caller, last_number) = remember;
        steps.extend(last_caller.then(|| has_called(phone)));
        steps.extend(last_number.then(has_dialled));
        steps.push(chosen(ALWAYS, &self.always));
        let (is, what) = if self.do_not_disturb { ("!=", "off") } else { ("=", "on") };
        steps.push(format!("GotoIf($[\"${{DB({DISTURB}/{phone})}}\" {is} \"{what}\"]?busy)"));
        steps.push(self.dial(phone, true));
        for (status, label) in [("BUSY", "busy"), ("NOANSWER", "late"), ("CHANUNAVAIL", "away")] {
            steps.push(format!("GotoIf($[\"${{DIALSTATUS}}\" = \"{status}\"]?{label})"));
        }
        steps.push("Hangup()".to_owned());
        steps.push(format!("(late){}", chosen(NO_ANSWER, &self.no_answer)));
        steps.push("Hangup()".to_owned());
        steps.push(format!("(away){}", chosen(UNREGISTERED, &self.unregistered)));
        steps.push("Hangup()".to_owned());
        steps.push(format!("(busy){}", chosen(BUSY, &self.busy)));
        // Who declines is not busy, and the caller is told so.
        steps.push("ExecIf($[\"${HANGUPCAUSE}\" = \"21\"]?Hangup())".to_owned());
        steps.push("Busy(20)".to_owned());
        extension(phone, steps)
    }
}
