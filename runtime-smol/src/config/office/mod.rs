//! `[[menu]]`, `[[group]]`, `[[hours]]`, `[codes]` and what a `[[phone]]` says of calls to it: all of it becomes
//! dialplan.

mod codes;
mod groups;
mod hours;
mod menus;
mod origins;
mod phones;
mod rounds;
mod steps;
mod times;

use std::collections::BTreeMap;
use std::ops::Range;

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::names::nearest;
use telex_dialplan::{Asked, Dialplan, Looked, Moment};
use telex_engine::config::{Config, INTERNAL, is_plain};
use toml::de::DeTable;

use super::phones::number;
use super::reader::{At, Reader, Section};
use crate::sounds::{Own, Spoken};

use codes::Codes;
use groups::Group;
use hours::Hours;
use menus::Menu;
use phones::Answering;

pub(super) use codes::KEYS as CODE_KEYS;
pub(super) use origins::Origins;

/// What is configured beside phones and conferences, and becomes dialplan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Office {
    phones: BTreeMap<SmolStr, Answering>,
    groups: BTreeMap<SmolStr, Group>,
    hours: BTreeMap<SmolStr, Hours>,
    /// By name.
    menus: BTreeMap<SmolStr, Menu>,
    codes: Option<Codes>,
}

/// What is read of an office.
#[derive(Default)]
pub(super) struct Offices {
    pub(super) office: Office,
    /// Numbers that calls are led to, for [`check`].
    pub(super) leads: Vec<Destination>,
    /// What its menus have a speech program say.
    pub(super) speak: Vec<Spoken>,
}

/// The context of a call that ends, wherever `hangup` is what it is led to.
const END: &str = "telex-hangup";

/// Where calls are led: an extension of a context.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    context: SmolStr,
    extension: SmolStr,
}

impl Place {
    /// A number, as phones dial it.
    fn number(number: &str) -> Self {
        Self { context: INTERNAL.into(), extension: number.into() }
    }

    fn menu(name: &str) -> Self {
        Self { context: format_smolstr!("telex-menu-{name}"), extension: "s".into() }
    }

    /// Where a call ends.
    fn end() -> Self {
        Self { context: END.into(), extension: "s".into() }
    }

    /// The menu that it is.
    fn menu_name(&self) -> Option<&str> {
        self.context.strip_prefix("telex-menu-")
    }

    /// The step that goes there.
    fn goto(&self) -> String {
        format!("Goto({self})")
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{},1", self.context, self.extension)
    }
}

/// A number that calls are led to, and the context it is looked up in.
pub(super) struct Destination {
    number: At<SmolStr>,
    context: SmolStr,
    /// What it may have been meant to be.
    near: Option<String>,
}

/// What is read, and what the parts of an office need to know of each other meanwhile.
struct Plan<'a> {
    reader: &'a mut Reader,
    config: &'a Config,
    own: &'a Own,
    /// Things that have a name, beside phones.
    names: BTreeMap<SmolStr, Place>,
    /// Who is reached by `operator`.
    operator: Option<Place>,
    read: Offices,
}

/// Reads all of it. Where it leads is checked later, when the whole dialplan is there.
pub(super) fn office(reader: &mut Reader, root: &DeTable<'_>, config: &Config, own: &Own) -> Offices {
    let names = BTreeMap::new();
    let mut plan = Plan { reader, config, own, names, operator: None, read: Offices::default() };
    plan.names(root);
    let site = plan.reader.section(root, "site");
    let operator = site.and_then(|site| plan.reader.text(site, "operator"));
    let operator = operator.filter(|text| !text.value.is_empty());
    plan.operator = operator.and_then(|text| plan.lead(&text, INTERNAL));
    for entry in plan.reader.list(root, "phone") {
        plan.phone(entry.value);
    }
    plan.read.office.codes = plan.codes(root);
    for entry in plan.reader.list(root, "group") {
        let Some(number) = plan.number(&entry, "group") else { continue };
        if let Some(group) = plan.group(&entry) {
            plan.read.office.groups.insert(number, group);
        }
    }
    for entry in plan.reader.list(root, "hours") {
        let Some(number) = plan.number(&entry, "hours") else { continue };
        if let Some(hours) = plan.hours(&entry) {
            plan.read.office.hours.insert(number, hours);
        }
    }
    for entry in plan.reader.list(root, "menu") {
        plan.menu(&entry);
    }
    plan.parked(root);
    plan.rounds(root);
    plan.forwards(root);
    plan.read
}

impl Plan<'_> {
    /// Where calls go that nobody takes up.
    fn parked(&mut self, root: &DeTable<'_>) {
        for entry in self.reader.list(root, "parking") {
            let to = self.reader.peek_text(entry.value, "fallback").map(SmolStr::new);
            if let (Some(value), Some(span)) = (to, self.reader.key(entry.value, "fallback")) {
                let number = At { value, span };
                self.read.leads.push(Destination { number, context: INTERNAL.into(), near: None });
            }
        }
    }
}

impl Office {
    /// Whether a number means something already.
    fn takes(&self, number: &str) -> bool {
        let is_this = |other: &SmolStr| other == number;
        self.codes.as_ref().is_some_and(|codes| codes.all().any(|code| code == number))
            || self.groups.contains_key(number)
            || self.hours.contains_key(number)
            || self.hours.values().any(|hours| hours.switch.as_ref().is_some_and(is_this))
            || self.menus.values().any(|menu| menu.number.as_ref().is_some_and(is_this))
    }
}

impl Plan<'_> {
    /// The names of conferences, groups, hours and menus.
    fn names(&mut self, root: &DeTable<'_>) {
        for (number, name) in &self.config.conferences {
            self.names.entry(name.clone()).or_insert_with(|| Place::number(number));
        }
        for kind in ["group", "hours", "menu"] {
            for entry in self.reader.list(root, kind) {
                let number = self.reader.peek_text(entry.value, "number").map(SmolStr::new);
                let named = self.reader.peek_text(entry.value, "name").map(SmolStr::new);
                let place = match (kind, named.as_ref().or(number.as_ref()), &number) {
                    ("menu", Some(name), _) => Place::menu(name),
                    (_, _, Some(number)) => Place::number(number),
                    _ => continue,
                };
                if let ("menu", Some(number)) = (kind, number) {
                    self.names.entry(number).or_insert_with(|| place.clone());
                }
                let Some(name) = named else { continue };
                let Some(span) = self.reader.key(entry.value, "name") else { continue };
                self.name(&At { value: name, span }, place);
            }
        }
    }

    fn name(&mut self, name: &At<SmolStr>, place: Place) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        let text = name.value.as_str();
        const WORDS: [&str; 6] = ["hangup", "repeat", "back", "operator", "directory", "voicemail"];
        if !is_word(text) || text.len() > 32 || !text.bytes().all(plain) || !is_plain(text) {
            let remedy = "use 1 to 32 letters, digits, - or _, at least one letter, no _ in front; s i t h o a e T and \
                          fax mean something else";
            self.reader.wrong(&name.span, format!("`{text}` is no name for this"), "not usable", remedy);
        } else if WORDS.contains(&text)
            || self.config.phones.contains_key(text)
            || self.names.contains_key(text)
        {
            let title = format!("`{text}` is the name of something else");
            let remedy =
                "give each menu, group, conference and [[hours]] a name that no other and no phone has";
            self.reader.wrong(&name.span, title, "not free", remedy);
        } else {
            self.names.insert(name.value.clone(), place);
        }
    }

    /// The number of an entry that nothing else has.
    fn number(&mut self, entry: &At<Section<'_>>, kind: &str) -> Option<SmolStr> {
        if self.reader.key(entry.value, "number").is_none() {
            let remedy = "add number = \"…\": what is dialled to reach it";
            self.reader.wrong(&entry.span, format!("this [[{kind}]] has no number"), "in this entry", remedy);
        }
        let number = number(self.reader, entry.value, "number", kind)?;
        self.free(&number.value, &number.span).then_some(number.value)
    }

    /// Whether a number may be given to something; what stands in the way is told.
    fn free(&mut self, number: &str, span: &Range<usize>) -> bool {
        let taken = self.is_configured(number) || self.read.office.takes(number);
        if taken || !is_plain(number) {
            let title = match taken {
                true => format!("number `{number}` is already taken"),
                false => format!("number `{number}` means something else in a dialplan"),
            };
            self.reader.wrong(span, title, "not free", "choose another number");
            return false;
        }
        let behind = self.read.office.codes.as_ref().and_then(|codes| codes.in_front_of(number));
        if let Some((key, code)) = &behind {
            let title =
                format!("number `{number}` begins like `{code}`, the code `{key}` with a number behind it");
            self.reader.wrong(span, title, "not free", "choose another number, or another code in [codes]");
        }
        behind.is_none()
    }

    /// Whether a number means something beside the office.
    fn is_configured(&self, number: &str) -> bool {
        let Config { phones, conferences, parking, .. } = self.config;
        let parks = || parking.values().any(|lot| lot.extension == number || lot.slot(number).is_some());
        phones.contains_key(number) || conferences.contains_key(number) || parks()
    }

    /// Where a number or a name leads, and that it has to be somewhere.
    fn lead(&mut self, text: &At<&str>, context: &str) -> Option<Place> {
        let known = self.names.get(text.value);
        if known.is_some() && !self.config.phones.contains_key(text.value) {
            return known.cloned();
        }
        if text.value.is_empty() || text.value.len() > 64 || !is_plain(text.value) {
            let remedy = "use 1 to 64 digits, letters or any of * # + - . as one would dial it";
            self.reader.wrong(&text.span, "this is no number that can be dialled", "not usable", remedy);
            return None;
        }
        if text.value == "hangup" && !self.config.phones.contains_key(text.value) {
            return Some(Place::end());
        }
        let numbers = self.config.phones.keys().map(SmolStr::as_str).filter(|name| is_word(name));
        let near = nearest(text.value, self.names.keys().map(SmolStr::as_str).chain(numbers));
        let near = near.filter(|_| is_word(text.value)).map(|name| format!("did you mean `{name}`?"));
        let number = At { value: SmolStr::new(text.value), span: text.span.clone() };
        self.read.leads.push(Destination { number, context: context.into(), near });
        Some(Place { context: context.into(), extension: text.value.into() })
    }
}

/// Whether a text is rather a name than a number.
fn is_word(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphabetic())
}

/// Where calls are led that exists nowhere.
pub(super) fn check(reader: &mut Reader, leads: &[Destination], plan: Option<&Dialplan>) {
    let plan = &plan.cloned().unwrap_or_default();
    for Destination { number, context, near } in leads {
        let asked = Asked { context, extension: &number.value, caller: "", now: Moment::new(0, "UTC") };
        let first = telex_dialplan::At::Priority(1);
        let shut = || plan.consider(asked, first).iter().any(|one| matches!(one.what, Looked::Include(..)));
        if plan.find(asked, first).is_none() && !shut() {
            let title = match is_word(&number.value) {
                true => format!("nothing is called `{}`", number.value),
                false => format!("nothing is at number `{}` in [{context}]", number.value),
            };
            let remedy = "name a phone, a menu, a group, hours, a conference or an extension of the dialplan";
            let remedy = near.clone().unwrap_or_else(|| remedy.to_owned());
            reader.wrong(&number.span, title, "leads nowhere", remedy);
        }
    }
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

#[cfg(test)]
mod tests;
