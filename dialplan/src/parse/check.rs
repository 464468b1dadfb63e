//! What a whole plan must also make sense of. Most of it is warnings: a label that is not there is an error.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::report::Report;
use crate::app::Named;
use crate::find::{At, Search};
use crate::plan::{Context, Dialplan, Extension, Step};

/// Tells what is odd.
pub(super) fn plan(plan: &Dialplan, report: &mut Report) {
    let steps = plan.contexts().iter().flat_map(|context| &context.extensions).flat_map(|one| &one.steps);
    let labels: BTreeSet<&str> = steps.filter_map(|step| step.label.as_deref()).collect();
    for context in plan.contexts() {
        let (check, lost) = (Check { plan, labels: &labels, context }, report.lost);
        for include in context.includes.iter().filter(|include| include.number.is_none() && !lost) {
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
    /// Labels of any step: who comes from a context that includes this one finds what is in that, too.
    labels: &'a BTreeSet<&'a str>,
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
            let partial = extension.partial || self.context.partial;
            if step.priority != wanted && !partial && !self.elsewhere(extension, wanted) {
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

    /// Whether what a place lacks may stand in a line that could not be read.
    fn may_be_lost(&self, own: &Extension, target: &Named<'_>, report: &Report) -> bool {
        let context = match target.context {
            Some(name) => self.plan.context(name),
            None => Some(self.context),
        };
        let Some(context) = context else { return report.lost };
        let includes = context.includes.iter().filter_map(|include| self.plan.context(&include.context));
        let mut contexts = std::iter::once(context).chain(includes);
        let mut found = false;
        if let Some(name) = target.extension.filter(|name| constant(name)) {
            let search = Search { context: &context.name, extension: name, caller: None, now: None };
            self.plan.walk(search, false, &mut |_, extension, _| {
                found |= extension.partial;
                ControlFlow::Continue(())
            });
        }
        found || own.partial && target.extension.is_none() || contexts.any(|context| context.partial)
    }

    fn step(&self, extension: &Extension, step: &Step, report: &mut Report) {
        for target in step.prepared.destinations() {
            let astray = self.target(extension, &target, report);
            match astray.filter(|_| !report.failed || !self.may_be_lost(extension, &target, report)) {
                Some(Astray::Surely(message)) => report.error(step.args_span, message),
                Some(Astray::Perhaps(message)) => report.warning(step.args_span, message),
                None => {}
            }
        }
        self.dialled(extension, step, report);
    }

    /// Subroutines and contexts that a Dial names.
    fn dialled(&self, extension: &Extension, step: &Step, report: &mut Report) {
        for (letter, parts) in step.prepared.routines() {
            let target = match parts.as_slice() {
                [priority] => Named { context: None, extension: None, priority },
                [number, priority] => Named { context: None, extension: Some(number), priority },
                [context, number, priority] => {
                    Named { context: Some(context), extension: Some(number), priority }
                }
                _ => continue,
            };
            let astray = self.target(extension, &target, report);
            match astray.filter(|_| !report.failed || !self.may_be_lost(extension, &target, report)) {
                Some(Astray::Surely(message) | Astray::Perhaps(message)) => {
                    report
                        .warning(step.args_span, format!("the subroutine of the option {letter}: {message}"));
                }
                None => {}
            }
        }
        for context in step.prepared.local_contexts() {
            if self.plan.context(&context).is_none() && !report.lost {
                let near = self.near_context(&context, report);
                report.warning(step.args_span, format!("no context is called {context}{near}"));
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
            At::Label(label) if plain && !self.labels.contains(label) => Astray::Surely(message),
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
    fn a_step_that_is_wrong_hides_no_other() {
        let text = "[internal]\nexten => 100,1(first),Playbak(hello)\n same => n,Goto(first)\n same => n,Goto(nolabel)\n\
            exten => 101,1,Goto(100,first)\nexten => 102,1,Goto(nocontext,s,1)\ninclude => nosuch\n\
            exten => 103,1,NoOp(${MD5(a)} ${SHA2(a)} ${LEM(${URLENCODE(b)})} $[${NEIN(a)} + 1])\n\
            exten => 104,1,ExecIf($[${NO()}]?ChanSpi(x):Orignate(${NOT(y)},exten))\n\
            exten => 105,1,MSet(A=${A1(x)},B2(x)=${A3(x)})\n same => n,Dial(Foo&Bar,2,U(${A4()}))\n\
            exten => 106,1,Wait(${A5(x)},${CUT(x)})\n same => n,GotoIf(${A6()}?nolabel)\n same => n,Goto(lost)\n same => x(lost),NoOp()\n";
        let problems = Dialplan::parse("x", text).expect_err("much is wrong");
        insta::assert_snapshot!(problems, @r"
        x:2:23: no application is named Playbak: did you mean Playback?
        x:4:17: 100 has no label nolabel
        x:6:21: warning: no context is called nocontext
        x:7:12: warning: no context is called nosuch
        x:8:23: Asterisk has MD5, this exchange does not
        x:8:33: no function is named SHA2
        x:8:44: no function is named LEM: did you mean LEN?
        x:8:50: no function is named URLENCODE
        x:8:70: no function is named NEIN
        x:9:27: no function is named NO
        x:9:34: no application is named ChanSpi
        x:9:45: no application is named Orignate
        x:10:25: no function is named A1
        x:10:32: no function is named B2
        x:10:40: no function is named A3
        x:11:17: `Foo` is no target: expected PJSIP/101, PJSIP/NUMBER@TRUNK, PJSIP/TRUNK/sip:NUMBER@HOST or Local/101@CONTEXT
        x:11:17: `Bar` is no target: expected PJSIP/101, PJSIP/NUMBER@TRUNK, PJSIP/TRUNK/sip:NUMBER@HOST or Local/101@CONTEXT
        x:11:31: no function is named A4
        x:12:23: no function is named A5
        x:12:30: warning: this is for nobody: Wait(seconds)
        x:13:21: no function is named A6
        x:15:10: `x(lost)` is no priority: expected a number from 1, n, n(label), n+2 or hint
        ");
        // Where lines are lost nobody can say what is not there.
        let text = "[internal]\nexten => 1 7,1(lost),NoOp()\n same => n,NoOp()\nexten => 1,1,Goto(lost)\n same => n,Goto(x,7,1)\n[x\n";
        let problems = Dialplan::parse("x", text).expect_err("two names are wrong");
        insta::assert_snapshot!(problems, @r"
        x:2:10: `1 7` has blanks in it: expected an extension
        x:6:1: this context's name never ends: expected `]`
        ");
    }

    #[test]
    fn what_cannot_work_is_told() {
        let text = "[a]\nexten => 1,1,Dial(PJSIP/1,abc,L(x:1)S(y)U(nosub^1)b(nosub^s^1))\n same => n,Dial(PJSIP/1,20^,U(sub)b(1))\n\
            same => n,Dial(Local/1@nowhere,9,b(sub^s^nolabel(${X}))U(${S}))\n same => n,Queue(x)\n same => n,VoiceMail(1)\n\
            same => n,Page(PJSIP/1,A(x)d)\n same => n,MixMonitor(x.wav,r(a)b)\n same => n,ConfBridge(1,,,menu)\n\
            same => n,Park(,t(soon))\n same => n,NoOp(${DIALEDPEERNUMBER} ${QUEUESTATUS})\n same => n,Set(QUEUESTATUS=x)\n\
            same => n,ExecIf($[${X}]?Dial(PJSIP/1,9,U(none)):NoOp(${SIPDOMAIN}))\n[sub]\nexten => s,1,Return()\n";
        insta::assert_snapshot!(warnings(text), @r"
        x:2:19: warning: the subroutine of the option U: no context is called nosub
        x:2:19: warning: the subroutine of the option b: no context is called nosub
        x:2:27: warning: `abc` is no number of seconds: it rings as long as usual
        x:2:31: warning: `x` is no number: the option L of Dial has no effect
        x:2:37: warning: `y` is no number: the option S of Dial has no effect
        x:4:16: warning: the subroutine of the option b: extension s in [sub] has no label nolabel
        x:4:16: warning: no context is called nowhere
        x:5:18: warning: queues are not possible yet: this step is left out
        x:6:22: warning: voicemail is not possible yet: this step is left out
        x:7:24: warning: the option A of Page has no effect yet
        x:8:29: warning: the option r of MixMonitor has no effect yet
        x:8:33: warning: the option b of MixMonitor has no effect yet
        x:9:23: warning: profiles and menus of ConfBridge have no effect yet
        x:10:17: warning: `soon` is no number: the option t of Park has no effect
        x:11:19: warning: DIALEDPEERNUMBER is never set by this exchange: it is empty
        x:13:18: warning: the subroutine of the option U: no context is called none
        x:13:57: warning: SIPDOMAIN is never set by this exchange: it is empty
        ");
    }

    #[test]
    fn facts_and_contexts_that_are_not_there_are_told() {
        let text = "[a]\nexten => 1,1,NoOp(${CHANNEL(nam)} ${CHANNEL(pjsip,remote_addr)} ${CHANNEL(Name)} ${CHANNEL(${X})})\n\
            same => n,Set(CHANNEL(hangup_handler_push)=h,s,1)\n same => n,Set(CHANNEL(language)=de)\n\
            same => n,ExecIf(1?NoOp(${CHANNEL(rtp,dest)}))\n same => n,Directory(box,noctx)\n same => n,Directory(a)\n";
        insta::assert_snapshot!(warnings(text), @r"
        x:2:21: warning: nothing is known of CHANNEL(nam), so it is empty: did you mean name?
        x:3:15: warning: CHANNEL(hangup_handler_push) cannot be set, only accountcode, language, musicclass
        x:5:27: warning: nothing is known of CHANNEL(rtp), so it is empty
        x:6:22: warning: no context is called noctx
        ");
    }

    #[test]
    fn what_is_there_twice_is_named_and_a_pattern_has_its_mark() {
        let text = "[t](!)\nexten => 1,1(go),NoOp()\nexten => 1,hint,PJSIP/1\n[a](t)\n[b](t)\nexten => 1/77,1,NoOp()\n\
            exten => 1/77,1,NoOp()\n[b](+)\nexten => 1,1,Hangup()\nexten => 1,hint,PJSIP/2\n\
            exten => X.,1,NoOp()\nexten => 1XX,1,NoOp()\nexten => [2-5]0,1,NoOp()\nexten => fax.,1,NoOp()\nexten => NX,1,NoOp()\nexten => N,1,NoOp()\n";
        insta::assert_snapshot!(warnings(text), @r"
        x:7:15: warning: priority 1 of 1/77 in [b] is taken since line 6: this line has no effect
        x:9:12: warning: priority 1 of 1 in [b] is taken since line 2: this line has no effect
        x:10:17: warning: the hint of 1 in [b] is taken since line 3: this line has no effect
        x:11:10: warning: X. is a name, letter by letter: write _X. for a pattern
        x:12:10: warning: 1XX is a name, letter by letter: write _1XX for a pattern
        x:13:10: warning: [2-5]0 is a name, letter by letter: write _[2-5]0 for a pattern
        x:15:10: warning: NX is a name, letter by letter: write _NX for a pattern
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
