//! Text with values in it: `${VAR}`, `${VAR:offset:length}`, `${FUNC(args)}`, `$[ expression ]`, one within the other.
//!
//! A text is parsed once, when it is loaded. What is put in for a `${...}` is data: it is not looked at again, so
//! neither a `${...}` nor a comma nor a quote in a caller's name means anything.

use smol_str::{SmolStr, SmolStrBuilder};

use crate::expr::Expr;
use crate::function::{self, Ask, Form, Function};
use crate::scene::Scene;
use crate::source::Fault;
use crate::vars::is_secret;

/// How deep values may stand within each other.
pub const MAX_DEPTH: u32 = 16;
/// Bytes of a value; what is longer is cut.
pub const MAX_VALUE: usize = 8_192;

/// Text with values in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// A piece of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Itself.
    Text(SmolStr),
    /// A variable, whose name may be made of values too.
    Variable { name: Template, slice: Option<Box<Slice>> },
    /// A function.
    Call { function: &'static Function, args: Vec<Template>, slice: Option<Box<Slice>> },
    /// An expression.
    Expression(Box<Expr>),
}

/// `:offset:length`, both in characters and negative from the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    offset: Template,
    length: Option<Template>,
}

impl Template {
    /// Parses a whole text.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut parser = Parser::new(text);
        let whole = parser.run(Style::RAW);
        match parser.faults.into_iter().next() {
            Some(first) => Err(first),
            None => whole,
        }
    }

    /// A text that is nothing but itself.
    pub fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// It is one value and nothing else.
    pub(crate) fn is_one_value(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Variable { .. } | Part::Call { .. } | Part::Expression(_)])
    }

    /// Puts the values in.
    pub(crate) fn eval(&self, scene: &mut Scene<'_>) -> SmolStr {
        match self.parts.as_slice() {
            [] => SmolStr::default(),
            [part] => part.eval(scene),
            parts => {
                let (mut all, mut length) = (SmolStrBuilder::new(), 0);
                for part in parts {
                    let piece = part.eval(scene);
                    let piece = cut(&piece, MAX_VALUE - length);
                    length += piece.len();
                    all.push_str(piece);
                }
                all.finish()
            }
        }
    }

    /// The same, and the text with expressions as they are written, with their values put in.
    pub(crate) fn eval_told(&self, scene: &mut Scene<'_>) -> (SmolStr, SmolStr) {
        let (mut all, mut told) = (String::new(), String::new());
        for part in &self.parts {
            let (value, shown) = match part {
                Part::Expression(expr) => {
                    scene.secret = false;
                    let (value, shown) = expr.eval_told(scene);
                    // What a secret is compared with would tell it, too.
                    let shown = if scene.secret { "****" } else { shown.as_str() };
                    (value.into_text(), format!("$[{shown}]"))
                }
                part => {
                    let value = part.eval(scene);
                    let shown = String::from(value.as_str());
                    (value, shown)
                }
            };
            all += cut(&value, MAX_VALUE - all.len());
            told += cut(&shown, MAX_VALUE - told.len());
        }
        (all.into(), told.into())
    }

    /// The fixed text that it begins with.
    pub(crate) fn start(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// Whether this stands in its fixed text, whatever the case.
    pub(crate) fn spells(&self, what: &str) -> bool {
        let has = |text: &str| {
            text.as_bytes().windows(what.len()).any(|part| part.eq_ignore_ascii_case(what.as_bytes()))
        };
        self.parts.iter().any(|part| matches!(part, Part::Text(text) if has(text)))
    }

    /// The fixed text that it ends with.
    pub(crate) fn end(&self) -> &str {
        match self.parts.last() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// Divides it where the sign stands in its fixed text.
    pub(crate) fn split(&self, sign: char) -> Vec<Self> {
        let mut all = vec![Self::default()];
        for part in &self.parts {
            let Part::Text(text) = part else {
                let last = all.pop().unwrap_or_default();
                all.push(last.with(part.clone()));
                continue;
            };
            for (number, piece) in text.split(sign).enumerate() {
                let last = if number == 0 { all.pop().unwrap_or_default() } else { Self::default() };
                all.push(if piece.is_empty() { last } else { last.with(Part::Text(piece.into())) });
            }
        }
        all
    }

    fn with(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// Takes off the quotes around the whole of it.
    fn unquote(&mut self) {
        let starts = matches!(self.parts.first(), Some(Part::Text(text)) if text.starts_with('"'));
        let ends = matches!(self.parts.last(), Some(Part::Text(text)) if text.ends_with('"'));
        let one_sign = matches!(self.parts.as_slice(), [Part::Text(text)] if text.len() < 2);
        if !starts || !ends || one_sign {
            return;
        }
        if let Some(Part::Text(text)) = self.parts.first_mut() {
            *text = text[1..].into();
        }
        if let Some(Part::Text(text)) = self.parts.last_mut() {
            *text = text[..text.len() - 1].into();
        }
        self.parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    }

    /// Without spaces at both ends.
    pub(crate) fn trimmed(mut self) -> Self {
        if let Some(Part::Text(text)) = self.parts.first_mut() {
            *text = text.trim_start().into();
        }
        if let Some(Part::Text(text)) = self.parts.last_mut() {
            *text = text.trim_end().into();
        }
        self.parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        self
    }

    fn push(&mut self, text: &mut String) {
        if !text.is_empty() {
            self.parts.push(Part::Text(SmolStr::new(&*text)));
            text.clear();
        }
    }
}

impl From<Part> for Template {
    fn from(part: Part) -> Self {
        Self { parts: vec![part] }
    }
}

impl Part {
    fn eval(&self, scene: &mut Scene<'_>) -> SmolStr {
        match self {
            Self::Text(text) => text.clone(),
            Self::Variable { name, slice } => {
                let name = name.eval(scene);
                scene.secret |= is_secret(&name);
                let value = scene.variable(&name).unwrap_or_default();
                scene.spend(value.len());
                sliced(value, slice.as_deref(), scene)
            }
            Self::Call { function, args, slice } => {
                let value = call(function, args, scene);
                sliced(value, slice.as_deref(), scene)
            }
            Self::Expression(expr) => expr.eval(scene).into_text(),
        }
    }
}

/// What a function gives; nothing, with a note, where it cannot.
fn call(function: &'static Function, args: &[Template], scene: &mut Scene<'_>) -> SmolStr {
    let answer = match function.ask {
        Ask::Value(read) => {
            let args: Vec<SmolStr> = args.iter().map(|arg| arg.eval(scene)).collect();
            let work = function::work(function, &args, scene);
            // Who has worked too much is stopped at the next step.
            if scene.spend(work) { read(scene, &args) } else { Ok(SmolStr::default()) }
        }
        Ask::Choice(choose) => {
            let question = args.first().map(|arg| arg.eval(scene)).unwrap_or_default();
            choose(scene, &question).map(|yes| {
                let chosen = args.get(if yes { 1 } else { 2 });
                chosen.map(|text| text.eval(scene)).unwrap_or_default()
            })
        }
        Ask::Never => Err(SmolStr::new_static("it can only be set")),
    };
    match answer {
        Ok(value) if value.len() > MAX_VALUE => cut(&value, MAX_VALUE).into(),
        Ok(value) => value,
        Err(why) => {
            scene.note(format_args!("{}: {why}", function.name));
            SmolStr::default()
        }
    }
}

/// At most so many bytes, between two characters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

fn sliced(value: SmolStr, slice: Option<&Slice>, scene: &mut Scene<'_>) -> SmolStr {
    let Some(slice) = slice else { return value };
    let number = |text: &Template, scene: &mut Scene<'_>| text.eval(scene).trim().parse::<i64>().ok();
    let offset = number(&slice.offset, scene).unwrap_or(0);
    let length = slice.length.as_ref().and_then(|length| number(length, scene));
    substring(&value, offset, length)
}

/// Characters from `offset`, which counts from the end when negative; a negative length leaves so many off at the end.
pub(crate) fn substring(value: &str, offset: i64, length: Option<i64>) -> SmolStr {
    let count = value.chars().count() as i64;
    let first = if offset < 0 { (count.saturating_add(offset)).max(0) } else { offset.min(count) };
    let last = match length {
        None => count,
        Some(length) if length < 0 => count.saturating_add(length).max(first),
        Some(length) => first.saturating_add(length).min(count),
    };
    let (first, last) = (first.unsigned_abs() as usize, last.unsigned_abs() as usize);
    value.chars().skip(first).take(last.saturating_sub(first)).collect()
}

/// What a run of text is made of, and where it ends.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    /// Any of these ends it, outside of parentheses and quotes.
    pub(crate) stop: &'static [u8],
    /// Parentheses and brackets protect what is in them.
    pub(crate) nest: bool,
    /// Quotes protect what is in them.
    pub(crate) quote: bool,
    /// Those quotes, and backslashes before a character, are left out.
    pub(crate) strip: bool,
    /// What a backslash means where they are.
    escapes: Escapes,
}

/// What a backslash and the character after it stand for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// That character.
    Plain,
    /// `\n`, `\r`, `\t` and `\xHH` for what they are in C, else that character.
    Known,
    /// Themselves: the function knows.
    Left,
}

impl Style {
    /// To the end.
    pub(crate) const RAW: Self = Self::until(&[]);

    /// As it stands, to one of these.
    pub(crate) const fn until(stop: &'static [u8]) -> Self {
        Self { stop, nest: false, quote: false, strip: false, escapes: Escapes::Plain }
    }

    /// One argument of several.
    pub(crate) const fn argument(stop: &'static [u8]) -> Self {
        Self { stop, nest: true, quote: true, strip: true, escapes: Escapes::Plain }
    }

    /// The same, with what protects it kept.
    pub(crate) const fn kept(stop: &'static [u8]) -> Self {
        Self { stop, nest: true, quote: true, strip: false, escapes: Escapes::Plain }
    }
}

/// A text being parsed.
pub(crate) struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: u32,
    /// Within the arguments of a function of an expression, where a comma is no text.
    pub(crate) in_call: bool,
    /// What is wrong so far and keeps nobody from reading on.
    pub(crate) faults: Vec<Fault>,
    /// Variables read that a plan may expect the exchange to set, and where.
    pub(crate) unset: Vec<(usize, &'static str)>,
}

/// Variables that Asterisk sets and this exchange does not.
const UNSET: &[&str] = &[
    "ATTENDEDTRANSFER",
    "BLINDTRANSFER",
    "BRIDGEPEER",
    "BRIDGEPVTCALLID",
    "DIALEDPEERNAME",
    "DIALEDPEERNUMBER",
    "HINTNAME",
    "MEMBERINTERFACE",
    "MEMBERNAME",
    "MIXMONITOR_FILENAME",
    "PICKUPRESULT",
    "QEHOLDTIME",
    "QUEUEHOLDTIME",
    "QUEUEPOSITION",
    "QUEUESTATUS",
    "SIPCALLID",
    "SIPDOMAIN",
    "SIPTRANSFER",
    "SIPUSERAGENT",
    "SYSTEMSTATUS",
    "TRANSFERERNAME",
    "TRANSFER_CONTEXT",
];

impl<'t> Parser<'t> {
    pub(crate) const fn new(text: &'t str) -> Self {
        Self { text, at: 0, depth: 0, in_call: false, faults: Vec::new(), unset: Vec::new() }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(crate) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(crate) const fn done(&self) -> bool {
        self.at == self.text.len()
    }

    /// Goes over a text if it comes next.
    pub(crate) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Goes over a character.
    pub(crate) fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(crate) fn spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn fault(&self, message: impl Into<String>) -> Fault {
        Self::fault_at(self.at, message)
    }

    pub(crate) fn fault_at(at: usize, message: impl Into<String>) -> Fault {
        Fault::new(at, message)
    }

    /// Runs a step one deeper.
    pub(crate) fn deeper<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == MAX_DEPTH {
            let most = MAX_DEPTH;
            return Err(
                self.fault(format!("more than {most} values within each other: use a variable between"))
            );
        }
        self.depth += 1;
        let result = step(self);
        self.depth -= 1;
        result
    }

    /// Text up to one of the stops, which is not taken, or to the end.
    pub(crate) fn run(&mut self, style: Style) -> Result<Template, Fault> {
        let (mut template, mut text, mut open, mut quoted) =
            (Template::default(), String::new(), 0_u32, false);
        let mut brackets = 0_u32;
        while let Some(byte) = self.peek() {
            let ends = style.stop.contains(&byte) && (brackets == 0 || byte == b')');
            if ends && open == 0 && !quoted {
                break;
            }
            if let Some(part) = self.value()? {
                template.push(&mut text);
                template.parts.push(part);
                continue;
            }
            let c = self.next().unwrap_or_default();
            match c {
                '\\' if style.strip && !self.done() => {
                    self.escaped(style.escapes, &mut text);
                    continue;
                }
                '"' if style.quote && (quoted || self.rest().contains('"')) => {
                    quoted = !quoted;
                    if style.strip {
                        continue;
                    }
                }
                '(' if style.nest && !quoted => open += 1,
                ')' if style.nest && !quoted => open = open.saturating_sub(1),
                // Brackets keep a comma too, where they are closed.
                '[' if style.nest && !quoted && self.rest().contains(']') => brackets += 1,
                ']' if style.nest && !quoted => brackets = brackets.saturating_sub(1),
                _ => {}
            }
            text.push(c);
        }
        template.push(&mut text);
        Ok(template)
    }

    /// What stands behind a backslash.
    fn escaped(&mut self, escapes: Escapes, text: &mut String) {
        if escapes == Escapes::Left {
            text.push('\\');
        }
        let code = self.rest().get(1..3).and_then(|code| u8::from_str_radix(code, 16).ok());
        let sign = self.next();
        text.extend(match (escapes, sign, code) {
            (Escapes::Known, Some('n'), _) => Some('\n'),
            (Escapes::Known, Some('r'), _) => Some('\r'),
            (Escapes::Known, Some('t'), _) => Some('\t'),
            (Escapes::Known, Some('x'), Some(code)) => {
                self.at += 2;
                Some(char::from(code))
            }
            _ => sign,
        });
    }

    /// A `${...}` or `$[...]`, if one begins here.
    pub(crate) fn value(&mut self) -> Result<Option<Part>, Fault> {
        let begin = self.at;
        if self.eat("${") {
            self.deeper(|parser| parser.variable(begin)).map(Some)
        } else if self.eat("$[") {
            let outside = std::mem::replace(&mut self.in_call, false);
            let expr = self.deeper(Expr::parse)?;
            self.in_call = outside;
            if !self.eat("]") {
                let message = match self.peek() {
                    None => "a `]` is missing that closes this `$[`".to_owned(),
                    Some(_) => self.unexpected(),
                };
                let at = if self.done() { begin } else { self.at };
                return Err(Self::fault_at(at, message));
            }
            Ok(Some(Part::Expression(Box::new(expr))))
        } else {
            Ok(None)
        }
    }

    fn unexpected(&self) -> String {
        let next = self.rest().chars().next().unwrap_or_default();
        format!("`{next}` where an operator or `]` is expected: write text with signs in it in quotes")
    }

    /// What follows `${`.
    fn variable(&mut self, begin: usize) -> Result<Part, Fault> {
        let named = self.at;
        let name = self.run(Style::until(b"(:}"))?;
        let call = self.peek() == Some(b'(');
        if name.parts.is_empty() {
            return Err(Self::fault_at(named, "a name of a variable or function is missing after `${`"));
        }
        let called = if call {
            let Some(name) = name.constant() else {
                return Err(Self::fault_at(named, "the name of a function must be written out"));
            };
            match function::named(name) {
                Ok(function) => {
                    if matches!(function.ask, Ask::Never) {
                        let (name, syntax) = (function.name, function.syntax);
                        let message = format!("{name} can only be set: Set({syntax}=...)");
                        self.faults.push(Self::fault_at(named, message));
                    }
                    Some((function, self.arguments(function, begin)?))
                }
                Err(message) => {
                    self.faults.push(Self::fault_at(named, message));
                    self.skip_arguments(name, begin)?;
                    None
                }
            }
        } else {
            None
        };
        if let Some(unset) = name.constant().and_then(|name| UNSET.iter().find(|known| **known == name)) {
            self.unset.push((named, unset));
        }
        let slice = self.slice()?;
        if !self.eat("}") {
            return Err(Self::fault_at(begin, "a `}` is missing that closes this `${`"));
        }
        Ok(match called {
            Some((function, args)) => Part::Call { function, args, slice },
            None => Part::Variable { name, slice },
        })
    }

    fn slice(&mut self) -> Result<Option<Box<Slice>>, Fault> {
        if !self.eat(":") {
            return Ok(None);
        }
        let offset = self.slice_number()?;
        let length = if self.eat(":") { Some(self.slice_number()?) } else { None };
        Ok(Some(Box::new(Slice { offset, length })))
    }

    fn slice_number(&mut self) -> Result<Template, Fault> {
        let at = self.at;
        let number = self.run(Style::until(b":}"))?;
        match number.constant() {
            Some(text) if !text.trim().is_empty() && text.trim().parse::<i64>().is_err() => {
                Err(Self::fault_at(at, format!("`{text}` is not a number: write `${{NAME:offset:length}}`")))
            }
            _ => Ok(number),
        }
    }

    /// Goes over the arguments of a function that is not known.
    pub(crate) fn skip_arguments(&mut self, name: &str, begin: usize) -> Result<(), Fault> {
        self.eat("(");
        self.run(Style::kept(b")"))?;
        match self.eat(")") {
            true => Ok(()),
            false => Err(Self::fault_at(begin, format!("a `)` is missing after the arguments of {name}"))),
        }
    }

    /// A function's arguments, from its `(` to its `)`.
    pub(crate) fn arguments(
        &mut self,
        function: &'static Function,
        begin: usize,
    ) -> Result<Vec<Template>, Fault> {
        self.eat("(");
        let at = self.at;
        let mut args = Vec::new();
        match function.form {
            Form::Whole => args.push(self.run(Style::kept(b")"))?),
            Form::List | Form::Exact | Form::Set => loop {
                let last = args.len() + 1 == function.most;
                let style = Style::argument(if last { b")" } else { b",)" });
                args.push(match function.form {
                    Form::Exact => self.run(Style { escapes: Escapes::Known, ..style })?,
                    Form::Set => self.run(Style { escapes: Escapes::Left, ..style })?,
                    _ => self.run(style)?.trimmed(),
                });
                if !self.eat(",") {
                    break;
                }
            },
            // As in the field: IF leaves the quotes of its second text, IFTIME takes those around either.
            Form::Choice => {
                let time = function.name == "IFTIME";
                args.push(self.run(Style::kept(b"?)"))?.trimmed());
                if self.eat("?") {
                    let style = if time { Style::kept(b":)") } else { Style::argument(b":)") };
                    args.push(self.run(style)?.trimmed());
                }
                if self.eat(":") {
                    args.push(self.run(Style::kept(b")"))?.trimmed());
                }
                if time {
                    args.iter_mut().skip(1).for_each(Template::unquote);
                }
            }
        }
        if !self.eat(")") {
            return Err(Self::fault_at(
                begin,
                format!("a `)` is missing after the arguments of {}", function.name),
            ));
        }
        let count = if args.len() == 1 && args[0].constant() == Some("") { 0 } else { args.len() };
        if count < function.least {
            self.faults
                .push(Self::fault_at(at, format!("{} needs more: {}", function.name, function.syntax)));
            return Ok(args);
        }
        let constants: Vec<Option<&str>> = args.iter().map(Template::constant).collect();
        if let Err(message) = function::check(function, &constants) {
            self.faults.push(Self::fault_at(at, message));
        }
        Ok(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_value_is_cut_out_from_either_end() {
        for (offset, length, cut) in [
            (0, None, "123456789"),
            (1, None, "23456789"),
            (-4, None, "6789"),
            (0, Some(3), "123"),
            (2, Some(3), "345"),
            (-4, Some(3), "678"),
            (1, Some(-2), "234567"),
            (0, Some(-20), ""),
            (20, None, ""),
            (-20, Some(2), "12"),
            (i64::MIN, Some(i64::MAX), "123456789"),
            (i64::MAX, Some(i64::MIN), ""),
        ] {
            assert_eq!(substring("123456789", offset, length), cut, "{offset} {length:?}");
        }
        assert_eq!(substring("grün", 2, Some(1)), "ü");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, at, message) in [
            ("a${B", 1, "a `}` is missing that closes this `${`"),
            ("a${}", 3, "a name of a variable or function is missing after `${`"),
            ("${LEM(x)}", 2, "no function is named LEM: did you mean LEN?"),
            ("ü${LEN(x}", 2, "a `)` is missing after the arguments of LEN"),
            ("$[1 + ]", 6, "a value is missing here"),
            ("$[1 + 1", 0, "a `]` is missing that closes this `$[`"),
            ("${X:a}", 4, "`a` is not a number: write `${NAME:offset:length}`"),
            ("${CUT(x)}", 6, "CUT needs more: CUT(variable,delimiter,fields)"),
        ] {
            let fault = Template::parse(text).expect_err(text);
            assert_eq!((fault.at, fault.message.as_str()), (at, message), "{text}");
        }
        let deep = "${".repeat(100_000);
        assert!(Template::parse(&deep).is_err());
        let shell = Template::parse("${SHELL(rm -rf /)}").expect_err("refused");
        assert!(shell.message.contains("SHELL"), "{shell:?}");
    }
}
