//! A line of a context: what stands behind `exten =>` and `same =>`.

use smol_str::SmolStr;

use crate::limits;
use crate::pattern::Pattern;
use crate::source::Fault;

/// A piece of a line: its text without the blanks around it, and the octet of the line where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) at: usize,
    pub(super) text: &'a str,
}

impl<'a> Piece<'a> {
    pub(super) fn new(at: usize, text: &'a str) -> Self {
        let start = text.len() - text.trim_start().len();
        Self { at: at + start, text: text.trim() }
    }

    /// What is before and behind a sign.
    pub(super) fn split(self, sign: char) -> (Self, Option<Self>) {
        match self.text.split_once(sign) {
            Some((left, right)) => {
                let behind = self.at + left.len() + sign.len_utf8();
                (Self::new(self.at, left), Some(Self::new(behind, right)))
            }
            None => (self, None),
        }
    }

    pub(super) fn fault(self, message: impl Into<String>) -> Fault {
        Fault::new(self.at, message)
    }
}

/// Which priority a line is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Hint,
    Number(u32),
    /// `n`: the next after the line before, and so many more.
    Next(u32),
    /// `s`: the same as the line before, and so many more.
    Same(u32),
    /// `label+2`: so many after a label of the same extension.
    Label(SmolStr, u32),
}

/// A priority with its label.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Priority {
    pub(super) turn: Turn,
    pub(super) label: Option<SmolStr>,
}

/// An application and its arguments.
#[derive(Debug)]
pub(super) struct Action<'a> {
    pub(super) app: Piece<'a>,
    pub(super) args: Piece<'a>,
}

/// `100`, `_1XX`, `100/5551234`.
pub(super) fn extension(name: Piece<'_>) -> Result<(Pattern, Option<Pattern>), Fault> {
    if name.text.is_empty() {
        return Err(name.fault("expected an extension: a number, a name or a _pattern"));
    }
    if name.text.contains(',') || name.text.contains("${") {
        return Err(name
            .fault(format!("`{}` cannot be dialled: an extension has no comma and no variable", name.text)));
    }
    let read = |piece: Piece<'_>| {
        let pattern = Pattern::parse(piece.text);
        pattern.map_err(|fault| Fault::new(piece.at + fault.at, fault.message))
    };
    if name.text.contains(char::is_whitespace) {
        return Err(name.fault(format!("`{}` has blanks in it: expected an extension", name.text)));
    }
    let (number, caller) = name.split('/');
    if number.text.is_empty() {
        return Err(number.fault("expected an extension before `/`"));
    }
    Ok((read(number)?, caller.map(read).transpose()?))
}

/// `1`, `n`, `n(label)`, `n+2`, `s`, `hint`.
pub(super) fn priority(piece: Piece<'_>) -> Result<Priority, Fault> {
    let expected = || {
        let text = piece.text;
        piece.fault(format!("`{text}` is no priority: expected a number from 1, n, n(label), n+2 or hint"))
    };
    let (mut left, mut label) = (piece.text.to_owned(), None);
    if let Some((before, behind)) = piece.text.split_once('(') {
        let Some((inside, behind)) = behind.split_once(')') else {
            return Err(piece.fault("expected `)` behind the label"));
        };
        let inside = inside.trim();
        if inside.is_empty() || inside.chars().count() > limits::NAME {
            return Err(piece.fault(format!("expected a label of 1 to {} characters", limits::NAME)));
        }
        if inside.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(piece
                .fault(format!("the label {inside} would be taken for a priority: begin it with a letter")));
        }
        label = Some(inside.into());
        left = format!("{}{}", before.trim(), behind.trim());
    }
    let (word, plus) = match left.split_once('+') {
        Some((word, plus)) => (word.trim(), plus.trim().parse::<u32>().map_err(|_| expected())?),
        None => (left.trim(), 0),
    };
    if plus > limits::PRIORITY {
        return Err(expected());
    }
    let turn = match word {
        "hint" if plus == 0 => Turn::Hint,
        "n" | "next" => Turn::Next(plus),
        "s" | "same" => Turn::Same(plus),
        _ if plus > 0 && word.starts_with(|first: char| first.is_alphabetic()) => {
            Turn::Label(word.into(), plus)
        }
        _ => {
            let number = word.parse::<u32>().ok().filter(|_| !word.starts_with('+')).ok_or_else(expected)?;
            match number.saturating_add(plus) {
                0 => return Err(piece.fault("priorities begin with 1")),
                number if number > limits::PRIORITY => {
                    return Err(piece.fault(format!("the highest priority is {}", limits::PRIORITY)));
                }
                number => Turn::Number(number),
            }
        }
    };
    Ok(Priority { turn, label })
}

/// `Dial(PJSIP/101,20)`, `Answer`.
pub(super) fn action(piece: Piece<'_>) -> Result<Action<'_>, Fault> {
    let Some((name, behind)) = piece.text.split_once('(') else {
        let (app, more) = piece.split(',');
        return match more {
            None if app.text.is_empty() => Err(piece.fault("expected an application, like Answer()")),
            None => Ok(Action { app, args: Piece { at: app.at + app.text.len(), text: "" } }),
            Some(more) => {
                Err(app
                    .fault(format!("expected {}({}): arguments stand in parentheses", app.text, more.text)))
            }
        };
    };
    let app = Piece::new(piece.at, name);
    if app.text.is_empty() {
        return Err(piece.fault("expected the name of an application before `(`"));
    }
    let at = piece.at + name.len() + 1;
    let Some((inside, rest)) = behind.rsplit_once(')') else {
        return Err(Fault::new(
            piece.at + name.len(),
            "this parenthesis never closes: expected `)` (a `;` begins a comment: write `\\;` for the sign itself)",
        ));
    };
    if !rest.trim().is_empty() {
        let rest = Piece::new(at + inside.len() + 1, rest);
        return Err(rest.fault(format!(
            "`{}` stands behind the closing parenthesis: expected the end of the line",
            rest.text
        )));
    }
    Ok(Action { app, args: Piece { at, text: inside } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities() {
        let read = |text| priority(Piece::new(0, text)).map(|priority| (priority.turn, priority.label));
        let label = |text: &str| Some(SmolStr::from(text));
        assert_eq!(read("1"), Ok((Turn::Number(1), None)));
        assert_eq!(read(" n "), Ok((Turn::Next(0), None)));
        assert_eq!(read("n(menu)"), Ok((Turn::Next(0), label("menu"))));
        assert_eq!(read("n+2(menu)"), Ok((Turn::Next(2), label("menu"))));
        assert_eq!(read("n(menu)+2"), Ok((Turn::Next(2), label("menu"))));
        assert_eq!(read("7(x)"), Ok((Turn::Number(7), label("x"))));
        assert_eq!(read("s+1"), Ok((Turn::Same(1), None)));
        assert_eq!(read("dial+101"), Ok((Turn::Label("dial".into(), 101), None)));
        assert_eq!(read("hint"), Ok((Turn::Hint, None)));
        for bad in [
            "",
            "0",
            "-1",
            "+1",
            "m",
            "n(",
            "n()",
            "n(1)",
            "n+",
            "n+x",
            "100000",
            "99999999999",
            "1+4294967295",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn actions() {
        let read = |text| {
            action(Piece::new(0, text)).map(|action| (action.app.text, action.args.at, action.args.text))
        };
        assert_eq!(read("Answer"), Ok(("Answer", 6, "")));
        assert_eq!(read("Set(A=(b))"), Ok(("Set", 4, "A=(b)")));
        assert_eq!(read("NoOp( a )"), Ok(("NoOp", 5, " a ")));
        for bad in ["", "Dial,SIP/1", "(x)", "NoOp(x", "NoOp(x) y"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
