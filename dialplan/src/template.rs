//! Text with values in it: `${VAR}`, `${VAR:offset:length}`, `${FUNC(args)}`, `$[ expression ]`, one within the other.
//!
//! A text is parsed once, when it is loaded. What is put in for a `${...}` is data: it is not looked at again, so
//! neither a `${...}` nor a comma nor a quote in a caller's name means anything.

mod parser;

use smol_str::{SmolStr, SmolStrBuilder};

use crate::expr::Expr;
use crate::function::{self, Ask, Function};
use crate::scene::Scene;
use crate::source::Fault;

pub(crate) use self::parser::{Parser, Style};
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
