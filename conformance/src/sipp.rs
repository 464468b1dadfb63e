//! SIPp, the load tool, with the scenarios of `conformance/sipp/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use telex_engine::border::Transport;

use crate::exchange::PASSWORD;
use crate::ground::Ground;
use crate::program::{Program, poll};
use crate::tone;
use crate::wav::Sound;

/// Where a SIPp on an address of its own listens.
pub fn on(address: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((address, 5070))
}

/// What one run of SIPp is to do.
#[derive(Debug)]
pub struct Sipp {
    name: String,
    command: Command,
    dir: PathBuf,
    statistics: PathBuf,
    screens: PathBuf,
}

impl Sipp {
    /// Runs `scenario`, a file of `conformance/sipp/` without its ending, at `local`, with media two ports above.
    pub fn new(ground: &Ground, name: &str, scenario: &str, local: SocketAddr, transport: Transport) -> Self {
        let (address, port) = (local.ip().to_string(), local.port());
        let dir = ground.path(name);
        fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let (statistics, screens) = (dir.join("statistics.csv"), dir.join("screens.log"));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sipp").join(scenario).with_extension("xml");
        let mut command = Command::new("sipp");
        command.arg("-sf").arg(file).args(["-i", &address, "-p", &port.to_string()]);
        command.args(["-mi", &address, "-mp", &(port + 2).to_string()]);
        command.args(["-t", if transport.is_reliable() { "t1" } else { "u1" }]);
        command
            .args(["-nostdin", "-buff_size", "425984", "-trace_stat", "-fd", "1", "-stf"])
            .arg(&statistics);
        command.args(["-trace_screen", "-screen_file"]).arg(&screens);
        command.args(["-trace_err", "-error_file"]).arg(dir.join("errors.log"));
        command.args(["-timeout", "900", "-timeout_error"]).current_dir(&dir);
        Self { name: name.to_owned(), command, dir, statistics, screens }
    }

    /// More options of SIPp's own.
    #[must_use]
    pub fn options(mut self, options: &[&str]) -> Self {
        self.command.args(options);
        self
    }

    /// The server to talk to, for a scenario that begins by sending.
    #[must_use]
    pub fn server(mut self, server: SocketAddr) -> Self {
        self.command.arg(server.to_string());
        if server.is_ipv6() {
            // Left to itself it forgets the brackets in the digest's uri.
            self.command.args(["-auth_uri", &server.to_string()]);
        }
        self
    }

    /// The users that the calls act for, one after another, with [`PASSWORD`].
    #[must_use]
    pub fn users(mut self, users: impl IntoIterator<Item = String>) -> Self {
        let mut lines = String::from("SEQUENTIAL\n");
        for user in users {
            let _ = writeln!(lines, "{user};[authentication username={user} password={PASSWORD}]");
        }
        let file = self.dir.join("users.csv");
        fs::write(&file, lines).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        self.command.arg("-inf").arg(file);
        self
    }

    /// How many calls, how many may be up at once, and how many begin in a second.
    #[must_use]
    pub fn calls(mut self, count: u32, at_once: u32, rate: u32) -> Self {
        self.command.args(["-m", &count.to_string(), "-l", &at_once.to_string(), "-r", &rate.to_string()]);
        self
    }

    /// How long each call is held.
    #[must_use]
    pub fn hold(mut self, time: Duration) -> Self {
        self.command.args(["-d", &time.as_millis().to_string()]);
        self
    }

    /// Puts the sound that `call_media` sends where it looks for it.
    #[must_use]
    pub fn tone(self, hertz: f64) -> Self {
        self.sound(&tone::sine(hertz, -6.0, 8000, 10.0))
    }

    /// As [`Sipp::tone`], with this sound of 8 kHz.
    #[must_use]
    pub fn sound(self, sound: &Sound) -> Self {
        let file = self.dir.join("tone.ul");
        fs::write(&file, sound.to_mulaw()).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let program = Program::start(&self.name, &mut self.command, &self.dir.join("output.log"));
        Running { program, dir: self.dir, statistics: self.statistics, screens: self.screens }
    }

    /// Starts a scenario that begins by receiving, and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    pub fn listen(self) -> Running {
        let mut running = self.start();
        // SIPp writes its first line of statistics after it has bound its sockets.
        let ready = poll(Duration::from_secs(30), || {
            let listens = fs::metadata(&running.statistics).is_ok_and(|m| m.len() > 0);
            (listens || running.program.ended()).then_some(listens)
        });
        assert!(ready == Some(true), "SIPp does not listen: {}", running.errors());
        running
    }
}

/// A SIPp at work.
#[derive(Debug)]
pub struct Running {
    program: Program,
    dir: PathBuf,
    statistics: PathBuf,
    screens: PathBuf,
}

/// What SIPp counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Calls that went as the scenario says.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Messages sent again.
    pub retransmissions: u64,
    /// The most calls up at one time.
    pub peak: u64,
}

impl Running {
    /// Waits for its end.
    ///
    /// # Panics
    /// When `limit` is over, or a call has failed: with what SIPp says about it.
    pub fn finish(mut self, limit: Duration) -> Counts {
        let status = self.program.wait(limit);
        let counts = self.counts();
        assert!(status.success() && counts.failed == 0, "{status}, {counts:?}; SIPp says: {}", self.errors());
        counts
    }

    /// What it has counted so far. The peak is known at its end only.
    pub fn counts(&self) -> Counts {
        let file = fs::read_to_string(&self.statistics).unwrap_or_default();
        let mut lines = file.lines().filter(|l| !l.is_empty());
        let names = lines.next().unwrap_or_default().split(';');
        let values = lines.next_back().unwrap_or_default().split(';');
        let row: BTreeMap<&str, &str> = names.zip(values).collect();
        let number = |name: &str| row.get(name).and_then(|v| v.trim().parse().ok()).unwrap_or(0);
        Counts {
            successful: number("SuccessfulCall(C)"),
            failed: number("FailedCall(C)"),
            retransmissions: number("Retransmissions(C)"),
            peak: peak(&fs::read_to_string(&self.screens).unwrap_or_default()),
        }
    }

    /// What it has said about messages that it did not expect: at most the first 4,000 characters.
    fn errors(&self) -> String {
        let text = fs::read_to_string(self.dir.join("errors.log")).unwrap_or_default();
        text.chars().take(4000).collect()
    }
}

/// The number in "Peak was 100 calls, after 3 s" of SIPp's last screen.
fn peak(screens: &str) -> u64 {
    let after = screens.rsplit_once("Peak was ").map_or("", |(_, after)| after);
    after.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}
