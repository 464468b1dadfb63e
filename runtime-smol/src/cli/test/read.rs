//! Reading a file of scenarios: its language is described in `dialplan/TESTS.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use smol_str::SmolStr;
use telex_engine::cdr::Disposition;

use super::clock;
use super::script::{Act, Expectation, Habit, Named, Recorded, Scenario, Sound, Step, What};
use super::words::{Word, Words, Wrong};

/// How long is waited for what is expected, unless the line says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);
/// Problems that are told.
const MOST_TOLD: usize = 50;

/// What a line may begin with.
const FIRST: &str = "scenario, config, at, advance, wait, expect, trunk, or a phone and what it does";
/// What may follow a phone.
const VERBS: &str = "dials, answers, refuses, hangs up, presses, holds, resumes, transfers, joins or is";

/// Reads all scenarios, or says everything that is wrong.
pub(super) fn read(text: &str) -> Result<Vec<Scenario>, Vec<Wrong>> {
    let mut reader = Reader::default();
    let mut wrong = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let read = Words::of(number, line).and_then(|words| reader.line(words, line));
        wrong.extend(read.err());
        if wrong.len() == MOST_TOLD {
            break;
        }
    }
    if wrong.is_empty() {
        let empty = reader.scenarios.iter().filter(|scenario| scenario.steps.is_empty());
        let message = "nothing happens in this scenario: its steps stand in the lines below";
        wrong.extend(empty.map(|s| Wrong { line: s.line, column: 1, message: message.to_owned() }));
    }
    if wrong.is_empty() && reader.scenarios.is_empty() {
        let message = "there is no scenario in it: begin one with scenario \"NAME\":".to_owned();
        wrong.push(Wrong { line: 1, column: 1, message });
    }
    if wrong.is_empty() { Ok(reader.scenarios) } else { Err(wrong) }
}

#[derive(Default)]
struct Reader {
    scenarios: Vec<Scenario>,
    /// The configuration of the scenarios that follow.
    config: Option<Named>,
    /// Where each name was given.
    names: BTreeMap<String, usize>,
}

impl Reader {
    fn line(&mut self, mut words: Words, text: &str) -> Result<(), Wrong> {
        words.drop_colon();
        let Some(first) = words.peek().cloned() else { return Ok(()) };
        if words.take("scenario") {
            return self.scenario(words);
        }
        if words.take("config") {
            let file = words.any("the name of a configuration")?;
            self.config = Some(named(&words, &file));
            if let Some(scenario) = self.scenarios.last_mut()
                && scenario.steps.is_empty()
                && scenario.at.is_none()
            {
                // Inside a scenario it is about that one, too.
                scenario.config.clone_from(&self.config);
            }
            return words.over();
        }
        let Some(scenario) = self.scenarios.last_mut() else {
            if FIRST.split([',', ' ']).any(|known| known == first.text) || words_follow(&words) {
                let message = "this belongs into a scenario: begin one with scenario \"NAME\":".to_owned();
                return Err(words.at(&first, message));
            }
            return Err(words.expected("scenario or config"));
        };
        if words.take("at") {
            let at = time(&mut words)?;
            if !scenario.steps.is_empty() || scenario.at.is_some() {
                let message = "`at` stands first in a scenario: later on write advance to TIME".to_owned();
                return Err(words.at(&first, message));
            }
            scenario.at = Some(at);
            return Ok(());
        }
        let what = step(&mut words)?;
        words.over()?;
        scenario.steps.push(Step { line: words.line, text: text.trim().to_owned(), what });
        Ok(())
    }

    fn scenario(&mut self, mut words: Words) -> Result<(), Wrong> {
        const NAME: &str = "the name of the scenario, in quotes";
        let quoted = words.peek().is_some_and(Word::is_quoted);
        let word = if quoted { words.any(NAME)? } else { words.rest(NAME)? };
        if !words.is_over() {
            let message =
                "the line of a scenario ends with its name and a colon; its steps stand in the lines below";
            let there = words.any(NAME)?;
            return Err(words.at(&there, message.to_owned()));
        }
        let (name, line) = (word.text.clone(), words.line);
        if let Some(before) = self.names.insert(name.clone(), line) {
            return Err(words.at(&word, format!("line {before} has a scenario of this name already")));
        }
        let config = self.config.clone();
        self.scenarios.push(Scenario { name, line, config, at: None, steps: Vec::new() });
        Ok(())
    }
}

/// Whether this looks like a phone and what it does.
fn words_follow(words: &Words) -> bool {
    words.peek().is_some_and(|word| word.text.chars().all(|c| c.is_ascii_digit()))
}

fn named(words: &Words, word: &Word) -> Named {
    Named { name: word.text.as_str().into(), line: words.line, column: word.column }
}

/// A time of the clock on the wall.
fn time(words: &mut Words) -> Result<SmolStr, Wrong> {
    let word = words.rest("a time like \"Sun 11:02\"")?;
    let text: SmolStr = word.text.as_str().into();
    if clock::is_time(&text) {
        return Ok(text);
    }
    let message = format!("`{text}` is no time: write \"Sun 11:02\", \"2026-12-24 18:00\" or 11:02");
    Err(words.at(&word, message))
}

fn step(words: &mut Words) -> Result<What, Wrong> {
    if words.take("wait") {
        return Ok(What::Wait(words.time()?));
    }
    if words.take("advance") {
        words.must("to")?;
        return Ok(What::Advance(time(words)?));
    }
    if words.take("expect") {
        return expect(words);
    }
    let first = words.any(FIRST)?;
    if first.text == "trunk" {
        let name = words.any("the name of a trunk")?;
        let up = words.one_of(&[("up", true), ("down", false)])?;
        return Ok(What::Trunk(named(words, &name), up));
    }
    if !known_verb(words) {
        let meant =
            telex_dialplan::names::hint(&first.text, FIRST.split([',', ' ']).filter(|word| word.len() > 3));
        return Err(match meant.is_empty() {
            true => words.expected(VERBS),
            false => words.at(&first, format!("`{}` is unknown: expected {FIRST}{meant}", first.text)),
        });
    }
    Ok(What::Act(named(words, &first), act(words)?))
}

fn known_verb(words: &Words) -> bool {
    words.peek().is_some_and(|word| VERBS.split([',', ' ']).any(|verb| verb.eq_ignore_ascii_case(&word.text)))
}

fn act(words: &mut Words) -> Result<Act, Wrong> {
    type Read = fn(&mut Words) -> Result<Act, Wrong>;
    let verbs: [(&str, Read); 10] = [
        ("dials", |words| Ok(Act::Dials(number(words)?))),
        ("answers", |_| Ok(Act::Answers)),
        ("refuses", |words| Ok(Act::Refuses(if words.is_over() { 486 } else { status(words)? }))),
        ("hangs", |words| words.must("up").map(|()| Act::HangsUp)),
        ("presses", |words| Ok(Act::Presses(keys(words)?))),
        ("holds", |_| Ok(Act::Holds)),
        ("resumes", |_| Ok(Act::Resumes)),
        ("transfers", |words| {
            words.must("to")?;
            Ok(Act::Transfers(number(words)?))
        }),
        ("joins", |words| {
            words.must("its")?;
            words.must("calls")?;
            Ok(Act::Joins)
        }),
        ("is", |words| {
            let habits = [
                ("free", Habit::Free),
                ("busy", Habit::Busy),
                ("registered", Habit::Registered),
                ("unregistered", Habit::Unregistered),
                ("reachable", Habit::Reachable),
                ("unreachable", Habit::Unreachable),
            ];
            words.one_of(&habits).map(Act::Is)
        }),
    ];
    words.one_of(&verbs)?(words)
}

fn number(words: &mut Words) -> Result<SmolStr, Wrong> {
    Ok(words.any("a number")?.text.into())
}

fn keys(words: &mut Words) -> Result<SmolStr, Wrong> {
    let word = words.any("keys like 1, 42# or *")?;
    match word.text.chars().find(|key| !(key.is_ascii_digit() || "*#ABCDabcd".contains(*key))) {
        None => Ok(word.text.to_ascii_uppercase().into()),
        Some(key) => Err(words.at(&word, format!("`{key}` is no key: there are 0 to 9, *, # and A to D"))),
    }
}

/// A final status, by its number or in a word.
fn status(words: &mut Words) -> Result<u16, Wrong> {
    let known = [("busy", 486), ("declined", 603), ("unavailable", 480), ("not", 404)];
    if let Some((word, status)) = known.iter().find(|(word, _)| words.take(word)) {
        if *word == "not" {
            words.must("found")?;
        }
        return Ok(*status);
    }
    let status =
        words.peek().and_then(|word| word.text.parse().ok()).filter(|code| (300..700).contains(code));
    let status = status.ok_or_else(|| {
        words.expected("busy, declined, unavailable, not found or a status from 300 to 699")
    })?;
    words.any("a status")?;
    Ok(status)
}

fn expect(words: &mut Words) -> Result<What, Wrong> {
    if words.take("call") {
        words.must("ends")?;
        let how = words.peek().is_some_and(|word| word.text != "within");
        let how = if how { Some(disposition(words)?) } else { None };
        return within(words, Expectation::Ends(how));
    }
    if words.take("cdr") {
        return record(words);
    }
    if words.take("log") {
        let text = words.any("a text, in quotes")?.text.into();
        return within(words, Expectation::Log(text));
    }
    if words.take("match") {
        let pattern = words.any("an extension as the dialplan writes it")?.text.into();
        let context = if words.take("in") { Some(words.any("a context")?.text.into()) } else { None };
        return within(words, Expectation::Match(pattern, context));
    }
    let phone = words.any("a phone, call, cdr, log or match")?;
    let phone = named(words, &phone);
    if words.take("does") {
        words.must("not")?;
        words.must("ring")?;
        return never(words, Expectation::Rings(phone, None, None));
    }
    let expectation =
        match words.one_of(&[("rings", 0), ("hears", 1), ("talks", 2), ("is", 3), ("does", 4)])? {
            0 => {
                let from = if words.take("from") { Some(number(words)?) } else { None };
                let name =
                    if words.take("as") { Some(words.any("a name, in quotes")?.text.into()) } else { None };
                Expectation::Rings(phone, from, name)
            }
            1 => Expectation::Hears(phone, sound(words)?),
            2 => {
                let other = if words.take("with") {
                    let word = words.any("a phone")?;
                    Some(named(words, &word))
                } else {
                    None
                };
                Expectation::Talks(phone, other)
            }
            _ if words.one_of(&[("told", true), ("idle", false)])? => {
                Expectation::Told(phone, status(words)?)
            }
            _ => Expectation::Idle(phone),
        };
    within(words, expectation)
}

fn within(words: &mut Words, expectation: Expectation) -> Result<What, Wrong> {
    let patience = if words.take("within") { words.time()? } else { PATIENCE };
    Ok(What::Expect(expectation, patience))
}

fn never(words: &mut Words, expectation: Expectation) -> Result<What, Wrong> {
    let time = if words.take("for") { words.time()? } else { Duration::ZERO };
    Ok(What::Never(expectation, time))
}

fn disposition(words: &mut Words) -> Result<Disposition, Wrong> {
    if words.take("no") {
        return words.must("answer").map(|()| Disposition::NoAnswer);
    }
    let known = [
        ("answered", Disposition::Answered),
        ("busy", Disposition::Busy),
        ("no answer", Disposition::NoAnswer),
        ("failed", Disposition::Failed),
    ];
    words.one_of(&known)
}

fn record(words: &mut Words) -> Result<What, Wrong> {
    let disposition = disposition(words)?;
    let seconds = words.peek().is_some_and(|word| word.text.starts_with(|c: char| c.is_ascii_digit()));
    let talked = if seconds { Some(words.time()?.as_secs()) } else { None };
    let from = if words.take("from") { Some(number(words)?) } else { None };
    let to = if words.take("to") { Some(number(words)?) } else { None };
    within(words, Expectation::Record(Recorded { disposition, talked, from, to }))
}

fn sound(words: &mut Words) -> Result<Sound, Wrong> {
    if words.take("prompt") {
        return Ok(Sound::Prompt(words.any("the name of a prompt")?.text.into()));
    }
    if words.take("keys") {
        return Ok(Sound::Keys(keys(words)?));
    }
    if words.take("music") {
        let class = words.peek().is_some_and(|word| word.text != "within");
        let class = if class { Some(words.any("a class of music")?.text.into()) } else { None };
        return Ok(Sound::Music(class));
    }
    if words.take("dial") {
        return words.must("tone").map(|()| Sound::Tone("dial tone"));
    }
    if words.take("a") {
        return words.must("tone").map(|()| Sound::Tone("tone"));
    }
    let tones = ["busy", "congestion", "information"];
    if let Some(tone) = tones.into_iter().find(|tone| words.take(tone)) {
        return words.must("tone").map(|()| Sound::Tone(tone));
    }
    for (word, sound) in
        [("ringback", Sound::Ringback), ("itself", Sound::Itself), ("nothing", Sound::Nothing)]
    {
        if words.take(word) {
            return Ok(sound);
        }
    }
    let known = "prompt NAME, ringback, busy tone, congestion tone, dial tone, a tone, music, keys, itself, a phone or \
                 nothing";
    let near =
        |text: &str| telex_dialplan::names::hint(text, known.split([',', ' ']).filter(|word| word.len() > 2));
    if words.peek().is_some_and(|word| near(&word.text).is_empty()) {
        let word = words.any("a phone")?;
        return Ok(Sound::Voice(named(words, &word)));
    }
    Err(words.expected(known))
}
