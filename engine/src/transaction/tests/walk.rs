//! Walks a machine of the transaction layer against a table written by hand from the figures of the RFCs.
//!
//! A row is `state | events | transports | next state | effects | source`. States, events and effects are written as
//! `Debug` writes them; `Timer(A B)` stands for both events, `any` for both transports, `=` for the same state, `end`
//! for the terminated one, `-` for no effect. `<n>` is the count of the state at hand, `<2n>` the doubled one.
//! The source is a section of an RFC, or one of
//!
//! - `own`: not of the RFCs, with the reason;
//! - `absorbed`: it happens, and nothing comes of it, with the reason where it is not plain;
//! - `never`: it cannot happen, as a timer that is not armed cannot fire. The walk shows that it is not reached.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::super::effects::{Effects, doubled};

/// One step over a transport that is reliable or not; `None` is the terminated state.
type Step<S, V, E> = fn(S, V, bool) -> (Option<S>, Effects<E>);

/// A machine and what the RFCs say of it.
pub(super) struct Figure<S, V, E> {
    pub(super) name: &'static str,
    pub(super) table: &'static str,
    /// One state of each kind; counts are 4.
    pub(super) states: Vec<S>,
    pub(super) events: Vec<V>,
    pub(super) start: fn(bool) -> (S, Effects<E>),
    pub(super) step: Step<S, V, E>,
}

/// How many of what a walk saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// (State, event, transport).
    pub(super) triples: usize,
    /// Of these, stated by an RFC, and reached from the start.
    pub(super) rfc: (usize, usize),
    /// Stated by ourselves, and reached.
    pub(super) own: (usize, usize),
    /// Without effect, and reached.
    pub(super) absorbed: (usize, usize),
    /// Impossible, and reached all the same.
    pub(super) never: (usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Rfc,
    Own,
    Absorbed,
    Never,
}

#[derive(Debug)]
struct Row {
    next: &'static str,
    effects: &'static str,
    source: Source,
}

/// (Kind of state, event, transport).
type Place = (String, String, &'static str);

const TRANSPORTS: [(&str, bool); 2] = [("udp", false), ("tcp", true)];

impl<S: Copy + Debug, V: Copy + Debug, E: Debug> Figure<S, V, E> {
    /// Every triple is in the table once, and the machine does what stands there.
    pub(super) fn walk(&self) -> Counts {
        let rows = rows(self.table);
        let reached = self.explore(&rows);
        let mut unstated: BTreeSet<&Place> = rows.keys().collect();
        let mut counts = Counts::default();
        for (state, event, (transport, reliable)) in self.triples() {
            let place = (kind(&state).0, format!("{event:?}"), transport);
            let row = rows.get(&place).unwrap_or_else(|| panic!("{}: nothing says {place:?}", self.name));
            self.compare(state, event, reliable, row);
            unstated.remove(&place);
            counts.triples += 1;
            let (all, met) = match row.source {
                Source::Rfc => (&mut counts.rfc.0, &mut counts.rfc.1),
                Source::Own => (&mut counts.own.0, &mut counts.own.1),
                Source::Absorbed => (&mut counts.absorbed.0, &mut counts.absorbed.1),
                Source::Never => (&mut counts.never.0, &mut counts.never.1),
            };
            *all += 1;
            *met += usize::from(reached.contains(&place));
        }
        assert!(unstated.is_empty(), "{}: rows for nothing that can happen: {unstated:#?}", self.name);
        counts
    }

    fn triples(&self) -> impl Iterator<Item = (S, V, (&'static str, bool))> {
        let pairs =
            self.states.iter().flat_map(|state| self.events.iter().map(move |event| (*state, *event)));
        pairs.flat_map(|(state, event)| TRANSPORTS.map(|transport| (state, event, transport)))
    }

    fn compare(&self, state: S, event: V, reliable: bool, row: &Row) -> Option<S> {
        let (next, effects) = (self.step)(state, event, reliable);
        let place = format!("{}: {state:?} | {event:?} | reliable {reliable}", self.name);
        let said = next.map_or("end".to_owned(), |next| format!("{next:?}"));
        let expected = if row.next == "=" { format!("{state:?}") } else { filled(row.next, kind(&state).1) };
        assert_eq!(said, expected, "{place}");
        let done: Vec<String> = effects.iter().map(|effect| format!("{effect:?}")).collect();
        let expected = if row.effects == "-" { String::new() } else { filled(row.effects, kind(&state).1) };
        assert_eq!(done.join(", "), expected, "{place}");
        next
    }

    /// All that can be reached from the start, when only armed timers fire. Each step is compared with its row too,
    /// for counts have other values here, and the timers of each state are judged.
    fn explore(&self, rows: &BTreeMap<Place, Row>) -> BTreeSet<Place> {
        let mut reached = BTreeSet::new();
        for (transport, reliable) in TRANSPORTS {
            let (start, effects) = (self.start)(reliable);
            let mut armed = BTreeSet::new();
            arm(&mut armed, &effects);
            let (mut seen, mut open) = (BTreeSet::new(), vec![(start, armed)]);
            while let Some((state, armed)) = open.pop() {
                assert!(armed.len() <= 2, "{}: {state:?} has the timers {armed:?}", self.name);
                for event in &self.events {
                    let name = format!("{event:?}");
                    let timer = name.strip_prefix("Timer(").and_then(|rest| rest.strip_suffix(')'));
                    if timer.is_some_and(|timer| !armed.contains(timer)) {
                        continue;
                    }
                    let mut left = armed.clone();
                    timer.map(|timer| left.remove(timer));
                    let place = (kind(&state).0, name.clone(), transport);
                    let row =
                        rows.get(&place).unwrap_or_else(|| panic!("{}: nothing says {place:?}", self.name));
                    let next = self.compare(state, *event, reliable, row);
                    reached.insert(place);
                    arm(&mut left, &(self.step)(state, *event, reliable).1);
                    if let Some(next) = next
                        && seen.insert((format!("{next:?}"), left.clone()))
                    {
                        open.push((next, left));
                    }
                }
            }
        }
        reached
    }
}

/// What arming and disarming makes of the armed timers.
fn arm<E: Debug>(armed: &mut BTreeSet<String>, effects: &Effects<E>) {
    for effect in effects {
        let text = format!("{effect:?}");
        if let Some((timer, _)) = text.strip_prefix("Arm(").and_then(|rest| rest.split_once(',')) {
            armed.insert(timer.to_owned());
        }
        if let Some(timer) = text.strip_prefix("Disarm(").and_then(|rest| rest.strip_suffix(')')) {
            armed.remove(timer);
        }
    }
}

/// A state with `<n>` for its count, and the count.
fn kind(state: &impl Debug) -> (String, u32) {
    let text = format!("{state:?}");
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() { (text, 0) } else { (text.replace(&digits, "<n>"), digits.parse().unwrap()) }
}

fn filled(text: &str, count: u32) -> String {
    text.replace("<n>", &count.to_string()).replace("<2n>", &doubled(count).to_string())
}

fn rows(table: &'static str) -> BTreeMap<Place, Row> {
    let mut rows = BTreeMap::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let [state, events, transport, next, effects, source] =
            line.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
        let source = match source.split([' ', ':']).next() {
            Some("3261" | "6026") => Source::Rfc,
            Some("own") => Source::Own,
            Some("absorbed") => Source::Absorbed,
            Some("never") => Source::Never,
            _ => panic!("no source: {line}"),
        };
        for event in events_of(events) {
            for name in
                TRANSPORTS.map(|(name, _)| name).into_iter().filter(|t| transport == "any" || transport == *t)
            {
                let clash =
                    rows.insert((state.to_owned(), event.clone(), name), Row { next, effects, source });
                assert!(clash.is_none(), "two rows for {state} | {event} | {name}");
            }
        }
    }
    rows
}

/// `Timer(A B)` is `Timer(A)` and `Timer(B)`; `Provisional Success` is both.
fn events_of(text: &str) -> Vec<String> {
    match text.split_once('(') {
        Some((name, rest)) => {
            rest.trim_end_matches(')').split(' ').map(|each| format!("{name}({each})")).collect()
        }
        None => text.split(' ').map(str::to_owned).collect(),
    }
}
