//! What a channel knows by name: its variables, those of the subroutines it is in, and its tables.

use std::collections::BTreeMap;
use std::ops::Bound;

use smol_str::SmolStr;

use crate::template::{MAX_VALUE, cut};

/// Variables of a channel, of its subroutines and of its tables together.
pub const MAX_VARIABLES: usize = 1_000;
/// More of them that the exchange sets: `DIALSTATUS` and the like.
const OWN: usize = 64;
/// Bytes of a variable's name.
pub const MAX_NAME: usize = 80;

/// Who inherits a variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Heirs {
    /// Nobody.
    #[default]
    None,
    /// `_NAME`: the channels dialled, but not those they dial.
    Children,
    /// `__NAME`: all that come after.
    All,
}

impl Heirs {
    /// The name without its mark, and what the mark says.
    pub fn of(name: &str) -> (Self, &str) {
        match (name.strip_prefix("__"), name.strip_prefix('_')) {
            (Some(name), _) => (Self::All, name),
            (None, Some(name)) => (Self::Children, name),
            _ => (Self::None, name),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Variable {
    value: SmolStr,
    heirs: Heirs,
}

/// The variables of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Vars {
    channel: BTreeMap<SmolStr, Variable>,
    /// What belongs to each subroutine, the innermost last: `ARG1`, `LOCAL(...)`.
    locals: Vec<BTreeMap<SmolStr, SmolStr>>,
    /// `HASH(name,key)`.
    tables: BTreeMap<SmolStr, BTreeMap<SmolStr, SmolStr>>,
    count: usize,
}

/// What a variable's name begins with when nobody is to be told its value.
pub(crate) const SECRET: [&str; 3] = ["PASSWORD", "PIN", "SECRET"];

/// Shorter values are not hidden: they stand in every text.
const SHORTEST_SECRET: usize = 3;

/// Whether nobody is to be told what a variable has in it.
pub(crate) fn is_secret(name: &str) -> bool {
    let (_, name) = Heirs::of(name);
    SECRET.iter().any(|begin| name.starts_with(begin))
}

impl Vars {
    /// A text for people, without what nobody is to be told.
    pub(crate) fn hidden(&self, text: SmolStr) -> SmolStr {
        let own = SECRET.iter().flat_map(|begin| {
            let all = self.channel.range::<str, _>((Bound::Included(*begin), Bound::Unbounded));
            all.take_while(|(name, _)| name.starts_with(*begin)).map(|(_, variable)| &variable.value)
        });
        let locals = self.locals.iter().flatten().filter(|(name, _)| is_secret(name)).map(|(_, value)| value);
        let mut text = text;
        for value in own.chain(locals).filter(|value| value.len() >= SHORTEST_SECRET) {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), "****").into();
            }
        }
        text
    }

    pub(crate) fn get(&self, name: &str) -> Option<&SmolStr> {
        self.local(name).or_else(|| self.channel.get(name).map(|variable| &variable.value))
    }

    fn local(&self, name: &str) -> Option<&SmolStr> {
        self.locals.iter().rev().find_map(|frame| frame.get(name))
    }

    /// Sets a variable where it is known, else in the channel; `_` and `__` before the name say who inherits it.
    /// False when there are too many or the name is none.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> bool {
        let (heirs, name) = Heirs::of(name);
        let value = SmolStr::new(cut(value, MAX_VALUE));
        let local = self.locals.iter_mut().rev().find_map(|frame| frame.get_mut(name));
        if let Some(place) = local {
            *place = value;
            return true;
        }
        if let Some(variable) = self.channel.get_mut(name) {
            *variable = Variable { value, heirs };
            return true;
        }
        if !self.room(name) {
            return false;
        }
        self.channel.insert(name.into(), Variable { value, heirs });
        true
    }

    /// Sets a variable of the innermost subroutine, or of the channel outside of any.
    pub(crate) fn set_local(&mut self, name: &str, value: &str) -> bool {
        let known = self.locals.last().is_none_or(|frame| frame.contains_key(name));
        if !known && !self.room(name) {
            return false;
        }
        match self.locals.last_mut() {
            Some(frame) => {
                frame.insert(name.into(), cut(value, MAX_VALUE).into());
                true
            }
            None => self.set(name, value),
        }
    }

    /// Whether a plan may set this variable: it is there, or there are not too many.
    pub(crate) fn may_hold(&self, name: &str) -> bool {
        self.count < MAX_VARIABLES || self.get(Heirs::of(name).1).is_some()
    }

    fn room(&mut self, name: &str) -> bool {
        let room = self.count < MAX_VARIABLES + OWN && (1..=MAX_NAME).contains(&name.len());
        self.count += usize::from(room);
        room
    }

    /// Goes into a subroutine with these arguments; what the one before had more is empty. False when there are too
    /// many variables.
    pub(crate) fn enter(&mut self, args: &[SmolStr]) -> bool {
        let name = |number: usize| format!("ARG{number}");
        let hidden = (args.len() + 1..).take_while(|number| self.local(&name(*number)).is_some()).count();
        self.locals.push(BTreeMap::new());
        let values = args.iter().map(SmolStr::as_str).chain(std::iter::repeat_n("", hidden));
        let mut room = self.set_local("ARGC", &args.len().to_string());
        for (number, value) in values.enumerate() {
            room = room && self.set_local(&name(number + 1), value);
        }
        room
    }

    /// Leaves it.
    pub(crate) fn leave(&mut self) {
        let gone = self.locals.pop().map_or(0, |frame| frame.len());
        self.count -= gone.min(self.count);
    }

    /// What a channel that this one dials gets, with the marks it has there.
    pub(crate) fn inherited(&self) -> Vec<(SmolStr, SmolStr)> {
        let heirs = self.channel.iter().filter_map(|(name, variable)| match variable.heirs {
            Heirs::None => None,
            Heirs::Children => Some((name.clone(), variable.value.clone())),
            Heirs::All => Some((SmolStr::from(format!("__{name}")), variable.value.clone())),
        });
        heirs.collect()
    }

    pub(crate) fn table(&self, table: &str, key: &str) -> Option<&SmolStr> {
        self.tables.get(table)?.get(key)
    }

    pub(crate) fn keys(&self, table: &str) -> impl Iterator<Item = &SmolStr> {
        self.tables.get(table).into_iter().flat_map(BTreeMap::keys)
    }

    pub(crate) fn set_table(&mut self, table: &str, key: &str, value: &str) -> bool {
        let value = SmolStr::new(cut(value, MAX_VALUE));
        if let Some(place) = self.tables.get_mut(table).and_then(|table| table.get_mut(key)) {
            *place = value;
            return true;
        }
        if table.len() > MAX_NAME || !self.room(key) {
            return false;
        }
        self.tables.entry(table.into()).or_default().insert(key.into(), value);
        true
    }

    pub(crate) fn clear_table(&mut self, table: &str) {
        let gone = self.tables.remove(table).map_or(0, |table| table.len());
        self.count -= gone.min(self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subroutine_has_its_own_and_gives_them_back() {
        let mut vars = Vars::default();
        assert!(vars.set("A", "1"));
        assert!(vars.enter(&["x".into(), "y".into()]));
        assert!(vars.enter(&["z".into()]));
        let args = ["ARG1", "ARG2", "ARG3", "ARGC"].map(|name| vars.get(name).map(SmolStr::as_str));
        assert_eq!(args, [Some("z"), Some(""), None, Some("1")], "no argument of the caller's shows through");
        vars.leave();
        assert!(vars.set_local("A", "2"));
        assert!(vars.set("A", "3"), "the nearest is meant");
        assert_eq!(vars.get("A").map(SmolStr::as_str), Some("3"));
        assert_eq!(vars.get("ARG2").map(SmolStr::as_str), Some("y"));
        assert_eq!(vars.get("ARGC").map(SmolStr::as_str), Some("2"));
        vars.leave();
        assert_eq!(vars.get("A").map(SmolStr::as_str), Some("1"));
        assert_eq!((vars.get("ARG1"), vars.count), (None, 1));
    }

    #[test]
    fn marks_say_who_inherits() {
        let mut vars = Vars::default();
        assert!(vars.set("_ONE", "1") && vars.set("__ALL", "2") && vars.set("OWN", "3"));
        assert_eq!(vars.get("ONE").map(SmolStr::as_str), Some("1"));
        assert_eq!(vars.inherited(), [("__ALL".into(), "2".into()), ("ONE".into(), "1".into())]);
        assert!(vars.set("ONE", "4"));
        assert_eq!(vars.inherited().len(), 1, "set again without mark");
    }

    #[test]
    fn there_is_no_end_of_variables_but_this() {
        let mut vars = Vars::default();
        for number in 0..MAX_VARIABLES {
            assert!(vars.may_hold("V") && vars.set(&format!("V{number}"), "x"));
        }
        assert!(!vars.may_hold("V") && vars.may_hold("__V7"), "the rest is the exchange's");
        for number in 0..OWN {
            assert!(vars.set(&format!("W{number}"), "x"));
        }
        assert!(!vars.set("ONE", "more") && !vars.set_table("T", "k", "v"));
        assert!(!vars.enter(&[]));
        vars.leave();
        assert!(vars.set("V7", &"x".repeat(100_000)));
        assert_eq!(vars.get("V7").map(|value| value.len()), Some(MAX_VALUE));
        assert!(!Vars::default().set("", "x") && !Vars::default().set(&"n".repeat(MAX_NAME + 1), "x"));
    }
}
