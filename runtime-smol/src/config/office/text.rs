//! What the configuration says of phones, groups, hours and codes, as text of a dialplan.

use std::fmt::Write as _;

use smol_str::SmolStr;
use telex_engine::config::{Config, INTERNAL};

use super::{Answering, Codes, Group, Hours, Office, Strategy};

/// Where a call goes on that is forwarded: whose it was, the context with that one's rights, the number.
const FORWARD: &str = "\n[telex-forward]\n\
exten => s,1,Set(FORWARDS=$[0${FORWARDS} + 1])\n \
same => n,GotoIf($[${FORWARDS} > 10]?round)\n \
same => n,Set(CALLERID(rdnis)=${ARG1})\n \
same => n,Goto(${ARG2},${ARG3},1)\n \
same => n(round),Log(WARNING,forwarded in a circle: ${ARG1})\n \
same => n,Hangup(25)\n";

/// Families of lasting values that the codes set, by extension: a number or `off`, and `on` or `off`.
const ALWAYS: &str = "forward";
const BUSY: &str = "forward-busy";
const DISTURB: &str = "do-not-disturb";

impl Office {
    /// The whole of what is configured beside a dialplan.
    pub(in crate::config) fn dialplan(&self, config: &Config) -> String {
        let mut text = config.own_dialplan_with(|extension| {
            let usual = Answering::default();
            let answering = self.phones.get(extension).unwrap_or(&usual);
            let special = self.codes.is_some() || *answering != usual;
            special.then(|| self.phone(extension, answering, config.context_of(extension)))
        });
        for (number, group) in &self.groups {
            text += &extension(number, self.group(group));
        }
        for (number, hours) in &self.hours {
            text += &extension(number, hours.steps());
        }
        if let Some(codes) = &self.codes {
            codes.write(&mut text);
        }
        if self.codes.is_some() || self.phones.values().any(Answering::forwards) {
            text += FORWARD;
        }
        text
    }

    /// What becomes of a call to a phone.
    fn phone(&self, phone: &str, answering: &Answering, context: &str) -> String {
        let Answering { always, busy, no_answer, unregistered, after, do_not_disturb } = answering;
        let mut steps = Vec::new();
        let on = |cause: &str, to: &str| {
            format!("GosubIf($[\"${{DIALSTATUS}}\" = \"{cause}\"]?telex-forward,s,1({phone},{context},{to}))")
        };
        let forward = |family: &str, to: &Option<SmolStr>| match (self.codes.is_some(), to) {
            (false, None) => Vec::new(),
            (false, Some(to)) => vec![format!("Gosub(telex-forward,s,1({phone},{context},{to}))")],
            (true, to) => chosen(family, phone, context, to.as_deref().unwrap_or("off")),
        };
        steps.extend(forward(ALWAYS, always));
        if always.is_some() && self.codes.is_none() {
            return extension(phone, steps);
        }
        match (self.codes.is_some(), do_not_disturb) {
            (true, true) => steps.push(format!("GotoIf($[\"${{DB({DISTURB}/{phone})}}\" != \"off\"]?busy)")),
            (true, false) => steps.push(format!("GotoIf($[\"${{DB({DISTURB}/{phone})}}\" = \"on\"]?busy)")),
            (false, _) => {}
        }
        let may_take = self.codes.is_some() || !do_not_disturb;
        if may_take {
            let after = after.map(|seconds| format!(",{seconds}")).unwrap_or_default();
            steps.push(format!("Dial(PJSIP/{phone}{after})"));
            steps.extend(no_answer.iter().map(|to| on("NOANSWER", to)));
            steps.extend(unregistered.iter().map(|to| on("CHANUNAVAIL", to)));
        }
        let mut taken = forward(BUSY, busy);
        if !may_take || self.codes.is_some() || !taken.is_empty() {
            taken.push("Busy(20)".to_owned());
            if may_take {
                steps.push("GotoIf($[\"${DIALSTATUS}\" = \"BUSY\"]?busy)".to_owned());
                steps.push("Hangup()".to_owned());
                taken[0].insert_str(0, "(busy)");
            }
            steps.extend(taken);
        }
        extension(phone, steps)
    }

    fn group(&self, group: &Group) -> Vec<String> {
        let mut steps = Vec::new();
        if let Some(prefix) = &group.prefix {
            steps.push(format!("Set(CALLERID(name)={prefix} ${{CALLERID(name)}})"));
        }
        let disturbed = |phone: &SmolStr| self.phones.get(phone).is_some_and(|phone| phone.do_not_disturb);
        // Unless it can be switched, who does not want to be disturbed has no place here.
        let members = group.members.iter().filter(|member| self.codes.is_some() || !disturbed(member));
        let may_ring = |member: &SmolStr| {
            let (is, what) = if disturbed(member) { ("=", "off") } else { ("!=", "on") };
            format!("$[\"${{DB({DISTURB}/{member})}}\" {is} \"{what}\"]")
        };
        let ring = group.ring;
        match (group.strategy, self.codes.is_some()) {
            (Strategy::All, false) => {
                let targets: Vec<String> = members.map(|member| format!("PJSIP/{member}")).collect();
                if !targets.is_empty() {
                    steps.push(format!("Dial({},{ring})", targets.join("&")));
                }
            }
            (Strategy::All, true) => {
                steps.push("Set(TARGETS=)".to_owned());
                steps.extend(members.map(|member| {
                    format!("ExecIf({}?Set(TARGETS=${{TARGETS}}&PJSIP/{member}))", may_ring(member))
                }));
                steps.push(format!("Dial(${{TARGETS}},{ring})"));
            }
            (Strategy::Order, false) => {
                steps.extend(members.map(|member| format!("Dial(PJSIP/{member},{ring})")));
            }
            (Strategy::Order, true) => steps.extend(
                members.map(|member| format!("ExecIf({}?Dial(PJSIP/{member},{ring}))", may_ring(member))),
            ),
        }
        match &group.fallback {
            Some(number) => steps.push(format!("Goto({INTERNAL},{number},1)")),
            None if steps.iter().any(|step| step.contains("Dial(")) => {}
            None => steps.push("Busy(20)".to_owned()),
        }
        steps
    }
}

/// The steps that forward a call to the number that a code has set, else to this one; `off` is none.
fn chosen(family: &str, phone: &str, context: &str, usual: &str) -> Vec<String> {
    vec![
        format!("Set(FORWARD_TO=${{DB({family}/{phone})}})"),
        format!("ExecIf($[\"${{FORWARD_TO}}\" = \"\"]?Set(FORWARD_TO={usual}))"),
        format!(
            "GosubIf($[\"${{FORWARD_TO}}\" != \"off\"]?telex-forward,s,1({phone},{context},${{FORWARD_TO}}))"
        ),
    ]
}

impl Hours {
    fn steps(&self) -> Vec<String> {
        let closed = format!("{INTERNAL},{},1", self.closed);
        let mut steps: Vec<String> = self
            .dates
            .iter()
            .map(|date| format!("GotoIf($[\"${{STRFTIME(${{EPOCH}},,%Y-%m-%d)}}\" = \"{date}\"]?{closed})"))
            .collect();
        steps.extend(self.holidays.iter().map(|time| format!("GotoIfTime({time}?{closed})")));
        let open = &self.open;
        steps.extend(self.times.iter().map(|time| format!("GotoIfTime({time}?{INTERNAL},{open},1)")));
        steps.push(format!("Goto({closed})"));
        steps
    }
}

/// The extension of the caller, as the exchange knows it.
const CALLER: &str = "${CALLERID(num)}";

impl Codes {
    fn write(&self, text: &mut String) {
        forward(text, &self.forward, ALWAYS, "call-fwd-unconditional");
        forward(text, &self.busy, BUSY, "call-fwd-on-busy");
        switch(text, &self.forward_off, ALWAYS, "off", "call-fwd-unconditional");
        switch(text, &self.busy_off, BUSY, "off", "call-fwd-on-busy");
        switch(text, &self.do_not_disturb, DISTURB, "on", "do-not-disturb");
        switch(text, &self.do_not_disturb_off, DISTURB, "off", "do-not-disturb");
    }
}

/// A code that is followed by the number to forward to, or asks for it.
fn forward(text: &mut String, code: &str, family: &str, prompt: &str) {
    if code.is_empty() {
        return;
    }
    *text += &extension(
        code,
        vec![
            "Answer()".to_owned(),
            format!("Read(FORWARD_TO,{prompt},20)"),
            "(set)Set(REACHED=0)".to_owned(),
            // No number, the caller's own and one that leads nowhere are not kept.
            format!(
                "ExecIf($[\"${{FORWARD_TO}}\" != \"\" & \"${{FORWARD_TO}}\" != \"{CALLER}\"]?\
                 Set(REACHED=${{DIALPLAN_EXISTS(${{CHANNEL(context)}},${{FORWARD_TO}},1)}}))"
            ),
            "GotoIf($[${REACHED} = 0]?wrong)".to_owned(),
            format!("Set(DB({family}/{CALLER})=${{FORWARD_TO}})"),
            format!("Playback({prompt}&activated)"),
            "Hangup()".to_owned(),
            "(wrong)Playback(pbx-invalid)".to_owned(),
        ],
    );
    let steps = vec![format!("Set(FORWARD_TO=${{EXTEN:{}}})", code.len()), format!("Goto({code},set)")];
    *text += &extension(&format!("_{code}X!"), steps);
}

/// A code that sets something of the caller's phone.
fn switch(text: &mut String, code: &str, family: &str, value: &str, prompt: &str) {
    if code.is_empty() {
        return;
    }
    let said = if value == "on" { "activated" } else { "de-activated" };
    let steps = vec![format!("Set(DB({family}/{CALLER})={value})"), format!("Playback({prompt}&{said})")];
    *text += &extension(code, steps);
}

/// Steps of an extension; `(label)` before a step names it.
fn extension(name: &str, steps: Vec<String>) -> String {
    let mut text = String::new();
    for (at, step) in steps.into_iter().enumerate() {
        let (label, step) = match step.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((label, step)) => (format!("({label})"), step),
            None => (String::new(), step.as_str()),
        };
        let _ = match at {
            0 => writeln!(text, "exten => {name},1{label},{step}"),
            _ => writeln!(text, " same => n{label},{step}"),
        };
    }
    text
}
