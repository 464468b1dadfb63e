//! A plan as text again, in the order in which it is tried. Reading that text gives the same plan.

use std::fmt::{self, Display, Formatter, Write};

use crate::plan::{Context, Dialplan, Extension, Setting};

/// A plan, or one context of it, as text.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    plan: &'a Dialplan,
    only: Option<&'a str>,
}

impl Dialplan {
    /// The whole plan as text.
    pub fn written(&self) -> Written<'_> {
        Written { plan: self, only: None }
    }

    /// One context as text; nothing if there is none of this name.
    pub fn context_written<'a>(&'a self, name: &'a str) -> Written<'a> {
        Written { plan: self, only: Some(name) }
    }
}

impl Display for Written<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut gap =
            |f: &mut Formatter<'_>| if std::mem::take(&mut first) { Ok(()) } else { f.write_char('\n') };
        let sections = [("general", self.plan.general()), ("globals", self.plan.globals())];
        for (name, settings) in
            sections.into_iter().filter(|(_, list)| self.only.is_none() && !list.is_empty())
        {
            gap(f)?;
            writeln!(f, "[{name}]")?;
            settings.iter().try_for_each(|line| setting(f, line))?;
        }
        let contexts = self.plan.contexts().iter();
        for one in contexts.filter(|context| self.only.is_none_or(|name| name == context.name)) {
            gap(f)?;
            context(f, one)?;
        }
        Ok(())
    }
}

fn setting(f: &mut Formatter<'_>, line: &Setting) -> fmt::Result {
    // A value may begin with the sign that may follow `=`.
    let sign = if line.value.starts_with('>') { "=>" } else { "=" };
    writeln!(f, "{}{sign}{}", Plain(&line.name), Plain(&line.value))
}

fn context(f: &mut Formatter<'_>, context: &Context) -> fmt::Result {
    writeln!(f, "[{}]", Plain(&context.name))?;
    for pattern in &context.ignored {
        writeln!(f, "ignorepat => {}", Plain(pattern.as_str()))?;
    }
    for include in &context.includes {
        let when = include.when.as_ref().map(|when| format!(",{}", when.as_str())).unwrap_or_default();
        writeln!(f, "include => {}{}", Plain(&include.context), Plain(&when))?;
    }
    context.extensions.iter().try_for_each(|one| extension(f, one))
}

fn extension(f: &mut Formatter<'_>, extension: &Extension) -> fmt::Result {
    let name = extension.to_string();
    let mut last = 0;
    if let Some(hint) = &extension.hint {
        writeln!(f, "exten => {},hint,{}", Plain(&name), Plain(&hint.text))?;
    }
    for step in &extension.steps {
        if last == 0 {
            write!(f, "exten => {},{}", Plain(&name), step.priority)?;
        } else {
            f.write_str(" same => n")?;
            if step.priority > last + 1 {
                write!(f, "+{}", step.priority - last - 1)?;
            }
        }
        if let Some(label) = &step.label {
            write!(f, "({})", Plain(label))?;
        }
        writeln!(f, ",{}({})", Plain(&step.app), Plain(&step.args))?;
        last = step.priority;
    }
    Ok(())
}

/// Text whose `;` begins no comment.
struct Plain<'a>(&'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.split(';').enumerate() {
            f.write_str(if index == 0 { "" } else { "\\;" })?;
            f.write_str(part)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plan_is_written_in_the_order_in_which_it_is_tried() {
        let text = "[b](!)\nexten => 7,1,NoOp()\n[globals]\nA=>>1\\;2\n[general]\nstatic=yes\n[a](b)\nexten => _1XX/5.,1(x),NoOp(a\\;b)\n\
            same => n+2(y),Answer\nexten => 100,1,Dial(SIP/1)\nexten => 100,hint,PJSIP/100\ninclude => c,9:00-17:00|mon\n\
            ignorepat => 9\nexten => _1XX,3,Hangup()\n[c]\n";
        let plan = Dialplan::parse("x", text).expect("it is right");
        insta::assert_snapshot!(plan.written(), @r"
        [general]
        static=yes

        [globals]
        A=>>1\;2

        [a]
        ignorepat => 9
        include => c,9:00-17:00|mon
        exten => 100,hint,PJSIP/100
        exten => 100,1,Dial(SIP/1)
        exten => 7,1,NoOp()
        exten => _1XX/5.,1(x),NoOp(a\;b)
         same => n+2(y),Answer()
        exten => _1XX,3,Hangup()

        [c]
        ");
        insta::assert_snapshot!(plan.context_written("c"), @"[c]");
        assert_eq!(plan.context_written("d").to_string(), "");
    }

    fn written_twice(text: &str) -> Option<(String, String)> {
        let plan = Dialplan::parse("x", text).ok()?;
        let first = plan.written().to_string();
        let again = Dialplan::parse("x", &first).unwrap_or_else(|problems| panic!("{problems}\nof\n{first}"));
        assert_eq!(again.counts(), plan.counts());
        Some((first, again.written().to_string()))
    }

    /// A line that is often right.
    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => ("(exten *=>? *)(_?[0-9XZN\\-]{1,4}[.!]?|s|h|i|_[\\[]1-3\\]X)(/_?[0-9X]{0,3})?", "(1|2|n|n\\(a\\)|n\\+2|s|hint)",
                "(Answer|NoOp(\\([A-Z=0-9a-z ,\"()/;\\\\$\\{\\}]{0,9}\\))?)").prop_map(|(a, b, c)| format!("{a},{b},{c}")),
            3 => "same => n(\\+1|\\([a-z(;+]{1,3}\\))?,NoOp\\([a-z;\\\\()-]{0,5}\\)",
            1 => "\\[(a|b|c|globals|general)\\](\\([+!ab,]{1,3}\\))?",
            1 => "include => (a|b|c)(,9:00-1[0-9]:00(,mon(-fri)?)?)?",
            1 => "[a-zA-Z>;=\\\\#\\[ ]{0,6}=[>a-z;\\\\ \\-]{0,6}",
            1 => "(ignorepat|exten|same|include|#include|;--|--;)[ -~]{0,12}",
            1 => "[ -~\u{e4}\u{20ac}]{0,20}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read_as_the_same(lines in prop::collection::vec(line(), 0..12)) {
            // Lines that are wrong by themselves would hide the others.
            let right = |line: &&String| Dialplan::parse("x", &format!("[a]\nexten => 1,1,NoOp()\n{line}\n")).is_ok();
            let lines: Vec<&str> = lines.iter().filter(right).map(String::as_str).collect();
            let text = format!("[a]\nexten => 1,1,NoOp()\n{}\n", lines.join("\n"));
            if let Some((first, again)) = written_twice(&text) {
                prop_assert_eq!(first, again);
            }
        }

        #[test]
        fn each_line_that_is_right_is_written_as_the_same(line in line()) {
            if let Some((first, again)) = written_twice(&format!("[a]\nexten => 1,1,NoOp()\n{line}\n")) {
                prop_assert_eq!(first, again);
            }
        }
    }
}
