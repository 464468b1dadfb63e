//! Dialplans nobody would write, and callers who press anything in them.

use telex_engine::event::Side;
use telex_engine::time::Duration;

use super::swarm::Swarm;
use crate::luck::Draw;
use crate::plan::characters::KEYS;
use crate::plan::{Context, Digit, Extension, Plan};

/// Contexts; the first is where calls begin.
const CONTEXTS: [&str; 3] = [crate::plan::ENTRY, "walk-b", "walk-c"];
/// What extensions are called.
const NUMBERS: [&str; 14] =
    ["s", "1", "2", "_X", "_[3-6]", "_XX", "_X!", "i", "t", "h", "o", "BUSY", "NOANSWER", "CHANUNAVAIL"];
/// When an `include` holds.
const HOURS: [&str; 4] = ["", ",9:00-17:00,mon-fri,*,*", ",*,sat-sun,*,*", ",22:00-23:00,*,*,*"];
/// What is done. `PHONE` rings one.
const STEPS: [&str; 44] = [
    "Answer()",
    "Answer(300)",
    "Wait(1)",
    "Wait(0.${RAND(1,9)})",
    "Playback(menu)",
    "Playback(menu&nothing)",
    "Background(menu)",
    "Background(menu,p)",
    "WaitExten(2)",
    "Read(N,menu,2,,1,2)",
    "Read(N,,3)",
    "SayDigits(${N})",
    "Playtones(busy)",
    "StopPlaytones()",
    "SendDTMF(12)",
    "Milliwatt()",
    "Busy(2)",
    "Congestion(1)",
    "Hangup()",
    "Hangup(17)",
    "Ringing()",
    "Progress()",
    "Set(N=${RAND(0,12)})",
    "Set(GROUP()=g${RAND(0,2)})",
    "GotoIf($[${GROUP_COUNT(g1)} > 1]?walk-b,1,1)",
    "GotoIf($[\"${N}\" = \"1\"]?walk-b,s,1)",
    "GotoIfTime(9:00-17:00,mon-fri,*,*?walk-c,1,1)",
    "Goto(${DIALSTATUS},1)",
    "Goto(walk-c,${N},1)",
    "Goto(s,1)",
    "Goto(1)",
    "Gosub(walk-b,s,1(${EXTEN}))",
    "Return(${ARG1})",
    "While($[${INC(K)} < 4])",
    "EndWhile()",
    "ExecIf($[${RAND(0,1)}]?Wait(1):Playback(menu))",
    "Set(DB(walk/n)=${N})",
    "Set(GLOBAL(LAST)=${EXTEN})",
    "Verbose(${CALLERID(all)} ${CDR(billsec)} ${DB(walk/n)} ${LAST})",
    "Set(TIMEOUT(digit)=1)",
    "MusicOnHold(none,1)",
    "PHONE",
    "PHONE",
    "PHONE",
];

/// Adds a dialplan, and calls that lead into it.
pub(super) fn add(plan: &mut Plan, swarm: Swarm<'_>) {
    // Where sound is coded anew, keys are looked for in it, and voices are told by their pitch and not by marks.
    if !swarm.on("dialplan") || plan.exchange.transcode {
        return;
    }
    let seed = plan.seed;
    plan.dialplan = CONTEXTS.iter().enumerate().map(|(n, name)| context(plan, n, name)).collect();
    for n in 0..plan.calls.len() {
        let mut d = Draw::new(seed, "walk", n as u64);
        if !d.percent(50) {
            continue;
        }
        let caller = plan.calls[n].caller;
        let call = &mut plan.calls[n];
        call.dial = format!("600{}", d.between(0, 7));
        call.late_offer = false;
        call.digits.clear();
        if plan.phones[caller].events.is_none() {
            plan.phones[caller].events = Some(101);
        }
        let mut after = 0;
        for _ in 0..d.between(0, 8) {
            after += d.between(150, 2500);
            let key = d.pick(&KEYS.chars().collect::<Vec<_>>());
            call.digits.push(Digit { by: Side::Caller, after: Duration::from_millis(after), key });
        }
    }
}

fn context(plan: &Plan, n: usize, name: &str) -> Context {
    let mut d = Draw::new(plan.seed, "context", n as u64);
    let mut extensions: Vec<Extension> = Vec::new();
    for _ in 0..d.between(2, 6) {
        let number = d.pick(&NUMBERS);
        if extensions.iter().any(|known| known.number == number) {
            continue;
        }
        // Who is not answered would ring for as long as the dialplan goes round.
        let mut steps = if n == 0 { vec!["Answer()".to_owned()] } else { Vec::new() };
        steps.extend((0..d.between(1, 6)).flat_map(|_| step(plan, &mut d)));
        extensions.push(Extension { number: number.to_owned(), steps });
    }
    let includes = (n + 1..CONTEXTS.len()).filter(|_| d.percent(40)).collect::<Vec<_>>();
    let includes = includes.into_iter().map(|other| format!("{}{}", CONTEXTS[other], d.pick(&HOURS)));
    Context { name: name.to_owned(), includes: includes.collect(), extensions }
}

/// One step, or three that ring a phone. Nobody calls itself, and one call asks one phone: what that does is planned
/// once.
fn step(plan: &Plan, d: &mut Draw) -> Vec<String> {
    let step = d.pick(&STEPS);
    if step != "PHONE" {
        return vec![step.to_owned()];
    }
    let phone = usize::try_from(d.between(0, plan.phones.len() as u64 - 1)).unwrap_or(0);
    let extension = &plan.phones[phone].extension;
    let (time, options) = (d.between(1, 5), d.pick(&["", ",g", ",g", ",gS(2)", ",H"]));
    vec![
        format!("GotoIf($[\"${{CALLERID(num)}}\" = \"{extension}\" | \"${{ASKED}}\" != \"\"]?+3)"),
        "Set(ASKED=1)".to_owned(),
        format!("Dial(PJSIP/{extension},{time}{options})"),
    ]
}
