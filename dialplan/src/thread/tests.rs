mod likeness;

use super::*;
use crate::explain::{Facts, Supposed, walk};
use crate::task::{DialStatus, Say, Target};

fn plan(text: &str) -> Dialplan {
    Dialplan::parse("extensions.conf", text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn world() -> Facts {
    Facts::at(1_795_375_800_000, "Europe/Berlin") // Sunday 2026-11-22, 20:30
}

fn caller() -> Caller {
    Caller { number: "100".into(), name: "Alice".into(), ..Caller::default() }
}

/// Steps of an extension `s` in a context `t`.
fn steps(lines: &str) -> Dialplan {
    let mut text = String::from("[t]\n");
    for (number, line) in lines.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        match number {
            0 => text += &format!("exten => s,1,{line}\n"),
            _ if line.starts_with("exten") => text += &format!("{line}\n"),
            _ if line.starts_with('(') => text += &format!("same => n{line}\n"),
            _ => text += &format!("same => n,{line}\n"),
        }
    }
    plan(&text)
}

/// What it does: every step of the trail, with what came of it.
fn story(plan: &Dialplan, extension: &str, supposed: Supposed) -> String {
    let (mut thread, mut world, mut supposed) = (Thread::new("t", extension, caller()), world(), supposed);
    let over = walk(&mut thread, plan, &mut world, &mut |task| supposed.outcome(task));
    let mut text: String = thread.trail().entries().map(line).collect();
    if !over {
        text += "goes on\n";
    }
    text
}

fn line(entry: &Entry) -> String {
    let outcome = if entry.outcome.is_empty() { String::new() } else { format!(" -> {}", entry.outcome) };
    let notes: String = entry.notes.iter().map(|note| format!(" !{note}")).collect();
    format!(
        "{} {} {}({}){outcome}{notes}\n",
        entry.place.extension, entry.place.priority, entry.app, entry.args
    )
}

/// The value that a variable `R` has after the steps.
fn result(lines: &str) -> String {
    let plan = steps(lines);
    let (mut thread, mut world, mut supposed) =
        (Thread::new("t", "s", caller()), world(), Supposed::default());
    walk(&mut thread, &plan, &mut world, &mut |task| supposed.outcome(task));
    thread.variable("R").unwrap_or_default().to_owned()
}

/// What a text comes to.
fn value(text: &str) -> String {
    result(&format!("Set(PLUS=+4930)\nSet(R={text})"))
}

#[test]
fn the_plan_of_a_small_site_behaves() {
    let plan = plan(
        "[internal]\nexten => 100,1,Answer()\nsame => n,SayDigits(100)\nsame => n,Hangup()\n\
         exten => _1XX,1,Dial(PJSIP/${EXTEN},20)\nexten => 9911,1,Dial(PJSIP/911@trunk)\n\
         [incoming]\nexten => s,1,Playback(welcome)\nsame => n,Goto(internal,100,1)\n",
    );
    let mut world = world();
    let mut thread = Thread::new("incoming", "s", caller());
    let play = |names: &[&str], answer| Task::Play {
        say: names.iter().map(|name| Say::Prompt((*name).into())).collect(),
        escape: "".into(),
        answer,
    };
    assert_eq!(thread.next(&plan, &mut world), Some(play(&["welcome"], true)));
    assert_eq!(thread.next(&plan, &mut world), None, "it waits");
    thread.resume(Outcome::Done);
    assert_eq!(thread.next(&plan, &mut world), Some(Task::Answer(std::time::Duration::ZERO)));
    thread.resume(Outcome::Done);
    let digits = ["digits/1", "digits/0", "digits/0"];
    assert_eq!(thread.next(&plan, &mut world), Some(play(&digits, false)));
    thread.resume(Outcome::Done);
    assert_eq!(thread.next(&plan, &mut world), Some(Task::Hangup { cause: None }));
    thread.resume(Outcome::Done);
    assert_eq!(thread.next(&plan, &mut world), None);
    assert!(thread.is_over());

    let mut thread = Thread::new("internal", "150", caller());
    let Some(Task::Dial(dial)) = thread.next(&plan, &mut world) else { panic!("no Dial") };
    assert_eq!(dial.targets, [Target::Phone("150".into())]);
    assert_eq!(dial.timeout, Some(std::time::Duration::from_secs(20)));
    let entry = thread.trail().entries().next().expect("a step");
    assert_eq!((entry.pattern.as_str(), entry.context.as_str()), ("_1XX", "internal"));
    assert_eq!(entry.args, "PJSIP/150,20");
}

#[test]
fn operators_bind_as_the_table_says() {
    for (expression, result) in [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 4 - 3", "3"),
        ("2 * 3 % 4", "2"),
        ("7 / 2", "3.5"),
        ("1 / 3", "0.333333333333333333"),
        ("0.1 + 0.2", "0.3"),
        ("-3 + 5", "2"),
        ("2 - -3", "5"),
        ("!0 + 1", "2"),
        ("!1 = 0", "1"),
        ("1 = 1 & 2 = 3", "0"),
        ("0 | 7", "7"),
        ("5 | 7", "5"),
        ("5 & 7", "5"),
        ("0 & 7 | 3", "3"),
        ("1 || 0 && 0", "1"),
        ("3 < 10", "1"),
        ("\"3\" < \"10\"", "0"),
        ("abc < abd", "1"),
        ("1.0 = 1", "1"),
        ("\"1.0\" = \"1\"", "0"),
        ("a == a", "1"),
        ("a != a", "0"),
        ("2 >= 2", "1"),
        ("2 <= 1", "0"),
        ("1 ? yes :: no", "yes"),
        ("0 ? yes :: 1 ? inner :: no", "inner"),
        ("\"12345\" : \"([0-9][0-9])\"", "12"),
        ("\"x12345\" : \"[0-9]+\"", "0"),
        ("\"x12345\" =~ \"[0-9]+\"", "5"),
        ("\"x12345\" =~ \"y(.)\"", ""),
        ("\"ab\" ~~ \"cd\"", "abcd"),
        ("ab ~~ cd = abcd", "1"),
        ("1+1=2", "1"),
        ("FLOOR(2.7) + CEIL(0.2)", "3"),
        ("ROUND(-2.5)", "-3"),
        ("POW(2,10)", "1024"),
        ("ROUND($[10 - 9.87654] * 10000) / 10000", "0.1235"),
        ("POW(1 + 1, POW(2,2) - 1) + a,b", "0"),
        ("SQRT(2)", "1.41421356237309505"),
        ("abc + 1", "0"),
        ("1 / 0", "0"),
        ("007", "007"),
        ("007 + 0", "7"),
        ("00 ? yes :: no", "no"),
        ("1 ? 0049 :: 0", "0049"),
        ("0 | 0049", "0049"),
        ("00 ~~ 49", "0049"),
        ("0301234 =~ \"^0\"", "1"),
        ("0301234 : \"0(.*)\"", "301234"),
        ("0301234 : \"(0.*)\"", "0301234"),
        ("0301234 = 301234", "1"),
        ("0301234 = \"0301234\"", "1"),
        ("12345678901234567890 | 0", "12345678901234567890"),
        ("${PLUS} =~ \"^\\+49\"", "3"),
        ("", ""),
        ("${NOTSET} = 1", "0"),
        ("foo${NOTSET} = foo", "1"),
        ("$[1 + 1] * 2", "4"),
        ("\"${CALLERID(num)}\" = \"100\"", "1"),
        ("${CALLERID(num)} = 100", "1"),
        ("${LEN(abc)}${LEN(ab)} + 1", "33"),
        ("a.b,c@e", "a.b,c@e"),
    ] {
        assert_eq!(value(&format!("$[{expression}]")), result, "{expression}");
    }
}

#[test]
fn functions_give_what_their_line_says() {
    for (text, result) in [
        ("${CALLERID(all)}", "\"Alice\" <100>"),
        ("${CALLERID(num):0:2}", "10"),
        ("${EXTEN}@${CONTEXT}.${PRIORITY}", "s@t.2"),
        ("${LEN(a,b,c)}", "5"),
        ("${TOUPPER(straße)}", "STRASSE"),
        ("${FILTER(0-9,+49 (30) 12-34)}", "49301234"),
        ("${FILTER(a-c\\-,a-d-x)}", "a--"),
        ("${FILTER(a\\-c,a-bc)}", "a-c"),
        ("${FILTER(\\x30-\\x39,a1+2:z)}", "12"),
        ("${FILTER(a-z ,a b-c)}", "a bc"),
        ("${STRBETWEEN(a b c, , )}", "b"),
        ("${REGEX(\"^1[0-9]{2}$\" 100)}", "1"),
        ("${REGEX(\"a,b\" xa,by)}", "1"),
        ("${IF($[1 = 1]?yes,:no)}", "yes,"),
        ("${IF(0?yes)}", ""),
        ("${IFTIME(*,sun,*,*?closed:open)}", "closed"),
        ("${STRFTIME(,,%Y-%m-%d %H:%M)}", "2026-11-22 20:30"),
        ("${STRFTIME(0,America/New_York,%H:%M)}", "19:00"),
        ("${STRPTIME(2026-11-22 21:30,,%Y-%m-%d %H:%M)}", "1795379400"),
        ("${STRFTIME()}", "Sun Nov 22 20:30:00 2026"),
        ("${STRFTIME(,,%%c %%%c)}", "%c %Sun Nov 22 20:30:00 2026"),
        ("${EPOCH}", "1795375800"),
        ("${MATH(7/2)}", "3.500000"),
        ("${MATH(-7%3,int)}", "-1"),
        ("${MATH(255+0,hex)}", "ff"),
        ("${MATH(3>2)}", "TRUE"),
        ("${MATH(1<<4,int)}", "16"),
        ("${DEVICE_STATE(PJSIP/9)}", "UNKNOWN"),
        ("${SIP_HEADER(To)}", ""),
        ("${PJSIP_HEADER(read,X-Not)}", ""),
        ("${DIALPLAN_EXISTS(t,s,1)}${DIALPLAN_EXISTS(u)}", "10"),
        ("${DB(no/thing)}${DB_EXISTS(no/thing)}", "0"),
        ("${ISNULL()}${ISNULL(x)}${EXISTS(x)}", "101"),
        ("${QUOTE(a\"b)}", "\"a\\\"b\""),
        ("${STRBETWEEN(sip:bob@host,:,@)}", "bob"),
        ("${MIN(3,2.5)} ${MAX(3,10)} ${ABS(-4)}", "2.5 10 4"),
        ("a,b (c) \"d\"", "a,b (c) \"d\""),
        ("$5 and $", "$5 and $"),
    ] {
        assert_eq!(value(text), result, "{text}");
    }
    let list = "Set(L=one-two-three)\nSet(W=one two three)\n";
    for (text, expected) in [
        ("${CUT(L,-,2)}", "two"),
        ("${CUT(L,-,2-)}", "two-three"),
        ("${CUT(L,,1&3)}", "one-three"),
        ("${FIELDQTY(L,-)}", "3"),
        ("${FIELDNUM(L,-,two)}", "2"),
        ("${CUT(W, ,2)}${FIELDQTY(W, )}", "two3"),
        ("${REPLACE(W, ,_)}${STRREPLACE(W, t,)}", "one_two_threeonewohree"),
        ("${CUT(W,\\x20,3)}${FIELDQTY(W,\\n)}${FIELDQTY(W,n)}", "three12"),
        ("${CUT(W,\\,,1)}", "one two three"),
        ("${REPLACE(L,-e,+)}", "on++two+thr++"),
        ("${STRREPLACE(L,t,T,1)}", "one-Two-three"),
        ("${LISTFILTER(L,-,two)}", "one-three"),
        ("${SHIFT(L,-)} ${POP(L,-)} ${L}", "one three two"),
    ] {
        assert_eq!(result(&format!("{list}Set(R={text})")), expected, "{text}");
    }
    for (lines, expected) in [
        ("Set(PUSH(L)=a)\nSet(PUSH(L)=b)\nSet(UNSHIFT(L)=0)\nSet(R=${L})", "0,a,b"),
        ("Set(HASH(h,a)=1)\nSet(HASH(h,b)=2)\nSet(R=${HASHKEYS(h)}:${HASH(h,b)})", "a,b:2"),
        ("Set(ARRAY(A,B)=1,2)\nSet(R=${B}${A})", "21"),
        ("MSet(A=1,B=\"2,3\")\nSet(R=${B}${A})", "2,31"),
        ("Set(N=4)\nSet(R=${INC(N)}${DEC(N)}${N})", "544"),
        ("Set(GLOBAL(G)=7)\nSet(R=${G}${GLOBAL(G)})", "77"),
        ("Set(DB(f/k)=v)\nSet(R=${DB(f/k)}${DB_DELETE(f/k)}${DB_EXISTS(f/k)})", "vv0"),
        ("Set(CALLERID(all)=\"Bob\" <200>)\nSet(R=${CALLERID(num)}${CALLERID(name)})", "200Bob"),
        ("Set(GROUP()=sales)\nSet(R=${GROUP()}${GROUP_COUNT()}${GROUP_COUNT(other)})", "sales10"),
        ("Set(TIMESTAMP=mine)\nSet(R=${TIMESTAMP}${CALLERIDNUM})", "mine100"),
        ("Set(TIMEOUT(digit)=2.5)\nSet(R=${TIMEOUT(digit)})", "2.500"),
        ("Set(CHANNEL(language)=de)\nSet(R=${CHANNEL(language)})", "de"),
        ("Set(I=2)\nSet(V2=x)\nSet(R=${V${I}}${V${I}:0:1})", "xx"),
    ] {
        assert_eq!(result(lines), expected, "{lines}");
    }
}

#[test]
fn a_value_is_never_evaluated_again() {
    let mut world = world();
    let evil = "${DB(a/b)}$[1+1],20,g&PJSIP/900@trunk)\"?x:y\\";
    world.headers.push(("X-Evil".into(), evil.into()));
    let plan = plan(
        "[t]\nexten => s,1,Set(R=${PJSIP_HEADER(read,X-Evil)})\nsame => n,Set(A=${R}${IF($[\"${R}\" = \"x\"]?${R}:-)})\n\
         same => n,GotoIf($[${R} = 1]?9)\nsame => n,Gosub(sub,s,1(${R},two))\nsame => n,Dial(PJSIP/${R},20)\n\
         [sub]\nexten => s,1,Return(${ARG2})\n",
    );
    let mut thread = Thread::new("t", "s", Caller { name: evil.into(), ..Caller::default() });
    let Some(Task::Dial(dial)) = thread.next(&plan, &mut world) else { panic!("no Dial") };
    assert_eq!(thread.variable("R"), Some(evil));
    assert_eq!(thread.variable("A"), Some(format!("{evil}-").as_str()));
    assert_eq!(thread.variable("GOSUB_RETVAL"), Some("two"), "a comma in a value makes no argument");
    assert_eq!((dial.targets.len(), dial.timeout), (1, Some(std::time::Duration::from_secs(20))));
    assert!(dial.options.is_empty());
}

#[test]
fn one_value_may_be_a_list_of_targets_that_the_site_wrote() {
    let plan = steps(
        "Set(ALL=PJSIP/1&PJSIP/2)\nDial(${ALL}&PJSIP/3,10,gS(${LEN(abc)})r)\nSet(HOW=PJSIP/4,5,m(jazz))\nDial(${HOW})",
    );
    let mut world = world();
    let mut thread = Thread::new("t", "s", caller());
    let Some(Task::Dial(dial)) = thread.next(&plan, &mut world) else { panic!("no Dial") };
    let phone = |name: &str| Target::Phone(name.into());
    assert_eq!(dial.targets, [phone("1"), phone("2"), phone("3")]);
    assert_eq!(dial.options, [('g', "".into()), ('S', "3".into()), ('r', "".into())]);
    thread.resume(Outcome::Dialled {
        status: DialStatus::Answer,
        cause: 16,
        answered: std::time::Duration::from_secs(9),
    });
    let Some(Task::Dial(dial)) = thread.next(&plan, &mut world) else { panic!("g goes on") };
    assert_eq!(
        (dial.targets.as_slice(), dial.timeout),
        ([phone("4")].as_slice(), Some(std::time::Duration::from_secs(5)))
    );
    assert_eq!(dial.options, [('m', "jazz".into())]);
    assert_eq!(thread.variable("ANSWEREDTIME"), Some(""), "that was the Dial before");
}

#[test]
fn a_menu_takes_keys_and_sends_the_lost_where_it_says() {
    let plan = steps(
        "Answer()\nSet(TIMEOUT(digit)=3)\n(again),Background(menu&press-1)\nWaitExten(4)\n\
         exten => 1,1,Dial(PJSIP/101)\nexten => i,1,Playback(pbx-invalid)\nexten => i,2,Goto(s,again)\n\
         exten => t,1,Hangup(NO_ANSWER)\nexten => h,1,NoOp(${HANGUPCAUSE} ${INVALID_EXTEN})\nexten => h,2,Playback(x)",
    );
    let supposed = Supposed { keys: ["9".into(), "".into(), "1".into()].into(), ..Supposed::default() };
    insta::assert_snapshot!(story(&plan, "s", supposed), @r"
    s 1 Answer()
    s 2 Set(TIMEOUT(digit)=3)
    s 3 Background(menu&press-1) -> keys 9; no extension 9 in context [t]: i
    i 1 Playback(pbx-invalid)
    i 2 Goto(t,s,again)
    s 3 Background(menu&press-1) -> no keys
    s 4 WaitExten(4) -> keys 1
    1 1 Dial(PJSIP/101) -> NOANSWER, cause 19
    h 1 NoOp(19 9)
    h 2 Playback(x) !the caller is gone: nothing is played
    ");
    insta::assert_snapshot!(story(&plan, "s", Supposed::default()), @r"
    s 1 Answer()
    s 2 Set(TIMEOUT(digit)=3)
    s 3 Background(menu&press-1) -> no keys
    s 4 WaitExten(4) -> no keys
    t 1 Hangup(NO_ANSWER)
    h 1 NoOp(19 )
    h 2 Playback(x) !the caller is gone: nothing is played
    ");
    let mut thread = Thread::new("t", "s", caller());
    let mut world = world();
    for _ in 0..2 {
        thread.next(&plan, &mut world);
        thread.resume(Outcome::Done);
    }
    let now = Moment::new(world.now_ms, "Europe/Berlin");
    assert_eq!(thread.dialled(&plan, "1", now), Dialled::Enough);
    assert_eq!(thread.dialled(&plan, "2", now), Dialled::No);
}

#[test]
fn subroutines_loops_and_choices_go_where_they_should() {
    let plan = steps(
        "Set(N=0)\nWhile($[${N} < 4])\nSet(N=${INC(N)})\nExecIf($[${N} = 2]?ContinueWhile())\n\
         ExecIf($[${N} = 3]?ExitWhile():NoOp(round ${N}))\nEndWhile()\nGosub(sub(a,${N}))\nGotoIf($[${GOSUB_RETVAL} > 1]?done)\n\
         NoOp(never)\n(done),GotoIfTime(*,mon-sat,*,*?open:closed)\n(open),NoOp(never)\n(closed),Hangup(17)\n\
         (sub),Set(LOCAL(N)=${ARG2}9)\nReturn($[${N} + ${ARGC}])",
    );
    insta::assert_snapshot!(story(&plan, "s", Supposed::default()), @r#"
    s 1 Set(N=0)
    s 2 While($[0 < 4]) -> true
    s 3 Set(N=1)
    s 4 ExecIf($[1 = 2]?ContinueWhile(…)) -> false, goes on
    s 5 ExecIf($[1 = 3]?ExitWhile(…):NoOp(round 1)) -> false
    s 6 EndWhile()
    s 2 While($[1 < 4]) -> true
    s 3 Set(N=2)
    s 4 ExecIf($[2 = 2]?ContinueWhile()) -> true
    s 2 While($[2 < 4]) -> true
    s 3 Set(N=3)
    s 4 ExecIf($[3 = 2]?ContinueWhile(…)) -> false, goes on
    s 5 ExecIf($[3 = 3]?ExitWhile()) -> true
    s 7 Gosub(t,s,sub(a,3))
    s 13 Set(LOCAL(N)=39)
    s 14 Return(41)
    s 8 GotoIf($[41 > 1]?done) -> true, to t,s,done
    s 10 GotoIfTime(*,mon-sat,*,*?open:closed) -> false, Sun 2026-11-22 20:30 Europe/Berlin is another day of the week, to t,s,closed
    s 12 Hangup(17)
    "#);
}

#[test]
fn what_cannot_be_done_is_noted_and_the_walk_goes_on() {
    let plan = steps(
        "Set(EXTEN=5)\nSayNumber(${CALLERID(name)})\nSet(R=${CDR(x)}${CHANNEL(none)})\nStackPop()\nGoto(nowhere,${EXTEN},1)",
    );
    insta::assert_snapshot!(story(&plan, "s", Supposed::default()), @r"
    s 1 Set(EXTEN=5) !EXTEN is set by the exchange and cannot be changed
    s 2 SayNumber(Alice) !`Alice` is no whole number
    s 3 Set(R=) !CHANNEL: nothing is known of none
    s 4 StackPop()
    s 5 Goto(nowhere,s,1) !no extension s in context [nowhere]
    ");
    let plan = steps("Return()\nexten => h,1,Goto(x,1)\nexten => x,1,NoOp(once)");
    insta::assert_snapshot!(story(&plan, "s", Supposed::default()), @r"
    s 1 Return() !Return without Gosub ends the call
    h 1 Goto(t,x,1)
    x 1 NoOp(once)
    ");
}

#[test]
fn a_loop_is_stopped_and_its_lines_are_named() {
    let plan = steps("NoOp(begin)\n(here),Set(N=${INC(N)})\nGoto(here)\nexten => h,1,Goto(h,1)");
    let mut world = world();
    let mut thread = Thread::new("t", "s", caller());
    assert_eq!(thread.next(&plan, &mut world), Some(Task::Hangup { cause: Some(41) }));
    let (_, text) = world.log.last().expect("a warning");
    assert_eq!(
        text,
        "stopped after 10000 steps without a pause: a loop in extensions.conf:3, extensions.conf:4"
    );
    assert_eq!(thread.trail().entries().len(), MAX_TRAIL);
    thread.resume(Outcome::HungUp { cause: 41 });
    assert_eq!(thread.next(&plan, &mut world), None);
    assert!(thread.is_over());
}

#[test]
fn time_that_runs_out_leads_to_its_extension() {
    let plan = steps("Set(TIMEOUT(absolute)=10)\nWait(60)\nexten => T,1,Hangup(102)");
    let mut world = world();
    let mut thread = Thread::new("t", "s", caller());
    assert!(matches!(thread.next(&plan, &mut world), Some(Task::Wait(_))));
    assert_eq!(thread.deadline(), Some(world.now_ms + 10_000));
    assert!(!thread.expire(world.now_ms + 9_999), "before its time it changes nothing");
    assert_eq!(thread.next(&plan, &mut world), None);
    world.now_ms += 10_000;
    assert!(thread.expire(world.now_ms) && !thread.expire(world.now_ms));
    assert_eq!(thread.next(&plan, &mut world), Some(Task::Hangup { cause: Some(102) }));
}

#[test]
fn how_long_a_dial_took_is_known_in_h_whoever_hangs_up() {
    let plan = steps("Dial(PJSIP/1)\nexten => h,1,NoOp(${DIALSTATUS}/${DIALEDTIME}/${ANSWEREDTIME})");
    for (talks, expected) in [(true, "ANSWER/10/7"), (false, "CANCEL//")] {
        let mut world = world();
        let mut thread = Thread::new("t", "s", caller());
        thread.set("DIALEDTIME", "99");
        assert!(matches!(thread.next(&plan, &mut world), Some(Task::Dial(_))));
        world.now_ms += 3_100;
        if talks {
            thread.connected(world.now_ms);
        }
        world.now_ms += 7_000;
        thread.resume(Outcome::HungUp { cause: 16 });
        assert_eq!(thread.next(&plan, &mut world), None);
        let trail = thread.trail().told(&plan).to_string();
        assert!(trail.contains(&format!("NoOp({expected})")), "{trail}");
    }
}

#[test]
fn keys_are_read_into_a_variable_as_often_as_it_says() {
    let plan = steps("Read(CODE,enter-pin,4,,2,7)\nNoOp(${CODE} ${READSTATUS})");
    let supposed = Supposed { keys: ["".into(), "1234".into()].into(), ..Supposed::default() };
    insta::assert_snapshot!(story(&plan, "s", supposed), @r"
    s 1 Read(CODE,enter-pin,4,,2,7) -> no keys; keys 1234
    s 2 NoOp(1234 OK)
    ");
}

#[test]
fn an_extension_that_nobody_knows_gets_i_or_a_cause() {
    let mut world = world();
    let plan = steps("NoOp()");
    let mut thread = Thread::new("t", "77", caller());
    assert_eq!(thread.next(&plan, &mut world), Some(Task::Hangup { cause: Some(1) }));
    let mut thread = Thread::new("none", "77", caller());
    assert_eq!(thread.next(&plan, &mut world), Some(Task::Hangup { cause: Some(1) }));
    let plan = steps("Goto(77,1)\nexten => i,1,Busy(3)");
    let mut thread = Thread::new("t", "77", caller());
    assert_eq!(
        thread.next(&plan, &mut world),
        Some(Task::Hangup { cause: Some(1) }),
        "it was never in the plan"
    );
    let mut thread = Thread::new("t", "s", caller());
    assert!(matches!(thread.next(&plan, &mut world), Some(Task::Busy(Some(_)))));
    assert_eq!(thread.variable("INVALID_EXTEN"), Some("77"));
    thread.resume(Outcome::Done);
    assert_eq!(thread.next(&plan, &mut world), Some(Task::Hangup { cause: Some(17) }));
    let plan = steps("Goto(${X}9)\nexten => i,1,Busy(3)");
    let mut thread = Thread::new("t", "s", caller());
    assert_eq!(
        thread.next(&plan, &mut world),
        Some(Task::Hangup { cause: None }),
        "s is there, its step 9 is not"
    );
}

#[test]
fn what_a_plan_may_not_do_to_the_exchange_ends_the_call_with_words() {
    let mut world = world();
    let plan = steps("Set(N=${INC(N)})\nSet(V${N}=x)\nGoto(1)");
    let mut thread = Thread::new("t", "s", caller());
    assert_eq!(thread.next(&plan, &mut world), Some(Task::Hangup { cause: Some(41) }));
    let (_, text) = world.log.last().expect("a warning");
    assert!(text.starts_with("stopped: a channel has no more than 1000 variables, in "), "{text}");
    let long = "x".repeat(4000);
    let plan = steps(&format!(
        "Set(A={long})\nSet(A=${{A}}${{A}})\n(on),Set(R=${{REGEX(\"(a|b|x)*y\" ${{A}})}})\nGoto(on)"
    ));
    let mut thread = Thread::new("t", "s", caller());
    assert_eq!(thread.next(&plan, &mut world), Some(Task::Hangup { cause: Some(41) }));
    let (_, text) = world.log.last().expect("a warning");
    assert!(
        text.starts_with("stopped: more than 10000000 octets were worked on without a pause, in "),
        "{text}"
    );
    assert!(thread.steps < 300, "long before the steps are too many: {}", thread.steps);
}

#[test]
fn a_background_may_be_stopped_by_extensions_of_one_digit_only() {
    let plan = steps("Background(menu,nm)\nexten => 1,1,NoOp()\nexten => 22,1,NoOp()\nexten => #,1,NoOp()");
    let mut thread = Thread::new("t", "s", caller());
    let Some(Task::Collect(collect)) = thread.next(&plan, &mut world()) else { panic!("no keys") };
    assert_eq!(collect.only.as_deref(), Some("1#"));
}

#[test]
fn what_a_dialled_channel_gets_is_marked() {
    let plan = steps(
        "Set(__A=1)\nSet(_B=2)\nSet(C=3)\nSet(PJSIP_HEADER(add,X-Tenant)=acme)\nSIPAddHeader(Alert-Info: <x>\\;a=b)\nDial(PJSIP/1&DAHDI/2)",
    );
    let mut world = world();
    let mut thread = Thread::new("t", "s", caller());
    let Some(Task::Dial(dial)) = thread.next(&plan, &mut world) else { panic!("no Dial") };
    assert_eq!(thread.inherited(), [("__A".into(), "1".into()), ("B".into(), "2".into())]);
    assert_eq!(dial.headers, [("X-Tenant".into(), "acme".into()), ("Alert-Info".into(), "<x>;a=b".into())]);
    assert_eq!(dial.targets, [Target::Phone("1".into())]);
}

#[cfg(feature = "serde")]
#[test]
fn a_thread_is_written_down_at_any_time_and_goes_on_from_there() {
    let plan = steps(
        "Set(__A=1)\nSet(HASH(h,k)=v)\nGosub(sub,1(x))\nRead(PIN,enter,4)\nDial(PJSIP/1,5,g)\nHangup(17)\n\
         exten => sub,1,Background(a)\nexten => sub,2,Return(y)\nexten => h,1,NoOp(${GOSUB_RETVAL} ${HASH(h,k)})",
    );
    let (mut world, mut supposed) = (world(), Supposed::default());
    let (mut whole, mut copied) = (Thread::new("t", "s", caller()), Thread::new("t", "s", caller()));
    for _ in 0..20 {
        let bytes = postcard::to_stdvec(&copied).expect("it can be written");
        copied = postcard::from_bytes(&bytes).expect("it can be read");
        assert_eq!(whole, copied);
        let task = whole.next(&plan, &mut world);
        assert_eq!(copied.next(&plan, &mut world), task);
        let Some(task) = task else { break };
        let outcome = supposed.outcome(&task);
        whole.resume(outcome.clone());
        copied.resume(outcome);
    }
    assert!(whole.is_over());
    assert_eq!(whole.trail().entries().last().map(|entry| entry.args.as_str()), Some("y v"));
}

#[test]
fn a_subroutine_may_be_a_label_of_an_included_pattern() {
    let plan = plan(
        "[t]\ninclude => ring\nexten => 1234,1,Gosub(${EXTEN},ring(PJSIP/7,vm))\nsame => n,Hangup(${ARGC}1)\n\
         [ring]\nexten => _X.,5000(ring),Set(LOCAL(dev)=${ARG1})\nsame => n,Dial(${dev},20)\nsame => n,Goto(ring-${DIALSTATUS},1)\n\
         exten => ring-BUSY,1,Return()\nexten => _ri[n]g-.,1,Goto(ring-BUSY,1)\n",
    );
    insta::assert_snapshot!(story(&plan, "1234", Supposed::default()), @r"
    1234 1 Gosub(t,1234,ring(PJSIP/7,vm))
    1234 5000 Set(LOCAL(dev)=PJSIP/7)
    1234 5001 Dial(PJSIP/7,20) -> NOANSWER, cause 19
    1234 5002 Goto(t,ring-NOANSWER,1)
    ring-NOANSWER 1 Goto(t,ring-BUSY,1)
    ring-BUSY 1 Return()
    1234 2 Hangup(1)
    ");
}

#[test]
fn whoever_is_wrong_again_gets_i_again() {
    let plan = steps(
        "Background(menu)\nexten => 1,1,Hangup(17)\nexten => i,1,Background(pbx-invalid)\nexten => i,2,WaitExten(5)",
    );
    let supposed = Supposed { keys: ["9".into(), "8".into(), "1".into()].into(), ..Supposed::default() };
    insta::assert_snapshot!(story(&plan, "s", supposed), @r"
    s 1 Background(menu) -> keys 9; no extension 9 in context [t]: i
    i 1 Background(pbx-invalid) -> keys 8; no extension 8 in context [t]: i
    i 1 Background(pbx-invalid) -> keys 1
    1 1 Hangup(17)
    ");
    let plan = steps("NoOp()\nexten => i,1,Goto(x,1)");
    assert_eq!(
        Thread::new("t", "i", caller()).next(&plan, &mut world()),
        Some(Task::Hangup { cause: Some(41) }),
        "and what goes round by itself ends"
    );
}

#[test]
fn who_is_gone_gets_h_even_when_the_time_is_up() {
    let plan = steps("Set(TIMEOUT(absolute)=10)\nWait(60)\nexten => T,1,NoOp()\nexten => h,1,NoOp()");
    let (mut world, mut thread) = (world(), Thread::new("t", "s", caller()));
    assert!(matches!(thread.next(&plan, &mut world), Some(Task::Wait(_))));
    world.now_ms += 10_000;
    thread.resume(Outcome::HungUp { cause: 16 });
    assert_eq!(thread.next(&plan, &mut world), None);
    assert_eq!(thread.trail().entries().last().map(|entry| entry.place.extension.as_str()), Some("h"));
}

#[test]
fn why_a_call_ended_is_known_in_h_and_said_where_the_plan_did_not_want_it() {
    let ended = |cause, why: &str| Outcome::Ended { cause, why: why.into() };
    for (step, outcome, told, cause) in [
        ("Hangup(17)", ended(17, "refused with 486"), "", "17"),
        ("Hangup()", ended(0, ""), "", "16"),
        ("Wait(9)", Outcome::HungUp { cause: 16 }, "the caller hung up, cause 16", "16"),
        ("Dial(PJSIP/1)", ended(16, "the callee hung up"), "the callee hung up, cause 16", "16"),
    ] {
        let plan = steps(&format!("{step}\nexten => h,1,NoOp(<${{HANGUPCAUSE}}>)"));
        let (mut world, mut thread) = (world(), Thread::new("t", "s", caller()));
        assert!(thread.next(&plan, &mut world).is_some());
        thread.resume(outcome);
        assert_eq!(thread.next(&plan, &mut world), None);
        let way: Vec<_> = thread.trail().entries().map(|entry| (&*entry.outcome, &*entry.args)).collect();
        let args = step.split(['(', ')']).nth(1).unwrap_or_default();
        assert_eq!(way, [(told, args), ("", &*format!("<{cause}>"))]);
    }
}

#[test]
fn what_comes_of_a_step_is_said_there_and_not_at_what_was_walked_for_others() {
    let plan = plan(
        "[t]\nexten => s,1,Dial(PJSIP/1,9)\n same => n,NoOp(on)\n\
         [u]\nexten => s,1,NoOp(asked)\n same => n,Return()\n",
    );
    let (mut world, mut thread) = (world(), Thread::new("t", "s", caller()));
    assert!(matches!(thread.next(&plan, &mut world), Some(Task::Dial(_))));
    let mut callee = Thread::new("u", "s", caller());
    while callee.next(&plan, &mut world).is_some() {
        callee.resume(Outcome::Done);
    }
    thread.tell_of(&callee, "1");
    let (status, answered) = (DialStatus::Busy, std::time::Duration::ZERO);
    thread.resume(Outcome::Dialled { status, cause: 17, answered });
    thread.next(&plan, &mut world);
    let way = thread.trail().told(&plan).to_string();
    assert!(way.contains("Dial(PJSIP/1,9)  -> BUSY, cause 17\n"), "{way}");
}

#[test]
fn what_the_exchange_says_of_a_task_counts() {
    let plan = steps("Playback(x)\nRead(PIN,enter,4,,2)\nHangup()");
    let (mut world, mut thread) = (world(), Thread::new("t", "s", caller()));
    assert!(matches!(thread.next(&plan, &mut world), Some(Task::Play { .. })));
    thread.resume(Outcome::Set(vec![("PLAYBACKSTATUS".into(), "FAILED".into())]));
    assert!(matches!(thread.next(&plan, &mut world), Some(Task::Collect(_))));
    assert_eq!(thread.variable("PLAYBACKSTATUS"), Some("FAILED"));
    // The terminator alone is no answer.
    thread.resume(Outcome::Keys { keys: "".into(), timeout: false });
    assert!(matches!(thread.next(&plan, &mut world), Some(Task::Collect(_))));
    thread.resume(Outcome::Keys { keys: "".into(), timeout: false });
    assert_eq!(thread.next(&plan, &mut world), Some(Task::Hangup { cause: None }));
    assert_eq!(thread.variable("READSTATUS"), Some("OK"));
}

#[test]
fn options_may_be_values_among_others() {
    let plan = steps(
        "Set(HOW=gS(9))\nSet(NAME=x)gU(evil)\nDial(PJSIP/1,10,m(${NAME})${HOW}k)\nDial(PJSIP/1,10,F${HOW}(7))\n\
         Dial(PJSIP/1,10,F)\nNoOp(never)",
    );
    let (mut world, mut thread) = (world(), Thread::new("t", "s", caller()));
    let mut options = || {
        let task = thread.next(&plan, &mut world);
        let answered = std::time::Duration::from_secs(1);
        thread.resume(Outcome::Dialled { status: DialStatus::Answer, cause: 16, answered });
        let Some(Task::Dial(dial)) = task else { return format!("{task:?}") };
        dial.options.iter().map(|(letter, arg)| format!("{letter}={arg} ")).collect()
    };
    assert_eq!(options(), "m=x)gU(evil g= S=9 k= ");
    assert_eq!(options(), "F= g= S=7 ");
    assert_eq!(options(), "F= ");
    assert_eq!(options(), "Some(Hangup { cause: None })", "F says nothing of the caller");
}

#[test]
fn what_a_caller_sends_makes_no_line_of_the_trail() {
    let plan = steps("NoOp(${CALLERID(name)})\nSayNumber(${CALLERID(name)})");
    let name = "x\n  forged:1  1. Hangup()\u{1b}[2J";
    let mut thread = Thread::new("t", "s", Caller { name: name.into(), ..Caller::default() });
    let _ = thread.next(&plan, &mut world());
    let told = thread.trail().told(&plan).to_string();
    assert_eq!(told.lines().count(), 4, "{told}");
    assert!(!told.contains('\u{1b}') && told.contains("forged"), "{told}");
}

#[test]
fn a_goto_with_two_parts_may_mean_a_context() {
    let plan = plan(
        "[internal]\nexten = 100,1,Answer()\nexten = 100,2,SayDigits(100)\nexten = 100,3,Hangup()\n\
         exten = _1XX,1,Dial(SIP/${EXTEN})\n[t]\nexten = s,1,Answer()\nexten = s,2,Goto(internal,${CALLERID})\n",
    );
    insta::assert_snapshot!(story(&plan, "s", Supposed::default()), @r"
    s 1 Answer()
    s 2 Goto(internal,100,1)
    100 1 Answer()
    100 2 SayDigits(100)
    100 3 Hangup()
    ");
}

#[test]
fn a_subroutine_for_who_was_dialled_comes_back_with_what_it_says() {
    let plan = plan(
        "[t]\nexten => s,1,Set(__SITE=north)\nsame => n,Dial(PJSIP/1,5,b(add^s^1)U(screen^${CALLERID(name)}^two))\n\
         [add]\nexten => s,1,Set(PJSIP_HEADER(add,X-Site)=${SITE})\n\
         [screen]\nexten => s,1,Read(OK,press-1,1)\nsame => n,Set(GOSUB_RESULT=${IF($[\"${OK}\" = \"1\"]?:BUSY)})\n\
         same => n,Return(${ARG1}/${ARG2})\n",
    );
    let mut world = world();
    let mut thread = Thread::new("t", "s", Caller { name: "a^b".into(), ..caller() });
    let Some(Task::Dial(dial)) = thread.next(&plan, &mut world) else { panic!("no Dial") };
    let (before, after) = (dial.before.expect("b"), dial.on_answer.expect("U"));
    let mut routine = thread.routine(&before, caller(), &plan, &mut world).expect("it is there");
    assert_eq!(routine.next(&plan, &mut world), None);
    assert!(routine.has_returned(), "what ends without Return has come back, too");
    assert_eq!(routine.headers(), [("X-Site".into(), "north".into())]);
    let mut routine = thread.routine(&after, caller(), &plan, &mut world).expect("it is there");
    let Some(Task::Answer(_)) = routine.next(&plan, &mut world) else { panic!("no answer") };
    routine.resume(Outcome::Done);
    let Some(Task::Collect(_)) = routine.next(&plan, &mut world) else { panic!("no Read") };
    routine.resume(Outcome::Keys { keys: "2".into(), timeout: false });
    assert_eq!(routine.next(&plan, &mut world), None);
    assert!(routine.has_returned() && routine.is_over());
    assert_eq!(routine.variable("GOSUB_RESULT"), Some("BUSY"));
    assert_eq!(routine.variable("GOSUB_RETVAL"), Some("a b/two"), "a value makes no argument of its own");
    thread.tell_of(&routine, "bob");
    assert!(thread.trail().told(&plan).to_string().contains("for bob: s matched s in context [screen]\n"));
    let lost = crate::task::Routine::of_context("nowhere").expect("it is written well");
    let lost = thread.routine(&lost, caller(), &plan, &mut world);
    assert_eq!(lost.err().as_deref(), Some("there is no nowhere,s in the plan"));
}

#[test]
fn a_dial_may_send_its_caller_elsewhere() {
    let plan = steps(
        "Dial(PJSIP/1)\nHangup(17)\n(there),Hangup(21)\nexten => x,1,Hangup(${IF($[\"${DIALSTATUS}\"=\"ANSWER\"]?34:1)})",
    );
    let mut world = world();
    for (place, cause) in [(&["n"][..], 17), (&["there"], 21), (&["x", "1"], 34), (&["none", "1"], 1)] {
        let mut thread = Thread::new("t", "s", caller());
        assert!(matches!(thread.next(&plan, &mut world), Some(Task::Dial(_))));
        thread.resume(Outcome::Goto(place.iter().copied().map(SmolStr::new).collect()));
        assert_eq!(thread.next(&plan, &mut world), Some(Task::Hangup { cause: Some(cause) }));
    }
}

#[test]
fn conditions_are_told_with_their_values_and_without_secrets() {
    let plan = plan(
        "[t]\nexten => s,1,Set(A=x)\nsame => n,Set(N=2)\nsame => n,Set(PIN=4711)\n\
         same => n,GotoIf($[(\"${A}\" = \"y\" | ${N} * (1 + 2) > 9) & !${B}]?no)\n\
         same => n,GotoIf($[${N} ? ${A} :: ${B}]?on)\nsame => n,Hangup()\n\
         same => n(on),ExecIf($[\"${PIN}\" = \"0815\"]?Hangup(21))\n\
         same => n,GotoIf(${N}?${A},1:no)\nsame => n(no),Hangup()\n",
    );
    insta::assert_snapshot!(story(&plan, "s", Supposed::default()), @r#"
    s 1 Set(A=x)
    s 2 Set(N=2)
    s 3 Set(PIN=****)
    s 4 GotoIf($[("x" = "y" | 2 * (1 + 2) > 9) & !""]?no) -> false, goes on
    s 5 GotoIf($[2 ? x :: …]?on) -> true, to t,s,on
    s 7 ExecIf($[****]?Hangup(…)) -> false, goes on
    s 8 GotoIf(2?…,1:no) -> true, to t,x,1 !no extension x in context [t]
    "#);
}

#[test]
fn who_is_sent_past_the_plan_has_no_steps_but_h() {
    let plan = plan(
        "[t]\nexten => _c.,1,NoOp(never)\n same => n,NoOp(nor this)\nexten => h,1,NoOp(${DIALSTATUS})\n",
    );
    let mut world = world();
    let dialled = |status, cause| Outcome::Dialled { status, cause, answered: std::time::Duration::ZERO };
    for (outcome, told) in [
        (dialled(DialStatus::Busy, 17), "BUSY, cause 17"),
        (dialled(DialStatus::Answer, 16), "ANSWER, cause 16"),
        (Outcome::HungUp { cause: 16 }, "the caller hung up, cause 16"),
    ] {
        let mut thread = Thread::sent("t", "carol@sbc", caller(), "sent to sip:carol@sbc by 101");
        assert_eq!(thread.next(&plan, &mut world), None, "it waits");
        let gone = matches!(outcome, Outcome::HungUp { .. });
        thread.resume(outcome);
        if !gone {
            assert_eq!(thread.next(&plan, &mut world), Some(Task::Hangup { cause: None }));
            thread.resume(Outcome::HungUp { cause: 0 });
        }
        assert_eq!(thread.next(&plan, &mut world), None);
        assert!(thread.is_over());
        let way = thread.trail().told(&plan).to_string();
        let first = format!("  sent to sip:carol@sbc by 101; {told}\nh matched h in context [t]\n");
        assert!(way.starts_with(&first) && !way.contains("never") && !way.contains("nor this"), "{way}");
    }
}

#[test]
fn a_uri_is_dialled_where_the_site_has_written_one_and_never_because_a_caller_did() {
    let dialled = |step: &str, number: &str| {
        let plan = plan(&format!("[t]\nexten => _.,1,Set(TRUNK=PJSIP/gw)\n same => n,Dial({step})\n"));
        let mut thread = Thread::new("t", number, caller());
        match thread.next(&plan, &mut world()) {
            Some(Task::Dial(dial)) => dial.targets,
            other => panic!("{step} {number}: {other:?}"),
        }
    };
    let uri = |uri: &str| Target::Uri { uri: uri.into(), name: "gw".into() };
    let evil = "1@evil.example;x";
    assert_eq!(dialled("PJSIP/gw/sip:${EXTEN}@192.0.2.7", evil), [uri("sip:1@evil.example;x@192.0.2.7")]);
    let trunk = |number: &str, trunk: &str| Target::Trunk { number: number.into(), trunk: trunk.into() };
    assert_eq!(dialled("PJSIP/gw/${EXTEN}", "sip:1@evil"), [trunk("1", "gw")]);
    assert_eq!(dialled("PJSIP/${EXTEN}", "gw/SIP:sip:1@evil"), [trunk("1", "gw")]);
    assert_eq!(dialled("${TRUNK}/${EXTEN}", "sip:1@evil"), [trunk("1", "gw")]);
    assert_eq!(dialled("PJSIP/${EXTEN}@gw", "sip:1@evil"), [trunk("sip:1@evil", "gw")]);
}
