//! `$[ expression ]`: what it may say, and what it comes to.
//!
//! What its operators are, and in which order they bind, is in the table below.
//!
//! Numbers are decimals of 18 digits. Text with a sign or space in it stands in quotes, which are not part of it. A
//! value is what it is: `${X}` is one operand whatever it holds, and an empty one is empty text.

use std::cmp::Ordering;

use smol_str::{SmolStr, SmolStrBuilder, ToSmolStr};

use crate::number::Number;
use crate::scene::{MAX_SHOWN, Scene};
use crate::source::Fault;
use crate::template::{Parser, Style, Template};

/// The operators from the weakest to the strongest, and what they give; those of one row go from the left, the choice
/// and the signs from the right.
pub(crate) const TABLE: &[(&str, &str)] = &[
    ("a ? b :: c", "b if a is neither empty nor zero, else c"),
    ("a | b, a || b", "a if it is neither empty nor zero, else b"),
    ("a & b, a && b", "a if neither is empty nor zero, else 0"),
    (
        "a = b, ==, !=, <, >, <=, >=",
        "1 or 0: as numbers if both are and neither stands in quotes, else as text",
    ),
    ("a + b, a - b", "sum and difference"),
    ("a * b, a / b, a % b", "product, quotient, and the rest of a division with the sign of a"),
    ("-a, !a", "the negative; 1 if a is empty or zero, else 0"),
    (
        "a : b",
        "b as a regular expression at the start of a: what its first parentheses matched, or without any how many characters",
    ),
    ("a =~ b", "the same anywhere in a"),
    ("a ~~ b", "both as one text"),
    (
        "(a), FLOOR(a), CEIL(a), ROUND(a), RINT(a), TRUNC(a), ABS(a), POW(a,b), SQRT(a)",
        "numbers are decimals of 18 digits; ROUND and RINT take halves away from zero",
    ),
];

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expr {
    /// Text or a number, with values in it.
    Plain(Template),
    /// In quotes.
    Quoted(Template),
    Negative(Box<Expr>),
    Not(Box<Expr>),
    /// Operators of one row, from the left.
    Chain(Box<Expr>, Vec<(Operator, Expr)>),
    Choice(Box<[Expr; 3]>),
    Call(Name, Vec<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    AtMost,
    AtLeast,
    Less,
    Greater,
    Plus,
    Minus,
    Times,
    Over,
    Rest,
    Start,
    Within,
    Joined,
}

/// A function of expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Floor,
    Ceil,
    Round,
    Trunc,
    Abs,
    Pow,
    Sqrt,
}

use Operator as O;

/// Rows from the weakest; in each the longer writings first.
const ROWS: &[&[(&str, Operator)]] = &[
    &[("||", O::Or), ("|", O::Or)],
    &[("&&", O::And), ("&", O::And)],
    &[
        ("==", O::Equal),
        ("!=", O::Unequal),
        ("<=", O::AtMost),
        (">=", O::AtLeast),
        ("=", O::Equal),
        ("<", O::Less),
        (">", O::Greater),
    ],
    &[("+", O::Plus), ("-", O::Minus)],
    &[("*", O::Times), ("/", O::Over), ("%", O::Rest)],
    &[("=~", O::Within), ("~~", O::Joined), (":", O::Start)],
];
/// The row of the signs before a value is between products and matches.
const SIGNS: usize = 5;
/// Where something else is written alike.
const NOT_HERE: &[(&str, &str)] = &[("=", "=~"), (":", "::")];

/// What ends text without quotes; the comma only in the arguments of a function.
const TEXT_ENDS: &[u8] = b", \t|&=<>!+-*/%?:~()]\"[{}";

const NAMES: &[(&str, Name, usize)] = &[
    ("FLOOR", Name::Floor, 1),
    ("CEIL", Name::Ceil, 1),
    ("ROUND", Name::Round, 1),
    ("RINT", Name::Round, 1),
    ("TRUNC", Name::Trunc, 1),
    ("ABS", Name::Abs, 1),
    ("POW", Name::Pow, 2),
    ("SQRT", Name::Sqrt, 1),
];

impl Expr {
    /// Parses up to what cannot be part of it; the caller looks at what that is.
    pub(crate) fn parse(parser: &mut Parser<'_>) -> Result<Self, Fault> {
        parser.spaces();
        if parser.peek() == Some(b']') {
            return Ok(Self::Plain(Template::default()));
        }
        Self::choice(parser)
    }

    fn choice(parser: &mut Parser<'_>) -> Result<Self, Fault> {
        let question = Self::row(parser, 0)?;
        if !parser.eat("?") {
            return Ok(question);
        }
        parser.deeper(|parser| {
            let yes = Self::choice(parser)?;
            if !parser.eat("::") {
                return Err(parser.fault("`::` is missing: write `condition ? yes :: no`"));
            }
            let no = Self::choice(parser)?;
            Ok(Self::Choice(Box::new([question, yes, no])))
        })
    }

    fn row(parser: &mut Parser<'_>, row: usize) -> Result<Self, Fault> {
        let next = |parser: &mut Parser<'_>| match row + 1 {
            SIGNS => Self::signed(parser),
            stronger if stronger < ROWS.len() => Self::row(parser, stronger),
            _ => Self::operand(parser),
        };
        let first = next(parser)?;
        let mut rest = Vec::new();
        loop {
            parser.spaces();
            let Some(operator) = operator(parser, ROWS[row]) else { break };
            rest.push((operator, next(parser)?));
        }
        Ok(if rest.is_empty() { first } else { Self::Chain(Box::new(first), rest) })
    }

    fn signed(parser: &mut Parser<'_>) -> Result<Self, Fault> {
        parser.spaces();
        if parser.eat("-") {
            parser.deeper(Self::signed).map(|value| Self::Negative(Box::new(value)))
        } else if parser.peek() == Some(b'!') && !parser.rest().starts_with("!=") {
            parser.eat("!");
            parser.deeper(Self::signed).map(|value| Self::Not(Box::new(value)))
        } else {
            Self::row(parser, SIGNS)
        }
    }

    fn operand(parser: &mut Parser<'_>) -> Result<Self, Fault> {
        parser.spaces();
        let begin = parser.at();
        if parser.eat("(") {
            let inner = parser.deeper(Self::choice)?;
            parser.spaces();
            return if parser.eat(")") { Ok(inner) } else { Err(parser.fault("a `)` is missing here")) };
        }
        if parser.eat("\"") {
            let text = parser.run(Style::until(b"\""))?;
            return match parser.eat("\"") {
                true => Ok(Self::Quoted(text)),
                false => Err(Parser::fault_at(begin, "a quote is missing that closes this one")),
            };
        }
        // A sign may stand after an operator of a stronger row too: `a : -1`.
        if parser.peek() == Some(b'-') {
            return Self::signed(parser);
        }
        let stop: &'static [u8] = if parser.in_call { TEXT_ENDS } else { &TEXT_ENDS[1..] };
        let text = parser.run(Style::until(stop))?;
        if text == Template::default() {
            return Err(match parser.peek() {
                Some(b'[' | b'{' | b'}') => parser.fault("text with signs in it must stand in quotes"),
                _ => parser.fault("a value is missing here"),
            });
        }
        if parser.peek() == Some(b'(')
            && let Some(name) = text.constant()
        {
            let (name, count) = named(name).map_err(|message| Parser::fault_at(begin, message))?;
            parser.eat("(");
            return Self::call(parser, name, count, begin);
        }
        Ok(Self::Plain(text))
    }

    fn call(parser: &mut Parser<'_>, name: Name, count: usize, begin: usize) -> Result<Self, Fault> {
        let mut args = Vec::new();
        let outside = std::mem::replace(&mut parser.in_call, true);
        loop {
            args.push(parser.deeper(Self::choice)?);
            parser.spaces();
            if !parser.eat(",") {
                break;
            }
        }
        parser.in_call = outside;
        if !parser.eat(")") {
            return Err(parser.fault("a `)` is missing here"));
        }
        if args.len() != count {
            return Err(Parser::fault_at(begin, format!("this function takes {count} arguments")));
        }
        Ok(Self::Call(name, args))
    }

    /// What it comes to.
    pub(crate) fn eval(&self, scene: &mut Scene<'_>) -> Value {
        self.tell(scene, &mut Tape(None))
    }

    /// The same, and the expression with its values put in.
    pub(crate) fn eval_told(&self, scene: &mut Scene<'_>) -> (Value, String) {
        let mut tape = Tape(Some(String::new()));
        let value = self.tell(scene, &mut tape);
        (value, tape.0.unwrap_or_default())
    }

    fn tell(&self, scene: &mut Scene<'_>, tape: &mut Tape) -> Value {
        match self {
            Self::Plain(text) => {
                let text = text.eval(scene);
                tape.push(if text.is_empty() { "\"\"" } else { &text });
                Value::Text { text, quoted: false }
            }
            Self::Quoted(text) => {
                let text = text.eval(scene);
                ["\"", &text, "\""].into_iter().for_each(|piece| tape.push(piece));
                Value::Text { text, quoted: true }
            }
            Self::Negative(value) => {
                tape.push("-");
                let number = value.within(scene, tape, usize::MAX).number();
                Value::Number(number.map_or(Number::ZERO, Number::neg))
            }
            Self::Not(value) => {
                tape.push("!");
                Value::truth(!value.within(scene, tape, usize::MAX).is_true())
            }
            Self::Choice(of) => {
                let [question, yes, no] = &**of;
                let chosen = question.within(scene, tape, 0).is_true();
                tape.push(if chosen { " ? " } else { " ? … :: " });
                let value = if chosen { yes } else { no }.tell(scene, tape);
                tape.push(if chosen { " :: …" } else { "" });
                value
            }
            Self::Chain(first, rest) => {
                let row = rest.first().map_or(0, |(operator, _)| operator.row());
                let mut value = first.within(scene, tape, row);
                for (operator, next) in rest {
                    [" ", operator.written(), " "].into_iter().for_each(|piece| tape.push(piece));
                    let next = next.within(scene, tape, row);
                    value = operator.apply(value, &next, scene);
                }
                value
            }
            Self::Call(name, args) => {
                tape.push(name.written());
                let mut numbers = Vec::with_capacity(args.len());
                for (at, arg) in args.iter().enumerate() {
                    tape.push(if at == 0 { "(" } else { "," });
                    numbers.push(arg.tell(scene, tape).number().unwrap_or(Number::ZERO));
                }
                tape.push(")");
                Value::or_zero(name.apply(&numbers), scene)
            }
        }
    }

    /// The same as a part of an operator of this row: in parentheses where it binds no stronger.
    fn within(&self, scene: &mut Scene<'_>, tape: &mut Tape, row: usize) -> Value {
        let loose = match self {
            Self::Choice(_) => true,
            Self::Chain(_, rest) => rest.first().is_some_and(|(operator, _)| operator.row() <= row),
            _ => false,
        };
        tape.push(if loose { "(" } else { "" });
        let value = self.tell(scene, tape);
        tape.push(if loose { ")" } else { "" });
        value
    }
}

/// An expression with its values, while it is worked out for somebody who wants to see it.
struct Tape(Option<String>);

impl Tape {
    /// No piece is told in part: what is to be hidden in it would not be found.
    fn push(&mut self, piece: &str) {
        let Some(text) = &mut self.0 else { return };
        if text.len() + piece.len() <= MAX_SHOWN {
            *text += piece;
        } else if !text.ends_with('…') {
            text.push('…');
        }
    }
}

fn operator(parser: &mut Parser<'_>, row: &[(&str, Operator)]) -> Option<Operator> {
    let rest = parser.rest();
    let (written, operator) = row.iter().find(|(written, _)| rest.starts_with(written))?;
    if NOT_HERE.iter().any(|(short, long)| short == written && rest.starts_with(long)) {
        return None;
    }
    parser.eat(written);
    Some(*operator)
}

fn named(name: &str) -> Result<(Name, usize), String> {
    let upper = name.to_ascii_uppercase();
    NAMES.iter().find(|(known, ..)| *known == upper).map(|(_, name, count)| (*name, *count)).ok_or_else(|| {
        let known = NAMES.iter().map(|(known, ..)| *known).collect::<Vec<_>>().join(", ");
        format!("an expression has no function {name}, only {known}: other functions are written ${{{name}(...)}}")
    })
}

impl Operator {
    /// The row that it is in.
    fn row(self) -> usize {
        ROWS.iter().position(|row| row.iter().any(|(_, operator)| *operator == self)).unwrap_or(0)
    }

    /// Its shortest writing.
    fn written(self) -> &'static str {
        let all = ROWS.iter().copied().flatten();
        all.rev().find(|(_, operator)| *operator == self).map_or("", |(written, _)| written)
    }

    fn apply(self, left: Value, right: &Value, scene: &mut Scene<'_>) -> Value {
        let order = |left: &Value| match (left.plain_number(), right.plain_number()) {
            (Some(left), Some(right)) => left.order(right),
            _ => left.text().cmp(&right.text()),
        };
        let sum = |f: fn(Number, Number) -> Option<Number>, scene: &mut Scene<'_>| {
            let result = left.number().zip(right.number()).map(|(left, right)| f(left, right));
            match result {
                Some(result) => Value::or_zero(result, scene),
                None => {
                    scene.note(format_args!("`{}` or `{}` is not a number", left.text(), right.text()));
                    Value::Number(Number::ZERO)
                }
            }
        };
        match self {
            Self::Or if left.is_true() => left,
            Self::Or => right.clone(),
            Self::And if left.is_true() && right.is_true() => left,
            Self::And => Value::Number(Number::ZERO),
            Self::Equal => Value::truth(order(&left) == Ordering::Equal),
            Self::Unequal => Value::truth(order(&left) != Ordering::Equal),
            Self::AtMost => Value::truth(order(&left) != Ordering::Greater),
            Self::AtLeast => Value::truth(order(&left) != Ordering::Less),
            Self::Less => Value::truth(order(&left) == Ordering::Less),
            Self::Greater => Value::truth(order(&left) == Ordering::Greater),
            Self::Plus => sum(Number::add, scene),
            Self::Minus => sum(Number::sub, scene),
            Self::Times => sum(Number::mul, scene),
            Self::Over => sum(Number::div, scene),
            Self::Rest => sum(Number::rem, scene),
            Self::Start | Self::Within => matched(&left.text(), &right.text(), self == Self::Start, scene),
            Self::Joined => {
                let mut both = SmolStrBuilder::new();
                both.push_str(&left.text());
                both.push_str(&right.text());
                Value::Text { text: both.finish(), quoted: true }
            }
        }
    }
}

/// What the first parentheses of a regular expression matched, or how many characters all of it did.
fn matched(text: &str, pattern: &str, start: bool, scene: &mut Scene<'_>) -> Value {
    if !scene.spend(crate::function::regex_work((pattern, text))) {
        return Value::Number(Number::ZERO);
    }
    let regex = match crate::function::regex(pattern) {
        Ok(regex) => regex,
        Err(why) => {
            scene.note(format_args!("{why}"));
            return Value::Number(Number::ZERO);
        }
    };
    let groups = regex.captures_len() > 1;
    let found =
        regex.captures(text).filter(|found| !start || found.get(0).is_some_and(|all| all.start() == 0));
    match found {
        Some(found) if groups => {
            let text = found.get(1).map_or("", |group| group.as_str());
            Value::Text { text: text.into(), quoted: false }
        }
        Some(found) => {
            let count = found.get(0).map_or(0, |all| all.as_str().chars().count());
            Value::Number(Number::from_int(count as i64))
        }
        None if groups => Value::Text { text: SmolStr::default(), quoted: false },
        None => Value::Number(Number::ZERO),
    }
}

impl Name {
    fn written(self) -> &'static str {
        NAMES.iter().find(|(_, name, _)| *name == self).map_or("", |(written, ..)| written)
    }

    fn apply(self, numbers: &[Number]) -> Option<Number> {
        let first = *numbers.first()?;
        match self {
            Self::Floor => first.floor(),
            Self::Ceil => first.ceil(),
            Self::Round => first.round(),
            Self::Trunc => Some(first.trunc()),
            Self::Abs => Some(if first.is_negative() { first.neg() } else { first }),
            Self::Pow => numbers.get(1).and_then(|power| power.to_int()).and_then(|power| first.pow(power)),
            Self::Sqrt => root(first),
        }
    }
}

/// Newton's steps from above, until they no longer get closer.
fn root(of: Number) -> Option<Number> {
    if of.is_negative() || of.is_zero() {
        return of.is_zero().then_some(of);
    }
    let two = Number::from_int(2);
    let mut guess = of.above_root();
    for _ in 0..100 {
        let next = guess.add(of.div(guess)?)?.div(two)?;
        if next.order(guess) != Ordering::Less {
            break;
        }
        guess = next;
    }
    Some(guess)
}

/// What a part of an expression comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A result.
    Number(Number),
    /// What was written, as it was: `0049` keeps its zeros wherever it is not reckoned with.
    Text {
        text: SmolStr,
        /// Never taken for a number in a comparison.
        quoted: bool,
    },
}

impl Value {
    const fn truth(yes: bool) -> Self {
        Self::Number(if yes { Number::ONE } else { Number::ZERO })
    }

    fn or_zero(number: Option<Number>, scene: &mut Scene<'_>) -> Self {
        if number.is_none() {
            scene.note(format_args!("a division by zero, or a number that is too large"));
        }
        Self::Number(number.unwrap_or(Number::ZERO))
    }

    fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text { text, .. } if text.is_empty() => Some(Number::ZERO),
            Self::Text { text, .. } => Number::parse(text),
        }
    }

    /// The number that it is compared as, if it is one and stands in no quotes.
    fn plain_number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text { quoted: true, .. } => None,
            Self::Text { text, quoted: false } => Number::parse(text),
        }
    }

    fn is_true(&self) -> bool {
        match self.plain_number() {
            Some(number) => !number.is_zero(),
            None => !matches!(self.text().as_str(), "" | "0"),
        }
    }

    fn text(&self) -> SmolStr {
        match self {
            Self::Number(number) => number.to_smolstr(),
            Self::Text { text, .. } => text.clone(),
        }
    }

    pub(crate) fn into_text(self) -> SmolStr {
        match self {
            Self::Number(number) => number.to_smolstr(),
            Self::Text { text, .. } => text,
        }
    }
}
