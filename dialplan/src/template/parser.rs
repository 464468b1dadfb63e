//! Reads a text with values in it.

use super::{MAX_DEPTH, Part, Slice, Template};
use crate::elsewhere;
use crate::expr::Expr;
use crate::function::{self, Ask, Form, Function};
use crate::source::Fault;

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
    /// What is odd, and where.
    pub(crate) odd: Vec<Fault>,
    /// Variables read that a plan may expect the exchange to set, and where.
    pub(crate) unset: Vec<(usize, &'static str)>,
}

impl<'t> Parser<'t> {
    pub(crate) const fn new(text: &'t str) -> Self {
        Self { text, at: 0, depth: 0, in_call: false, faults: Vec::new(), odd: Vec::new(), unset: Vec::new() }
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
                    let args = self.arguments(function, begin)?;
                    let odd = function::odd(function, args.first().and_then(Template::constant), false);
                    self.odd.extend(odd.map(|message| Self::fault_at(named, message)));
                    Some((function, args))
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
        if let Some(unset) =
            name.constant().and_then(|name| elsewhere::VARIABLES.iter().find(|known| **known == name))
        {
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
