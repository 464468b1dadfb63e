//! Walks a machine through every (state, event, transport) triple and compares each step with a table copied by hand
//! from the RFC.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::effects::Effects;

/// One line of `table` is `state | event | udp, tcp or any | next state | effects`, as `Debug` writes them, with
/// `end` for the terminated state. What is not in the table must leave the state as it is and do nothing.
pub(super) fn walk<S, V, E>(
    states: &[S],
    events: &[V],
    table: &str,
    step: impl Fn(S, V, bool) -> (Option<S>, Effects<E>),
) where
    S: Copy + Debug,
    V: Copy + Debug,
    E: Debug,
{
    let mut rows = BTreeMap::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let [state, event, transport, next, effects] =
            line.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
        let transports: &[&str] = if transport == "any" { &["udp", "tcp"] } else { &[transport] };
        for transport in transports {
            let clash = rows.insert((state.to_owned(), event.to_owned(), *transport), (next, effects));
            assert_eq!(clash, None, "two rows for {state} | {event} | {transport}");
        }
    }
    for state in states {
        for event in events {
            for (transport, reliable) in [("udp", false), ("tcp", true)] {
                let (next, effects) = step(*state, *event, reliable);
                let next = next.map_or("end".to_owned(), |next| format!("{next:?}"));
                let effects: Vec<String> = effects.iter().map(|effect| format!("{effect:?}")).collect();
                let place = (format!("{state:?}"), format!("{event:?}"), transport);
                let expected = match rows.remove(&place) {
                    Some((next, effects)) => format!("{next} | {effects}"),
                    None => format!("{} | ", place.0),
                };
                assert_eq!(format!("{next} | {}", effects.join(", ")), expected.trim_start(), "{place:?}");
            }
        }
    }
    assert!(rows.is_empty(), "rows for nothing that can happen: {rows:#?}");
}
