//! Turns, hours by hand, and codes that do something.

use super::*;

const TURNS: &str = r#"
[[group]]
number = "600"
name = "sales"
members = ["100", "101", "102"]
strategy = "round-robin"
ring = "15s"
fallback = "601"
[[group]]
number = "601"
members = ["100", "101", "102"]
strategy = "least-recent"
total = "30s"
skip_busy = true
[[group]]
number = "602"
members = ["100", "101"]
strategy = "order"
total = "30s"
"#;

#[test]
fn members_take_turns() {
    let file = format!("{PHONES}{TURNS}");
    assert_snapshot!(text(&file), @r#"
    exten => 100,1,Dial(PJSIP/100)
    exten => 101,1,Dial(PJSIP/101)
    exten => 102,1,Dial(PJSIP/102)
    exten => 600,1,Set(MEMBERS=100&101&102)
     same => n,Set(TURN=$[0${DB(group-turn/600)} % 3 + 1])
     same => n,Set(DB(group-turn/600)=${TURN})
     same => n,Set(LEFT=3)
     same => n(next),Set(MEMBER=${CUT(MEMBERS,&,${TURN})})
     same => n,Dial(PJSIP/${MEMBER},15)
     same => n,Set(TURN=$[${TURN} % 3 + 1])
     same => n,Set(LEFT=$[${LEFT} - 1])
     same => n,GotoIf($[${LEFT} > 0]?next)
     same => n,Goto(internal,601,1)
    exten => 601,1,Set(UNTIL=$[${EPOCH} + 30])
     same => n,Goto(telex-group-601,601,1)
    exten => 602,1,Set(UNTIL=$[${EPOCH} + 30])
     same => n,ExecIf($[${EPOCH} < ${UNTIL}]?Dial(PJSIP/100,${MIN(20,$[${UNTIL} - ${EPOCH}])}))
     same => n,ExecIf($[${EPOCH} < ${UNTIL}]?Dial(PJSIP/101,${MIN(20,$[${UNTIL} - ${EPOCH}])}))

    [telex-least-recent]
    exten => s,1,Set(BEST=${CUT(LEFT,&,1)})
     same => n,Set(AT=1)
     same => n,While($[${AT} < ${FIELDQTY(LEFT,&)}])
     same => n,Set(AT=$[${AT} + 1])
     same => n,Set(ONE=${CUT(LEFT,&,${AT})})
     same => n,ExecIf($[0${DB(group-served/${ARG1}-${ONE})} < 0${DB(group-served/${ARG1}-${BEST})}]?Set(BEST=${ONE}))
     same => n,EndWhile()
     same => n,Set(LEFT=${LISTFILTER(LEFT,&,${BEST})})
     same => n,Return(${BEST})

    [telex-group-601]
    exten => 601,1,Set(LEFT=100&101&102)
     same => n(next),Gosub(telex-least-recent,s,1(601))
     same => n,Set(MEMBER=${GOSUB_RETVAL})
     same => n,ExecIf($["${DEVICE_STATE(PJSIP/${MEMBER})}" = "NOT_INUSE" & ${EPOCH} < ${UNTIL}]?Dial(PJSIP/${MEMBER},${MIN(20,$[${UNTIL} - ${EPOCH}])}))
     same => n,GotoIf($["${LEFT}" != ""]?next)
    exten => h,1,ExecIf($["${DIALSTATUS}" = "ANSWER"]?Set(DB(group-served/601-${MEMBER})=${EPOCH}))
    "#);
    let plan = plan(&file);
    let mut world = at("2026-11-23T10:00");
    for phone in ["100", "101", "102"] {
        world.devices.insert(format!("PJSIP/{phone}").into(), DeviceState::NotInUse);
    }
    let call = |world: &mut Facts, number, dial| {
        world.now_ms += 60_000;
        done(&plan, world, "103", number, dial)
    };
    assert_snapshot!(call(&mut world, "600", DialStatus::Answer), @"ring 100 for 15s, Hangup { cause: None }");
    assert_snapshot!(call(&mut world, "600", DialStatus::Answer), @"ring 101 for 15s, Hangup { cause: None }");
    assert_snapshot!(call(&mut world, "600", DialStatus::Answer), @"ring 102 for 15s, Hangup { cause: None }");
    assert_snapshot!(call(&mut world, "600", DialStatus::Answer), @"ring 100 for 15s, Hangup { cause: None }");
    assert_snapshot!(call(&mut world, "600", DialStatus::NoAnswer), @"ring 101 for 15s, ring 102 for 15s, ring 100 for 15s, ring 100 for 20s, ring 101 for 20s, ring 102 for 20s, Hangup { cause: None }");
    // Who answered last comes last; who did not answer keeps the turn.
    assert_snapshot!(call(&mut world, "601", DialStatus::Answer), @"ring 100 for 20s, Hangup { cause: None }");
    assert_snapshot!(call(&mut world, "601", DialStatus::NoAnswer), @"ring 101 for 20s, ring 102 for 20s, ring 100 for 20s, Hangup { cause: None }");
    assert_snapshot!(call(&mut world, "601", DialStatus::Answer), @"ring 101 for 20s, Hangup { cause: None }");
    assert_snapshot!(call(&mut world, "601", DialStatus::Answer), @"ring 102 for 20s, Hangup { cause: None }");
    assert_snapshot!(call(&mut world, "601", DialStatus::Answer), @"ring 100 for 20s, Hangup { cause: None }");
    world.devices.insert("PJSIP/101".into(), DeviceState::InUse);
    assert_snapshot!(call(&mut world, "601", DialStatus::Answer), @"ring 102 for 20s, Hangup { cause: None }");
}

#[test]
fn members_who_rest_lose_their_turn() {
    let resting = PHONES.replacen("password", "do_not_disturb = true\npassword", 1);
    let switched = plan(&format!("{resting}{TURNS}[codes]\n"));
    let mut world = at("2026-11-23T10:00");
    for phone in ["100", "101", "102"] {
        world.devices.insert(format!("PJSIP/{phone}").into(), DeviceState::NotInUse);
    }
    let mut call = |from, number| done(&switched, &mut world, from, number, DialStatus::Busy);
    assert_snapshot!(call("103", "600"), @"ring 101 for 15s, ring 102 for 15s, ring 101 for 20s, ring 102 for 20s, Hangup { cause: None }");
    call("100", "*79");
    call("101", "*78");
    assert_snapshot!(call("103", "600"), @"ring 102 for 15s, ring 100 for 15s, ring 100 for 20s, ring 102 for 20s, Hangup { cause: None }");
    let fixed = plan(&format!("{resting}{TURNS}"));
    assert_snapshot!(done(&fixed, &mut world, "103", "600", DialStatus::Busy), @"ring 101 for 15s, ring 102 for 15s, ring 101 for 20s, ring 102 for 20s, Hangup { cause: None }");
}

const NIGHT: &str = r#"
[[hours]]
number = "700"
name = "office"
times = ["mon-fri 9:00-12:00,13:00-17:00"]
holidays = ["dec 24 to jan 2", "2026-11-25 to 2026-11-27"]
open = "100"
closed = "101"
holiday = "102"
switch = "*28"
"#;

#[test]
fn hours_have_holidays_and_a_switch() {
    let file = format!("{PHONES}{NIGHT}");
    assert_snapshot!(text(&file), @r#"
    exten => 100,1,Dial(PJSIP/100)
    exten => 101,1,Dial(PJSIP/101)
    exten => 102,1,Dial(PJSIP/102)
    exten => 700,1,GotoIf($["${DB(closed/700)}" = "yes"]?internal,101,1)
     same => n,GotoIf($["${STRFTIME(${EPOCH},,%Y-%m-%d)}" >= "2026-11-25" & "${STRFTIME(${EPOCH},,%Y-%m-%d)}" <= "2026-11-27"]?internal,102,1)
     same => n,GotoIfTime(*,*,24-31,dec?internal,102,1)
     same => n,GotoIfTime(*,*,1-2,jan?internal,102,1)
     same => n,GotoIfTime(9:00-11:59&13:00-16:59,mon-fri,*,*?internal,100,1)
     same => n,Goto(internal,101,1)
    exten => *28,1,GotoIf($["${DB(closed/700)}" = "yes"]?open)
     same => n,Set(DB(closed/700)=yes)
     same => n,Playback(office-closed&activated)
     same => n,Hangup()
     same => n(open),Set(DB(closed/700)=no)
     same => n,Playback(office-closed&de-activated)
    "#);
    let plan = plan(&file);
    let mut db = BTreeMap::new();
    let mut call = |number, when: &str| {
        let mut world = at(when);
        world.db = std::mem::take(&mut db);
        let way = done(&plan, &mut world, "103", number, DialStatus::Answer);
        db = world.db;
        way
    };
    for (when, phone) in [
        ("2026-11-23T10:00", "100"),
        ("2026-11-23T12:00", "101"),
        ("2026-11-23T13:00", "100"),
        ("2026-11-25T10:00", "102"),
        ("2026-11-27T23:59", "102"),
        ("2026-11-30T10:00", "100"),
        ("2026-12-24T10:00", "102"),
        ("2026-12-31T10:00", "102"),
        ("2027-01-02T10:00", "102"),
        ("2027-01-04T10:00", "100"),
    ] {
        assert_eq!(call("700", when), format!("ring {phone} for 0ns, Hangup {{ cause: None }}"), "{when}");
    }
    assert_snapshot!(call("*28", "2026-11-23T10:00"), @r#"say [Prompt("office-closed"), Prompt("activated")], Hangup { cause: None }"#);
    assert_snapshot!(call("700", "2026-11-23T10:00"), @"ring 101 for 0ns, Hangup { cause: None }");
    assert_snapshot!(call("700", "2026-11-25T10:00"), @"ring 101 for 0ns, Hangup { cause: None }");
    assert_snapshot!(call("*28", "2026-11-23T10:00"), @r#"say [Prompt("office-closed"), Prompt("de-activated")], Hangup { cause: None }"#);
    assert_snapshot!(call("700", "2026-11-23T10:00"), @"ring 100 for 0ns, Hangup { cause: None }");
}

#[test]
fn codes_do_what_they_say() {
    let plan = plan(&format!("{PHONES}{GROUPS}[codes]\n"));
    let mut world = at("2026-11-23T10:00");
    world.devices.insert("PJSIP/101".into(), DeviceState::NotInUse);
    let mut call = |from, number| done(&plan, &mut world, from, number, DialStatus::NoAnswer);
    assert_snapshot!(call("102", "*69"), @r#"say [Prompt("vm-nonumber")], Hangup { cause: None }"#);
    assert_snapshot!(call("102", "*66"), @r#"say [Prompt("pbx-invalid")], Hangup { cause: None }"#);
    call("100", "101");
    call("101", "102");
    assert_snapshot!(call("102", "*69"), @"ring 101 for 0ns, Hangup { cause: None }");
    assert_snapshot!(call("100", "*66"), @"ring 101 for 0ns, Hangup { cause: None }");
    assert_snapshot!(call("100", "*66"), @"ring 101 for 0ns, Hangup { cause: None }");
    // Who hides is not called back.
    assert_snapshot!(call("101", "*67102"), @"ring 102 for 0ns, Hangup { cause: None }");
    assert_snapshot!(call("102", "*69"), @r#"say [Prompt("vm-nonumber")], Hangup { cause: None }"#);
    assert_snapshot!(call("100", "*52102"), @r#"say [Prompt("call-fwd-no-ans"), Prompt("activated")], Hangup { cause: None }"#);
    assert_snapshot!(call("101", "100"), @"ring 100 for 20s, ring 102 for 0ns, Hangup { cause: None }");
    call("100", "*53");
    assert_snapshot!(call("101", "100"), @"ring 100 for 0ns, Hangup { cause: None }");
    assert_snapshot!(call("100", "*37"), @r#"CallBack { of: "" }, say [Prompt("feature-not-avail-line")], Hangup { cause: None }"#);
    assert_snapshot!(call("100", "*38"), @r#"CancelCallBack, say [Prompt("feature-not-avail-line")], Hangup { cause: None }"#);
    assert_snapshot!(call("100", "*8"), @"Pickup([]), Hangup { cause: None }");
    assert_snapshot!(call("100", "**101"), @r#"Pickup(["101"]), Hangup { cause: None }"#);
    assert_snapshot!(call("100", "*80101"), @"ring 101 for 20s, Hangup { cause: None }");
    assert_snapshot!(call("100", "*80999"), @r#"say [Prompt("pbx-invalid")], Hangup { cause: None }"#);
    assert_snapshot!(call("100", "*81600"), @r#"Page { targets: [Phone("100"), Phone("101")], options: [], timeout: None }"#);
    assert_snapshot!(call("100", "*65"), @r#"Answer(0ns), Music { class: "", time: None }"#);
}

#[test]
fn codes_have_their_own_numbers() {
    let phone = "[[phone]]\nextension = \"*7210\"\npassword = \"x\"\n";
    let wrong = r#"
[[group]]
number = "*9012"
members = ["100"]
[codes]
pickup_extension = "*6"
intercom = "*60"
page = "100"
forwrad = "*1"
"#;
    assert_snapshot!(refused(&format!("{PHONES}{phone}{wrong}")), @r#"
    telex.toml:16:10: number `*9012` begins like `*90`, the code `busy` with a number behind it; choose another number, or another code in [codes]
    telex.toml:18:2: `*72` with a number behind it could be `*7210`; use up to 8 of 0-9 * #, each code once and not as another number; "" switches one off
    telex.toml:19:20: `*6` and the code `unregistered`, `*62`, cannot be told apart with numbers behind them; use up to 8 of 0-9 * #, each code once and not as another number; "" switches one off
    telex.toml:20:12: `*60` cannot be the code `intercom`; use up to 8 of 0-9 * #, each code once and not as another number; "" switches one off
    telex.toml:21:8: `100` cannot be the code `page`; use up to 8 of 0-9 * #, each code once and not as another number; "" switches one off
    telex.toml:22:1: unknown key `forwrad` in [codes]; did you mean `forward`?
    "#);
    let none: String = codes::KEYS.iter().map(|key| format!("{key} = \"\"\n")).collect();
    let shown = text(&format!("{PHONES}[codes]\n{none}"));
    assert!(!shown.contains("exten => *"), "{shown}");
}

#[test]
fn the_example_of_an_office_works() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/office/telex.toml");
    let settings = crate::config::load_whole(&path).unwrap_or_else(|e| panic!("{}", e.render(false)));
    assert_eq!((settings.told.len(), settings.engine.phones.len()), (0, 5));
    assert_eq!(settings.engine.phones["103"].pickup_group, "sales");
    let plan = settings.plan();
    assert!(plan.warnings().is_empty(), "{:?}", plan.warnings());
    let missing = plan.missing_prompts(&|name| settings.engine.has_prompt(name));
    assert!(missing.is_empty(), "{missing:?}");
    let mut world = at("2026-11-23T09:00");
    for phone in settings.engine.phones.keys() {
        world.devices.insert(format!("PJSIP/{phone}").into(), DeviceState::NotInUse);
    }
    let mut call = |number, when: &str| {
        world.now_ms = at(when).now_ms;
        done(&plan, &mut world, "105", number, DialStatus::NoAnswer)
    };
    // The keys that are pressed are 102.
    let open = call("200", "2026-11-23T09:00");
    assert_eq!(open, call("500", "2026-11-23T09:00"));
    assert!(open.ends_with("ring 102 for 0ns, Hangup { cause: None }"), "{open}");
    let closed = call("200", "2026-11-29T11:02");
    assert_eq!(closed, call("200", "2026-12-25T09:00"));
    assert_snapshot!(closed, @r#"Answer(0ns), say [Prompt("office-closed"), Prompt("pls-try-call-later")], say [Prompt("goodbye")], Hangup { cause: None }"#);
    assert_snapshot!(call("601", "2026-11-23T09:00"), @"ring 104 and 105 for 30s, ring 102 for 15s, ring 103 for 15s, ring 101 for 20s, ring 102 for 0ns, Hangup { cause: None }");
    assert_snapshot!(call("600", "2026-11-23T09:00"), @"ring 103 for 15s, ring 102 for 15s, ring 101 for 20s, ring 102 for 0ns, Hangup { cause: None }");
    assert_snapshot!(call("101", "2026-11-23T09:00"), @"ring 101 for 20s, ring 102 for 0ns, Hangup { cause: None }");
}

#[test]
fn what_the_sample_shows_of_an_office_can_be_used() {
    let sample = crate::config::sample("k7f2-aaaa-bbbb", "p9dm-cccc-dddd");
    let (_, office) = sample.split_once("# [codes]").unwrap();
    let (office, _) = office.split_once("\n[[phone]]").unwrap();
    // But for what needs a speech program.
    let lines = office.lines().filter(|line| !line.starts_with("# text"));
    let lines: Vec<&str> = lines.map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
    let file = format!("{PHONES}[site]\noperator = \"100\"\n[codes]{}", lines.join("\n"));
    let settings = settings(&file);
    assert!(settings.plan().warnings().is_empty(), "{:?}", settings.plan().warnings());
    let codes = codes::KEYS.iter().filter(|key| !file.contains(&format!("\n{key} = ")));
    assert_eq!(codes.count(), 0);
}
