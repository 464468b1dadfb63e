//! A dialplan: read, or refused with words; written again it is the same plan. The number an extension is made for
//! finds what going through the list finds, what is told of every extension agrees, and while digits come more are
//! waited for.

use telex_dialplan::{Asked, At, Dialled, Dialplan, Extension, Looked, Moment, Verdict, When};

/// Numbers that any plan may be asked for.
const NUMBERS: [&str; 8] = ["", "s", "100", "1", "9911", "0049301234567", "+49-30-1", "*21#"];
/// A Sunday in Berlin.
const NOW: Moment<'static> = Moment::new(1_700_994_600_000, "Europe/Berlin");

pub(crate) fn check(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let _ = When::parse(&text);
    let plan = match Dialplan::parse("fuzz", &text) {
        Ok(plan) => plan,
        Err(problems) => {
            assert!(problems.0.iter().any(|problem| !problem.warning));
            assert!(problems.0.iter().all(|problem| !problem.message.is_empty() && problem.span.line > 0));
            return;
        }
    };
    let written = plan.written().to_string();
    let again = Dialplan::parse("fuzz", &written).expect("what was written can be read");
    assert_eq!((again.counts(), again.written().to_string()), (plan.counts(), written));
    for context in plan.contexts().iter().take(8) {
        let names = context.extensions.iter().take(16).map(|extension| extension.pattern.as_str());
        for number in names.map(|name| name.trim_start_matches('_')).chain(NUMBERS) {
            ask(&plan, Asked { context: &context.name, extension: number, caller: "", now: NOW });
            ask(&plan, Asked { context: &context.name, extension: number, caller: "100", now: NOW });
        }
    }
}

/// Finds a number in more than one way.
fn ask(plan: &Dialplan, asked: Asked<'_>) {
    let found = plan.find(asked, At::Priority(1)).map(|found| place(found.extension));
    let looked = plan.consider(asked, At::Priority(1));
    let won = looked.iter().find_map(|one| match &one.what {
        Looked::Extension(extension, Verdict::Won) => Some(place(extension)),
        _ => None,
    });
    assert_eq!(found, won, "{asked:?}");
    assert!(looked.iter().all(|one| !one.to_string().is_empty()));
    match plan.dialled(asked) {
        Dialled::Enough => assert!(found.is_some()),
        Dialled::No => assert!(found.is_none()),
        Dialled::More => {}
    }
    let _ = (plan.hint(asked), plan.ignores(asked), plan.find(asked, At::Label("a")));
}

fn place(extension: &Extension) -> (u32, u32, String) {
    (extension.span.line, extension.span.column, extension.to_string())
}
