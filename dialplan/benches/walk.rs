//! What a call's way through a plan costs: `cargo bench -p telex-dialplan --bench walk`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use telex_dialplan::explain::Facts;
use telex_dialplan::scene::Caller;
use telex_dialplan::task::DialStatus;
use telex_dialplan::{Dialplan, Outcome, Thread};

const PLAN: &str = "\
[internal]
exten => _1XX,1,Dial(PJSIP/${EXTEN},20)

[office]
exten => _0.,1,Set(CALLERID(num)=${IF($[\"${CALLERID(num)}\" = \"100\"]?4930100:4930${CALLERID(num)})})
same => n,GotoIf($[${LEN(${EXTEN})} < 4]?short)
same => n,GotoIfTime(9:00-17:00,mon-fri,*,*?day)
same => n,NoOp(night)
same => n(day),Gosub(log,s,1(${EXTEN:1},${CALLERID(num)}))
same => n,Dial(PJSIP/${EXTEN:1}@trunk,60,g)
same => n,GotoIf($[\"${DIALSTATUS}\" = \"BUSY\"]?busy:done)
same => n(short),Hangup(28)
same => n(busy),Busy(5)
same => n(done),Hangup()
[log]
exten => s,1,Set(LOCAL(line)=${ARG2} to ${ARG1})
same => n,NoOp(${line})
same => n,Return()

[count]
exten => s,1,Set(N=0)
same => n,While($[${N} < 1000])
same => n,Set(N=${INC(N)})
same => n,EndWhile()
";

fn main() {
    let plan = Dialplan::parse("bench", PLAN).expect("the plan is right");
    let caller = Caller { number: "100".into(), name: "Alice".into(), ..Caller::default() };
    let mut world = Facts::at(1_795_375_800_000, "Europe/Berlin");
    let outcome = || Outcome::Dialled { status: DialStatus::NoAnswer, cause: 19, answered: Duration::ZERO };
    for (what, context, extension, rounds) in [
        ("one Dial", "internal", "123", 500_u32),
        ("ten steps", "office", "03012345", 100),
        ("3003 steps", "count", "s", 2),
    ] {
        // The fastest of many rounds: other programs only make it slower.
        let mut best = Duration::MAX;
        for _ in 0..100 {
            let start = Instant::now();
            for _ in 0..rounds {
                world.now_ms += 1;
                let mut thread = Thread::new(context, extension, caller.clone());
                while let Some(task) = thread.next(&plan, &mut world) {
                    black_box(&task);
                    thread.resume(outcome());
                }
                black_box(&thread);
            }
            best = best.min(start.elapsed() / rounds);
        }
        println!("{what}: {best:?} a call");
    }
}
