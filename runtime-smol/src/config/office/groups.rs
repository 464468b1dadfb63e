//! `[[group]]`: several phones under one number.

use std::fmt::Write as _;
use std::time::Duration;

use smol_str::SmolStr;
use telex_dialplan::names::nearest;
use telex_engine::config::INTERNAL;

use super::codes::{Codes, DISTURB};
use super::phones::{has_called, has_dialled};
use super::steps::extension;
use super::{Office, Place, Plan, shown};
use crate::config::reader::{At, Section};

/// Phones of a group: as many as one call may ring.
const MEMBERS: usize = 31;
const SECOND: Duration = Duration::from_secs(1);

/// Families of lasting values: whose turn it was last, and when the last call of a member ended, both by group.
const TURN: &str = "group-turn";
const SERVED: &str = "group-served";

/// Takes out of LEFT the member of group ARG1 that has been without a call of it for longest.
const LEAST_RECENT: &str = "\n[telex-least-recent]\n\
exten => s,1,Set(BEST=${CUT(LEFT,&,1)})\n \
same => n,Set(AT=1)\n \
same => n,While($[${AT} < ${FIELDQTY(LEFT,&)}])\n \
same => n,Set(AT=$[${AT} + 1])\n \
same => n,Set(ONE=${CUT(LEFT,&,${AT})})\n \
same => n,ExecIf($[0${DB(group-served/${ARG1}-${ONE})} < 0${DB(group-served/${ARG1}-${BEST})}]?Set(BEST=${ONE}))\n \
same => n,EndWhile()\n \
same => n,Set(LEFT=${LISTFILTER(LEFT,&,${BEST})})\n \
same => n,Return(${BEST})\n";

/// Several phones under one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    members: Vec<SmolStr>,
    strategy: Strategy,
    /// Seconds: of all together, or of each.
    ring: u64,
    /// Seconds of all, where they ring one after the other.
    total: Option<u64>,
    /// A phone with a call is left alone.
    skip_busy: bool,
    pub(super) fallback: Option<Place>,
    /// Put before the caller's name.
    prefix: Option<SmolStr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    All,
    Order,
    /// Each call begins with the next member.
    RoundRobin,
    /// Each call goes to the member whose last call of this group is over for longest.
    LeastRecent,
}

const STRATEGIES: [(&str, Strategy); 4] = [
    ("all", Strategy::All),
    ("order", Strategy::Order),
    ("round-robin", Strategy::RoundRobin),
    ("least-recent", Strategy::LeastRecent),
];

impl Plan<'_> {
    pub(super) fn group(&mut self, entry: &At<Section<'_>>) -> Option<Group> {
        let section = entry.value;
        let members = self.members(entry)?;
        let strategy = self.strategy(section);
        let ring = self.reader.time(section, "ring", SECOND, 3600 * SECOND);
        let total =
            self.reader.time(section, "total", SECOND, 3600 * SECOND).map(|time| time.value.as_secs());
        let ring = ring.map_or(20, |time| time.value.as_secs()).min(total.unwrap_or(u64::MAX));
        let fallback = self.reader.text(section, "fallback");
        Some(Group {
            members,
            strategy,
            ring,
            total: total.filter(|_| strategy != Strategy::All),
            skip_busy: self.reader.flag(section, "skip_busy").unwrap_or_default(),
            fallback: fallback.and_then(|text| self.lead(&text, INTERNAL)),
            prefix: self.reader.text(section, "prefix").and_then(|text| shown(self.reader, &text)),
        })
    }

    fn members(&mut self, entry: &At<Section<'_>>) -> Option<Vec<SmolStr>> {
        let reader = &mut *self.reader;
        let named = reader.texts(entry.value, "members").filter(|members| !members.value.is_empty());
        let Some(named) = named.filter(|members| members.value.len() <= MEMBERS) else {
            let remedy = format!("add members = [\"100\", \"101\"]: 1 to {MEMBERS} phones");
            reader.wrong(&entry.span, "this group has no phones, or too many", "in this entry", remedy);
            return None;
        };
        let phones = &self.config.phones;
        let mut members: Vec<SmolStr> = Vec::new();
        for member in &named.value {
            if !phones.contains_key(member.value) {
                let near = nearest(member.value, phones.keys().map(SmolStr::as_str));
                let remedy = near.map(|known| format!("did you mean `{known}`?"));
                let remedy = remedy.unwrap_or_else(|| "name extensions of [[phone]] entries".to_owned());
                let title = format!("there is no phone `{}`", member.value);
                reader.wrong(&member.span, title, "unknown", remedy);
            } else if members.contains(&SmolStr::new(member.value)) {
                reader.wrong(&member.span, "this phone is named twice", "again", "name it once");
            } else {
                members.push(member.value.into());
            }
        }
        Some(members)
    }

    fn strategy(&mut self, section: Section<'_>) -> Strategy {
        let Some(text) = self.reader.text(section, "strategy") else { return Strategy::All };
        let known = STRATEGIES.iter().find(|(name, _)| *name == text.value);
        if known.is_none() {
            let names = STRATEGIES.map(|(name, _)| name);
            let near = nearest(text.value, names).map(|name| format!("did you mean \"{name}\"?"));
            let remedy = near.unwrap_or_else(|| format!("write one of \"{}\"", names.join("\", \"")));
            let title = format!("a group does not ring by `{}`", text.value);
            self.reader.wrong(&text.span, title, "not known", remedy);
        }
        known.map_or(Strategy::All, |(_, strategy)| *strategy)
    }
}

impl Group {
    /// The context of a group that must know when its calls end.
    fn context(number: &str) -> String {
        format!("telex-group-{number}")
    }

    /// What becomes of calls to its number.
    pub(super) fn steps(&self, number: &str, office: &Office) -> Vec<String> {
        let (_, last_number) = office.remember();
        let mut steps: Vec<String> = last_number.then(has_dialled).into_iter().collect();
        if let Some(prefix) = &self.prefix {
            steps.push(format!("Set(CALLERID(name)={prefix} ${{CALLERID(name)}})"));
        }
        // Unless it can be switched, who does not want to be disturbed has no place here.
        let members: Vec<&SmolStr> = self.members.iter().filter(|one| !office.rests(one)).collect();
        if members.is_empty() {
            steps.push(self.fallback.as_ref().map_or("Busy(20)".to_owned(), Place::goto));
            return steps;
        }
        if let Some(total) = self.total {
            steps.push(format!("Set(UNTIL=$[${{EPOCH}} + {total}])"));
        }
        match self.strategy {
            Strategy::All => self.together(&members, office, &mut steps),
            Strategy::Order => {
                for member in &members {
                    steps.extend(self.ring(member, self.conditions(member, office), office));
                }
            }
            Strategy::RoundRobin => self.in_turn(number, &members, office, &mut steps),
            Strategy::LeastRecent => {
                steps.push(format!("Goto({},{number},1)", Self::context(number)));
                return steps;
            }
        }
        steps.extend(self.fallback.as_ref().map(Place::goto));
        steps
    }

    /// What must hold for a member to ring.
    fn conditions(&self, member: &str, office: &Office) -> Vec<String> {
        let quiet = office.codes.is_some().then(|| office.takes_calls(member));
        quiet.into_iter().chain(self.idle(member)).collect()
    }

    /// The same for the one that MEMBER names.
    fn conditions_of_member(&self, members: &[&SmolStr], office: &Office) -> Vec<String> {
        let disturbed = members.iter().copied().filter(|member| office.is_disturbed(member));
        let quiet = office.codes.is_some().then(|| office.takes_calls_of("${MEMBER}", disturbed));
        quiet.into_iter().chain(self.idle("${MEMBER}")).collect()
    }

    fn idle(&self, member: &str) -> Option<String> {
        self.skip_busy.then(|| format!("\"${{DEVICE_STATE(PJSIP/{member})}}\" = \"NOT_INUSE\""))
    }

    fn together(&self, members: &[&SmolStr], office: &Office, steps: &mut Vec<String>) {
        if office.codes.is_none() && !self.skip_busy {
            let targets: Vec<String> = members.iter().map(|member| format!("PJSIP/{member}")).collect();
            steps.push(format!("Dial({},{})", targets.join("&"), self.ring));
            return;
        }
        steps.push("Set(TARGETS=)".to_owned());
        for member in members {
            let holds = self.conditions(member, office).join(" & ");
            steps.extend(office.called(member, &holds));
            steps.push(target(member, &holds));
        }
        steps.push(format!("Dial(${{TARGETS}},{})", self.ring));
    }

    /// The steps that ring one member, if these conditions hold.
    fn ring(&self, member: &str, mut conditions: Vec<String>, office: &Office) -> Vec<String> {
        let ring = self.ring;
        let time = match self.total {
            Some(_) => {
                conditions.push("${EPOCH} < ${UNTIL}".to_owned());
                format!("${{MIN({ring},$[${{UNTIL}} - ${{EPOCH}}])}}")
            }
            None => ring.to_string(),
        };
        let dial = format!("Dial(PJSIP/{member},{time})");
        if conditions.is_empty() {
            return vec![dial];
        }
        let holds = conditions.join(" & ");
        office.called(member, &holds).into_iter().chain([format!("ExecIf($[{holds}]?{dial})")]).collect()
    }

    fn in_turn(&self, number: &str, members: &[&SmolStr], office: &Office, steps: &mut Vec<String>) {
        let count = members.len();
        let names: Vec<&str> = members.iter().map(|member| member.as_str()).collect();
        steps.extend([
            format!("Set(MEMBERS={})", names.join("&")),
            format!("Set(TURN=$[0${{DB({TURN}/{number})}} % {count} + 1])"),
            format!("Set(DB({TURN}/{number})=${{TURN}})"),
            format!("Set(LEFT={count})"),
            "(next)Set(MEMBER=${CUT(MEMBERS,&,${TURN})})".to_owned(),
        ]);
        steps.extend(self.ring("${MEMBER}", self.conditions_of_member(members, office), office));
        steps.extend([
            format!("Set(TURN=$[${{TURN}} % {count} + 1])"),
            "Set(LEFT=$[${LEFT} - 1])".to_owned(),
            "GotoIf($[${LEFT} > 0]?next)".to_owned(),
        ]);
    }

    /// The context of a group whose next call depends on when the last ones ended.
    fn write_context(&self, text: &mut String, number: &str, office: &Office) {
        let members: Vec<&SmolStr> = self.members.iter().filter(|one| !office.rests(one)).collect();
        let names: Vec<&str> = members.iter().map(|member| member.as_str()).collect();
        let mut steps = vec![
            format!("Set(LEFT={})", names.join("&")),
            format!("(next)Gosub(telex-least-recent,s,1({number}))"),
            "Set(MEMBER=${GOSUB_RETVAL})".to_owned(),
        ];
        steps.extend(self.ring("${MEMBER}", self.conditions_of_member(&members, office), office));
        steps.push("GotoIf($[\"${LEFT}\" != \"\"]?next)".to_owned());
        steps.extend(self.fallback.as_ref().map(Place::goto));
        let _ = write!(text, "\n[{}]\n{}", Self::context(number), extension(number, steps));
        let served = format!("Set(DB({SERVED}/{number}-${{MEMBER}})=${{EPOCH}})");
        *text += &extension("h", vec![format!("ExecIf($[\"${{DIALSTATUS}}\" = \"ANSWER\"]?{served})")]);
    }

    /// What speaks to all of them who do not want quiet.
    pub(super) fn page(&self, office: &Office) -> Vec<String> {
        let mut steps = vec!["Set(TARGETS=)".to_owned()];
        steps.extend(self.members.iter().map(|member| target(member, &office.takes_calls(member))));
        steps.push("Page(${TARGETS})".to_owned());
        steps
    }
}

/// The step that puts a phone with those that are asked together, if this holds.
fn target(member: &str, holds: &str) -> String {
    format!("ExecIf($[{holds}]?Set(TARGETS=${{TARGETS}}&PJSIP/{member}))")
}

impl Office {
    /// What must hold for a phone to be disturbed: it says so itself, by a code, or its entry does.
    fn takes_calls(&self, phone: &str) -> String {
        let (is, what) = if self.is_disturbed(phone) { ("=", "off") } else { ("!=", "on") };
        format!("\"${{DB({DISTURB}/{phone})}}\" {is} \"{what}\"")
    }

    /// The same for the phone that a variable names; the entries of these say that they want quiet.
    fn takes_calls_of<'a>(&self, variable: &str, quiet: impl Iterator<Item = &'a SmolStr>) -> String {
        let state = format!("\"${{DB({DISTURB}/{variable})}}\"");
        let quiet: String = quiet.map(|phone| format!(" & \"{variable}\" != \"{phone}\"")).collect();
        match quiet.is_empty() {
            true => format!("{state} != \"on\""),
            false => format!("({state} = \"off\" | ({state} != \"on\"{quiet}))"),
        }
    }

    /// Whether calls leave behind who called last, and what was dialled.
    fn remember(&self) -> (bool, bool) {
        self.codes.as_ref().map(Codes::remember).unwrap_or_default()
    }

    /// The step by which a phone of a group remembers who calls, if it rings.
    fn called(&self, phone: &str, holds: &str) -> Option<String> {
        let other = format!("\"${{CALLERID(num)}}\" != \"{phone}\"");
        self.remember().0.then(|| format!("ExecIf($[{holds} & {other}]?{})", has_called(phone)))
    }

    /// Whether the phone that a variable names is left alone.
    pub(super) fn rests_now(&self, variable: &str) -> String {
        let mut quiet =
            self.phones.iter().filter(|(_, phone)| phone.do_not_disturb).map(|(name, _)| name).peekable();
        match quiet.peek() {
            Some(_) => format!("!{}", self.takes_calls_of(variable, quiet)),
            None => format!("\"${{DB({DISTURB}/{variable})}}\" = \"on\""),
        }
    }

    /// Whether a phone does not want to be disturbed until it says otherwise.
    fn is_disturbed(&self, phone: &str) -> bool {
        self.phones.get(phone).is_some_and(|phone| phone.do_not_disturb)
    }

    /// Whether it never does.
    fn rests(&self, phone: &str) -> bool {
        self.codes.is_none() && self.is_disturbed(phone)
    }
}

/// Contexts that groups need beside their numbers.
pub(super) fn contexts(text: &mut String, office: &Office) {
    let rings = |group: &Group| group.members.iter().any(|member| !office.rests(member));
    let recent = || {
        let groups = office.groups.iter();
        groups.filter(|(_, group)| group.strategy == Strategy::LeastRecent && rings(group))
    };
    if recent().next().is_some() {
        *text += LEAST_RECENT;
    }
    for (number, group) in recent() {
        group.write_context(text, number, office);
    }
}
