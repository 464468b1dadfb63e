//! `[dialplan]` and `[site]`: what happens to calls, and where the site is.

use std::path::Path;

use smol_str::SmolStr;
use telex_audio::tone::{Cadence, Plan};
use telex_dialplan::lacking::{Site, Thing};
use telex_dialplan::{Context, Dialplan, Extension, Sources};
use telex_engine::config::{Config, INTERNAL, TONES};
use toml::de::DeTable;

use super::reader::{At, Reader};
use crate::sounds::Own;

/// The part of the dialplan that no file holds, since it is made of the configuration.
pub(super) struct Made<'a> {
    /// The name of the configuration.
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    /// What is said of its extensions.
    pub(super) place: &'a dyn Fn(&Context, &Extension) -> SmolStr,
}

/// A dialplan that was read from a file, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// `2 contexts, 4 extensions` of the file and what it includes.
    pub(crate) counts: String,
    /// What is odd in it, a line each.
    pub(crate) warnings: Vec<String>,
    /// The name of what was made of the configuration, for which nothing is warned of.
    pub(super) made: String,
}

impl Loaded {
    /// In one line, for a log.
    pub(crate) fn line(&self) -> String {
        format!("Loaded dialplan: {}", self.counts)
    }
}

/// What came of `[dialplan]`.
pub(super) enum Read {
    /// It names no file.
    Nothing,
    /// The file and what is configured beside it.
    Plan(Dialplan, Loaded),
    /// Everything that is wrong with the file, a line each.
    Wrong(Vec<String>),
}

/// The files of a dialplan: what they include lies in the same folder.
pub(crate) struct Folder<'a> {
    path: &'a Path,
    /// A text that no file holds, with its name.
    own: Option<(&'a str, &'a str)>,
}

impl<'a> Folder<'a> {
    /// Nothing but files.
    pub(crate) fn new(path: &'a Path) -> Self {
        Self { path, own: None }
    }
}

impl Sources for Folder<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        match self.own {
            Some((own, text)) if name == own => Ok(text.into()),
            _ => std::fs::read(self.path.join(name)).map_err(|error| error.to_string()),
        }
    }

    fn list(&self, pattern: &str) -> Vec<String> {
        super::glob::list(self.path, pattern)
    }
}

/// Reads the dialplan that is named, and joins it with what is configured beside it: `own`.
pub(super) fn dialplan(
    reader: &mut Reader,
    root: &DeTable<'_>,
    folder: &Path,
    config: &Config,
    own: &Made<'_>,
) -> Read {
    let Some(section) = reader.section(root, "dialplan") else { return Read::Nothing };
    let Some(file) = reader.text(section, "file") else { return Read::Nothing };
    if file.value.is_empty() {
        return Read::Nothing;
    }
    let path = folder.join(file.value);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) => {
            let title = format!("the dialplan {} cannot be read: {error}", path.display());
            reader.wrong(
                &file.span,
                title,
                "no such dialplan",
                "name a file that can be read, or leave the key out",
            );
            return Read::Nothing;
        }
    };
    let beside = path.parent().unwrap_or(Path::new("")).to_owned();
    read(file.value, &text, &beside, config, own)
}

/// What is configured is all there is.
pub(super) fn alone(own: &Made<'_>) -> Result<Dialplan, Vec<String>> {
    let plan = Dialplan::parse(own.name, own.text);
    let plan = plan.map_err(|problems| problems.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok(plan.with_places(own.name, own.place))
}

fn read(name: &str, text: &[u8], folder: &Path, config: &Config, own: &Made<'_>) -> Read {
    let alone = Dialplan::read(name, text, &Folder { path: folder, own: Some((own.name, "")) });
    let mut made = own.text.to_owned();
    if alone.as_ref().is_ok_and(|plan| plan.context(INTERNAL).is_some()) {
        made = made.replacen(&format!("[{INTERNAL}]"), &format!("[{INTERNAL}](+)"), 1);
    }
    // The file comes first: the places of what is wrong are in it.
    let all = [text.trim_ascii_end(), format!("\n#include \"{}\"\n", own.name).as_bytes()].concat();
    let folder = Folder { path: folder, own: Some((own.name, &made)) };
    // What is wrong with the file is told as of both: it may name what is configured.
    match (Dialplan::read(name, &all, &folder), alone) {
        (Ok(plan), Ok(alone)) => {
            let plan = plan.with_places(own.name, own.place);
            let warnings = warnings(&plan, own.name, config, None);
            let loaded = Loaded { counts: alone.counts().to_string(), warnings, made: own.name.to_owned() };
            Read::Plan(plan, loaded)
        }
        (Err(problems), _) | (_, Err(problems)) => {
            Read::Wrong(problems.0.iter().map(ToString::to_string).collect())
        }
    }
}

/// What is odd in a plan, and what it names that nobody has, a line each; `made` is the name of what was made of the
/// configuration.
pub(super) fn warnings(plan: &Dialplan, made: &str, config: &Config, own: Option<&Own>) -> Vec<String> {
    let missing = plan.missing_prompts(&|name| config.has_prompt(name));
    let lacking = plan.lacking(&Stock { config, own });
    // What is configured was checked when it was read.
    let lacking = lacking.iter().filter(|problem| problem.file != made);
    let mut all: Vec<_> = plan.warnings().iter().chain(&missing).chain(lacking).collect();
    all.sort_by_key(|problem| (problem.span.file, problem.span.line));
    all.into_iter().map(ToString::to_string).collect()
}

/// What a configuration has.
struct Stock<'a> {
    config: &'a Config,
    /// Its music, if it is known by now.
    own: Option<&'a Own>,
}

impl Site for Stock<'_> {
    fn has(&self, thing: Thing, name: &str) -> bool {
        match thing {
            Thing::Phone | Thing::Trunk => self.config.phones.contains_key(name),
            Thing::Music => self.own.is_none_or(|own| super::sounds::is_class(name, own)),
            Thing::Lot => self.config.parking.contains_key(name),
            Thing::Slot => {
                let slot = name.parse().ok();
                self.config.parking.values().any(|lot| slot.is_some_and(|slot| lot.all().contains(&slot)))
            }
            Thing::Tone => {
                let known = TONES.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
                known || name.parse::<Cadence>().is_ok()
            }
            Thing::Context => true,
        }
    }

    fn names(&self, thing: Thing) -> Vec<&str> {
        match thing {
            Thing::Phone | Thing::Trunk => self.config.phones.keys().map(SmolStr::as_str).collect(),
            Thing::Lot => self.config.parking.keys().map(SmolStr::as_str).collect(),
            Thing::Tone => TONES.iter().map(|(name, _)| *name).collect(),
            Thing::Music => {
                let stations = self.own.into_iter().flat_map(|own| &own.stations);
                stations.map(|station| station.class.as_str()).chain(["default"]).collect()
            }
            Thing::Slot | Thing::Context => Vec::new(),
        }
    }
}

/// Contexts that phones are in and that are not there.
pub(super) fn check_contexts(reader: &mut Reader, contexts: &[At<SmolStr>], plan: Option<&Dialplan>) {
    for context in contexts {
        let known =
            context.value == INTERNAL || plan.is_some_and(|plan| plan.context(&context.value).is_some());
        if !known {
            let title = format!("the dialplan has no context [{}]", context.value);
            let remedy = format!("write it in the dialplan, or leave the key out for [{INTERNAL}]");
            reader.wrong(&context.span, title, "not in the dialplan", remedy);
        }
    }
}

/// The site's time zone, and the country whose tones it has.
pub(super) fn site(reader: &mut Reader, root: &DeTable<'_>) -> (Option<SmolStr>, Option<SmolStr>) {
    let Some(section) = reader.section(root, "site") else { return (None, None) };
    let zone = reader.text(section, "zone").and_then(|text| {
        if telex_dialplan::when::zone(text.value).is_none() {
            let title = format!("no time zone is called `{}`", text.value);
            reader.wrong(
                &text.span,
                title,
                "unknown",
                "write one like Europe/Berlin, America/New_York or UTC",
            );
            return None;
        }
        Some(text.value.into())
    });
    let country = reader.text(section, "country").and_then(|text| {
        let small = text.value.to_ascii_lowercase();
        if Plan::of(&small).is_none() {
            let known: Vec<&str> = Plan::all().iter().map(|plan| plan.country).collect();
            let title = format!("the tones of `{}` are not known", text.value);
            reader.wrong(&text.span, title, "unknown", format!("choose one of {}", known.join(", ")));
            return None;
        }
        Some(small.into())
    });
    (zone, country)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::{Refused, Settings, load};

    /// A site with this dialplan, in a folder of its own.
    fn site(name: &str, toml: &str, plan: &str) -> Result<Settings, Refused> {
        let folder = std::env::temp_dir().join(format!("telex-dialplan-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("telex.toml");
        let phone = "[[phone]]\nextension = \"101\"\npassword = \"secret\"\n";
        std::fs::write(&path, format!("[dialplan]\nfile = \"extensions.conf\"\n{toml}{phone}")).unwrap();
        std::fs::write(folder.join("extensions.conf"), plan).unwrap();
        std::fs::write(folder.join("more.conf"), "[more]\nexten => 7,1,Answer()\n").unwrap();
        let read = load(&path);
        std::fs::remove_dir_all(&folder).unwrap();
        read
    }

    #[test]
    fn a_file_is_joined_with_what_is_configured() {
        let plan =
            "[internal]\nexten => _1XX,1,Dial(PJSIP/${EXTEN})\ninclude => more\n#include \"more.conf\"\n";
        let settings = site("joined", "[site]\nzone = \"Europe/Berlin\"\ncountry = \"DE\"\n", plan).unwrap();
        assert_eq!(settings.dialplan.unwrap().line(), "Loaded dialplan: 2 contexts, 2 extensions");
        let config = &settings.engine;
        assert_eq!((config.zone.as_str(), config.country.as_str()), ("Europe/Berlin", "de"));
        let plan = config.dialplan.as_ref().unwrap();
        let find = |extension| {
            let now = telex_dialplan::Moment::new(0, "UTC");
            let asked = telex_dialplan::Asked { context: "internal", extension, caller: "", now };
            let found = plan.find(asked, telex_dialplan::At::Priority(1))?;
            Some(format!("{} {}", found.context.name, found.extension))
        };
        assert_eq!(find("101").as_deref(), Some("internal _1XX"), "what is written comes first");
        assert_eq!(find("7").as_deref(), Some("more 7"));
        assert_eq!(find("*43").as_deref(), Some("telex *43"));
        assert_eq!(find("200"), None);
    }

    #[test]
    fn what_is_wrong_has_its_place_and_changes_nothing() {
        let wrong = site("wrong", "", "[internal]\nexten => 1,1,Playbak(x)\n same => n,Goto(\n").unwrap_err();
        assert_snapshot!(wrong.render(false), @r"
        extensions.conf:2:14: no application is named Playbak: did you mean Playback?
        extensions.conf:3:16: this parenthesis never closes: expected `)` (a `;` begins a comment: write `\;` for the sign itself)
        ");
        assert_eq!(wrong.lines().join("\n"), wrong.render(false));
    }

    #[test]
    fn what_is_wrong_in_both_files_is_told_at_once() {
        let toml = "[media]\ntranscode = 7\n[control]\nfle = \"x\"\n";
        let wrong = site("both", toml, "[internal]\nexten => 1,1,Playbak(x)\n").unwrap_err().lines();
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert_eq!(wrong[2], "extensions.conf:2:14: no application is named Playbak: did you mean Playback?");
    }

    #[test]
    fn files_are_included_by_a_pattern() {
        let plan =
            "[internal]\n#include \"mo*.conf\"\n#include \"none/*.conf\"\n#tryinclude \"none/*.conf\"\n";
        let loaded = site("glob", "", plan).unwrap().dialplan.unwrap();
        assert_eq!(loaded.counts, "2 contexts, 1 extension");
        assert_snapshot!(loaded.warnings.join("\n"), @"extensions.conf:3:11: warning: no file fits none/*.conf: nothing is included");
        let refused = site("absent", "", "[internal]\n#include \"absent.conf\"\n").unwrap_err();
        assert_snapshot!(refused.render(false), @"extensions.conf:2:11: absent.conf cannot be read: No such file or directory (os error 2)");
    }

    #[test]
    fn what_a_plan_names_and_the_site_has_not_is_told() {
        let plan = "[internal]\nexten => 200,1,Dial(PJSIP/111&PJSIP/101,20,A(nosuch)m(noclass)U(nosub)b(nosub^s^1))\n\
            \x20same => n,Dial(PJSIP/0123@nocarrier,abc,S(y)r(notone))\n same => n,Page(PJSIP/101,A(nosuch))\n\
            \x20same => n,SayUnixTime(,,'nosuch' R)\n same => n,Queue(x)\n same => n,ConfBridge(1,profile)\n\
            \x20same => n,Park(nolot)\n same => n,NoOp(${QUEUESTATUS} ${HINT})\n same => n,MixMonitor(x.wav,b)\n\
            exten => 101,hint,PJSIP/999\nexten => 102,hint,Foo\n";
        let loaded = site("lacking", "", plan).unwrap().dialplan.unwrap();
        assert_snapshot!(loaded.warnings.join("\n"), @r"
        extensions.conf:2:21: warning: the subroutine of the option U: no context is called nosub
        extensions.conf:2:21: warning: the subroutine of the option b: no context is called nosub
        extensions.conf:2:21: warning: there is no prompt nosuch: nothing is heard in its place
        extensions.conf:2:21: warning: there is no phone 111, so it never rings: did you mean 101?
        extensions.conf:3:38: warning: `abc` is no number of seconds: it rings as long as usual
        extensions.conf:3:42: warning: `y` is no number: the option S of Dial has no effect
        extensions.conf:3:17: warning: there is no trunk or phone nocarrier, so no call goes there
        extensions.conf:3:17: warning: there is no tone notone: nothing is heard
        extensions.conf:4:27: warning: the option A of Page has no effect yet
        extensions.conf:4:17: warning: there is no prompt nosuch: nothing is heard in its place
        extensions.conf:5:24: warning: there is no prompt nosuch: nothing is heard in its place
        extensions.conf:6:18: warning: queues are not possible yet: this step is left out
        extensions.conf:7:23: warning: profiles and menus of ConfBridge have no effect yet
        extensions.conf:8:17: warning: there is no parking lot nolot, so nobody is parked there
        extensions.conf:9:19: warning: QUEUESTATUS is never set by this exchange: it is empty
        extensions.conf:10:29: warning: the option b of MixMonitor has no effect yet
        extensions.conf:11:19: warning: the hint names the phone 999, which is not there
        extensions.conf:12:19: warning: the hint names Foo, of which this exchange knows nothing: expected PJSIP/101 or park:701
        ");
    }

    #[test]
    fn what_is_odd_is_told() {
        let settings = site("odd", "", "[internal]\nexten => 1,1,Playback(no-such-prompt)\n").unwrap();
        assert_snapshot!(settings.dialplan.unwrap().warnings.join("\n"), @"extensions.conf:2:23: warning: there is no prompt no-such-prompt: nothing is heard in its place");
    }

    #[test]
    fn a_phone_in_a_context_that_is_not_there_is_refused() {
        let phone = "[[phone]]\nextension = \"9\"\npassword = \"s\"\ncontext = \"lobby\"\n";
        let refused = site("lobby", phone, "[internal]\nexten => 1,1,Answer()\n").unwrap_err();
        assert!(
            refused.render(false).contains("the dialplan has no context [lobby]"),
            "{}",
            refused.render(false)
        );
        assert!(
            site("hall", &phone.replace("lobby", "more"), "[internal]\n#include \"more.conf\"\n").is_ok()
        );
    }
}
