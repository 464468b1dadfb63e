//! `[[group]]`, `[[hours]]`, `[codes]` and what a `[[phone]]` says of calls to it: all of it becomes dialplan.

mod text;
mod times;

use std::collections::BTreeMap;
use std::time::Duration;

use smol_str::SmolStr;
use telex_dialplan::names::nearest;
use telex_dialplan::{Asked, Dialplan, Looked, Moment};
use telex_engine::config::{Config, INTERNAL, is_plain};
use toml::de::DeTable;

use super::phones;
use super::reader::{At, Reader, Section, duration};

/// Phones of a group: as many as one call may ring.
const MEMBERS: usize = 31;

/// What is configured beside phones and conferences, and becomes dialplan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Office {
    phones: BTreeMap<SmolStr, Answering>,
    groups: BTreeMap<SmolStr, Group>,
    hours: BTreeMap<SmolStr, Hours>,
    codes: Option<Codes>,
}

/// What becomes of calls to a phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answering {
    always: Option<SmolStr>,
    busy: Option<SmolStr>,
    no_answer: Option<SmolStr>,
    unregistered: Option<SmolStr>,
    /// Seconds until nobody answers.
    after: Option<u64>,
    do_not_disturb: bool,
}

impl Answering {
    fn forwards(&self) -> bool {
        [&self.always, &self.busy, &self.no_answer, &self.unregistered].iter().any(|to| to.is_some())
    }
}

/// Several phones under one number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    members: Vec<SmolStr>,
    strategy: Strategy,
    /// Seconds: of all together, or of each.
    ring: u64,
    fallback: Option<SmolStr>,
    /// Put before the caller's name.
    prefix: Option<SmolStr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    All,
    Order,
}

/// A number that leads elsewhere when the office is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hours {
    /// As `GotoIfTime` writes them.
    times: Vec<String>,
    holidays: Vec<String>,
    /// Days of one year, as 2026-12-24.
    dates: Vec<String>,
    open: SmolStr,
    closed: SmolStr,
}

/// What is dialled to switch something; empty is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Codes {
    forward: SmolStr,
    forward_off: SmolStr,
    busy: SmolStr,
    busy_off: SmolStr,
    do_not_disturb: SmolStr,
    do_not_disturb_off: SmolStr,
}

/// A number that calls are led to, and the context it is looked up in.
pub(super) struct Destination {
    number: At<SmolStr>,
    context: SmolStr,
}

/// Reads all of it. Where it leads is checked later, when the whole dialplan is there.
pub(super) fn office(reader: &mut Reader, root: &DeTable<'_>, config: &Config) -> (Office, Vec<Destination>) {
    let (mut office, mut leads) = (Office::default(), Vec::new());
    for entry in reader.list(root, "phone") {
        let Some(extension) = reader.peek_text(entry.value, "extension") else { continue };
        let context = config.context_of(extension);
        let answering = answering(reader, entry.value, context, &mut leads);
        if answering != Answering::default() {
            office.phones.insert(extension.into(), answering);
        }
    }
    office.codes = codes(reader, root, config);
    for entry in reader.list(root, "group") {
        let Some(number) = number(reader, &entry, "group", config, &office) else { continue };
        if let Some(group) = group(reader, &entry, config, &mut leads) {
            office.groups.insert(number, group);
        }
    }
    for entry in reader.list(root, "hours") {
        let Some(number) = number(reader, &entry, "hours", config, &office) else { continue };
        if let Some(hours) = hours(reader, &entry, &mut leads) {
            office.hours.insert(number, hours);
        }
    }
    (office, leads)
}

impl Office {
    /// Whether it says nothing that phones and conferences do not.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn takes(&self, number: &str) -> bool {
        let codes = self.codes.as_ref().is_some_and(|codes| codes.all().any(|code| code == number));
        codes || self.groups.contains_key(number) || self.hours.contains_key(number)
    }
}

impl Codes {
    fn all(&self) -> impl Iterator<Item = &SmolStr> {
        let Self { forward, forward_off, busy, busy_off, do_not_disturb, do_not_disturb_off } = self;
        [forward, forward_off, busy, busy_off, do_not_disturb, do_not_disturb_off]
            .into_iter()
            .filter(|code| !code.is_empty())
    }
}

/// Where calls are led that exists nowhere.
pub(super) fn check(reader: &mut Reader, leads: &[Destination], plan: &Dialplan) {
    for Destination { number, context } in leads {
        let asked = Asked { context, extension: &number.value, caller: "", now: Moment::new(0, "UTC") };
        let first = telex_dialplan::At::Priority(1);
        let shut = || plan.consider(asked, first).iter().any(|one| matches!(one.what, Looked::Include(..)));
        if plan.find(asked, first).is_none() && !shut() {
            let title = format!("nothing is at number `{}` in [{context}]", number.value);
            let remedy = "name a phone, a group, hours, a conference or an extension of the dialplan";
            reader.wrong(&number.span, title, "leads nowhere", remedy);
        }
    }
}

/// The number under `key`, and that it has to be somewhere.
fn lead(
    reader: &mut Reader,
    text: &At<&str>,
    context: &str,
    leads: &mut Vec<Destination>,
) -> Option<SmolStr> {
    if text.value.is_empty() || text.value.len() > 64 || !is_plain(text.value) {
        let remedy = "use 1 to 64 digits, letters or any of * # + - . as one would dial it";
        reader.wrong(&text.span, "this is no number that can be dialled", "not usable", remedy);
        return None;
    }
    let number = At { value: SmolStr::new(text.value), span: text.span.clone() };
    leads.push(Destination { number, context: context.into() });
    Some(text.value.into())
}

fn answering(
    reader: &mut Reader,
    phone: Section<'_>,
    context: &str,
    leads: &mut Vec<Destination>,
) -> Answering {
    let do_not_disturb = reader.flag(phone, "do_not_disturb").unwrap_or_default();
    let mut answering = Answering { do_not_disturb, ..Answering::default() };
    const WHEN: [&str; 5] = ["always", "busy", "no_answer", "unregistered", "after"];
    for (when, to) in reader.named_texts(phone, "forward") {
        let place = match when.value {
            "always" => &mut answering.always,
            "busy" => &mut answering.busy,
            "no_answer" => &mut answering.no_answer,
            "unregistered" => &mut answering.unregistered,
            "after" => {
                answering.after = seconds(reader, &to);
                continue;
            }
            other => {
                let near = nearest(other, WHEN).map(|known| format!("did you mean `{known}`?"));
                let remedy = near.unwrap_or_else(|| format!("write some of {}", WHEN.join(", ")));
                reader.wrong(&when.span, format!("calls are not forwarded `{other}`"), "not known", remedy);
                continue;
            }
        };
        *place = lead(reader, &to, context, leads);
    }
    answering
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

/// The number of an entry that nothing else has.
fn number(
    reader: &mut Reader,
    entry: &At<Section<'_>>,
    kind: &str,
    config: &Config,
    office: &Office,
) -> Option<SmolStr> {
    if reader.key(entry.value, "number").is_none() {
        let remedy = "add number = \"…\": what is dialled to reach it";
        reader.wrong(&entry.span, format!("this [[{kind}]] has no number"), "in this entry", remedy);
    }
    let number = phones::number(reader, entry.value, "number", kind)?;
    let taken = config.phones.contains_key(&number.value)
        || config.conferences.contains_key(&number.value)
        || office.takes(&number.value);
    if taken || !is_plain(&number.value) {
        let title = match taken {
            true => format!("number `{}` is already taken", number.value),
            false => format!("number `{}` means something else in a dialplan", number.value),
        };
        reader.wrong(&number.span, title, "not free", "choose another number");
        return None;
    }
    Some(number.value)
}

fn group(
    reader: &mut Reader,
    entry: &At<Section<'_>>,
    config: &Config,
    leads: &mut Vec<Destination>,
) -> Option<Group> {
    let section = entry.value;
    let named = reader.texts(section, "members");
    if named.as_ref().is_none_or(|members| members.value.is_empty() || members.value.len() > MEMBERS) {
        let remedy = format!("add members = [\"100\", \"101\"]: 1 to {MEMBERS} phones");
        reader.wrong(&entry.span, "this group has no phones, or too many", "in this entry", remedy);
        return None;
    }
    let mut members: Vec<SmolStr> = Vec::new();
    for member in named.iter().flat_map(|members| &members.value) {
        if !config.phones.contains_key(member.value) {
            let near = nearest(member.value, config.phones.keys().map(SmolStr::as_str));
            let remedy = near.map(|known| format!("did you mean `{known}`?"));
            let remedy = remedy.unwrap_or_else(|| "name extensions of [[phone]] entries".to_owned());
            reader.wrong(&member.span, format!("there is no phone `{}`", member.value), "unknown", remedy);
        } else if members.contains(&SmolStr::new(member.value)) {
            reader.wrong(&member.span, "this phone is named twice", "again", "name it once");
        } else {
            members.push(member.value.into());
        }
    }
    let strategy = reader.text(section, "strategy").map_or(Strategy::All, |text| match text.value {
        "all" => Strategy::All,
        "order" => Strategy::Order,
        other => {
            let title = format!("a group does not ring by `{other}`");
            reader.wrong(&text.span, title, "not known", "write \"all\" or \"order\"");
            Strategy::All
        }
    });
    let second = Duration::from_secs(1);
    let ring = reader.time(section, "ring", second, 3600 * second).map_or(20, |time| time.value.as_secs());
    let fallback = reader.text(section, "fallback");
    let fallback = fallback.and_then(|text| lead(reader, &text, INTERNAL, leads));
    let prefix = reader.text(section, "prefix").and_then(|text| shown(reader, &text));
    Some(Group { members, strategy, ring, fallback, prefix })
}

/// A name that is shown to people.
pub(super) fn shown(reader: &mut Reader, text: &At<&str>) -> Option<SmolStr> {
    let plain = |c: char| c.is_alphanumeric() || " -_.:'/".contains(c);
    if text.value.is_empty() || text.value.len() > 64 || !text.value.chars().all(plain) {
        let remedy = "use up to 64 letters, digits, spaces or any of - _ . : ' /";
        reader.wrong(&text.span, "this is no name to be shown", "not usable", remedy);
        return None;
    }
    Some(text.value.into())
}

fn hours(reader: &mut Reader, entry: &At<Section<'_>>, leads: &mut Vec<Destination>) -> Option<Hours> {
    let section = entry.value;
    let mut led = |reader: &mut Reader, key: &'static str| {
        if let Some(text) = reader.text(section, key) {
            return lead(reader, &text, INTERNAL, leads);
        }
        let remedy = format!("add {key} = \"…\": the number that its callers get then");
        reader.wrong(&entry.span, format!("these hours do not say where calls go: `{key}`"), "here", remedy);
        None
    };
    let (open, closed) = (led(reader, "open"), led(reader, "closed"));
    let mut times = Vec::new();
    for text in reader.texts(section, "times").iter().flat_map(|texts| &texts.value) {
        match times::week(text.value) {
            Some(time) => times.push(time),
            None => {
                let remedy = "write days and times, as in \"mon-fri 9:00-17:00\" or \"sat,sun 10:00-24:00\"; \
                              what goes over midnight is two of them";
                reader.wrong(&text.span, "these are no hours of a week", "not understood", remedy);
            }
        }
    }
    let (mut holidays, mut dates) = (Vec::new(), Vec::new());
    for text in reader.texts(section, "holidays").iter().flat_map(|texts| &texts.value) {
        if times::is_date(text.value) {
            dates.push(text.value.to_owned());
        } else if let Some(days) = times::year(text.value) {
            holidays.push(days);
        } else {
            let remedy = "write \"jan 1\" or \"dec 24-26\" for every year, \"2026-04-03\" for one";
            reader.wrong(&text.span, "these are no holidays", "not understood", remedy);
        }
    }
    Some(Hours { times, holidays, dates, open: open?, closed: closed? })
}

fn codes(reader: &mut Reader, root: &DeTable<'_>, config: &Config) -> Option<Codes> {
    let section = reader.section(root, "codes")?;
    let mut used: Vec<SmolStr> = vec!["*43".into(), "*60".into()];
    let mut code = |key: &'static str, usual: &'static str| {
        let text = reader.text(section, key);
        let code = SmolStr::new(text.as_ref().map_or(usual, |text| text.value));
        let digits = code.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
        let has = config.phones.contains_key(&code) || config.conferences.contains_key(&code);
        if has || !digits || code.len() > 8 || used.contains(&code) {
            let remedy =
                "use up to 8 of 0-9 * #, each code once and not as another number; \"\" switches one off";
            let heading = root.get_key_value("codes").map(|(key, _)| key.span());
            let span = text.map(|text| text.span).or(heading).unwrap_or_default();
            reader.wrong(
                &span,
                format!("`{code}` cannot be the code `{key}`"),
                "not free, or not a code",
                remedy,
            );
        }
        if !code.is_empty() {
            used.push(code.clone());
        }
        code
    };
    Some(Codes {
        forward: code("forward", "*72"),
        forward_off: code("forward_off", "*73"),
        busy: code("busy", "*90"),
        busy_off: code("busy_off", "*91"),
        do_not_disturb: code("do_not_disturb", "*78"),
        do_not_disturb_off: code("do_not_disturb_off", "*79"),
    })
}

#[cfg(test)]
mod tests;
