//! `[[menu]]`: callers hear a prompt and press keys.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::names::nearest;
use telex_engine::config::{Config, INTERNAL, is_plain};

use super::steps::extension;
use super::{Office, Place, Plan};
use crate::config::phones;
use crate::config::reader::{At, Section};
use crate::config::sounds;

const SECOND: Duration = Duration::from_secs(1);
/// The context of what callers of a menu may dial beside its choices.
const EXTENSIONS: &str = "telex-extensions";
/// Prompts of one menu, so that the step that plays them has room for them.
const PROMPTS: usize = 32;

/// A prompt and what keys lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Menu {
    pub(super) number: Option<SmolStr>,
    /// What is said: names of prompts.
    prompts: Vec<SmolStr>,
    language: Option<SmolStr>,
    choices: BTreeMap<SmolStr, Action>,
    /// How long to wait for the first key.
    timeout: Duration,
    /// How long to wait for each further key.
    digit_timeout: Duration,
    /// How often it is said again when nothing or something wrong was pressed.
    retries: u32,
    /// What is said when something wrong was pressed; `None` is nothing.
    invalid: Option<SmolStr>,
    barge_in: bool,
    dial_by_extension: bool,
    /// What becomes of callers who choose nothing.
    pub(super) fallback: Action,
}

/// Where a key leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    To(Place),
    HangUp,
    Repeat,
    Back,
    Directory,
    VoiceMail(SmolStr),
}

impl Plan<'_> {
    pub(super) fn menu(&mut self, entry: &At<Section<'_>>) {
        let section = entry.value;
        let named = self.reader.peek_text(section, "name").map(SmolStr::new);
        if named.is_none() && self.reader.key(section, "number").is_none() {
            let remedy = "add number = \"…\", what is dialled to reach it, or name = \"…\" for a choice of another menu";
            self.reader.wrong(
                &entry.span,
                "this [[menu]] has neither number nor name",
                "in this entry",
                remedy,
            );
        }
        let number = phones::number(self.reader, section, "number", "menu");
        let number =
            number.filter(|number| self.free(&number.value, &number.span)).map(|number| number.value);
        let Some(name) = named.or_else(|| number.clone()) else { return };
        let language = self.language(section);
        let prompts = self.prompts(entry, &name, language.as_deref());
        let invalid = match self.reader.text(section, "invalid") {
            Some(text) if text.value.is_empty() => None,
            Some(text) => self.prompt(&text, language.as_deref()),
            None => Some(SmolStr::new_static("invalid")),
        };
        let time = |plan: &mut Self, key, usual: Duration| {
            plan.reader.time(section, key, SECOND / 2, 60 * SECOND).map_or(usual, |time| time.value)
        };
        let menu = Menu {
            prompts,
            language,
            invalid,
            choices: self.choices(section),
            timeout: time(self, "timeout", 5 * SECOND),
            digit_timeout: time(self, "digit_timeout", 2 * SECOND),
            retries: self.reader.number(section, "retries", 0..21).unwrap_or(2),
            barge_in: self.reader.flag(section, "barge_in").unwrap_or(true),
            dial_by_extension: self.reader.flag(section, "dial_by_extension").unwrap_or_default(),
            fallback: self.fallback(section),
            number,
        };
        self.read.office.menus.entry(name).or_insert(menu);
    }

    fn language(&mut self, section: Section<'_>) -> Option<SmolStr> {
        let text = self.reader.text(section, "language")?;
        let plain = text.value.len() == 2 && text.value.bytes().all(|b| b.is_ascii_lowercase());
        if !plain {
            let remedy = "write two letters, as in \"de\"";
            self.reader.wrong(&text.span, "this is no language", "not understood", remedy);
        }
        plain.then(|| text.value.into())
    }

    /// What a menu says: prompts by name, then its text.
    fn prompts(&mut self, entry: &At<Section<'_>>, name: &str, language: Option<&str>) -> Vec<SmolStr> {
        let section = entry.value;
        let named = match self.reader.peek_text(section, "prompt") {
            Some(_) => self.reader.text(section, "prompt").into_iter().collect(),
            None => self.reader.texts(section, "prompt").map(|texts| texts.value).unwrap_or_default(),
        };
        if let Some(one) = named.get(PROMPTS) {
            let remedy = format!("name at most {PROMPTS}");
            self.reader.wrong(&one.span, "these are too many prompts", "one too many", remedy);
        }
        let mut prompts: Vec<SmolStr> =
            named.iter().take(PROMPTS).filter_map(|text| self.prompt(text, language)).collect();
        let text = self.reader.text(section, "text");
        if named.is_empty() && text.is_none() {
            let remedy =
                "add prompt = \"…\", the name of one (`telex prompts list`), or text = \"…\" to be spoken";
            self.reader.wrong(&entry.span, "this menu says nothing", "in this entry", remedy);
        }
        if let Some(words) = text {
            let prompt = match language {
                Some(language) => format_smolstr!("{language}/menu-{name}"),
                None => format_smolstr!("menu-{name}"),
            };
            let key = At { value: prompt.as_str(), span: words.span.clone() };
            if let Some(spoken) = sounds::spoken(self.reader, &key, &words, &self.own.spoken) {
                self.read.speak.push(spoken);
            }
            prompts.push(prompt);
        }
        if prompts.is_empty() {
            // What is wrong has been told; the rest of the file is looked at as if something were said.
            prompts.push(SmolStr::new_static("silence/1"));
        }
        prompts
    }

    /// A prompt that is there: its name, with the language where there is none without.
    fn prompt(&mut self, text: &At<&str>, language: Option<&str>) -> Option<SmolStr> {
        let name = text.value;
        let localised = language.map(|language| format!("{language}/{name}"));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-/.".contains(&b);
        if !name.is_empty() && name.bytes().all(plain) {
            let found = [Some(name), localised.as_deref()].into_iter().flatten();
            if let Some(found) = found.into_iter().find(|name| self.own.has(name)) {
                return Some(found.into());
            }
        }
        let builtin = crate::sounds::builtin();
        let near = nearest(name, builtin.iter().map(|(name, _)| name.as_str()));
        let remedy = near.map(|near| format!("did you mean `{near}`?")).unwrap_or_else(|| {
            format!("put {name}.wav into the folder of prompts, have it spoken by [prompts] speak, or name another")
        });
        self.reader.wrong(&text.span, format!("there is no prompt `{name}`"), "not there", remedy);
        None
    }

    fn choices(&mut self, section: Section<'_>) -> BTreeMap<SmolStr, Action> {
        let mut choices = BTreeMap::new();
        for (keys, to) in self.reader.named_texts(section, "choices") {
            let digits = keys.value.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
            if keys.value.is_empty() || keys.value.len() > 8 || !digits {
                let title = format!("nobody can press `{}`", keys.value);
                self.reader.wrong(&keys.span, title, "no keys", "use 1 to 8 of 0-9, * and #");
                continue;
            }
            if let Some(action) = self.action(&to) {
                choices.insert(keys.value.into(), action);
            }
        }
        choices
    }

    fn fallback(&mut self, section: Section<'_>) -> Action {
        let Some(text) = self.reader.text(section, "fallback") else { return Action::HangUp };
        if matches!(text.value, "repeat" | "back" | "directory") {
            let title = "a caller who presses nothing would never come out of here";
            let remedy = "name who gets the call then, or write \"hangup\"; `retries` says how often the menu is repeated";
            self.reader.wrong(&text.span, title, "leads round", remedy);
            return Action::HangUp;
        }
        self.action(&text).unwrap_or(Action::HangUp)
    }

    fn action(&mut self, text: &At<&str>) -> Option<Action> {
        let voicemail = text.value.strip_prefix("voicemail ").map(str::trim);
        Some(match text.value {
            "hangup" => Action::HangUp,
            "repeat" => Action::Repeat,
            "back" => Action::Back,
            "directory" => Action::Directory,
            "operator" => {
                if self.operator.is_none() {
                    let remedy = "add operator = \"100\" in [site], or name who gets the call";
                    self.reader.wrong(&text.span, "this site has no operator", "nobody", remedy);
                }
                Action::To(self.operator.clone()?)
            }
            _ if voicemail.is_some_and(|phone| self.config.phones.contains_key(phone)) => {
                Action::VoiceMail(voicemail?.into())
            }
            _ if voicemail.is_some() => {
                let title = format!("there is no phone `{}`", voicemail?);
                self.reader.wrong(&text.span, title, "unknown", "name an extension of a [[phone]]");
                return None;
            }
            _ => Action::To(self.lead(text, INTERNAL)?),
        })
    }
}

impl Menu {
    /// What becomes of calls to its number.
    pub(super) fn entry(&self, name: &str) -> Vec<String> {
        vec![Place::menu(name).goto()]
    }

    /// Whether callers can press anything.
    fn asks(&self) -> bool {
        !self.choices.is_empty() || self.dial_by_extension
    }

    fn write(&self, text: &mut String, name: &str, office: &Office) {
        let _ = writeln!(text, "\n[{}]", Place::menu(name).context);
        let mut begin = vec!["Answer()".to_owned()];
        begin.extend(self.language.as_ref().map(|language| format!("Set(CHANNEL(language)={language})")));
        let prompts = self.prompts.join("&");
        if !self.asks() {
            begin.push(format!("Playback({prompts})"));
            begin.extend(self.fallback.steps(name, office));
            *text += &extension("s", begin);
            return;
        }
        let barge_in = if self.barge_in { "" } else { ",p" };
        begin.extend([
            format!("Set(TIMEOUT(digit)={})", seconds(self.digit_timeout)),
            "Set(MENU_TRIES=0)".to_owned(),
            format!("(ask)Background({prompts}{barge_in})"),
            format!("WaitExten({})", seconds(self.timeout)),
        ]);
        *text += &extension("s", begin);
        for (keys, action) in &self.choices {
            *text += &extension(keys, action.steps(name, office));
        }
        let mut again = vec![
            format!("GotoIf($[${{MENU_TRIES}} >= {}]?end)", self.retries),
            "Set(MENU_TRIES=$[${MENU_TRIES} + 1])".to_owned(),
            "Goto(s,ask)".to_owned(),
        ];
        let mut end = self.fallback.steps(name, office);
        if let Some(first) = end.first_mut() {
            first.insert_str(0, "(end)");
        }
        again.extend(end);
        *text += &extension("t", again);
        let mut wrong: Vec<String> =
            self.invalid.iter().map(|prompt| format!("Playback({prompt})")).collect();
        wrong.push("Goto(t,1)".to_owned());
        *text += &extension("i", wrong);
        if self.dial_by_extension {
            let _ = writeln!(text, "include => {EXTENSIONS}");
        }
    }
}

impl Action {
    /// The steps of a choice of this menu.
    fn steps(&self, menu: &str, office: &Office) -> Vec<String> {
        match self {
            Self::To(place) => {
                let goes_back = |menu: &Menu| menu.choices.values().any(|action| *action == Self::Back);
                let to = place.menu_name().filter(|name| office.menus.get(*name).is_some_and(goes_back));
                let back = to.map(|name| format!("Set(HASH(back,{name})={menu})"));
                back.into_iter().chain([place.goto()]).collect()
            }
            Self::HangUp => vec!["Playback(goodbye)".to_owned(), "Hangup()".to_owned()],
            Self::Repeat => vec!["Goto(s,ask)".to_owned()],
            Self::Back => vec![
                format!("GotoIf($[\"${{HASH(back,{menu})}}\" = \"\"]?s,1)"),
                format!("Goto(telex-menu-${{HASH(back,{menu})}},s,1)"),
            ],
            // By any part of a phone's name; who finds nobody is back here.
            Self::Directory => vec![format!("Directory(default,{INTERNAL},a)"), "Goto(s,ask)".to_owned()],
            Self::VoiceMail(phone) => vec![format!("VoiceMail({phone})"), "Hangup()".to_owned()],
        }
    }
}

/// As a dialplan has it: 5, 2.5.
fn seconds(time: Duration) -> String {
    match time.subsec_millis() {
        0 => time.as_secs().to_string(),
        ms => format!("{}.{}", time.as_secs(), format!("{ms:03}").trim_end_matches('0')),
    }
}

/// The contexts of all menus.
pub(super) fn contexts(text: &mut String, office: &Office, config: &Config) {
    for (name, menu) in &office.menus {
        menu.write(text, name, office);
    }
    if office.menus.values().any(|menu| menu.dial_by_extension) {
        let _ = writeln!(text, "\n[{EXTENSIONS}]");
        // What a telephone's keys can dial. Codes and whatever else phones may dial are not for callers from outside.
        let numbers = config.phones.keys().chain(office.groups.keys());
        for number in numbers.filter(|number| is_plain(number) && number.bytes().all(|b| b.is_ascii_digit()))
        {
            *text += &extension(number, vec![Place::number(number).goto()]);
        }
    }
}
