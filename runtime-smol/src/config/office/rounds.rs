//! Callers who do nothing must come out somewhere.

use std::collections::BTreeSet;

use smol_str::SmolStr;
use telex_engine::config::INTERNAL;
use toml::de::DeTable;

use super::menus::Action;
use super::{Office, Place, Plan};

impl Office {
    /// Where in the office a call may go on when nobody answers it and its caller presses nothing.
    fn next(&self, place: &Place) -> Vec<&Place> {
        if let Some(menu) = place.menu_name().and_then(|name| self.menus.get(name)) {
            return match &menu.fallback {
                Action::To(place) => vec![place],
                _ => Vec::new(),
            };
        }
        if place.context != INTERNAL {
            return Vec::new();
        }
        if let Some(group) = self.groups.get(&place.extension) {
            return group.fallback.iter().collect();
        }
        self.hours.get(&place.extension).map(|hours| hours.places().to_vec()).unwrap_or_default()
    }

    /// Whether such a call may come back to where it began.
    fn comes_back(&self, start: &Place) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), self.next(start));
        while let Some(place) = open.pop() {
            if place == start {
                return true;
            }
            if seen.insert(place) {
                open.extend(self.next(place));
            }
        }
        false
    }
}

impl Office {
    /// Whether every call to a phone is forwarded until it is back at that phone, or one for it goes to itself.
    fn forwards_round(&self, phone: &SmolStr) -> bool {
        let Some(answering) = self.phones.get(phone) else { return false };
        let (mut seen, mut at) = (BTreeSet::new(), answering.always.as_ref());
        while let Some(place) = at.filter(|place| seen.insert(&place.extension)) {
            if place.extension == *phone {
                return true;
            }
            at = self.phones.get(&place.extension).and_then(|next| next.always.as_ref());
        }
        answering.places().any(|place| place.extension == *phone)
    }
}

impl Plan<'_> {
    /// Tells of phones whose calls are forwarded round.
    pub(super) fn forwards(&mut self, root: &DeTable<'_>) {
        for entry in self.reader.list(root, "phone") {
            let Some(phone) = self.reader.peek_text(entry.value, "extension").map(SmolStr::new) else {
                continue;
            };
            if self.read.office.forwards_round(&phone) {
                let span = self.reader.key(entry.value, "forward").unwrap_or(entry.span);
                let title = format!("calls to {phone} are forwarded until they are back at {phone}");
                self.reader.wrong(&span, title, "leads round", "forward one of these calls to somebody else");
            }
        }
    }

    /// Tells of menus, groups and hours that such calls come back to.
    pub(super) fn rounds(&mut self, root: &DeTable<'_>) {
        for (kind, key) in [("menu", "fallback"), ("group", "fallback"), ("hours", "open")] {
            for entry in self.reader.list(root, kind) {
                let text = |key| self.reader.peek_text(entry.value, key);
                let (name, number) = (text("name").or(text("number")), text("number"));
                let place = match kind {
                    "menu" => name.map(Place::menu),
                    _ => number.map(Place::number),
                };
                if place.is_some_and(|place| self.read.office.comes_back(&place)) {
                    let span = self.reader.key(entry.value, key).unwrap_or(entry.span);
                    let title =
                        "a caller whom nobody answers and who presses nothing comes back here without end";
                    let remedy =
                        "let one of these lead to a phone, to an extension of the dialplan or to \"hangup\"";
                    self.reader.wrong(&span, title, "leads round", remedy);
                }
            }
        }
    }
}
