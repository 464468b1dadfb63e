//! How extensions are found in a plan: whole numbers, and digits as they come.

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::limits;
use crate::pattern::{Dialled, caller_fits, octets};
use crate::plan::{Context, Dialplan, Extension, Hint, Step};
use crate::tree::Fit;
use crate::when::Moment;

/// What is looked for in a plan.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Where to look first.
    pub context: &'a str,
    /// What was dialled.
    pub extension: &'a str,
    /// The caller's number, empty if unknown.
    pub caller: &'a str,
    /// For includes with time.
    pub now: Moment<'a>,
}

/// Which step of an extension is looked for. An extension without it is passed over for the next that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At<'a> {
    /// By number.
    Priority(u32),
    /// By name.
    Label(&'a str),
}

/// What was found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The context it is in: the one asked for, or an included one.
    pub context: &'a Context,
    /// The extension that fits.
    pub extension: &'a Extension,
    /// Its step.
    pub step: &'a Step,
}

impl Dialplan {
    /// The first extension that fits and has the step, as [`crate::pattern`] orders them.
    pub fn find(&self, asked: Asked<'_>, at: At<'_>) -> Option<Found<'_>> {
        let mut found = None;
        self.walk(asked.into(), false, &mut |context, extension, _| match extension.step(at) {
            Some(step) => {
                found = Some(Found { context, extension, step });
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        });
        found
    }

    /// What the digits so far are, for the one who waits for more.
    pub fn dialled(&self, asked: Asked<'_>) -> Dialled {
        let mut more = false;
        self.walk(asked.into(), true, &mut |_, extension, fit| {
            if extension.step(At::Priority(1)).is_none() || fit == Fit::Whole {
                return ControlFlow::Continue(());
            }
            more = matches!(fit, Fit::Begun | Fit::Open);
            ControlFlow::Break(())
        });
        if more {
            Dialled::More
        } else if self.find(asked, At::Priority(1)).is_some() {
            Dialled::Enough
        } else {
            Dialled::No
        }
    }

    /// Whether the dial tone goes on after these digits: `ignorepat` of the context or of one it includes.
    pub fn ignores(&self, asked: Asked<'_>) -> bool {
        let mut ignores = false;
        self.look_into(asked.context, Some(asked.now), &mut |context| {
            ignores = context.ignored.iter().any(|pattern| pattern.fits(asked.extension));
            if ignores { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        ignores
    }

    /// What shows the state of an extension.
    pub fn hint(&self, asked: Asked<'_>) -> Option<&Hint> {
        let mut hint = None;
        self.walk(asked.into(), false, &mut |_, extension, _| {
            hint = extension.hint.as_ref();
            if hint.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        hint
    }

    /// Visits the extensions that fit, in order; with `begun` also those that could when more follows.
    pub(crate) fn walk<'a>(
        &'a self,
        search: Search<'_>,
        begun: bool,
        visit: &mut dyn FnMut(&'a Context, &'a Extension, Fit) -> ControlFlow<()>,
    ) {
        let number = digits(search.extension);
        self.look_into(search.context, search.now, &mut |context| {
            let mut visit = |index: usize, fit: Fit| {
                let extension = &context.extensions[index];
                if search.caller.is_none_or(|caller| caller_fits(extension.caller.as_ref(), caller)) {
                    visit(context, extension, fit)
                } else {
                    ControlFlow::Continue(())
                }
            };
            context.exact.walk(&number, begun, &mut visit)?;
            context.patterns.walk(&number, begun, &mut visit)
        });
    }

    /// Visits the context asked for and those it includes at this time, or ever, in order, each once.
    pub(crate) fn look_into<'a>(
        &'a self,
        context: &str,
        now: Option<Moment<'_>>,
        visit: &mut dyn FnMut(&'a Context) -> ControlFlow<()>,
    ) {
        if let Some(number) = self.number(context) {
            // Whoever visits knows why it ended.
            let _ = self.look_deeper(number as u32, now, &mut Seen::default(), visit);
        }
    }

    /// As deep as [`limits::INCLUDES`].
    fn look_deeper<'a>(
        &'a self,
        number: u32,
        now: Option<Moment<'_>>,
        seen: &mut Seen,
        visit: &mut dyn FnMut(&'a Context) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if !seen.first_time(number) {
            return ControlFlow::Continue(());
        }
        let context = &self.0.contexts[number as usize];
        visit(context)?;
        for include in &context.includes {
            if let Some(number) = include.number
                && include.open(now)
            {
                self.look_deeper(number, now, seen, visit)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// What a walk looks for: any caller and any time where they are none.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) context: &'a str,
    pub(crate) extension: &'a str,
    pub(crate) caller: Option<&'a str>,
    pub(crate) now: Option<Moment<'a>>,
}

impl<'a> From<Asked<'a>> for Search<'a> {
    fn from(asked: Asked<'a>) -> Self {
        let Asked { context, extension, caller, now } = asked;
        Self { context, extension, caller: Some(caller), now: Some(now) }
    }
}

/// The contexts looked into for one number.
pub(crate) struct Seen {
    numbers: [u32; limits::INCLUDES],
    count: usize,
}

impl Default for Seen {
    fn default() -> Self {
        Self { numbers: [0; limits::INCLUDES], count: 0 }
    }
}

impl Seen {
    /// Whether it was not looked into, and may be.
    pub(crate) fn first_time(&mut self, number: u32) -> bool {
        if self.count == limits::INCLUDES || self.numbers[..self.count].contains(&number) {
            return false;
        }
        self.numbers[self.count] = number;
        self.count += 1;
        true
    }
}

/// What counts of a number.
fn digits(number: &str) -> Cow<'_, [u8]> {
    if number.contains('-') { octets(number).collect::<Vec<_>>().into() } else { number.as_bytes().into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pattern::Pattern;

    /// A Sunday in Berlin.
    const SUNDAY: Moment<'static> = Moment::new(1_700_994_600_000, "Europe/Berlin");

    fn plan(text: &str) -> Dialplan {
        Dialplan::parse("x", text).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn asked<'a>(extension: &'a str, caller: &'a str) -> Asked<'a> {
        Asked { context: "a", extension, caller, now: SUNDAY }
    }

    fn lines(extensions: &str) -> String {
        let lines = extensions.split(' ').map(|extension| format!("exten => {extension},1,NoOp()\n"));
        format!("[a]\n{}", lines.collect::<String>())
    }

    #[test]
    fn digits_are_waited_for_while_more_could_fit() {
        use Dialled::{Enough, More, No};
        let cases: &[(&str, &[(&str, Dialled)])] = &[
            ("100 10", &[("", More), ("1", More), ("10", More), ("100", Enough), ("2", No), ("1000", No)]),
            ("_1XX", &[("", More), ("1", More), ("12", More), ("123", Enough), ("1234", No), ("1a", No)]),
            ("_1X.", &[("1", More), ("12", More), ("123", More), ("1234567", More), ("2", No)]),
            ("_1X!", &[("1", More), ("12", Enough), ("123", Enough)]),
            ("_12! _12X", &[("12", More), ("123", Enough), ("1234", Enough), ("12a", Enough)]),
            ("_1! _1X.", &[("1", More), ("12", More), ("123", More), ("1a", Enough)]),
            ("_1! 12", &[("1", More), ("12", Enough), ("13", Enough)]),
            ("_X! _12", &[("1", More), ("12", Enough), ("2", Enough)]),
            ("100/55 _1X", &[("1", More), ("10", Enough)]),
            ("1-0-0 _2-X", &[("1-0", More), ("10-0", Enough), ("2", More), ("-2-2-", Enough)]),
            ("_.", &[("", More), ("1", More)]),
            ("_!", &[("", Enough), ("1", Enough)]),
            ("0 _0Z. _00.", &[("0", More), ("00", More), ("01", More), ("012", More)]),
        ];
        for (extensions, numbers) in cases {
            let plan = plan(&lines(extensions));
            for (number, wanted) in *numbers {
                assert_eq!(plan.dialled(asked(number, "77")), *wanted, "{number} in {extensions}");
            }
        }
        // For the caller it is meant for the third digit counts.
        assert_eq!(plan(&lines("100/55 _1X")).dialled(asked("10", "55")), More);
    }

    #[test]
    fn a_walk_goes_on_where_the_priority_is() {
        let plan = plan(
            "[a]\nexten => 100,1,NoOp(name)\nexten => _1XX,1,NoOp(pattern)\n same => n(more),NoOp(second)\n\
             include => b\n[b]\nexten => _X.,1,NoOp(b)\n same => n,NoOp(b2)\n same => n(last),NoOp(b3)\n",
        );
        let find = |at| plan.find(asked("100", ""), at).map(|found| found.step.args.as_str());
        assert_eq!(find(At::Priority(1)), Some("name"));
        assert_eq!(find(At::Priority(2)), Some("second"));
        assert_eq!(find(At::Priority(3)), Some("b3"));
        assert_eq!(find(At::Priority(4)), None);
        assert_eq!(find(At::Label("more")), Some("second"));
        assert_eq!(find(At::Label("last")), Some("b3"));
        assert_eq!(find(At::Label("least")), None);
    }

    #[test]
    fn includes_follow_in_their_order_each_once_and_in_their_time() {
        let plan = plan(
            "[a]\ninclude => day,9:00-17:00,mon-fri,*,*\ninclude => night\ninclude => a\nexten => _1X,1,NoOp(a)\n\
             [day]\nexten => 20,1,NoOp(day)\n[night]\ninclude => deep\nexten => _2X,1,NoOp(night)\nexten => 11,1,NoOp(night)\n\
             [deep]\ninclude => night\nexten => 20,1,NoOp(deep)\nexten => 3,1,NoOp(deep)\nignorepat => 3\n",
        );
        let find = |number, now| {
            let found = plan.find(Asked { now, ..asked(number, "") }, At::Priority(1));
            found.map(|found| found.step.args.as_str())
        };
        let monday = Moment::new(SUNDAY.ms + 86_400_000, SUNDAY.zone);
        assert_eq!(find("11", SUNDAY), Some("a"));
        assert_eq!(find("20", SUNDAY), Some("night"));
        assert_eq!(find("20", monday), Some("day"));
        assert_eq!(find("3", SUNDAY), Some("deep"));
        assert_eq!(find("4", SUNDAY), None);
        assert!(plan.ignores(asked("3", "")));
        assert!(!plan.ignores(asked("2", "")));
    }

    #[test]
    fn contexts_that_include_each_other_end() {
        let mut text = String::new();
        for number in 0..300 {
            text.push_str(&format!(
                "[c{number}]\ninclude => c{}\ninclude => c{}\n",
                (number + 1) % 300,
                (number + 7) % 300
            ));
        }
        let plan = plan(&text);
        assert!(plan.find(Asked { context: "c0", ..asked("1", "") }, At::Priority(1)).is_none());
        assert_eq!(plan.dialled(Asked { context: "c0", ..asked("1", "") }), Dialled::No);
        let looked = plan.consider(Asked { context: "c0", ..asked("1", "") }, At::Priority(1));
        assert!(looked.len() < 2 * limits::INCLUDES + 1, "{}", looked.len());
    }

    #[test]
    fn hints_are_found_by_extension() {
        let plan = plan(
            "[a]\nexten => 100,hint,PJSIP/100\nexten => _1XX,hint,PJSIP/${EXTEN}\nexten => 100,1,NoOp()\n",
        );
        let hint = |number| plan.hint(asked(number, "")).map(|hint| hint.text.as_str());
        assert_eq!(hint("100"), Some("PJSIP/100"));
        assert_eq!(hint("101"), Some("PJSIP/${EXTEN}"));
        assert_eq!(hint("200"), None);
        assert_eq!(plan.hints().count(), 2);
        assert_eq!(plan.find(asked("101", ""), At::Priority(1)).map(|found| found.step.priority), None);
    }

    proptest! {
        /// The tree finds what going through the list in order finds.
        #[test]
        fn the_first_that_fits_is_found(
            extensions in prop::collection::vec("_?([0-3XZN]|\\[[0-3]{1,3}\\]|-){1,5}[.!]?(/_?[0-2X]{0,2}[.!]?)?", 1..30),
            number in "[0-4\\-]{0,6}",
            caller in "[0-2]{0,2}",
        ) {
            let right = |text: &&String| text.split('/').all(|part| Pattern::parse(part).is_ok());
            let extensions: Vec<&str> = extensions.iter().filter(right).map(String::as_str).collect();
            let plan = plan(&lines(&[&extensions[..], &["9"]].concat().join(" ")));
            let asked = asked(&number, &caller);
            let list = &plan.contexts()[0].extensions;
            prop_assert!(list.windows(2).all(|two| two[0].pattern <= two[1].pattern));
            let fits = |extension: &&Extension| {
                extension.pattern.fits(&number) && caller_fits(extension.caller.as_ref(), &caller)
            };
            let wanted = list.iter().find(fits).map(ToString::to_string);
            let found = plan.find(asked, At::Priority(1)).map(|found| found.extension.to_string());
            prop_assert_eq!(&found, &wanted);
            let won = plan.consider(asked, At::Priority(1)).into_iter().find_map(|one| match one.what {
                crate::Looked::Extension(extension, crate::Verdict::Won) => Some(extension.to_string()),
                _ => None,
            });
            prop_assert_eq!(&won, &wanted);
            // A number of which a longer one fits is waited for, unless a mark ended it.
            if plan.dialled(asked) == Dialled::No {
                prop_assert_eq!(found, None);
                for next in "01234".chars() {
                    let longer = format!("{number}{next}");
                    let asked = Asked { extension: &longer, ..asked };
                    prop_assert!(plan.find(asked, At::Priority(1)).is_none(), "{}", longer);
                }
            }
        }
    }
}
