//! The dialect of `extensions.conf`: text in, a whole plan or all that is wrong with it.
//!
//! What is read: `[context]`, `[context](+)`, templates `[name](!)` and `[context](name)`; `exten =>`, `same =>`,
//! `include =>` (with time), `ignorepat =>`; `[general]`, `[globals]`; `#include`, `#tryinclude`; comments `;` and
//! `;-- --;`, `\;` for the sign. Everywhere `=` does for `=>`. What is not supported is refused with its place:
//! `switch`, `lswitch`, `eswitch`, `autohints`, `#exec`, and arguments without parentheses.

mod build;
mod check;
mod entry;
mod lines;
mod report;
mod sections;

use std::sync::Arc;

use crate::plan::{Dialplan, Parts};
use crate::source::{Problems, Span};

/// Where the texts come from that a plan includes.
pub trait Sources {
    /// The octets of a file by the name that stands in `#include`.
    ///
    /// # Errors
    /// Why they cannot be read, in a few words.
    fn read(&self, name: &str) -> Result<Vec<u8>, String>;

    /// The names of files that fit one with `*`, `?`, `[...]` or `{...}`, sorted.
    fn list(&self, pattern: &str) -> Vec<String>;
}

/// Nothing can be included.
impl Sources for () {
    fn read(&self, _name: &str) -> Result<Vec<u8>, String> {
        Err("there is no such file".into())
    }

    fn list(&self, _pattern: &str) -> Vec<String> {
        Vec::new()
    }
}

impl Dialplan {
    /// Reads a plan that includes no files.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problems> {
        Self::read(name, text, &())
    }

    /// Reads a plan and the files it includes: UTF-8, and ISO 8859-1 where it is not.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn read(name: &str, text: impl AsRef<[u8]>, sources: &dyn Sources) -> Result<Self, Problems> {
        let mut reader = lines::Reader::new(sources);
        reader.text(name, text.as_ref(), Span { file: 0, line: 1, column: 1 });
        let (lines, texts, lists, mut report) = (reader.lines, reader.texts, reader.lists, reader.report);
        let sections = sections::gather(&lines, &mut report);
        let parts = build::parts(&lines, &sections, &mut report);
        let mut plan = Self(Parts { sources: texts, lists, ..parts }.into());
        check::plan(&plan, &mut report);
        let failed = report.failed;
        let problems = report.finish();
        if failed {
            return Err(Problems(problems));
        }
        if let Some(parts) = Arc::get_mut(&mut plan.0) {
            parts.warnings = problems;
        }
        Ok(plan)
    }
}

#[cfg(feature = "serde")]
mod written {
    //! A plan is written down as its texts, and read again.

    use super::{Arc, Dialplan, Sources};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Texts {
        /// Names and texts; the first includes the others.
        texts: Vec<(String, String)>,
        /// What `#include` with a pattern found.
        lists: Vec<(String, Vec<String>)>,
        /// File, line, and what is said of it.
        places: Vec<(u16, u32, String)>,
    }

    impl Sources for Texts {
        fn read(&self, name: &str) -> Result<Vec<u8>, String> {
            let text = self.texts.iter().find(|(known, _)| known == name);
            text.map(|(_, text)| text.clone().into()).ok_or_else(|| "it was not written down".into())
        }

        fn list(&self, pattern: &str) -> Vec<String> {
            self.lists
                .iter()
                .find(|(known, _)| known == pattern)
                .map(|(_, names)| names.clone())
                .unwrap_or_default()
        }
    }

    impl serde::Serialize for Dialplan {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let texts = self.sources().map(|(name, text)| (name.to_owned(), text.to_owned()));
            let places = self.0.places.iter().map(|((file, line), place)| (*file, *line, place.to_string()));
            let (lists, places) = (self.0.lists.clone(), places.collect());
            Texts { texts: texts.collect(), lists, places }.serialize(serializer)
        }
    }

    impl<'de> serde::Deserialize<'de> for Dialplan {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let texts = Texts::deserialize(deserializer)?;
            let Some((name, text)) = texts.texts.first() else { return Ok(Self::default()) };
            let mut plan = Self::read(name, text, &texts).map_err(serde::de::Error::custom)?;
            if let Some(parts) = Arc::get_mut(&mut plan.0) {
                let places = texts.places.into_iter();
                parts.places = places.map(|(file, line, place)| ((file, line), place.into())).collect();
            }
            Ok(plan)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::find::{Asked, At};
    use crate::when::Moment;

    /// Files by name.
    struct Files(BTreeMap<&'static str, &'static str>);

    impl Sources for Files {
        fn read(&self, name: &str) -> Result<Vec<u8>, String> {
            self.0.get(name).map(|text| (*text).into()).ok_or_else(|| "there is no such file".into())
        }

        fn list(&self, pattern: &str) -> Vec<String> {
            let names =
                self.0.keys().filter(|name| pattern.starts_with('*') || name.starts_with(&pattern[..1]));
            names.map(|name| (*name).to_owned()).collect()
        }
    }

    fn problems(text: &str) -> String {
        match Dialplan::parse("x", text) {
            Ok(plan) => Problems(plan.warnings().to_vec()).to_string(),
            Err(problems) => problems.to_string(),
        }
    }

    fn steps(plan: &Dialplan, context: &str, extension: &str) -> String {
        let asked = Asked { context, extension, caller: "", now: Moment::new(0, "UTC") };
        let found = plan.find(asked, At::Priority(1)).expect("it is there");
        let line = |step: &crate::Step| {
            let label = step.label.as_ref().map(|label| format!("({label})")).unwrap_or_default();
            format!("{}{label} {}({})", step.priority, step.app, step.args)
        };
        found.extension.steps.iter().map(line).collect::<Vec<_>>().join("; ")
    }

    const SEED: &str = "; dialplan.conf\n[internal]\nexten = 100,1,Answer()\nexten = 100,2,SayDigits(100)\n\
        exten = 100,3,Hangup()\nexten = _1XX,1,Dial(SIP/${EXTEN})\nexten = 9911,1,Dial(SIP/emergency@trunk)\n\
        [incoming]\nexten = s,1,Answer()\nexten = s,2,Playback(welcome)\nexten = s,3,Goto(internal,${CALLERID})\n";

    #[test]
    fn a_small_plan_is_read() {
        let plan = Dialplan::parse("dialplan.conf", SEED).expect("it is right");
        assert_eq!(plan.counts().to_string(), "2 contexts, 4 extensions");
        assert_eq!(plan.counts().steps, 8);
        let warnings = Problems(plan.warnings().to_vec()).to_string();
        assert_eq!(
            warnings,
            "dialplan.conf:11:18: warning: no extension internal is in [incoming] or what it includes: \
             taken for a context, with an extension and priority 1"
        );
        assert_eq!(steps(&plan, "internal", "100"), "1 Answer(); 2 SayDigits(100); 3 Hangup()");
        assert_eq!(steps(&plan, "internal", "101"), "1 Dial(SIP/${EXTEN})");
        assert_eq!(steps(&plan, "internal", "9911"), "1 Dial(SIP/emergency@trunk)");
        let asked = Asked { context: "internal", extension: "102", caller: "", now: Moment::new(0, "UTC") };
        let found = plan.find(asked, At::Priority(1)).expect("it is there");
        assert_eq!((found.context.name.as_str(), found.extension.pattern.as_str()), ("internal", "_1XX"));
        assert_eq!(found.step.span, Span { file: 0, line: 6, column: 16 });
        assert_eq!(found.step.args_span.column, 21);
        assert!(plan.find(Asked { extension: "200", ..asked }, At::Priority(1)).is_none());
        assert!(plan.find(Asked { context: "Internal", ..asked }, At::Priority(1)).is_none());
    }

    #[test]
    fn comments_labels_and_relative_priorities() {
        let text = "\u{feff}[a] ; opens\r\nexten => 1,1(first),Set(A=b\\;c) ; set\r\n same => n,NoOp(;-- x --;y) \r\n\
            same => n(third)+1,Answer\r\n;-- exten => 2,1,NoOp()\n;-- deeper --;\n still --; same => s+2,Hangup()\n\
            ;------ a ruler\nsame=>n , NoOp( x )\n";
        let plan = Dialplan::parse("x", text).expect("it is right");
        assert_eq!(
            steps(&plan, "a", "1"),
            "1(first) Set(A=b;c); 2 NoOp(y); 4(third) Answer(); 6 Hangup(); 7 NoOp( x )"
        );
        // Columns count the backslash.
        let text = "[a]\nexten => 1,1,NoOp(\\;\\;,x) y\n";
        assert!(problems(text).starts_with("x:2:27: `y`"), "{}", problems(text));
    }

    #[test]
    fn templates_and_continued_contexts() {
        let text = "[base](!)\nexten => _X.,1,NoOp(base)\n[a](base)\nexten => 7,1,NoOp(a)\n[b](base)\n\
            [a](+)\nsame => n,NoOp(more)\n[a]\nexten => 8,1,NoOp()\n";
        let plan = Dialplan::parse("x", text).expect("it is right");
        assert_eq!(plan.counts().to_string(), "2 contexts, 4 extensions");
        assert_eq!(steps(&plan, "a", "7"), "1 NoOp(a); 2 NoOp(more)");
        assert_eq!(steps(&plan, "b", "77"), "1 NoOp(base)");
        let many = format!("[t](!)\n{}[b]({})\n", "same => n,NoOp()\n".repeat(10_000), ["t"; 101].join(","));
        assert!(problems(&many).contains("templates bring more than"));
        assert!(problems("[a](+)\n").contains("no section [a] is above"));
        assert!(problems("[basic](!)\n[a](basis)\n").contains("did you mean basic?"));
    }

    #[test]
    fn the_page_shows_what_can_be_read() {
        let page = include_str!("../../DIALPLAN.md");
        let example = page.split("```").nth(1).expect("an example").trim_start();
        let files = Files(BTreeMap::from([(
            "more.conf",
            "[outside]\nexten => _X.,1,Dial(PJSIP/${EXTEN}@${TRUNK})\n",
        )]));
        let plan = Dialplan::read("page", example, &files).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(
            (plan.counts().to_string().as_str(), plan.warnings()),
            ("2 contexts, 4 extensions", &[][..])
        );
        assert_eq!(
            steps(&plan, "internal", "100"),
            "1(start) Answer(); 2 Background(menu); 13(late) Hangup()"
        );
    }

    #[test]
    fn files_include_each_other() {
        let files = Files(BTreeMap::from([
            ("main", "[a]\n#include \"one\"\n#tryinclude <none>\nsame => n,NoOp(main)\n"),
            ("one", "exten => 1,1,NoOp(one)\n"),
            ("loop", "[a]\n#include loop2\n"),
            ("loop2", "#include \"loop\"\n"),
        ]));
        let read = |name: &str| Dialplan::read(name, files.0[name], &files);
        let plan = read("main").expect("it is right");
        assert_eq!(steps(&plan, "a", "1"), "1 NoOp(one); 2 NoOp(main)");
        assert_eq!(plan.file(plan.context("a").expect("is there").extensions[0].span), "one");
        assert_eq!(read("loop").unwrap_err().to_string(), "loop2:1:11: loop includes itself");
        assert_eq!(problems("#include \"x.conf\"\n"), "x:1:11: x.conf cannot be read: there is no such file");
        let all = Dialplan::read("y", "[b]\n#include *.conf\n", &files);
        assert!(all.unwrap_err().to_string().contains("includes itself"));
        let none = Dialplan::read("y", "[b]\n#include \"x*\"\n#tryinclude {x,y}.conf\n", &files);
        let none = Problems(none.expect("it can be used").warnings().to_vec()).to_string();
        assert_eq!(none, "y:2:11: warning: no file fits x*: nothing is included");
    }

    #[test]
    fn octets_that_are_not_utf8_are_latin1() {
        let text = b"; K\xfcche\r\n[k\xfc] ;-- \xff\n \xfe --;\nexten => 1,1,NoOp(\xfc\xe4) ; \xdf\nexten => 2,1,NoOp(\xc3\xbc)\n";
        let plan = Dialplan::read("x", text, &()).expect("it is right");
        assert_eq!(steps(&plan, "k\u{fc}", "1"), "1 NoOp(\u{fc}\u{e4})");
        assert_eq!(steps(&plan, "k\u{fc}", "2"), "1 NoOp(\u{fc})");
        insta::assert_snapshot!(Problems(plan.warnings().to_vec()), @r"
        x:2:3: warning: the octet 0xFC is not UTF-8: taken for `ü` as in ISO 8859-1; save the file as UTF-8
        x:4:19: warning: the octet 0xFC is not UTF-8: taken for `ü` as in ISO 8859-1; save the file as UTF-8
        ");
        let text = b"[a]\nexten => 1,1,NoOp(\x93x\x94) ; \x93\n";
        insta::assert_snapshot!(Dialplan::read("x", text, &()).unwrap_err(), @"x:2:19: the octet 0x93 is neither UTF-8 nor ISO 8859-1: save the file as UTF-8");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_plan_is_written_down_as_its_texts() {
        let files = Files(BTreeMap::from([("one", "exten => 1,1,NoOp(one)\n")]));
        let plan =
            Dialplan::read("main", "[a]\n#include *\nsame => n,NoOp(x)\n", &files).expect("it is right");
        let octets = postcard::to_stdvec(&plan).expect("it can be written");
        let again: Dialplan = postcard::from_bytes(&octets).expect("it can be read");
        assert_eq!(plan, again);
        assert_eq!(steps(&again, "a", "1"), "1 NoOp(one); 2 NoOp(x)");
        assert_ne!(plan, Dialplan::default());
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let text = "exten => 0,1,NoOp()\n[general]\nstatik=yes\n[a\n[a]\nextne => 1,1,NoOp()\nexten => 1,n,NoOp()\n\
            same => n,NoOp()\nexten => _[5-1],1,NoOp()\nsame => n,NoOp()\nexten => 2,1,Dial,SIP/1\nexten => 3,1,NoOp(x\n\
            exten => 4,1,NoOp() x\nexten => 5,0,NoOp()\nexten => 6,1\nswitch => Realtime\ninclude => b,9-5,mon,*,*\n\
            include => b,9:00-17:00,mon-fry\nexten => 1 2,1,NoOp()\nexten => ${B},1,NoOp()\nhello\nexten => 9,1,NoOp()\n\
            exten => 9,1,Hangup()\nexten => 9,2(x),NoOp()\nexten => 9,3(x),NoOp()\nexten => _[,1,NoOp()\nexten => _,1,A()\n";
        insta::assert_snapshot!(problems(text), @r"
        x:1:1: expected a [context] before the first line
        x:3:1: warning: the setting statik is not known and has no effect: did you mean static?
        x:4:1: this context's name never ends: expected `]`
        x:6:1: `extne` is unknown: expected exten, same, include or ignorepat: did you mean exten?
        x:7:12: the first priority of a context cannot be n: begin with 1
        x:9:14: the range 5-1 has nothing in it: write [1-5]
        x:11:14: expected Dial(SIP/1): arguments stand in parentheses
        x:12:18: this parenthesis never closes: expected `)` (a `;` begins a comment: write `\;` for the sign itself)
        x:13:21: `x` stands behind the closing parenthesis: expected the end of the line
        x:14:12: priorities begin with 1
        x:15:12: expected 1,application
        x:16:1: switch is not supported: a plan is all in its text; include a context, or Dial a trunk
        x:17:14: `9` is no time of day: expected one from 0:00 to 23:59, or *
        x:18:25: `fry` is not a day of the week like mon, or *: did you mean fri?
        x:19:10: `1 2` has blanks in it: expected an extension
        x:20:10: B is no plain value of [globals] above
        x:21:1: expected exten =>, same =>, include => or a [context]
        x:23:12: warning: priority 1 of 9 in [a] is taken since line 22: this line has no effect
        x:25:12: the label x of 9 in [a] is taken since line 24
        x:26:11: this set never ends: expected `]`
        x:27:10: a pattern of nothing: expected digits, X, Z, N, [set], . or ! after `_`
        ");
    }

    #[test]
    fn there_is_no_end_of_lines_but_this() {
        let text = format!("[globals]\n{}", "a=\n".repeat(crate::limits::LINES));
        assert!(problems(&text).contains("more than 1500000 lines in all"));
    }

    #[test]
    fn globals_fill_names_of_extensions() {
        let text = "[globals]\nFAX = 42\nB=${FAX}\n[a]\nexten => _${FAX}X,1,NoOp()\n";
        let plan = Dialplan::parse("x", text).expect("it is right");
        assert_eq!(steps(&plan, "a", "425"), "1 NoOp()");
        assert_eq!(plan.globals()[1].value, "${FAX}");
        assert!(problems("[globals]\nB=${A}\n[a]\nexten => ${B},1,NoOp()").contains("no plain value"));
        assert!(plan.falls_through());
        assert!(!Dialplan::parse("x", "[general]\nautofallthrough=no\n").expect("is right").falls_through());
    }
}
