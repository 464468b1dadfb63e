//! What a whole plan must also make sense of. Most of it is warnings: a label that is not there is an error.

use std::ops::ControlFlow;

use super::report::Report;
use crate::app::Named;
use crate::find::{At, Search};
use crate::plan::{Context, Dialplan, Extension, Step};

/// Tells what is odd.
pub(super) fn plan(plan: &Dialplan, report: &mut Report) {
    for context in plan.contexts() {
        let check = Check { plan, context };
        for include in context.includes.iter().filter(|include| include.number.is_none()) {
            let near = check.near_context(&include.context, report);
            report.warning(include.span, format!("no context is called {}{near}", include.context));
        }
        for extension in &context.extensions {
            check.extension(extension, report);
        }
    }
}

/// Why a step leads nowhere.
enum Astray {
    /// Nobody who comes there can go on.
    Surely(String),
    /// So it is now.
    Perhaps(String),
}

/// A context that is checked.
struct Check<'a> {
    plan: &'a Dialplan,
    context: &'a Context,
}

impl Check<'_> {
    fn near_context(&self, name: &str, report: &Report) -> String {
        report.near(name, self.plan.contexts().iter().map(|context| context.name.as_str()))
    }

    fn extension(&self, extension: &Extension, report: &mut Report) {
        let text = extension.pattern.as_str();
        if matches!(text, "_." | "_!") {
            let message = format!("{text} also fits the names h, i, t and the like: write _X{}", &text[1..]);
            report.warning(extension.span, message);
        }
        let mut wanted = 1;
        for step in &extension.steps {
            if step.priority != wanted && !self.elsewhere(extension, wanted) {
                let (got, line) = (step.priority, step.span.line);
                let message = match wanted {
                    1 => format!("{extension} has no priority 1: nobody who dials it gets to line {line}"),
                    _ => format!(
                        "{extension} has no priority {wanted}: the walk ends there and does not come to {got}"
                    ),
                };
                let place = if wanted == 1 { extension.span } else { step.span };
                // What has a label is entered by it.
                if step.label.is_none() {
                    report.warning(place, message);
                }
            }
            wanted = step.priority + 1;
            self.step(extension, step, report);
        }
    }

    /// Whether another extension has the priority, going by a number that fits.
    fn elsewhere(&self, extension: &Extension, priority: u32) -> bool {
        self.fits(&self.context.name, &extension.pattern.example(), Some(At::Priority(priority)))
    }

    /// Whether an extension of a context or of what it ever includes fits, for any caller.
    fn fits(&self, context: &str, extension: &str, at: Option<At<'_>>) -> bool {
        let mut fits = false;
        let search = Search { context, extension, caller: None, now: None };
        self.plan.walk(search, false, &mut |_, extension, _| {
            fits = at.is_none_or(|at| extension.step(at).is_some());
            if fits { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        fits
    }

    /// Whether any step has this label: who comes from a context that includes this one finds what is in that, too.
    fn has_label(&self, label: &str) -> bool {
        let mut extensions = self.plan.contexts().iter().flat_map(|context| &context.extensions);
        extensions.any(|extension| extension.step(At::Label(label)).is_some())
    }

    fn step(&self, extension: &Extension, step: &Step, report: &mut Report) {
        for target in step.prepared.destinations() {
            match self.target(extension, &target, report) {
                Some(Astray::Surely(message)) => report.error(step.args_span, message),
                Some(Astray::Perhaps(message)) => report.warning(step.args_span, message),
                None => {}
            }
        }
    }

    /// Why a target cannot be reached.
    fn target(&self, own: &Extension, target: &Named<'_>, report: &Report) -> Option<Astray> {
        let relative = target.priority.starts_with(['+', '-']) || target.priority == "n";
        let at = match target.priority.parse() {
            Ok(number) => At::Priority(number),
            Err(_) => At::Label(target.priority),
        };
        let context = match target.context {
            Some(name) if !constant(name) => return None,
            Some(name) => match self.plan.context(name) {
                Some(context) => context,
                None => {
                    let near = self.near_context(name, report);
                    return Some(Astray::Perhaps(format!("no context is called {name}{near}")));
                }
            },
            None => self.context,
        };
        let what = match at {
            At::Priority(number) => format!("priority {number}"),
            At::Label(label) => format!("label {label}"),
        };
        // A number that fits a pattern may be an extension of its own, with labels of its own.
        let plain = target.extension.is_some() || !own.pattern.as_str().starts_with('_');
        let told = |message| match at {
            At::Label(label) if plain && !self.has_label(label) => Astray::Surely(message),
            _ => Astray::Perhaps(message),
        };
        match target.extension {
            Some(name) if !constant(name) => None,
            Some(name) if !self.fits(&context.name, name, None) => {
                let mut message = format!("no extension {name} is in [{}] or what it includes", context.name);
                if target.context.is_none() && self.plan.context(name).is_some() {
                    message.push_str(": taken for a context, with an extension and priority 1");
                }
                Some(Astray::Perhaps(message))
            }
            Some(name) => {
                let there =
                    relative || !constant(target.priority) || self.fits(&context.name, name, Some(at));
                (!there).then(|| told(format!("extension {name} in [{}] has no {what}", context.name)))
            }
            None => {
                let known = own.steps.iter().filter_map(|step| step.label.as_deref());
                let near = report.near(target.priority, known);
                (!relative && constant(target.priority) && !self.own(own, at))
                    .then(|| told(format!("{own} has no {what}{near}")))
            }
        }
    }

    /// Whether an extension has a step, or another that fits the same number.
    fn own(&self, own: &Extension, at: At<'_>) -> bool {
        own.step(at).is_some() || self.fits(&self.context.name, &own.pattern.example(), Some(at))
    }
}

fn constant(text: &str) -> bool {
    text != "$"
}

#[cfg(test)]
mod tests {
    use crate::plan::Dialplan;
    use crate::source::Problems;

    fn warnings(text: &str) -> String {
        let plan = Dialplan::parse("x", text).unwrap_or_else(|problems| panic!("{problems}"));
        Problems(plan.warnings().to_vec()).to_string()
    }

    #[test]
    fn what_leads_nowhere_is_told() {
        let text = "[internal]\nexten => 100,1,Goto(incomin,s,1)\n same => n,Goto(incoming,x,1)\n\
            same => n,Goto(incoming,s,9)\n same => n,GotoIf($[\"${A}\" = \"?:\"]?here:elsewhere)\n same => n(there),NoOp()\n\
            same => n,GotoIfTime(9:00-17:00,mon-fri,*,*?incoming,s,1:closed,s,1)\n same => n,Gosub(sub,s,1(a,b))\n\
            same => n,Goto(${X},s,1)\n same => n,Goto(incoming,${EXTEN},1)\n same => n,Goto(100,there)\n same => n,Goto(1)\n\
            include => incming\ninclude => incoming,9:00-17:00,mon-fri\n[incoming]\nexten => s,1,Goto(s,thee)\n\
            same => 3,Goto(thee)\n same => n(three),NoOp()\nexten => _.,1,NoOp()\nexten => 200,2,NoOp()\nexten => _3XX,2,NoOp()\n";
        let problems = Dialplan::parse("x", text).expect_err("some labels are not there");
        insta::assert_snapshot!(problems, @r"
        x:2:21: warning: no context is called incomin: did you mean incoming?
        x:4:16: warning: extension s in [incoming] has no priority 9
        x:5:19: 100 has no label here: did you mean there?
        x:5:19: 100 has no label elsewhere
        x:7:22: warning: no context is called closed
        x:8:18: warning: no context is called sub
        x:13:12: warning: no context is called incming: did you mean incoming?
        x:16:19: extension s in [incoming] has no label thee
        x:17:11: warning: s has no priority 2: the walk ends there and does not come to 3
        x:17:16: s has no label thee: did you mean three?
        x:19:10: warning: _. also fits the names h, i, t and the like: write _X.
        ");
    }

    #[test]
    fn a_longer_walk_may_go_on_in_a_wider_pattern() {
        assert_eq!(
            warnings("[a]\nexten => 1,1,GotoIf($[${A}]?+2)\n same => n,Goto(n)\n same => n,Goto(-1)\n"),
            ""
        );
        assert_eq!(
            warnings(
                "[a]\nexten => 100,1,NoOp()\nexten => 100,3,NoOp()\nexten => _1XX,1,NoOp()\nexten => _1XX,2,NoOp()\n"
            ),
            ""
        );
        assert_eq!(
            warnings(
                "[a]\nexten => 100,1,Goto(b,2,1)\n[b]\ninclude => c,*,mon\n[c]\nexten => 2/77,1,NoOp()\n"
            ),
            ""
        );
    }
}
