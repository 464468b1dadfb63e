//! The exchange as a dialplan sees it from one of its calls.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use smol_str::{SmolStr, ToSmolStr, format_smolstr};
use telex_dialplan::explain::{Facts, globals};
use telex_dialplan::world::{DeviceState, Loudness};
use telex_dialplan::{Dialplan, World};

use super::Call;
use super::app::{App, CALLER};
use super::park::Parked;
use super::standing::Lines;
use crate::border::{CallState, Record};
use crate::cx::{CallKey, Cx};
use crate::event::{EndCause, Event, Severity};
use crate::limits;
use crate::registrar::Registrar;
use crate::slots::Slots;

/// What dialplans remember beyond a call.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Values {
    /// Variables of the whole exchange.
    globals: BTreeMap<SmolStr, SmolStr>,
    /// Lasting values by family and key.
    db: BTreeMap<(SmolStr, SmolStr), SmolStr>,
    /// Calls by category and group. None is zero.
    groups: BTreeMap<(SmolStr, SmolStr), usize>,
}

impl Values {
    /// What survived, as far as there is room.
    pub(super) fn restored(stored: impl IntoIterator<Item = (SmolStr, SmolStr, SmolStr)>) -> Self {
        let mut values = Self::default();
        for (family, key, value) in stored.into_iter().take(limits::DB_VALUES) {
            values.db.insert((family, key), value);
        }
        values
    }

    /// What a plan says of the whole exchange holds from now on. Values may have those of others in them.
    pub(super) fn define(&mut self, plan: &Dialplan) {
        let mut known = Facts::at(0, "UTC");
        known.globals.clone_from(&self.globals);
        globals(plan, &mut known);
        for setting in plan.globals() {
            let value = known.globals.get(&setting.name).map_or("", SmolStr::as_str);
            self.set_global(&setting.name, value);
        }
    }

    /// A variable of the whole exchange.
    pub(super) fn global_of(&self, name: &str) -> Option<&str> {
        self.globals.get(name).map(SmolStr::as_str)
    }

    fn set_global(&mut self, name: &str, value: &str) -> bool {
        let short = name.len() <= limits::NAME_OCTETS && value.len() <= limits::VALUE_OCTETS;
        let room = self.globals.len() < limits::GLOBALS || self.globals.contains_key(name);
        if short && room {
            self.globals.insert(name.into(), value.into());
        }
        short && room
    }

    /// Takes a call out of its groups.
    pub(super) fn leave_groups(&mut self, groups: &[(SmolStr, SmolStr)]) {
        for group in groups {
            if let Some(count) = self.groups.get_mut(group) {
                *count -= 1;
                if *count == 0 {
                    self.groups.remove(group);
                }
            }
        }
    }

    /// Asserts that these are the groups of all calls.
    pub(super) fn check<'a>(&self, members: impl Iterator<Item = &'a (SmolStr, SmolStr)>) {
        let mut counted: BTreeMap<&(SmolStr, SmolStr), usize> = BTreeMap::new();
        members.for_each(|group| *counted.entry(group).or_default() += 1);
        let known = self.groups.iter().map(|(group, count)| (group, *count));
        assert!(known.eq(counted), "a group has the calls it counts");
        assert!(self.globals.len() <= limits::GLOBALS && self.db.len() <= limits::DB_VALUES);
    }
}

/// The exchange, seen from one call.
pub(super) struct Sight<'a, 'b> {
    pub(super) cx: &'a mut Cx<'b>,
    pub(super) registrar: &'a Registrar,
    pub(super) values: &'a mut Values,
    pub(super) calls: &'a Slots<CallKey, Call>,
    pub(super) lines: &'a Lines,
    pub(super) call: &'a Call,
    /// How the last Dial failed.
    pub(super) failed: Option<&'a EndCause>,
    /// Of its script.
    pub(super) groups: &'a mut Vec<(SmolStr, SmolStr)>,
    pub(super) facts: &'a mut BTreeMap<SmolStr, SmolStr>,
    pub(super) headers: &'a [(SmolStr, SmolStr)],
    pub(super) parked: &'a Parked,
    /// For a call that is only foretold, and so is not among the calls: the phones that ring for it.
    pub(super) foretold: Option<&'a [SmolStr]>,
}

impl Sight<'_, '_> {
    /// How the site has named a phone.
    fn name_of(&self, extension: &str) -> SmolStr {
        self.cx.config.phones.get(extension).map(|phone| phone.name.clone()).unwrap_or_default()
    }
}

/// Fields of a record that the exchange keeps itself.
const FIELDS: [&str; 12] = [
    "src",
    "dst",
    "clid",
    "channel",
    "dcontext",
    "start",
    "answer",
    "duration",
    "billsec",
    "disposition",
    "uniqueid",
    "linkedid",
];

impl World for Sight<'_, '_> {
    fn now_ms(&self) -> i64 {
        i64::try_from(self.cx.wall.as_unix_millis()).unwrap_or(i64::MAX)
    }

    fn steady_ms(&self) -> i64 {
        self.cx.steady_ms()
    }

    fn zone(&self) -> &str {
        &self.cx.config.zone
    }

    fn random(&mut self, low: i64, high: i64) -> i64 {
        let span = high.wrapping_sub(low).max(0) as u64;
        let drawn = self.cx.rng.plan.u64();
        // The remainder favours low numbers by less than what anybody could see.
        low.wrapping_add((drawn % span.saturating_add(1)) as i64)
    }

    fn log(&mut self, loudness: Loudness, text: &str) {
        let loudness = match loudness {
            Loudness::Debug => Severity::Debug,
            Loudness::Notice => Severity::Info,
            Loudness::Warning => Severity::Warning,
            Loudness::Error => Severity::Error,
        };
        self.cx.report(Event::Dialplan { call: self.call.id, loudness, text: text.into() });
    }

    fn fact(&self, name: &str) -> Option<SmolStr> {
        if let Some(set) = self.facts.get(name) {
            return Some(set.clone());
        }
        let Call { id, from, to, started, answered, .. } = self.call;
        let caller = self.call.parties.get(CALLER);
        let peer = self.call.peer.and_then(|peer| self.call.parties.get(peer));
        let wall = |at: crate::time::Instant| {
            let ago = self.cx.now.since(at).as_millis();
            (u128::from(self.cx.wall.as_unix_millis()).saturating_sub(ago) / 1000).to_smolstr()
        };
        let text = match name {
            "name" => format_smolstr!("PJSIP/{from}-{id:08x}"),
            "channeltype" => "PJSIP".into(),
            "uniqueid" | "linkedid" | "cdr/uniqueid" | "cdr/linkedid" => {
                crate::cdr::unique(self.call.since, *id)
            }
            "state" => match self.call.state {
                CallState::Up | CallState::Held => "Up".into(),
                CallState::Calling => "Ring".into(),
                CallState::Ringing => "Ringing".into(),
                CallState::Ending => "Down".into(),
            },
            "pjsip,remote_addr" => caller?.contact.clone(),
            "peerip" | "recvip" => {
                let contact = &caller?.contact;
                contact.parse::<SocketAddr>().map_or_else(|_| contact.clone(), |at| at.ip().to_smolstr())
            }
            "context" => self.cx.config.context_of(from).into(),
            "language" => "en".into(),
            "musicclass" => self.cx.config.music.clone().unwrap_or_default(),
            "tonezone" => self.cx.config.country.clone(),
            "audioreadformat" | "audiowriteformat" | "audionativeformat" => {
                caller?.codec().map(|codec| codec.name).unwrap_or_default()
            }
            "cdr/src" | "cdr/accountcode" => from.clone(),
            "cdr/clid" => format_smolstr!("\"{}\" <{from}>", self.call.name),
            "cdr/channel" => format_smolstr!("PJSIP/{from}-{id:08x}"),
            "cdr/dcontext" => self.cx.config.context_of(from).into(),
            "cdr/dst" => to.clone(),
            "cdr/start" => wall(*started),
            "cdr/answer" => answered.map(wall).unwrap_or_default(),
            "cdr/duration" => self.cx.now.since(*started).as_secs().to_smolstr(),
            "cdr/billsec" => answered.map_or(0, |at| self.cx.now.since(at).as_secs()).to_smolstr(),
            "cdr/disposition" => self.call.disposition(self.failed).as_str().into(),
            "connected/num" => peer?.extension.clone(),
            "connected/name" => self.name_of(&peer?.extension),
            "connected/all" => {
                let said = |name: &str| self.fact(name).unwrap_or_default();
                format_smolstr!("\"{}\" <{}>", said("connected/name"), said("connected/num"))
            }
            _ => return None,
        };
        Some(text)
    }

    fn set_fact(&mut self, name: &str, value: &str) -> bool {
        let free = match name.strip_prefix("cdr/") {
            Some(field) => !FIELDS.contains(&field),
            None => {
                matches!(name, "language" | "musicclass" | "accountcode") || name.starts_with("connected/")
            }
        };
        let room = self.facts.len() < limits::FACTS || self.facts.contains_key(name);
        let may = free && room && name.len() <= limits::NAME_OCTETS && value.len() <= limits::VALUE_OCTETS;
        if may {
            self.facts.insert(name.into(), value.into());
        }
        may
    }

    fn header(&self, name: &str, number: usize) -> Option<SmolStr> {
        let mut all = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        all.nth(number.checked_sub(1)?).map(|(_, value)| value.clone())
    }

    fn global(&self, name: &str) -> Option<SmolStr> {
        self.values.globals.get(name).cloned()
    }

    fn set_global(&mut self, name: &str, value: &str) -> bool {
        self.values.set_global(name, value)
    }

    fn db(&self, family: &str, key: &str) -> Option<SmolStr> {
        self.values.db.get(&(family.into(), key.into())).cloned()
    }

    fn set_db(&mut self, family: &str, key: &str, value: Option<&str>) -> bool {
        let place = (SmolStr::new(family), SmolStr::new(key));
        let Some(value) = value else {
            if self.values.db.remove(&place).is_some() {
                let (family, key) = place;
                self.cx.store(Record::Forget { family, key });
            }
            return true;
        };
        let short = family.len().max(key.len()) <= limits::NAME_OCTETS && value.len() <= limits::VALUE_OCTETS;
        let room = self.values.db.len() < limits::DB_VALUES || self.values.db.contains_key(&place);
        if !short || !room {
            return false;
        }
        let value = SmolStr::new(value);
        if self.values.db.insert(place.clone(), value.clone()).as_ref() != Some(&value) {
            let (family, key) = place;
            self.cx.store(Record::Keep { family, key, value });
        }
        true
    }

    fn device(&self, name: &str) -> DeviceState {
        if let Some(slot) = name.strip_prefix("park:") {
            let slot = slot.split('@').next().unwrap_or(slot);
            let taken = self.parked.at(slot).is_some();
            return if taken { DeviceState::InUse } else { DeviceState::NotInUse };
        }
        let extension = name.split_once('/').map_or(name, |(_, extension)| extension);
        let Some(phone) = self.cx.config.phones.get(extension) else { return DeviceState::Unknown };
        let foretold = self.foretold.filter(|_| self.call.cause.is_none());
        let mut rings = foretold.is_some_and(|ringing| ringing.iter().any(|phone| phone == extension));
        let (mut talks, mut holds) = (foretold.is_some() && self.call.from == extension, false);
        let name = SmolStr::new(extension);
        let calls = self.lines.of(&name).filter_map(|key| self.calls.get(key));
        for call in calls.filter(|call| call.cause.is_none()) {
            let caller = call.parties.first().is_some_and(|caller| caller.extension == extension);
            talks |= caller;
            for (at, party) in call.parties.iter().enumerate().skip(CALLER + 1) {
                if party.extension != extension || party.leg.is_none() {
                    continue;
                }
                let answered = call.peer == Some(at) && matches!(call.app, App::Bridge);
                (rings, talks) = (rings | !answered, talks | answered);
                holds |= answered && party.holds();
            }
        }
        let registered = phone.contact.is_some() || self.registrar.lookup(extension).next().is_some();
        match (rings, talks) {
            (true, true) => DeviceState::RingInUse,
            (true, false) => DeviceState::Ringing,
            (false, true) if holds => DeviceState::OnHold,
            (false, true) => DeviceState::InUse,
            (false, false) if registered => DeviceState::NotInUse,
            (false, false) => DeviceState::Unavailable,
        }
    }

    fn group_count(&self, group: &str, category: &str) -> usize {
        self.values.groups.get(&(category.into(), group.into())).copied().unwrap_or(0)
    }

    fn set_group(&mut self, group: &str, category: &str) {
        let left = self.groups.iter().position(|(known, _)| known == category);
        if let Some(at) = left {
            let former = self.groups.remove(at);
            self.values.leave_groups(&[former]);
        }
        let short = group.len().max(category.len()) <= limits::NAME_OCTETS;
        if !group.is_empty() && short && self.groups.len() < limits::GROUPS_OF_CALL {
            let place = (SmolStr::new(category), SmolStr::new(group));
            *self.values.groups.entry(place.clone()).or_default() += 1;
            self.groups.push(place);
        }
    }

    fn names(&self, visit: &mut dyn FnMut(&str, &str)) {
        let named = self.cx.config.phones.iter().filter(|(_, phone)| !phone.name.is_empty());
        named.for_each(|(extension, phone)| visit(extension, &phone.name));
    }

    fn has_prompt(&self, name: &str) -> bool {
        self.cx.config.has_prompt(name)
    }
}
