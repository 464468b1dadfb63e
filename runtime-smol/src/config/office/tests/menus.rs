//! Menus.

use super::*;

const MENUS: &str = r#"
[site]
operator = "100"
[prompts]
folder = "FOLDER"
[[group]]
number = "600"
name = "sales"
members = ["100", "101"]
[[conference]]
number = "800"
name = "team"
[[menu]]
number = "500"
name = "main"
prompt = ["welcome", "choose"]
timeout = "4s"
digit_timeout = "1500ms"
choices = { 1 = "sales", 2 = "service", 3 = "102", 4 = "team", 5 = "voicemail 101", 6 = "directory", 0 = "operator", 9 = "repeat", "*" = "hangup" }
retries = 1
dial_by_extension = true
fallback = "operator"
[[menu]]
name = "service"
prompt = "choose"
language = "de"
invalid = ""
barge_in = false
choices = { 1 = "101", 2 = "closed", "*" = "back" }
[[menu]]
name = "closed"
prompt = "office-closed"
fallback = "hangup"
"#;

/// The same, where `choose` is a prompt of the site.
fn menus() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("choose.wav"), "").unwrap();
    let text = format!("{PHONES}{MENUS}").replace("FOLDER", folder.path().to_str().unwrap());
    (folder, text)
}

#[test]
fn a_menu_becomes_a_context() {
    let (_folder, file) = menus();
    let text = settings(&file).plan().written().to_string();
    let (_, menus) = text.split_once("[telex-menu-closed]\n").unwrap();
    assert_snapshot!(menus, @r#"
    exten => s,1,Answer()
     same => n,Playback(office-closed)
     same => n,Playback(goodbye)
     same => n,Hangup()

    [telex-menu-main]
    include => telex-extensions
    exten => *,1,Playback(goodbye)
     same => n,Hangup()
    exten => 0,1,Goto(internal,100,1)
    exten => 1,1,Goto(internal,600,1)
    exten => 2,1,Set(HASH(back,service)=main)
     same => n,Goto(telex-menu-service,s,1)
    exten => 3,1,Goto(internal,102,1)
    exten => 4,1,Goto(internal,800,1)
    exten => 5,1,VoiceMail(101)
     same => n,Hangup()
    exten => 6,1,Directory(default,internal,a)
     same => n,Goto(s,ask)
    exten => 9,1,Goto(s,ask)
    exten => i,1,Playback(invalid)
     same => n,Goto(t,1)
    exten => s,1,Answer()
     same => n,Set(TIMEOUT(digit)=1.5)
     same => n,Set(MENU_TRIES=0)
     same => n(ask),Background(welcome&choose)
     same => n,WaitExten(4)
    exten => t,1,GotoIf($[${MENU_TRIES} >= 1]?end)
     same => n,Set(MENU_TRIES=$[${MENU_TRIES} + 1])
     same => n,Goto(s,ask)
     same => n(end),Goto(internal,100,1)

    [telex-menu-service]
    exten => *,1,GotoIf($["${HASH(back,service)}" = ""]?s,1)
     same => n,Goto(telex-menu-${HASH(back,service)},s,1)
    exten => 1,1,Goto(internal,101,1)
    exten => 2,1,Goto(telex-menu-closed,s,1)
    exten => i,1,Goto(t,1)
    exten => s,1,Answer()
     same => n,Set(CHANNEL(language)=de)
     same => n,Set(TIMEOUT(digit)=2)
     same => n,Set(MENU_TRIES=0)
     same => n(ask),Background(choose,p)
     same => n,WaitExten(5)
    exten => t,1,GotoIf($[${MENU_TRIES} >= 2]?end)
     same => n,Set(MENU_TRIES=$[${MENU_TRIES} + 1])
     same => n,Goto(s,ask)
     same => n(end),Playback(goodbye)
     same => n,Hangup()

    [telex-extensions]
    exten => 100,1,Goto(internal,100,1)
    exten => 101,1,Goto(internal,101,1)
    exten => 102,1,Goto(internal,102,1)
    exten => 600,1,Goto(internal,600,1)
    "#);
    let again = Dialplan::parse("again", &text).unwrap();
    assert_eq!(again.written().to_string(), text, "what is shown can be loaded");
}

/// A call to the main menu with these keys, one text for each time that keys are collected.
fn pressed(plan: &Dialplan, keys: &[&str]) -> String {
    let mut facts = at("2026-11-23T10:00");
    facts.facts.insert("context".into(), "internal".into());
    let caller = Caller { number: "103".into(), dnid: "500".into(), ..Caller::default() };
    let mut thread = Thread::new("internal", "500", caller);
    let keys = keys.iter().map(|keys| (*keys).into()).collect();
    let mut supposed = Supposed { dial: DialStatus::NoAnswer, keys };
    let mut done = Vec::new();
    assert!(walk(&mut thread, plan, &mut facts, &mut |task| {
        match task {
            Task::Collect(collect) if collect.say.is_empty() => {}
            Task::Collect(collect) => done.push(format!("ask {}", names(&collect.say))),
            Task::Play { say, .. } => done.push(format!("say {}", names(say))),
            Task::Answer(_) => {}
            other => done.push(told(other)),
        }
        supposed.outcome(task)
    }));
    done.join(", ")
}

fn names(say: &[telex_dialplan::task::Say]) -> String {
    let names = say.iter().map(|say| match say {
        telex_dialplan::task::Say::Prompt(name) => name.to_string(),
        other => format!("{other:?}"),
    });
    names.collect::<Vec<_>>().join(" and ")
}

#[test]
fn callers_come_out_where_the_menu_says() {
    let (_folder, file) = menus();
    let plan = plan(&file);
    let walk = |keys: &[&str]| pressed(&plan, keys);
    // Keys of Background, of WaitExten, and so on: an empty text is none.
    assert_snapshot!(walk(&["1"]), @"ask welcome and choose, ring 100 and 101 for 20s, Hangup { cause: None }");
    assert_snapshot!(walk(&["", "3"]), @"ask welcome and choose, ring 102 for 0ns, Hangup { cause: None }");
    assert_snapshot!(walk(&["4"]), @r#"ask welcome and choose, Conference { name: "team" }"#);
    assert_snapshot!(walk(&["5"]), @r#"ask welcome and choose, VoiceMail { mailbox: "101", options: "" }, Hangup { cause: None }"#);
    assert_snapshot!(walk(&["*"]), @"ask welcome and choose, say goodbye, Hangup { cause: None }");
    assert_snapshot!(walk(&["9", "", "102"]), @"ask welcome and choose, ask welcome and choose, ring 102 for 0ns, Hangup { cause: None }");
    // Nothing, something wrong, and both.
    assert_snapshot!(walk(&[]), @"ask welcome and choose, ask welcome and choose, ring 100 for 0ns, Hangup { cause: None }");
    assert_snapshot!(walk(&["7", "8"]), @"ask welcome and choose, say invalid, ask welcome and choose, say invalid, ring 100 for 0ns, Hangup { cause: None }");
    assert_snapshot!(walk(&["7", "", "*"]), @"ask welcome and choose, say invalid, ask welcome and choose, say goodbye, Hangup { cause: None }");
    // Saying it again is not trying again.
    assert_snapshot!(walk(&["9", "9", "7", "9", "8"]), @"ask welcome and choose, ask welcome and choose, ask welcome and choose, say invalid, ask welcome and choose, ask welcome and choose, say invalid, ring 100 for 0ns, Hangup { cause: None }");
    // Codes are not for callers of a menu.
    assert_snapshot!(walk(&["*43", "500"]), @"ask welcome and choose, say invalid, ask welcome and choose, say invalid, ring 100 for 0ns, Hangup { cause: None }");
    // Down, and up again.
    assert_snapshot!(walk(&["2", "1"]), @"ask welcome and choose, ask choose, ring 101 for 0ns, Hangup { cause: None }");
    assert_snapshot!(walk(&["2", "*", "1"]), @"ask welcome and choose, ask choose, ask welcome and choose, ring 100 and 101 for 20s, Hangup { cause: None }");
    assert_snapshot!(walk(&["2", "7", "2"]), @"ask welcome and choose, ask choose, ask choose, say office-closed, say goodbye, Hangup { cause: None }");
}

#[test]
fn what_is_wrong_with_a_menu_is_told_with_its_remedy() {
    let wrong = r#"
[[menu]]
prompt = "welcome"
[[menu]]
number = "100"
prompt = "welcom"
[[menu]]
number = "500"
name = "sales"
prompt = "zzz/nothing-like-it"
choices = { 1 = "operator", 2 = "slaes", 3 = "999", 4 = "voicemail 9", x = "100", 5 = "a b" }
fallback = "back"
[[menu]]
number = "500"
name = "sales"
language = "german"
timeout = "1h"
retries = 50
[[menu]]
name = "one"
prompt = "welcome"
fallback = "hours"
[[hours]]
number = "700"
name = "hours"
open = "one"
closed = "100"
[[menu]]
name = "hangup"
prompt = "welcome"
"#;
    assert_snapshot!(refused(&format!("{PHONES}{wrong}")), @r#"
    telex.toml:12:1: this [[menu]] has neither number nor name; add number = "…", what is dialled to reach it, or name = "…" for a choice of another menu
    telex.toml:15:10: number `100` is already taken; choose another number
    telex.toml:20:10: there is no prompt `zzz/nothing-like-it`; put zzz/nothing-like-it.wav into the folder of prompts, have it spoken by [prompts] speak, or name another
    telex.toml:21:17: this site has no operator; add operator = "100" in [site], or name who gets the call
    telex.toml:21:33: nothing is called `slaes`; did you mean `sales`?
    telex.toml:21:46: nothing is at number `999` in [internal]; name a phone, a menu, a group, hours, a conference or an extension of the dialplan
    telex.toml:21:57: there is no phone `9`; name an extension of a [[phone]]
    telex.toml:21:72: nobody can press `x`; use 1 to 8 of 0-9, * and #
    telex.toml:21:87: this is no number that can be dialled; use 1 to 64 digits, letters or any of * # + - . as one would dial it
    telex.toml:22:12: a caller who presses nothing would never come out of here; name who gets the call then, or write "hangup"; `retries` says how often the menu is repeated
    telex.toml:23:1: this menu says nothing; add prompt = "…", the name of one (`telex prompts list`), or text = "…" to be spoken
    telex.toml:24:10: number `500` is already taken; choose another number
    telex.toml:25:1: `sales` is the name of something else; give each menu, group, conference and [[hours]] a name that no other and no phone has
    telex.toml:26:12: this is no language; write two letters, as in "de"
    telex.toml:27:11: `timeout` in [menu] must be from 500ms to 1m
    telex.toml:28:11: `retries` in [menu] must be a whole number from 0 to 20
    telex.toml:32:1: a caller whom nobody answers and who presses nothing comes back here without end; let one of these lead to a phone, to an extension of the dialplan or to "hangup"
    telex.toml:33:1: these hours never open: there are no `times`; add times = ["mon-fri 9:00-17:00"]
    telex.toml:36:1: a caller whom nobody answers and who presses nothing comes back here without end; let one of these lead to a phone, to an extension of the dialplan or to "hangup"
    telex.toml:39:1: `hangup` is the name of something else; give each menu, group, conference and [[hours]] a name that no other and no phone has
    "#);
}

#[test]
fn a_text_is_spoken_under_a_name_of_its_own() {
    let menu =
        "[[menu]]\nname = \"main\"\nprompt = \"welcome\"\ntext = \"For sales press 1.\"\nlanguage = \"de\"\n";
    let (root, _) = DeTable::parse_recoverable(menu);
    let mut reader = Reader::default();
    let config = settings(PHONES).engine;
    let read = office(&mut reader, root.get_ref(), &config, &Own::default());
    let shown = read.office.dialplan(&config);
    assert!(shown.contains("Playback(welcome&de/menu-main)"), "{shown}");
    match reader.finish().first() {
        // No speech program here.
        Some(problem) => assert!(problem.title.contains("no speech program"), "{problem:?}"),
        None => assert_eq!(
            read.speak,
            [Spoken { name: "de/menu-main".to_owned(), words: "For sales press 1.".to_owned() }]
        ),
    }
}

#[test]
fn the_engine_is_tested_with_what_a_file_becomes() {
    let file = include_str!("../../../../../engine/src/signalling/tests/office/telex.toml");
    let plan = include_str!("../../../../../engine/src/signalling/tests/office/telex.conf");
    assert_eq!(text(file), plan);
}
