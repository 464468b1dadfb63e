//! What a plan names that its site does not have. No call would tell of it before it fails.

use crate::limits;
use crate::names::hint;
use crate::plan::{Dialplan, Extension, Hint, Step};
use crate::source::{Problem, Span};

/// What a site may have of some name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A phone, by its extension.
    Phone,
    /// A carrier, or a phone that stands for one.
    Trunk,
    /// A context of the plan; no site is asked for it.
    Context,
    /// A class of music.
    Music,
    /// A parking lot.
    Lot,
    /// A slot where calls are parked.
    Slot,
    /// A tone, or a list of frequencies and times.
    Tone,
}

/// What there is beside a plan.
pub trait Site {
    /// Whether it has a thing of this name.
    fn has(&self, thing: Thing, name: &str) -> bool;

    /// The names of such things.
    fn names(&self, thing: Thing) -> Vec<&str>;
}

impl Dialplan {
    /// A warning for each thing that is written out and that the site does not have.
    pub fn lacking(&self, site: &dyn Site) -> Vec<Problem> {
        let mut all = Vec::new();
        let extensions = || self.contexts().iter().flat_map(|context| &context.extensions);
        for step in extensions().flat_map(|extension| &extension.steps) {
            self.lacking_in(step, site, &mut all);
        }
        for (extension, hint) in
            extensions().filter_map(|extension| Some((extension, extension.hint.as_ref()?)))
        {
            self.lacking_hint(extension, hint, site, &mut all);
        }
        all.sort_by_key(|problem| problem.span);
        all.dedup();
        all.truncate(limits::PROBLEMS);
        all
    }

    fn lacks(&self, span: Span, message: String) -> Problem {
        Problem { file: self.file(span).into(), span, message, warning: true }
    }

    fn lacking_in(&self, step: &Step, site: &dyn Site, all: &mut Vec<Problem>) {
        for (thing, name) in step.prepared.things() {
            if thing == Thing::Context || all.len() > limits::PROBLEMS || site.has(thing, &name) {
                continue;
            }
            let near = || hint(&name, site.names(thing));
            let message = match thing {
                Thing::Phone => format!("there is no phone {name}, so it never rings{}", near()),
                Thing::Trunk => format!("there is no trunk or phone {name}, so no call goes there{}", near()),
                Thing::Music => format!("there is no class of music {name}: nothing is heard{}", near()),
                Thing::Lot => format!("there is no parking lot {name}, so nobody is parked there{}", near()),
                _ => format!("there is no tone {name}: nothing is heard{}", near()),
            };
            all.push(self.lacks(step.args_span, message));
        }
    }

    /// Devices of a hint that nobody has; those of a pattern depend on the number.
    fn lacking_hint(&self, extension: &Extension, hinted: &Hint, site: &dyn Site, all: &mut Vec<Problem>) {
        let pattern = extension.pattern.as_str().starts_with('_') && hinted.text.contains("${");
        let devices = if pattern { Vec::new() } else { hinted.devices(extension.pattern.as_str()) };
        for device in devices.iter().filter(|device| !device.contains("${")) {
            let known = device.split_once('/').filter(|(technology, _)| {
                ["pjsip", "sip"].iter().any(|known| technology.eq_ignore_ascii_case(known))
            });
            let (thing, name) = match (known, device.strip_prefix("park:")) {
                (Some((_, phone)), _) => (Thing::Phone, phone),
                (_, Some(slot)) => (Thing::Slot, slot.split('@').next().unwrap_or(slot)),
                _ => {
                    let message = format!(
                        "the hint names {device}, of which this exchange knows nothing: expected PJSIP/101 or park:701"
                    );
                    all.push(self.lacks(hinted.span, message));
                    continue;
                }
            };
            if !site.has(thing, name) {
                let near = hint(name, site.names(thing));
                let what = if thing == Thing::Phone { "phone" } else { "parking slot" };
                let message = format!("the hint names the {what} {name}, which is not there{near}");
                all.push(self.lacks(hinted.span, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Small;

    impl Site for Small {
        fn has(&self, thing: Thing, name: &str) -> bool {
            self.names(thing).contains(&name)
        }

        fn names(&self, thing: Thing) -> Vec<&str> {
            match thing {
                Thing::Phone => vec!["100", "101"],
                Thing::Trunk => vec!["100", "101", "carrier"],
                Thing::Music => vec!["default", "jazz"],
                Thing::Lot => vec!["default"],
                Thing::Slot => vec!["701"],
                Thing::Tone => vec!["dial", "busy"],
                Thing::Context => Vec::new(),
            }
        }
    }

    fn lacking(text: &str) -> String {
        let plan = Dialplan::parse("x", text).unwrap_or_else(|problems| panic!("{problems}"));
        crate::Problems(plan.lacking(&Small)).to_string()
    }

    #[test]
    fn what_a_site_has_not_is_told_with_the_nearest_name() {
        let text = "[a]\nexten => 1,1,Dial(PJSIP/110&PJSIP/101,20,m(jaz)r(buzy))\n same => n,Dial(PJSIP/0123@nocarrier)\n\
            same => n,Dial(PJSIP/${EXTEN}@carier&SIP/100/0123,9)\n same => n,ExecIf($[1]?Page(SIP/1O1):MusicOnHold(rock))\n\
            same => n,WaitExten(5,m(blues))\n same => n,Read(X,dail,1,i)\n same => n,Park(nolot)\n same => n,ParkedCall(nolot,701)\n\
            same => n,Playtones(none)\n same => n,Set(CHANNEL(musicclass)=rock)\n same => n,ChanIsAvail(PJSIP/999)\n\
            exten => 2,hint,PJSIP/999&park:702@x&Custom:night\nexten => _1XX,hint,PJSIP/${EXTEN}\nexten => 102,hint,PJSIP/${EXTEN}\n";
        insta::assert_snapshot!(lacking(text), @r"
        x:2:19: warning: there is no phone 110, so it never rings: did you mean 100?
        x:2:19: warning: there is no class of music jaz: nothing is heard: did you mean jazz?
        x:2:19: warning: there is no tone buzy: nothing is heard: did you mean busy?
        x:3:17: warning: there is no trunk or phone nocarrier, so no call goes there: did you mean carrier?
        x:4:16: warning: there is no trunk or phone carier, so no call goes there: did you mean carrier?
        x:5:19: warning: there is no phone 1O1, so it never rings: did you mean 101?
        x:5:19: warning: there is no class of music rock: nothing is heard
        x:6:21: warning: there is no class of music blues: nothing is heard
        x:7:17: warning: there is no tone dail: nothing is heard: did you mean dial?
        x:8:17: warning: there is no parking lot nolot, so nobody is parked there
        x:9:23: warning: there is no parking lot nolot, so nobody is parked there
        x:10:21: warning: there is no tone none: nothing is heard
        x:11:16: warning: there is no class of music rock: nothing is heard
        x:12:24: warning: there is no phone 999, so it never rings
        x:13:17: warning: the hint names the phone 999, which is not there
        x:13:17: warning: the hint names the parking slot 702, which is not there: did you mean 701?
        x:13:17: warning: the hint names Custom:night, of which this exchange knows nothing: expected PJSIP/101 or park:701
        x:15:19: warning: the hint names the phone 102, which is not there: did you mean 100?
        ");
    }

    #[test]
    fn what_is_there_or_made_by_values_is_not() {
        let text = "[a]\nexten => 1,1,Dial(PJSIP/${X}&PJSIP/100&Local/1@a&PJSIP/0123@carrier&DAHDI/1,20,m(default)r)\n\
            same => n,Dial(${WHO},9,m(${X}))\n same => n,Dial(PJSIP/${X}@${TRUNK})\n same => n,MusicOnHold()\n\
            same => n,Park()\n same => n,ParkedCall(701)\n same => n,Playtones(dial)\n same => n,WaitExten(3,m)\n\
            exten => 101,hint,PJSIP/101&park:701\n";
        assert_eq!(lacking(text), "");
    }
}
