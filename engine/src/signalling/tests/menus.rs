//! Menus and groups as `telex.toml` makes them: `office/telex.toml` became `office/telex.conf`, which a test of
//! `telex` compares.

use super::*;
use crate::border::Record;
use crate::mediactl::Clip;
use telex_dialplan::Dialplan;

fn office() -> World {
    let mut config = Config::default();
    config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    let all = config.own_dialplan();
    let (services, _) = all.split_once("exten => alice").unwrap();
    let text = format!("{services}{}", include_str!("office/telex.conf"));
    let clip = Clip::of(16_000, &[0; 320]).unwrap();
    let names = ["welcome", "thank-you", "invalid", "goodbye"];
    config.sounds = Arc::new(names.iter().map(|name| ((*name).into(), clip.clone())).collect());
    config.dialplan = Some(Dialplan::parse("telex.toml", &text).unwrap());
    World::with(config)
}

impl World {
    /// Lets what is heard come to its end.
    fn heard(&mut self, name: &str) {
        let (number, names) = self.hears();
        assert_eq!(names, [name]);
        self.played(number);
    }

    /// The first INVITE to bob.
    fn asked(&mut self) -> Message {
        self.only("INVITE sip:bob@10.0.0.2")
    }
}

#[test]
fn a_caller_who_presses_nothing_comes_out_where_the_menu_says() {
    let mut world = office();
    let answered = world.answered("500");
    for _ in 0..2 {
        world.heard("welcome");
        world.pass(Duration::from_millis(4900));
        assert_eq!(world.lines().matches("INVITE").count(), 0);
        world.pass(Duration::from_millis(200));
    }
    world.asked();
    world.hang_up(&answered);
}

#[test]
fn a_caller_who_presses_everything_comes_out_where_the_menu_says() {
    let mut world = office();
    let answered = world.answered("500");
    // The first key is wrong and stops the prompt, the next one is kept for the next round. After that it is over.
    world.press("98765#*0000");
    world.heard("invalid");
    world.heard("invalid");
    world.asked();
    world.hang_up(&answered);
}

#[test]
fn keys_that_come_early_are_kept_and_two_menus_are_walked() {
    let mut world = office();
    let answered = world.answered("500");
    // Into the second menu, which is heard to its end, and its first key leads back.
    world.press("2*");
    world.heard("thank-you");
    // 1 may become 12: it waits for that.
    world.press("1");
    assert!(world.leg().playing.is_none());
    world.pass(Duration::from_millis(1900));
    assert_eq!(world.lines().matches("INVITE").count(), 0);
    world.press("2");
    world.asked();
    world.hang_up(&answered);
}

#[test]
fn a_menu_says_goodbye() {
    let mut world = office();
    let answered = world.answered("500");
    world.press("2#");
    world.heard("thank-you");
    world.heard("goodbye");
    let lines = world.lines();
    assert!(lines.contains("alice: BYE"), "{lines}");
    let _ = answered;
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

/// Whether the caller or the callee hangs up.
#[test]
fn a_group_remembers_when_its_members_were_served() {
    for callee in [true, false] {
        let mut world = office();
        let answered = world.answered("500");
        world.press("1");
        world.pass(Duration::from_millis(2100));
        let asked = world.asked();
        world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
        world.pass(Duration::from_secs(3));
        match callee {
            true => world.send(BOB, &from_bob(&asked, "BYE", 1, "", "")),
            false => world.send(ALICE, &inside(&answered, "BYE", 9, "")),
        }
        let kept = world.out.iter().any(|action| {
            let Action::Store { record: Record::Keep { family, key, .. }, .. } = action else { return false };
            family == "group-served" && key == "600-bob"
        });
        assert!(kept, "callee {callee}: {:?}", world.out);
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
    // A call that nobody took leaves everybody where they were.
    let mut world = office();
    let answered = world.answered("500");
    world.press("1");
    world.pass(Duration::from_millis(2100));
    world.asked();
    world.out.clear();
    world.hang_up(&answered);
    assert!(
        !world.out.iter().any(|action| matches!(action, Action::Store { record: Record::Keep { .. }, .. }))
    );
}
