//! Whatever is written in a plan, and whatever values come from outside: no panic, and everything has its bounds.

use proptest::prelude::*;
use telex_dialplan::app::prepare;
use telex_dialplan::explain::{Facts, Supposed, walk};
use telex_dialplan::scene::{Caller, MAX_SHOWN};
use telex_dialplan::template::{MAX_VALUE, Template};
use telex_dialplan::{Dialplan, Task, Thread};

/// Pieces that texts are made of.
fn piece() -> impl Strategy<Value = String> {
    const FIXED: &[&str] = &[
        "${",
        "}",
        "$[",
        "]",
        "(",
        ")",
        "\"",
        ",",
        ":",
        "?",
        "::",
        "=~",
        "~~",
        "|",
        "&",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "<",
        ">=",
        "=",
        " ",
        "\\",
        "'",
        "1",
        "0",
        "-3",
        "9999999999999999999",
        "1e4000",
        ".5",
        "EXTEN",
        "A",
        "B",
        "CALLERID(num)",
        "LEN(",
        "CUT(A,-,",
        "FILTER(0-9,",
        "REGEX(\"",
        "IF(",
        "IFTIME(",
        "MATH(",
        "STRFTIME(",
        "SHIFT(A",
        "REPLACE(A,",
        "é",
        "\u{1F4DE}",
        "\0",
        "RAND(1,2)",
        "HASH(a,b)",
        "POW(",
        "SQRT(",
        "ROUND(",
    ];
    prop_oneof![4 => proptest::sample::select(FIXED).prop_map(str::to_owned), 1 => ".{0,6}"]
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat())
}

/// A plan of one step, made so that any text can be its arguments.
fn one_step(app: &str, args: &str) -> Option<Dialplan> {
    let args: String = args.chars().filter(|c| !c.is_control()).collect();
    let args = args.replace(';', "\\;");
    Dialplan::parse("x", &format!("[t]\nexten => s,1,{app}({args})\nsame => n,NoOp(${{R}})\n")).ok()
}

fn run(plan: &Dialplan, caller: Caller, supposed: Supposed) -> (Thread, Vec<Task>) {
    let (mut thread, mut supposed, mut tasks) = (Thread::new("t", "s", caller), supposed, Vec::new());
    let mut world = Facts::at(1_795_375_800_000, "Europe/Berlin");
    thread.set("A", "one-two-three");
    thread.set("B", "7");
    walk(&mut thread, plan, &mut world, &mut |task| {
        tasks.push(task.clone());
        supposed.outcome(task)
    });
    (thread, tasks)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed_or_refused_with_a_place_in_it(text in text()) {
        if let Err(fault) = Template::parse(&text) {
            prop_assert!(fault.at <= text.len() && text.is_char_boundary(fault.at), "{fault:?}");
        }
    }

    #[test]
    fn any_step_is_understood_or_remarked_upon(at in 0..telex_dialplan::app::all().len(), args in text()) {
        let mut remarks = Vec::new();
        let app = telex_dialplan::app::all()[at].name;
        let prepared = prepare(app, &args, &mut remarks);
        let refused = remarks.iter().any(|remark| !remark.warning);
        prop_assert_eq!(prepared.is_none(), refused, "{:?}", remarks);
        for remark in remarks {
            prop_assert!(remark.fault.at <= args.len(), "{remark:?}");
        }
    }

    #[test]
    fn any_step_runs_within_its_bounds(at in 0..telex_dialplan::app::all().len(), args in text()) {
        if let Some(plan) = one_step(telex_dialplan::app::all()[at].name, &args) {
            let (thread, _) = run(&plan, Caller::default(), Supposed::default());
            for entry in thread.trail().entries() {
                prop_assert!(entry.args.len() <= MAX_SHOWN && entry.outcome.len() <= MAX_SHOWN, "{}", entry.args.len());
            }
        }
    }

    #[test]
    fn any_value_is_one_value(text in text()) {
        let plan = one_step("Set", "R=${CALLERID(name)}").expect("a plan");
        let caller = Caller { name: text.as_str().into(), number: text.as_str().into(), ..Caller::default() };
        let (thread, _) = run(&plan, caller.clone(), Supposed::default());
        prop_assert_eq!(thread.variable("R"), Some(text.as_str()));

        // Whatever the caller sends, it is one target with one timeout and no option.
        let plan = one_step("Dial", "PJSIP/${CALLERID(num)},20").expect("a plan");
        let (_, tasks) = run(&plan, caller.clone(), Supposed::default());
        for task in tasks {
            if let Task::Dial(dial) = task {
                prop_assert!(dial.targets.len() == 1 && dial.options.is_empty(), "{dial:?}");
            }
        }

        // And an expression only compares it.
        let plan = one_step("Set", "R=$[\"${CALLERID(name)}\" = \"${CALLERID(num)}\"]").expect("a plan");
        let (thread, _) = run(&plan, caller, Supposed::default());
        prop_assert_eq!(thread.variable("R"), Some("1"));
    }

    #[test]
    fn a_value_that_doubles_is_cut(times in 1..40_usize) {
        let grow = "same => n,Set(R=${R}${R})\n".repeat(times);
        let text = format!("[t]\nexten => s,1,Set(R=ab\u{e9})\n{grow}same => n,Set(L=${{LEN(${{R}})}})\n");
        let (thread, _) = run(&Dialplan::parse("x", &text).expect("a plan"), Caller::default(), Supposed::default());
        let value = thread.variable("R").unwrap_or_default();
        prop_assert!(value.len() <= MAX_VALUE && value.len() >= (4 << times.min(10)), "{}", value.len());
    }
}

#[test]
fn depth_and_length_have_their_bounds() {
    for text in [
        "${".repeat(50_000),
        "$[".repeat(50_000),
        format!("$[{}1]", "(".repeat(50_000)),
        format!("$[{}1]", "!".repeat(50_000)),
        format!("$[{}1]", "-".repeat(50_000)),
        format!("$[{}1]", "1 ? ".repeat(50_000)),
        format!("$[1{}]", " ? 1 :: 1".repeat(50_000)),
        "${LEN(".repeat(50_000),
        "${A:${A:".repeat(50_000),
    ] {
        assert!(Template::parse(&text).is_err(), "{}", &text[..20]);
    }
    // Long is no harm where nothing stands within another.
    for text in [
        format!("$[1{}]", " + 1".repeat(50_000)),
        format!("$[1{}]", " | 0 & 1".repeat(50_000)),
        "${A}".repeat(50_000),
    ] {
        assert!(Template::parse(&text).is_ok(), "{}", &text[..20]);
    }
    let nested = format!("{}NoOp(){}", "ExecIf(1?".repeat(10_000), ")".repeat(10_000));
    let mut remarks = Vec::new();
    assert!(prepare("Exec", &nested, &mut remarks).is_none());
    assert!(remarks[0].fault.message.contains("within each other"), "{remarks:?}");
}

#[test]
fn a_plan_that_calls_itself_ends() {
    let text = "[t]\nexten => s,1,Gosub(s,1(${ARG1}x))\nsame => n,Return()\nexten => h,1,Gosub(h,1)\n";
    let (thread, tasks) =
        run(&Dialplan::parse("x", text).expect("a plan"), Caller::default(), Supposed::default());
    assert!(thread.is_over());
    assert_eq!(tasks, [Task::Hangup { cause: Some(41) }]);
}
