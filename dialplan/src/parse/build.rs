//! Sections become contexts.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::entry::{self, Piece, Turn};
use super::lines::Line;
use super::report::Report;
use super::sections::Section;
use crate::app::{Prepared, Remark, prepare};
use crate::limits;
use crate::pattern::Pattern;
use crate::plan::{self, Context, Extension, Hint, Include, Parts, Setting, Step};
use crate::source::{Fault, Span};
use crate::when::When;

/// What may begin a line of a context.
const WORDS: [&str; 8] =
    ["exten", "same", "include", "ignorepat", "switch", "lswitch", "eswitch", "autohints"];
/// What `[general]` may say.
const GENERAL: [&str; 7] = [
    "static",
    "writeprotect",
    "autofallthrough",
    "clearglobalvars",
    "extenpatternmatchnew",
    "overrideswitch",
    "userscontext",
];

/// An extension by what it is for: the order is that of [`crate::pattern`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    pattern: Pattern,
    caller: Option<Pattern>,
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let callers = (self.caller.is_none(), &self.caller).cmp(&(other.caller.is_none(), &other.caller));
        self.pattern.cmp(&other.pattern).then(callers)
    }
}

/// As written.
impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.pattern)?;
        self.caller.as_ref().map_or(Ok(()), |caller| write!(f, "/{caller}"))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The rest of an extension.
#[derive(Debug, Default)]
struct Body {
    span: Span,
    steps: BTreeMap<u32, Step>,
    /// With the priority of each.
    labels: BTreeMap<SmolStr, u32>,
    hint: Option<Hint>,
    /// Not all of its lines could be read.
    partial: bool,
}

/// A context that is being built.
#[derive(Debug, Default)]
struct Draft {
    name: SmolStr,
    span: Span,
    extensions: BTreeMap<Key, Body>,
    includes: Vec<Include>,
    ignored: Vec<Pattern>,
    /// Not all of its lines could be read.
    partial: bool,
}

/// What the line before was for.
#[derive(Default)]
struct Before {
    /// None when that line was wrong.
    key: Option<Key>,
    priority: Option<u32>,
    /// There was an `exten` line, right or wrong.
    any: bool,
}

impl Before {
    /// The line is wrong, but those after it count on.
    fn skip(&mut self) {
        self.priority = Some(self.priority.unwrap_or(0).saturating_add(1));
    }
}

/// Everything that is being built.
struct Build<'a> {
    lines: &'a [Line],
    report: &'a mut Report,
    drafts: Vec<Draft>,
    known: BTreeMap<SmolStr, usize>,
    globals: Vec<Setting>,
    general: Vec<Setting>,
    extensions: usize,
    steps: usize,
    /// Variables read that only the plan can set, and where.
    unset: Vec<(Span, &'static str, String)>,
}

/// Builds a plan out of its sections.
pub(super) fn parts(lines: &[Line], sections: &[Section<'_>], report: &mut Report) -> Parts {
    let mut build = Build {
        lines,
        report,
        drafts: Vec::new(),
        known: BTreeMap::new(),
        globals: Vec::new(),
        general: Vec::new(),
        extensions: 0,
        steps: 0,
        unset: Vec::new(),
    };
    for section in sections.iter().filter(|section| !section.template) {
        match section.name {
            name if name.eq_ignore_ascii_case("general") => build.settings(section, true),
            name if name.eq_ignore_ascii_case("globals") => build.settings(section, false),
            _ => build.context(section),
        }
    }
    build.tell_unset();
    build.finish()
}

impl Build<'_> {
    /// `name = value` lines.
    fn settings(&mut self, section: &Section<'_>, general: bool) {
        for line in section.lines.iter().map(|line| &self.lines[*line as usize]) {
            let Ok((name, value)) = statement(line) else {
                self.report.error(line.span(0), "expected name = value");
                continue;
            };
            if name.text.is_empty() {
                self.report.error(line.span(name.at), "expected a name before `=`");
                continue;
            }
            if general && !GENERAL.iter().any(|known| known.eq_ignore_ascii_case(name.text)) {
                let near = self.report.near(name.text, GENERAL);
                let message = format!("the setting {} is not known and has no effect{near}", name.text);
                self.report.warning(line.span(name.at), message);
            }
            let list = if general { &mut self.general } else { &mut self.globals };
            if list.len() >= limits::SETTINGS {
                return self
                    .report
                    .error(line.span(name.at), format!("more than {} settings", limits::SETTINGS));
            }
            list.push(Setting {
                name: name.text.into(),
                value: value.text.into(),
                span: line.span(value.at),
            });
        }
    }

    /// One context, new or not.
    fn context(&mut self, section: &Section<'_>) {
        let name = SmolStr::from(section.name);
        let number = *self.known.entry(name.clone()).or_insert(self.drafts.len());
        if number == self.drafts.len() {
            self.drafts.push(Draft { name, span: section.span, ..Draft::default() });
        }
        let mut before = Before::default();
        for line in &section.lines {
            let line = &self.lines[*line as usize];
            if let Err(fault) = self.line(number, line, &mut before) {
                self.report.fault(fault, |at| line.span(at));
                self.lose(number, line, &before);
            }
        }
    }

    /// A line could not be read: what it would have been is not missed.
    fn lose(&mut self, number: usize, line: &Line, before: &Before) {
        let step = statement(line).is_ok_and(|(word, _)| matches!(word.text, "exten" | "same"));
        match self.body(number, line.span(0), before).filter(|_| step) {
            Some(body) => body.partial = true,
            None => self.drafts[number].partial = true,
        }
    }

    fn line(&mut self, number: usize, line: &Line, before: &mut Before) -> Result<(), Fault> {
        let (word, value) = statement(line)?;
        match word.text {
            "exten" => {
                let (name, rest) = value.split(',');
                (before.key, before.any) = (None, true);
                let filled = self.filled(name)?;
                let (pattern, caller) = match &filled {
                    Some(name) => entry::extension(Piece { at: value.at, text: name })?,
                    None => entry::extension(name)?,
                };
                if pattern.tail {
                    let message = format!("what stands behind . or ! in {pattern} is never looked at");
                    self.report.warning(line.span(name.at), message);
                }
                if looks_like_pattern(pattern.as_str()) {
                    let message =
                        format!("{pattern} is a name, letter by letter: write _{pattern} for a pattern");
                    self.report.warning(line.span(name.at), message);
                }
                before.key = Some(Key { pattern, caller });
                let rest =
                    rest.ok_or_else(|| name.fault(format!("expected {},priority,application", name.text)))?;
                self.step(number, line, name.at, rest, before)
            }
            "same" if before.key.is_some() => self.step(number, line, word.at, value, before),
            "same" if before.any => Ok(()),
            "same" => Err(word.fault("`same` follows an `exten` line: there is none above in this context")),
            "include" => self.include(number, line, value),
            "ignorepat" => {
                let pattern = entry::extension(value)?.0;
                let draft = &mut self.drafts[number];
                if draft.ignored.len() < limits::INCLUDES {
                    draft.ignored.push(pattern);
                    return Ok(());
                }
                Err(word.fault(format!("more than {} ignorepat lines in a context", limits::INCLUDES)))
            }
            "switch" | "lswitch" | "eswitch" => Err(word.fault(format!(
                "{} is not supported: a plan is all in its text; include a context, or Dial a trunk",
                word.text
            ))),
            "autohints" => Err(word.fault("autohints is not supported: write exten => 100,hint,PJSIP/100")),
            other => {
                let near = self.report.near(other, WORDS);
                Err(word
                    .fault(format!("`{other}` is unknown: expected exten, same, include or ignorepat{near}")))
            }
        }
    }

    /// A name with the globals in it that are known so far; none when it has no `${`.
    fn filled(&self, name: Piece<'_>) -> Result<Option<String>, Fault> {
        if !name.text.contains("${") {
            return Ok(None);
        }
        let (mut text, mut rest) = (String::new(), name.text);
        while let Some((left, behind)) = rest.split_once("${") {
            text.push_str(left);
            let (variable, behind) =
                behind.split_once('}').ok_or_else(|| name.fault("expected `}` behind `${`"))?;
            let setting = self.globals.iter().rev().find(|setting| setting.name == variable);
            let setting = setting.filter(|setting| !setting.value.contains('$')).ok_or_else(|| {
                let near =
                    self.report.near(variable, self.globals.iter().map(|setting| setting.name.as_str()));
                name.fault(format!("{variable} is no plain value of [globals] above{near}"))
            })?;
            text.push_str(&setting.value);
            rest = behind;
        }
        text.push_str(rest);
        Ok(Some(text))
    }

    /// What stands behind the extension: priority and application.
    fn step(
        &mut self,
        number: usize,
        line: &Line,
        at: usize,
        rest: Piece<'_>,
        before: &mut Before,
    ) -> Result<(), Fault> {
        let (turn, action) = rest.split(',');
        let priority = entry::priority(turn).inspect_err(|_| before.skip())?;
        let action = action.ok_or_else(|| turn.fault(format!("expected {},application", turn.text)))?;
        let count = match (priority.turn, before.priority) {
            (Turn::Hint, _) => return self.hint(number, line, at, action, before),
            (Turn::Number(count), _) => count,
            (Turn::Next(plus), Some(last)) => last + 1 + plus,
            (Turn::Same(plus), Some(last)) => last + plus,
            (Turn::Label(label, plus), _) => self.label(number, before, &label).map_or_else(
                || Err(turn.fault(format!("{label} is no label of this extension above"))),
                |priority| Ok(priority + plus),
            )?,
            _ => {
                before.skip();
                return Err(turn.fault("the first priority of a context cannot be n: begin with 1"));
            }
        };
        if count > limits::PRIORITY {
            return Err(turn.fault(format!("the highest priority is {}", limits::PRIORITY)));
        }
        before.priority = Some(count);
        let action = entry::action(action).unwrap_or_else(|fault| {
            self.report.fault(fault, |at| line.span(at));
            entry::Action { app: Piece { text: "", ..action }, args: Piece { text: "", ..action } }
        });
        let known = if action.app.text.is_empty() { None } else { self.prepared(line, &action) };
        let Some(prepared) = known.or_else(Prepared::nothing) else { return Ok(()) };
        let step = Step {
            priority: count,
            label: priority.label,
            app: action.app.text.into(),
            args: action.args.text.into(),
            span: line.span(action.app.at),
            args_span: line.span(action.args.at),
            prepared,
        };
        self.steps += 1;
        if self.steps > limits::STEPS {
            return Err(turn.fault(format!("more than {} priorities", limits::STEPS)));
        }
        let Some(body) = self.body(number, line.span(at), before) else { return Ok(()) };
        if let Some(first) = body.steps.get(&count).map(|step| step.span) {
            let taken = self.taken(number, before, first, step.span);
            let message = format!("priority {count} of {taken}: this line has no effect");
            self.report.warning(line.span(turn.at), message);
            return Ok(());
        }
        if let Some(label) = &step.label
            && let Some(first) = body.labels.insert(label.clone(), count)
        {
            let first = body.steps.get(&first).map_or(Span::default(), |step| step.span);
            let taken = self.taken(number, before, first, step.span);
            return Err(turn.fault(format!("the label {label} of {taken}")));
        }
        body.steps.insert(count, step);
        Ok(())
    }

    /// `100 in [internal] is taken since line 7`: of which extension something is there already.
    fn taken(&self, number: usize, before: &Before, first: Span, now: Span) -> String {
        let name = before.key.as_ref().map(Key::to_string).unwrap_or_default();
        let context = &self.drafts[number].name;
        let file = if first.file == now.file { "line ".to_owned() } else { self.report.name(first) + ":" };
        format!("{name} in [{context}] is taken since {file}{}", first.line)
    }

    /// The priority that has a label, in the extension of a line.
    fn label(&self, number: usize, before: &Before, label: &str) -> Option<u32> {
        self.drafts[number].extensions.get(before.key.as_ref()?)?.labels.get(label).copied()
    }

    /// What an application and its arguments mean; none when they mean nothing.
    fn prepared(&mut self, line: &Line, action: &entry::Action<'_>) -> Option<Prepared> {
        let mut remarks = Vec::new();
        let prepared = prepare(action.app.text, action.args.text, &mut remarks);
        for Remark { in_name, fault, warning, unset } in remarks {
            let span = line.span(fault.at + if in_name { action.app.at } else { action.args.at });
            match warning {
                true if unset.is_some() => {
                    let room = self.unset.len() < limits::PROBLEMS;
                    self.unset.extend(unset.filter(|_| room).map(|name| (span, name, fault.message)));
                }
                true => self.report.warning(span, fault.message),
                false => self.report.error(span, fault.message),
            }
        }
        prepared
    }

    /// Tells of variables that neither the exchange nor the plan sets.
    fn tell_unset(&mut self) {
        let unset = std::mem::take(&mut self.unset);
        let mut names: Vec<&str> = unset.iter().map(|(_, name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| {
            let extensions = self.drafts.iter().flat_map(|draft| draft.extensions.values());
            let mut steps = extensions.flat_map(|body| body.steps.values());
            let global = self.globals.iter().any(|setting| setting.name == *name);
            !global && !steps.any(|step| step.prepared.sets(name))
        });
        for (span, _, message) in unset.into_iter().filter(|(_, name, _)| names.contains(name)) {
            self.report.warning(span, message);
        }
    }

    fn hint(
        &mut self,
        number: usize,
        line: &Line,
        at: usize,
        device: Piece<'_>,
        before: &Before,
    ) -> Result<(), Fault> {
        if device.text.is_empty() {
            return Err(device.fault("expected a device, like PJSIP/100"));
        }
        let hint = Hint { text: device.text.into(), span: line.span(device.at) };
        let Some(body) = self.body(number, line.span(at), before) else { return Ok(()) };
        if let Some(first) = body.hint.as_ref().map(|hint| hint.span) {
            let taken = self.taken(number, before, first, hint.span);
            let message = format!("the hint of {taken}: this line has no effect");
            self.report.warning(line.span(device.at), message);
        } else {
            body.hint = Some(hint);
        }
        Ok(())
    }

    /// The extension of a line, new or not; none when there are too many.
    fn body(&mut self, number: usize, span: Span, before: &Before) -> Option<&mut Body> {
        let key = before.key.as_ref()?;
        let extensions = &mut self.drafts[number].extensions;
        if !extensions.contains_key(key) {
            self.extensions += 1;
            if self.extensions > limits::EXTENSIONS {
                if self.extensions == limits::EXTENSIONS + 1 {
                    self.report.error(span, format!("more than {} extensions", limits::EXTENSIONS));
                }
                return None;
            }
            extensions.insert(key.clone(), Body { span, ..Body::default() });
        }
        extensions.get_mut(key)
    }

    /// `context`, `context,times,days,days,months,zone`.
    fn include(&mut self, number: usize, line: &Line, value: Piece<'_>) -> Result<(), Fault> {
        let (name, time) = value.split(if value.text.contains(',') { ',' } else { '|' });
        if name.text.is_empty() {
            return Err(name.fault("expected the name of a context"));
        }
        let when = time.filter(|time| !time.text.is_empty()).map(|time| {
            When::parse(time.text).map_err(|fault| Fault::new(time.at + fault.at, fault.message))
        });
        let include = Include {
            context: name.text.into(),
            number: None,
            when: when.transpose()?,
            span: line.span(name.at),
        };
        let includes = &mut self.drafts[number].includes;
        if includes.len() >= limits::INCLUDES {
            return Err(name.fault(format!("a context includes at most {} others", limits::INCLUDES)));
        }
        if includes.iter().any(|other| (&other.context, &other.when) == (&include.context, &include.when)) {
            self.report.warning(include.span, format!("{} is included above already", name.text));
        } else {
            includes.push(include);
        }
        Ok(())
    }

    fn finish(self) -> Parts {
        let mut parts = Parts { globals: self.globals, general: self.general, ..Parts::default() };
        parts.by_name = self.known.values().map(|number| *number as u32).collect();
        parts.contexts = self.drafts.into_iter().map(Draft::finish).collect();
        let numbers: Vec<Vec<Option<usize>>> = parts
            .contexts
            .iter()
            .map(|context| {
                let names = context.includes.iter().map(|include| &include.context);
                names.map(|name| plan::number(&parts.contexts, &parts.by_name, name)).collect()
            })
            .collect();
        for (context, numbers) in parts.contexts.iter_mut().zip(numbers) {
            for (include, number) in context.includes.iter_mut().zip(numbers) {
                include.number = number.map(|number| number as u32);
            }
        }
        parts
    }
}

impl Draft {
    fn finish(self) -> Context {
        let extensions = self.extensions.into_iter().map(|(key, body)| Extension {
            pattern: key.pattern,
            caller: key.caller,
            steps: body.steps.into_values().collect(),
            hint: body.hint,
            span: body.span,
            partial: body.partial,
        });
        let mut context = Context {
            name: self.name,
            span: self.span,
            extensions: extensions.collect(),
            includes: self.includes,
            ignored: self.ignored,
            partial: self.partial,
            ..Context::default()
        };
        context.index();
        context
    }
}

/// Whether somebody forgot the `_` of a pattern: `X.`, `1XX`, `[2-5]0`.
fn looks_like_pattern(name: &str) -> bool {
    let digits = |sign: char| sign.is_ascii_digit() || "XZN[]-.!*#+".contains(sign);
    let wild = name.contains(['X', 'Z', 'N', '[']) || name.ends_with(['.', '!']);
    wild && name.chars().count() > 1 && name.chars().all(digits)
}

/// `word => value` or `word = value`.
fn statement(line: &Line) -> Result<(Piece<'_>, Piece<'_>), Fault> {
    let (word, value) = Piece::new(0, &line.text).split('=');
    let Some(value) = value else {
        let near = crate::names::hint(word.text.split_whitespace().next().unwrap_or_default(), WORDS);
        return Err(word.fault(format!("expected exten =>, same =>, include => or a [context]{near}")));
    };
    match value.text.strip_prefix('>') {
        Some(behind) => Ok((word, Piece::new(value.at + 1, behind))),
        None => Ok((word, value)),
    }
}
