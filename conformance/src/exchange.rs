//! The `telex` program, started the way its user starts it.

use std::env;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::ground::Ground;
use crate::program::{Program, poll};

/// Password of every phone in a test.
pub const PASSWORD: &str = "a-long-secret";
/// Where the exchange listens, on an address of its own.
const PORT: u16 = 5060;
/// The program may have to be built for these tests first; starting takes milliseconds, on a quiet machine.
const START: Duration = Duration::from_secs(60);
/// Time for all that belongs to calls to go away: a BYE that is never answered is given up after 64*T1, 32 s.
const CLEARED: Duration = Duration::from_secs(45);

/// The path of the program, built if needed with the profile that the tests were built with. `TELEX_BIN` names another.
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| env::var_os("TELEX_BIN").map_or_else(build, PathBuf::from))
}

/// Only a package's own tests are told where its program is, so this asks cargo for it, in the folder of the running
/// test: `TARGET/PROFILE/deps/TEST`.
fn build() -> PathBuf {
    let test = env::current_exe().expect("a running test has a path");
    let folder = test.ancestors().nth(2).expect("a test lies in TARGET/PROFILE/deps");
    let target = folder.parent().expect("a profile's folder lies in the target folder");
    let profile = match folder.file_name().and_then(|n| n.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--quiet",
        "--package",
        "telex",
        "--bin",
        "telex",
        "--profile",
        profile,
        "--target-dir",
    ]);
    command.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = command.status().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(status.success(), "{command:?} failed");
    folder.join("telex")
}

/// What an exchange is to be.
#[derive(Debug)]
pub struct Plan {
    server: SocketAddr,
    phones: String,
    media: String,
    head: String,
}

impl Plan {
    /// An exchange without phones on an address of its own, over UDP and TCP.
    pub fn new(ground: &Ground) -> Self {
        Self {
            server: SocketAddr::from((ground.address(), PORT)),
            phones: String::new(),
            media: String::new(),
            head: String::new(),
        }
    }

    /// Listens there instead.
    #[must_use]
    pub fn at(mut self, server: SocketAddr) -> Self {
        self.server = server;
        self
    }

    /// A phone that registers with [`PASSWORD`].
    #[must_use]
    pub fn phone(mut self, extension: &str) -> Self {
        let _ = write!(self.phones, "\n[[phone]]\nextension = \"{extension}\"\npassword = \"{PASSWORD}\"\n");
        self
    }

    /// A phone that is always at this SIP URI.
    #[must_use]
    pub fn fixed(mut self, extension: &str, contact: &str) -> Self {
        let _ = write!(self.phones, "\n[[phone]]\nextension = \"{extension}\"\ncontact = \"{contact}\"\n");
        self
    }

    /// It speaks these codecs, most wanted first, instead of those that it usually does.
    #[must_use]
    pub fn codecs(mut self, names: &[&str]) -> Self {
        self.media = format!("codecs = {names:?}\n");
        self
    }

    /// More lines of configuration, before the phones.
    #[must_use]
    pub fn with(mut self, lines: &str) -> Self {
        self.head.push_str(lines);
        self.head.push('\n');
        self
    }

    /// Starts it and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(self, ground: &Ground) -> Exchange {
        let Self { server, phones, media, head } = self;
        let store = ground.path("telex.db");
        let config = format!(
            "[listen]\nudp = [\"{server}\"]\ntcp = [\"{server}\"]\n\n\
             [media]\nports = \"10000-19999\"\n{media}\n[store]\npath = \"{}\"\n\n{head}{phones}",
            store.display()
        );
        let config = ground.write("telex.toml", config);
        Exchange::run(ground, config, server)
    }
}

/// A running exchange.
#[derive(Debug)]
pub struct Exchange {
    program: Program,
    config: PathBuf,
    server: SocketAddr,
}

impl Exchange {
    fn run(ground: &Ground, config: PathBuf, server: SocketAddr) -> Self {
        let mut command = Command::new(binary());
        command.arg("run").arg("--config").arg(&config).current_dir(ground.dir());
        if env::var_os("TELEX_TRACE_SIP").is_some() {
            command.arg("--trace-sip");
        }
        let mut program = Program::start("telex", &mut command, &ground.path("telex.log"));
        program.expect_from(0, "its readiness", START, |output| output.contains("ready in"));
        Self { program, config, server }
    }

    /// [`Exchange::finish`], and a start with the same configuration and store.
    pub fn restart(self, ground: &Ground) -> Self {
        let (config, server) = (self.config.clone(), self.server);
        self.finish();
        Self::run(ground, config, server)
    }

    /// Where it listens, over UDP and TCP.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// What it has told so far: standard output and log.
    pub fn log(&self) -> String {
        self.program.output()
    }

    /// What one of its commands prints with `--json`.
    ///
    /// # Panics
    /// When the command fails or prints something else.
    pub fn ask(&self, command: &str) -> Value {
        let mut program = Command::new(binary());
        program.arg(command).arg("--json").arg("--config").arg(&self.config);
        let output = program.output().unwrap_or_else(|e| panic!("{program:?}: {e}"));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{program:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{program:?} printed {text:?}: {e}"))
    }

    /// Runs one of its commands with these arguments and its configuration.
    ///
    /// # Panics
    /// When the program cannot be run.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut program = Command::new(binary());
        program.args(arguments).arg("--config").arg(&self.config);
        program.output().unwrap_or_else(|e| panic!("{program:?}: {e}"))
    }

    /// Ends a call as an operator does.
    ///
    /// # Panics
    /// When the command fails.
    pub fn hang_up(&self, call: u64) {
        let mut program = Command::new(binary());
        program.arg("hangup").arg(call.to_string()).arg("--config").arg(&self.config);
        let output = program.output().unwrap_or_else(|e| panic!("{program:?}: {e}"));
        assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The calls, as `telex calls --json` shows them.
    ///
    /// # Panics
    /// When they are no list.
    pub fn calls(&self) -> Vec<Value> {
        self.list("calls")
    }

    /// The registrations, as `telex registrations --json` shows them.
    ///
    /// # Panics
    /// When they are no list.
    pub fn registrations(&self) -> Vec<Value> {
        self.list("registrations")
    }

    fn list(&self, what: &str) -> Vec<Value> {
        let mut answer = self.ask(what);
        let Value::Array(list) = answer[what].take() else { panic!("no list of {what}: {answer}") };
        list
    }

    /// What the ends of calls in the log say of packets.
    pub fn carried(&self) -> Vec<Carried> {
        self.log().lines().filter_map(Carried::read).collect()
    }

    /// Waits until the log has this line, or part of a line.
    ///
    /// # Panics
    /// When it does not come.
    pub fn expect_log(&mut self, text: &str) {
        self.program.expect_from(0, text, Duration::from_secs(20), |log| log.contains(text));
    }

    /// Ends it: waits until nothing is left of any call, asks it to stop, and sees that it found nothing wrong with
    /// itself.
    ///
    /// # Panics
    /// When something is left, when it does not end well, or when it logged an error.
    pub fn finish(mut self) {
        let left =
            |stats: &Value| ["calls", "legs", "dialogs", "ports"].iter().any(|table| stats[table] != 0);
        let empty = poll(CLEARED, || (!left(&self.ask("stats")["stats"])).then_some(()));
        assert!(empty.is_some(), "left of calls: {}; {:?}", self.ask("stats"), self.calls());
        let status = self.program.stop(Duration::from_secs(20));
        assert!(status.is_some_and(|s| s.success()), "telex ended with {status:?}");
        let log = self.log();
        let wrong: Vec<&str> =
            log.lines().filter(|l| l.contains(" error ") || l.contains("panicked")).collect();
        assert!(wrong.is_empty(), "telex says: {}", wrong.join("\n"));
    }
}

/// Packets of one call that has ended, as the exchange counted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Sent by the caller.
    pub from_caller: u64,
    /// Sent to the caller.
    pub to_caller: u64,
    /// Sent by the callee.
    pub from_callee: u64,
    /// Sent to the callee.
    pub to_callee: u64,
}

impl Carried {
    /// Reads "...; the caller sent 5 packets and got 4; the callee sent 4 packets and got 5".
    fn read(line: &str) -> Option<Self> {
        let party = |name: &str| {
            let (_, after) = line.split_once(&format!("; the {name} sent "))?;
            let (sent, after) = after.split_once(" packets and got ")?;
            let got = after.split(|c: char| !c.is_ascii_digit()).next()?;
            Some((sent.parse().ok()?, got.parse().ok()?))
        };
        let ((from_caller, to_caller), (from_callee, to_callee)) = (party("caller")?, party("callee")?);
        Some(Self { from_caller, to_caller, from_callee, to_callee })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_from_the_log() {
        let line = "info call 1: ended, the caller hung up after 1.0 s; the caller sent 50 packets and got 48, 2 lost; \
                    the callee sent 48 packets and got 50";
        let carried = Carried { from_caller: 50, to_caller: 48, from_callee: 48, to_callee: 50 };
        assert_eq!(Carried::read(line), Some(carried));
        assert_eq!(Carried::read("info call 1: ended, nobody answered"), None);
    }
}
