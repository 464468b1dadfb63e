//! Stands in for the interpreter of dialplans until that is there.
use smol_str::SmolStr;
use telex_dialplan::task::{Collect, Dial, Say, Target, Until};
use telex_dialplan::{Asked, At, Dialled, Dialplan, Moment, Outcome, Task, World};

#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Thread {
    context: SmolStr,
    extension: SmolStr,
    caller: SmolStr,
    next: u32,
    gone: bool,
}
#[derive(Debug, Default, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Trail;
#[derive(Debug, Default)]
pub(crate) struct Caller {
    pub(crate) number: SmolStr,
    pub(crate) name: SmolStr,
    pub(crate) dnid: SmolStr,
}

impl Thread {
    pub(crate) fn new(context: &str, extension: &str, caller: Caller) -> Self {
        Self {
            context: context.into(),
            extension: extension.into(),
            caller: caller.number,
            next: 1,
            gone: false,
        }
    }
    pub(crate) fn resume(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::HungUp { .. } => self.gone = true,
            Outcome::Keys { keys, .. } if !keys.is_empty() => {
                self.extension = keys;
                self.next = 1;
            }
            _ => {}
        }
    }
    pub(crate) fn into_trail(self) -> Trail {
        Trail
    }
    pub(crate) fn dialled(&self, plan: &Dialplan, ms: i64, zone: &str, keys: &str) -> Dialled {
        plan.dialled(Asked {
            context: &self.context,
            extension: keys,
            caller: &self.caller,
            now: Moment::new(ms, zone),
        })
    }
    pub(crate) fn next(&mut self, plan: &Dialplan, world: &mut dyn World) -> Option<Task> {
        if self.gone {
            return None;
        }
        loop {
            let now = Moment::new(world.now_ms(), world.zone());
            let asked =
                Asked { context: &self.context, extension: &self.extension, caller: &self.caller, now };
            let step = plan.find(asked, At::Priority(self.next))?.step.clone();
            self.next += 1;
            let args: Vec<&str> = step.args.split(',').collect();
            let second = std::time::Duration::from_secs(args[0].parse().unwrap_or(0));
            let count = |max| Until::Count { max, terminators: "#".into() };
            let collect = |say, until| Collect {
                say,
                first: std::time::Duration::from_secs(5),
                next: std::time::Duration::from_secs(2),
                until,
                barge: true,
            };
            let say = |names: &str| names.split('&').map(|n| Say::Prompt(n.into())).collect::<Vec<_>>();
            return Some(match step.app.to_ascii_lowercase().as_str() {
                "answer" => Task::Answer(second),
                "hangup" => Task::Hangup { cause: args[0].parse().ok() },
                "wait" => Task::Wait(second),
                "echo" => Task::Echo,
                "playtones" => Task::Tones(args[0].into()),
                "playback" => Task::Play {
                    say: say(args[0]),
                    escape: "".into(),
                    answer: args.get(1) != Some(&"noanswer"),
                },
                "background" => Task::Collect(collect(say(args[0]), Until::Extension)),
                "read" => Task::Collect(collect(say(args[1]), count(4))),
                "confbridge" => Task::Conference { name: args[0].into() },
                "ringing" => Task::Ringing,
                "busy" => Task::Busy(None),
                "goto" => {
                    self.next -= 2;
                    continue;
                }
                "dial" => {
                    let targets = args[0]
                        .split('&')
                        .map(|t| Target::Phone(t.trim_start_matches("PJSIP/").into()))
                        .collect();
                    let timeout =
                        args.get(1).and_then(|t| t.parse().ok()).map(std::time::Duration::from_secs);
                    let options =
                        args.get(2).unwrap_or(&"").chars().map(|c| (c, SmolStr::default())).collect();
                    Task::Dial(Dial { targets, timeout, options, headers: Vec::new() })
                }
                other => panic!("{other}"),
            });
        }
    }
}
