//! What a step names that the plan or its site must have: as far as it is written out.

use super::{Body, Kind, Letters, List, Prepared, Target, dial, sound};
use crate::lacking::Thing;
use crate::task;
use crate::template::Template;

impl Prepared {
    /// Prompts that the step plays.
    pub fn prompts(&self) -> Vec<&str> {
        let list = match &self.body {
            Body::List(list) => list,
            Body::Step { yes, no, .. } => {
                let no = no.as_ref().map(|no| no.prompts()).unwrap_or_default();
                return yes.prompts().into_iter().chain(no).collect();
            }
            _ => return Vec::new(),
        };
        let mut names: Vec<&str> = Vec::new();
        // The one of Read may be the name of a tone.
        let tone = self.app.name == "Read" && list.letter('i').is_some();
        if self.app.kinds.contains(&Kind::Prompts) && !tone {
            names.extend(list.items.iter().filter_map(Template::constant));
        }
        if matches!(self.app.name, "Dial" | "Page") {
            names.extend(list.letter('A').into_iter().flat_map(|text| text.split('&')));
        }
        if self.app.name == "SayUnixTime" {
            names.extend(list.text(2).split('\'').skip(1).step_by(2));
        }
        let names = names.into_iter().map(str::trim);
        names.filter(|name| !name.is_empty() && sound::silence(name).is_none()).collect()
    }

    /// Phones, trunks, music and the like that the step names.
    pub(crate) fn things(&self) -> Vec<(Thing, String)> {
        let mut things = Vec::new();
        match &self.body {
            Body::List(list) => self.named_in(list, &mut things),
            Body::Step { yes, no, .. } => {
                things.extend(yes.things());
                things.extend(no.iter().flat_map(|no| no.things()));
            }
            Body::Assign(all) => {
                for one in all {
                    let Target::Call(function, args) = &one.to else { continue };
                    let what = args.first().and_then(Template::constant).unwrap_or_default();
                    if function.name == "CHANNEL" && what.eq_ignore_ascii_case("musicclass") {
                        things.extend(one.value.constant().map(|class| (Thing::Music, class.to_owned())));
                    }
                }
            }
            Body::Jump { .. } => {}
        }
        things.retain(|(_, name)| !name.is_empty());
        things
    }

    fn named_in(&self, list: &List, things: &mut Vec<(Thing, String)>) {
        let mut add = |thing, name: &str| things.push((thing, name.trim().to_owned()));
        match self.app.name {
            "Dial" | "Page" | "ChanIsAvail" => {
                list.items.iter().filter_map(target).for_each(|(thing, name)| add(thing, &name));
                add(Thing::Music, list.letter('m').unwrap_or_default());
                add(Thing::Tone, list.letter('r').filter(|_| self.app.name == "Dial").unwrap_or_default());
            }
            "Directory" => {
                let own = if list.text(1).is_empty() { list.text(0) } else { list.text(1) };
                add(Thing::Context, own);
            }
            "Background" => add(Thing::Context, list.text(3)),
            "MusicOnHold" => add(Thing::Music, list.text(0)),
            "WaitExten" => add(Thing::Music, list.letter('m').unwrap_or_default()),
            "Playtones" => add(Thing::Tone, list.text(0)),
            "Read" if list.letter('i').is_some() => add(Thing::Tone, list.text(1)),
            "Park" => add(Thing::Lot, list.text(0)),
            "ParkedCall" if list.args.len() > 1 || list.text(0).parse::<u64>().is_err() => {
                add(Thing::Lot, list.text(0));
            }
            _ => {}
        }
    }

    /// Subroutines that the options of a Dial name: the letter, and context, extension and priority; `$` for what is
    /// not written out.
    pub(crate) fn routines(&self) -> Vec<(char, Vec<String>)> {
        let list = match &self.body {
            Body::List(list) if self.app.name == "Dial" => list,
            Body::Step { yes, no, .. } => {
                let no = no.as_ref().map(|no| no.routines()).unwrap_or_default();
                return yes.routines().into_iter().chain(no).collect();
            }
            _ => return Vec::new(),
        };
        let named = list.options.iter().filter_map(|option| match option {
            Letters::One('U', text) => {
                let context = text.split('^').first().map(written).unwrap_or_default();
                Some(('U', vec![context, "s".to_owned(), "1".to_owned()]))
            }
            Letters::One('b', text) => {
                let mut parts = Vec::new();
                for part in text.split('^') {
                    let text = written(&part);
                    let (place, args) =
                        text.split_once('(').map_or((text.as_str(), false), |all| (all.0, true));
                    parts.push(place.trim().to_owned());
                    if args {
                        break;
                    }
                }
                Some(('b', parts))
            }
            _ => None,
        });
        named.filter(|(_, parts)| parts.len() <= 3 && parts.iter().all(|part| !part.is_empty())).collect()
    }

    /// Whether the step sets a variable.
    pub(crate) fn sets(&self, name: &str) -> bool {
        match &self.body {
            Body::Assign(all) => all.iter().any(|one| match &one.to {
                Target::Variable(to) => {
                    to.constant().is_some_and(|to| to.trim().trim_start_matches('_') == name)
                }
                Target::Call(_, args) => args.iter().any(|arg| arg.constant() == Some(name)),
            }),
            Body::List(list) => self.app.name == "Read" && list.text(0).trim() == name,
            Body::Step { yes, no, .. } => yes.sets(name) || no.as_ref().is_some_and(|no| no.sets(name)),
            Body::Jump { .. } => false,
        }
    }

    /// Contexts in which the step looks for extensions.
    pub(crate) fn local_contexts(&self) -> Vec<String> {
        let things = self.things().into_iter();
        things.filter(|(thing, _)| *thing == Thing::Context).map(|(_, name)| name).collect()
    }
}

impl List {
    /// What stands in parentheses after an option letter that is written out.
    fn letter(&self, letter: char) -> Option<&str> {
        self.options.iter().find_map(|option| match option {
            Letters::One(one, text) if *one == letter => Some(text.constant().unwrap_or_default()),
            _ => None,
        })
    }

    /// An argument that is written out.
    fn text(&self, at: usize) -> &str {
        self.args.get(at).and_then(Template::constant).unwrap_or_default()
    }
}

/// A text, as far as it is written out before the first parenthesis.
fn written(text: &Template) -> String {
    match (text.constant(), text.start().split_once('(')) {
        (Some(text), _) => text.to_owned(),
        (None, Some((before, _))) => format!("{before}("),
        _ => "$".to_owned(),
    }
}

/// What a target of a Dial names: a phone, a trunk or a context.
fn target(item: &Template) -> Option<(Thing, String)> {
    if let Some(text) = item.constant() {
        return Some(match dial::target(text).ok()? {
            task::Target::Phone(phone) => (Thing::Phone, phone.into()),
            task::Target::Trunk { trunk, .. } => (Thing::Trunk, trunk.into()),
            task::Target::Uri { name, .. } => (Thing::Trunk, name.into()),
            task::Target::Local { context, .. } => (Thing::Context, context.into()),
        });
    }
    // PJSIP/${EXTEN}@carrier, Local/${EXTEN}@office/n
    let (technology, _) = item.start().split_once('/')?;
    let name = item.end().rsplit_once('@')?.1;
    if technology.eq_ignore_ascii_case("local") {
        return Some((Thing::Context, name.split('/').next().unwrap_or(name).to_owned()));
    }
    let sip = ["pjsip", "sip"].iter().any(|known| technology.eq_ignore_ascii_case(known));
    let trunk = sip && item.start().matches('/').count() == 1 && !name.contains('/');
    trunk.then(|| (Thing::Trunk, name.to_owned()))
}
