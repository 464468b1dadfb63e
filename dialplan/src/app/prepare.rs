//! What a written step means: everything that can be known of it when a plan is loaded.

use super::{
    Application, Assign, Body, Condition, Destination, Kind, Letters, List, Prepared, Shape, Target,
};
use super::{dial, named, seconds, sound};
use crate::function;
use crate::source::Fault;
use crate::template::{Parser, Style, Template};
use crate::when::When;

/// How deep steps may stand within each other: `ExecIf(a?ExecIf(b?...))`.
const MAX_STEPS: u32 = 4;
/// Arguments of a subroutine.
const MAX_ARGUMENTS: usize = 64;

/// Options of Dial that are known and not followed.
const WITHOUT_EFFECT: [(char, &str); 3] = [
    ('C', "a record tells the whole call"),
    ('p', "let U(context) ask who was called"),
    ('P', "let U(context) ask who was called"),
];

/// Options whose argument is a number.
const NUMBERS: [(&str, &str); 7] = [
    ("Dial", "SL"),
    ("Directory", "flbap"),
    ("MixMonitor", "BvVW"),
    ("Page", "S"),
    ("Park", "t"),
    ("VoiceMail", "g"),
    ("VoiceMailMain", "ga"),
];

/// Options that are known and not followed yet.
const NOT_YET: [(&str, &str); 2] = [("MixMonitor", "abBrtvVW"), ("Page", "Anr")];

/// Something to say about a step when a plan is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// It is in the application's name, rather than in its arguments.
    pub in_name: bool,
    /// Where, and what.
    pub fault: Fault,
    /// The step can be used all the same.
    pub warning: bool,
    /// It is that this variable is read, which the exchange does not set: nothing is wrong where the plan does.
    pub unset: Option<&'static str>,
}

/// Understands a step: the name of its application and the text between the parentheses. `None` with at least one
/// remark that is no warning if it cannot be used.
pub fn prepare(app: &str, args: &str, remarks: &mut Vec<Remark>) -> Option<Prepared> {
    let mut load = Load { remarks, base: 0, depth: 0 };
    load.step(app, args)
}

/// The fault of arguments is told from here on.
struct Load<'r> {
    remarks: &'r mut Vec<Remark>,
    /// Where the text in hand begins within the arguments.
    base: usize,
    depth: u32,
}

impl Load<'_> {
    fn error(&mut self, fault: Fault) {
        let fault = Fault::new(self.base + fault.at, fault.message);
        self.remarks.push(Remark { in_name: false, fault, warning: false, unset: None });
    }

    fn warn(&mut self, at: usize, message: String) {
        self.remarks.push(Remark {
            in_name: false,
            fault: Fault::new(self.base + at, message),
            warning: true,
            unset: None,
        });
    }

    fn step(&mut self, name: &str, args: &str) -> Option<Prepared> {
        match named(name.trim()) {
            Ok(app) => self.body(app, args).map(|body| Prepared { app, body }),
            Err(message) => {
                // A step within another has its name among the arguments.
                let in_name = self.depth == 0;
                let at = if in_name { 0 } else { self.base.saturating_sub(name.len() + 1) };
                let fault = Fault::new(at, message);
                self.remarks.push(Remark { in_name, fault, warning: false, unset: None });
                None
            }
        }
    }

    /// How much makes the step useless.
    fn errors(&self) -> usize {
        self.remarks.iter().filter(|remark| !remark.warning).count()
    }

    /// Tells what the parser went over.
    fn went_over(&mut self, parser: &mut Parser<'_>) {
        for fault in std::mem::take(&mut parser.faults) {
            self.error(fault);
        }
        for fault in std::mem::take(&mut parser.odd) {
            self.warn(fault.at, fault.message);
        }
        for (at, name) in std::mem::take(&mut parser.unset) {
            let fault =
                Fault::new(self.base + at, format!("{name} is never set by this exchange: it is empty"));
            self.remarks.push(Remark { in_name: false, fault, warning: true, unset: Some(name) });
        }
    }

    fn body(&mut self, app: &'static Application, text: &str) -> Option<Body> {
        let before = self.errors();
        let mut parser = Parser::new(text);
        let body = match app.shape {
            Shape::List => self.list(app, &mut parser),
            Shape::Whole => {
                parser.run(Style::RAW).map(|all| Body::List(List { args: vec![all], ..List::default() }))
            }
            Shape::Set => assign(&mut parser, false).map(|one| Body::Assign(vec![one])),
            Shape::SetMany => many(&mut parser).map(Body::Assign),
            Shape::Jump => destination(&mut parser, b"(").map(|yes| Body::Jump {
                condition: Condition::Always,
                yes,
                no: None,
            }),
            Shape::JumpIf | Shape::JumpIfTime => jump_if(&mut parser, app.shape == Shape::JumpIfTime),
            Shape::Step | Shape::StepIf | Shape::StepIfTime => return self.nested(app, text),
        };
        let body = body.and_then(|body| match missing(app, &body) {
            true => Err(Fault::new(0, format!("{} needs more: {}", app.name, app.syntax))),
            false => Ok(body),
        });
        self.went_over(&mut parser);
        match body {
            Ok(body) => {
                self.look_at_numbers(&body);
                (self.errors() == before).then_some(body)
            }
            Err(fault) => {
                self.error(fault);
                None
            }
        }
    }

    fn list(&mut self, app: &'static Application, parser: &mut Parser<'_>) -> Result<Body, Fault> {
        let mut list = List::default();
        for (place, kind) in app.kinds.iter().enumerate() {
            parser.spaces();
            let begin = parser.at();
            // Text at the end takes the rest; anything else that follows is for nobody.
            let rest = place + 1 == app.kinds.len() && *kind == Kind::Text;
            let arg = match (kind, rest) {
                (Kind::Options, _) => {
                    self.options(app, parser, &mut list)?;
                    Template::default()
                }
                (_, true) if app.kinds.len() == 1 || app.name == "Verbose" || app.name == "Log" => {
                    parser.run(Style::RAW)?.trimmed()
                }
                (_, true) => parser.run(Style::argument(b""))?.trimmed(),
                _ => parser.run(Style::argument(b","))?.trimmed(),
            };
            if matches!(kind, Kind::Names | Kind::Prompts) {
                list.items = arg.split('&');
            }
            if *kind == Kind::Names && (app.name == "Dial" || app.name == "Page") {
                self.technologies(&list.items, begin);
            }
            if let Some(text) = arg.constant().filter(|text| !text.is_empty()) {
                self.constant(app, *kind, text, begin);
                self.timeout(app, place, text, begin);
            }
            list.args.push(arg);
            if !parser.eat(",") {
                break;
            }
        }
        self.not_yet(app, &list);
        if app.name == "MixMonitor" && list.args.get(2).is_some_and(|command| *command != Template::default())
        {
            self.warn(0, "no command is run after a recording".to_owned());
        }
        if !parser.done() {
            let message = format!("this is for nobody: {}", app.syntax);
            self.warn(parser.at(), message);
        }
        Ok(Body::List(list))
    }

    fn constant(&mut self, app: &Application, kind: Kind, text: &str, at: usize) {
        let mut wrong =
            |what: &str| self.error(Fault::new(at, format!("`{text}` is not {what}: {}", app.syntax)));
        match kind {
            Kind::Seconds if seconds(text).is_none() => wrong("a number of seconds"),
            Kind::Count if text.parse::<u64>().is_err() => wrong("a whole number"),
            Kind::Cause if sound::cause(text).is_none() => {
                let near = crate::names::hint(text, sound::CAUSES.iter().map(|(name, _)| *name));
                self.error(Fault::new(at, format!("`{text}` is no cause of Q.850{near}")));
            }
            Kind::Names if app.name == "Dial" || app.name == "Page" => {
                for item in text.split('&').filter(|item| !item.trim().is_empty()) {
                    if let Some(no) = dial::target(item).err().filter(|no| !no.elsewhere) {
                        self.error(Fault::new(at, no.message));
                    }
                }
            }
            _ => {}
        }
    }

    /// The second argument of a Dial, which is text since `^` may stand in it.
    fn timeout(&mut self, app: &Application, place: usize, text: &str, at: usize) {
        let first = text.split('^').next().unwrap_or_default().trim();
        if app.name == "Dial" && place == 1 && !first.is_empty() && seconds(first).is_none() {
            self.warn(at, format!("`{first}` is no number of seconds: it rings as long as usual"));
        }
    }

    /// What is known and does nothing yet.
    fn not_yet(&mut self, app: &Application, list: &List) {
        let why = match app.name {
            "Queue" => "queues are not possible yet: this step is left out",
            "VoiceMail" | "VoiceMailMain" => "voicemail is not possible yet: this step is left out",
            "ConfBridge" if list.args.iter().skip(1).any(|arg| *arg != Template::default()) => {
                "profiles and menus of ConfBridge have no effect yet"
            }
            _ => return,
        };
        self.warn(0, why.to_owned());
    }

    /// What stands in parentheses after a letter must be a number, or numbers.
    fn option_number(&mut self, app: &Application, letter: char, arg: &Template, at: usize) {
        let letters = NUMBERS.iter().find(|(name, _)| *name == app.name).map_or("", |(_, letters)| letters);
        let Some(text) = arg.constant().filter(|text| !text.is_empty() && letters.contains(letter)) else {
            return;
        };
        let mut parts = text.split(':').filter(|part| !part.trim().is_empty());
        if let Some(part) = parts.find(|part| crate::number::Number::parse(part.trim()).is_none()) {
            self.warn(
                at,
                format!("`{part}` is no number: the option {letter} of {} has no effect", app.name),
            );
        }
    }

    /// Targets that begin with what this exchange has not.
    fn technologies(&mut self, items: &[Template], at: usize) {
        for item in items {
            if let Some(Err(no)) =
                item.start().contains('/').then(|| dial::target(&format!("{}x", item.start())))
                && no.elsewhere
            {
                self.warn(at, no.message);
            }
        }
    }

    /// Letters with what stands in parentheses after them.
    fn options(&mut self, app: &Application, parser: &mut Parser<'_>, list: &mut List) -> Result<(), Fault> {
        let argument = |parser: &mut Parser<'_>, at| {
            if !parser.eat("(") {
                return Ok(None);
            }
            let arg = parser.run(Style::argument(b")"))?;
            let closed = parser.eat(")");
            if closed {
                Ok(Some(arg))
            } else {
                Err(Parser::fault_at(at, "a `)` is missing after this option"))
            }
        };
        while let Some(letter) = parser.rest().chars().next().filter(|c| *c != ',') {
            let at = parser.at();
            if let Some(made) = parser.value()? {
                let arg = argument(parser, at)?;
                list.options.push(Letters::Made(made.into(), arg));
                continue;
            }
            parser.next();
            let arg = argument(parser, at)?.unwrap_or_default();
            if letter.is_whitespace() || letter == '"' {
                continue;
            }
            if app.name == "Dial" && letter == 'M' {
                let message =
                    "Dial has no option M: use U(context^arguments), and end the context with Return()";
                self.warn(at, message.to_owned());
            } else if let Some((_, why)) = WITHOUT_EFFECT.iter().find(|(known, _)| *known == letter)
                && app.name == "Dial"
            {
                self.warn(at, format!("the option {letter} of Dial has no effect here: {why}"));
            } else if NOT_YET.iter().any(|(name, letters)| *name == app.name && letters.contains(letter)) {
                self.warn(at, format!("the option {letter} of {} has no effect yet", app.name));
            } else if !app.options.iter().any(|(known, _)| *known == letter) {
                let known: String = app.options.iter().map(|(letter, _)| *letter).collect();
                self.warn(at, format!("{} has no option {letter}: it knows {known}", app.name));
            }
            self.option_number(app, letter, &arg, at);
            list.options.push(Letters::One(letter, arg));
        }
        Ok(())
    }

    /// A step within a step.
    fn nested(&mut self, app: &'static Application, text: &str) -> Option<Body> {
        if self.depth == MAX_STEPS {
            self.error(Fault::new(
                0,
                format!("no more than {MAX_STEPS} steps stand within each other: use Gosub"),
            ));
            return None;
        }
        let (before, mut parser) = (self.errors(), Parser::new(text));
        let condition = match app.shape {
            Shape::Step => Ok(Condition::Always),
            shape => condition(&mut parser, shape == Shape::StepIfTime),
        };
        self.went_over(&mut parser);
        let condition = match condition {
            Ok(condition) => condition,
            Err(fault) => {
                self.error(fault);
                return None;
            }
        };
        let stop: &'static [u8] = if app.shape == Shape::StepIf { b":" } else { b"" };
        let yes = self.inner(app, &mut parser, stop);
        let no = if parser.eat(":") { self.inner(app, &mut parser, b"").map(Box::new) } else { None };
        if self.errors() > before {
            return None;
        }
        Some(Body::Step { condition, yes: Box::new(yes?), no })
    }

    /// `App(args)` up to the stop.
    fn inner(&mut self, app: &Application, parser: &mut Parser<'_>, stop: &'static [u8]) -> Option<Prepared> {
        parser.spaces();
        let (begin, text) = (parser.at(), parser.rest());
        let run = parser.run(Style::kept(stop));
        // The step within finds them again.
        parser.faults.clear();
        parser.odd.clear();
        parser.unset.clear();
        if let Err(fault) = run {
            self.error(fault);
            return None;
        }
        let written = text[..parser.at() - begin].trim_end();
        let (name, args) = match written.split_once('(') {
            Some((name, args)) => (name, args.strip_suffix(')').unwrap_or(args)),
            None => (written, ""),
        };
        if name.is_empty() || name.contains('$') {
            let message = format!("an application must be written out here: {}", app.syntax);
            self.error(Fault::new(begin, message));
            return None;
        }
        let offset = begin + name.len() + 1;
        self.base += offset;
        self.depth += 1;
        let inner = self.step(name, args);
        self.depth -= 1;
        self.base -= offset;
        inner
    }

    /// A condition that is fixed is not what was meant.
    fn look_at_numbers(&mut self, body: &Body) {
        if let Body::Jump { condition: Condition::Text(text), .. } = body
            && let Some(fixed) = text.constant().filter(|text| text.len() > 1)
        {
            self.warn(
                0,
                format!(
                    "the condition `{fixed}` is always the same: write $[ ... ] around what shall be compared"
                ),
            );
        }
    }
}

fn missing(app: &Application, body: &Body) -> bool {
    match body {
        Body::List(list) => {
            let empty = |arg: &Template| arg.constant() == Some("");
            let given = list.args.iter().rposition(|arg| !empty(arg)).map_or(0, |last| last + 1);
            given < app.least
        }
        Body::Jump { yes, no, .. } => yes.is_none() && no.is_none(),
        Body::Assign(all) => all.is_empty(),
        Body::Step { .. } => false,
    }
}

/// `NAME=value` or `FUNCTION(args)=value`.
fn assign(parser: &mut Parser<'_>, one_of_many: bool) -> Result<Assign, Fault> {
    parser.spaces();
    let begin = parser.at();
    let name = parser.run(Style::until(b"=("))?.trimmed();
    if name == Template::default() {
        return Err(Parser::fault_at(begin, "a name is missing: Set(NAME=value)"));
    }
    let to = if parser.peek() == Some(b'(') {
        let Some(name) = name.constant() else {
            return Err(Parser::fault_at(begin, "the name of a function must be written out"));
        };
        match function::named(name) {
            Ok(function) => {
                if function.write.is_none() {
                    let (name, syntax) = (function.name, function.syntax);
                    let message = format!("{name} cannot be set, only read: ${{{syntax}}}");
                    parser.faults.push(Parser::fault_at(begin, message));
                }
                let args = parser.arguments(function, begin)?;
                let odd = function::odd(function, args.first().and_then(Template::constant), true);
                parser.odd.extend(odd.map(|message| Parser::fault_at(begin, message)));
                Target::Call(function, args)
            }
            Err(message) => {
                parser.faults.push(Parser::fault_at(begin, message));
                parser.skip_arguments(name, begin)?;
                Target::Variable(Template::default())
            }
        }
    } else {
        Target::Variable(name)
    };
    parser.spaces();
    if !parser.eat("=") {
        return Err(parser.fault("`=` is missing: Set(NAME=value)"));
    }
    let value = parser.run(if one_of_many { Style::argument(b",") } else { Style::RAW })?;
    Ok(Assign { to, value })
}

fn many(parser: &mut Parser<'_>) -> Result<Vec<Assign>, Fault> {
    let mut all = Vec::new();
    while !parser.done() {
        all.push(assign(parser, true)?);
        parser.eat(",");
    }
    Ok(all)
}

/// What stands before the `?`, and it.
fn condition(parser: &mut Parser<'_>, time: bool) -> Result<Condition, Fault> {
    let begin = parser.at();
    let text = parser.run(Style::kept(b"?"))?.trimmed();
    if !parser.eat("?") {
        return Err(parser.fault("`?` is missing after the condition"));
    }
    if !time {
        return Ok(Condition::Text(text));
    }
    match text.constant() {
        None => Ok(Condition::Made(text)),
        Some(text) => {
            let when = When::parse(text);
            when.map(Condition::Time).map_err(|fault| Fault::new(begin + fault.at, fault.message))
        }
    }
}

fn jump_if(parser: &mut Parser<'_>, time: bool) -> Result<Body, Fault> {
    let condition = condition(parser, time)?;
    let yes = destination(parser, b"(:")?;
    let no = if parser.eat(":") { destination(parser, b"(")? } else { None };
    Ok(Body::Jump { condition, yes, no })
}

/// A place, with arguments for a subroutine; `None` if nothing is written.
fn destination(parser: &mut Parser<'_>, end: &'static [u8]) -> Result<Option<Destination>, Fault> {
    let stop: &'static [u8] = if end.contains(&b':') { b",(:" } else { b",(" };
    let (mut parts, mut args) = (Vec::new(), Vec::new());
    loop {
        parts.push(parser.run(Style::until(stop))?.trimmed());
        if !parser.eat(",") {
            break;
        }
        if parts.len() == 3 {
            return Err(parser.fault("a place has three parts: context,extension,priority"));
        }
    }
    let begin = parser.at();
    if parser.eat("(") {
        loop {
            args.push(parser.run(Style::argument(b",)"))?.trimmed());
            if !parser.eat(",") {
                break;
            }
            if args.len() == MAX_ARGUMENTS {
                return Err(parser.fault(format!("no more than {MAX_ARGUMENTS} arguments are handed on")));
            }
        }
        if !parser.eat(")") {
            return Err(Parser::fault_at(begin, "a `)` is missing after these arguments"));
        }
        parser.spaces();
    }
    let nothing = Template::default();
    let empty = parts.iter().all(|part| *part == nothing);
    if args.len() == 1 && args[0] == nothing {
        args.clear();
    }
    Ok((!empty).then_some(Destination { parts, args }))
}
