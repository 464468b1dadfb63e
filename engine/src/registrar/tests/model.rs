//! Random histories against a model, and against what the store would hold.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{collection, prop_assert, prop_assert_eq, proptest};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Register these contacts with these expiries, over a stream or not.
    Register {
        call: u8,
        cseq: u32,
        contacts: Vec<(u8, u64)>,
        stream: bool,
    },
    RemoveAll {
        call: u8,
        cseq: u32,
    },
    CloseStreams,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let contacts = collection::vec((0u8..5, prop_oneof![Just(0u64), 50u64..400]), 0..4);
    prop_oneof![
        6 => (0u8..2, 1u32..40, contacts, any::<bool>()).prop_map(|(call, cseq, contacts, stream)| Step::Register {
            call,
            cseq,
            contacts,
            stream
        }),
        1 => (0u8..2, 1u32..40).prop_map(|(call, cseq)| Step::RemoveAll { call, cseq }),
        1 => Just(Step::CloseStreams),
        2 => (1u64..200).prop_map(Step::Wait),
    ]
}

/// Contact to (end, Call-ID, CSeq): the whole of RFC 3261 §10.3 for contacts that are compared by name.
type Model = BTreeMap<u8, (u64, u8, u32)>;

/// Carries a request out on the model and says its status.
fn carry_out(model: &mut Model, now: u64, (call, cseq): (u8, u32), contacts: &[(u8, u64)]) -> u16 {
    let overtaken = |contact: &u8| model.get(contact).is_some_and(|(_, c, s)| *c == call && *s >= cseq);
    if contacts.iter().any(|(_, expires)| (1..60).contains(expires)) {
        return 423;
    }
    if contacts.iter().any(|(contact, _)| overtaken(contact)) {
        return 500;
    }
    model.extend(contacts.iter().map(|(contact, expires)| (*contact, (now + expires, call, cseq))));
    model.retain(|_, (end, ..)| *end > now);
    200
}

/// What another run would know, in the terms of both runs' wall clock.
fn summary(site: &Site) -> Vec<StoredBinding> {
    let mut all: Vec<_> = site.registrar.lookup("100").map(Binding::to_stored).collect();
    all.sort_by(|a, b| a.contact.cmp(&b.contact));
    all
}

proptest! {
    #[test]
    fn any_history_ends_as_the_model_and_the_store_say(steps in collection::vec(step(), 1..60)) {
        let mut site = Site::new();
        let mut model = Model::new();
        let mut now = 0;
        for step in steps {
            let (mut status, mut answer) = (200, 200);
            match step {
                Step::Register { call, cseq, contacts, stream } => {
                    let fields = contacts.iter().map(|(c, expires)| format!("Contact: <sip:{c}@h>;expires={expires}\r\n"));
                    let headers = format!("{}Call-ID: {call}", fields.collect::<String>());
                    let origin = if stream { over(call.into(), socket([192, 0, 2, 7], 1)) } else { phone() };
                    answer = site.register_as("100", cseq, origin, &headers).status.code();
                    status = carry_out(&mut model, now, (call, cseq), &contacts);
                }
                Step::RemoveAll { call, cseq } => {
                    let headers = format!("Contact: *\r\nExpires: 0\r\nCall-ID: {call}");
                    answer = site.register_as("100", cseq, phone(), &headers).status.code();
                    let all: Vec<_> = model.keys().map(|contact| (*contact, 0)).collect();
                    status = carry_out(&mut model, now, (call, cseq), &all);
                }
                Step::CloseStreams => (0..2).for_each(|n| site.cx(|registrar, _| registrar.stream_closed(StreamId(n)))),
                Step::Wait(seconds) => {
                    site.seconds(seconds);
                    now += seconds;
                    model.retain(|_, (end, ..)| *end > now);
                }
            }
            prop_assert_eq!(answer, status);
            let mut known: Vec<_> = site.contacts();
            known.sort_unstable();
            let expected: Vec<_> = model.keys().map(|contact| format!("sip:{contact}@h")).collect();
            prop_assert_eq!(known, expected);
            let left: Vec<_> = site.registrar.lookup("100").map(|b| b.seconds_left(site.now)).collect();
            for (binding, left) in site.registrar.lookup("100").zip(left) {
                let contact: u8 = binding.contact[4..5].parse().unwrap();
                prop_assert_eq!(now + left, model[&contact].0);
            }
        }
        let mut next = Site::new();
        next.wall = site.wall + site.now.since(Instant::from_millis(1000));
        let stored = site.stored();
        next.cx(|registrar, cx| registrar.restore(cx, stored, &LISTENERS));
        prop_assert_eq!(summary(&next), summary(&site), "the store brings back the same table");
        prop_assert!(next.out.is_empty(), "and nothing of it has to be taken out");
        let deadlines = |site: &Site| {
            let mut all: Vec<_> = site.registrar.lookup("100").map(|b| b.expires.since(site.now)).collect();
            all.sort_unstable();
            all
        };
        prop_assert_eq!(deadlines(&next), deadlines(&site));
    }
}
