//! The program as its users meet it: started, spoken to over sockets, steered, stopped.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(20);

/// A running exchange in a folder of its own, killed when the test ends early.
struct Telex {
    folder: tempfile::TempDir,
    child: Child,
    udp: SocketAddr,
    tcp: SocketAddr,
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telex"));
    command.current_dir(folder).env_remove("TELEX_LOG").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn config(udp: &str, tcp: &str, phones: &[&str]) -> String {
    // Each test process has its own piece of the port range; exchanges of one process pass over each other's ports.
    let first = 30_000 + std::process::id() % 50 * 600;
    let phones: String = phones
        .iter()
        .map(|p| format!("[[phone]]\nextension = \"{p}\"\npassword = \"secret-{p}\"\n"))
        .collect();
    format!(
        "[listen]\nudp = [\"{udp}\"]\ntcp = [\"{tcp}\"]\n[media]\nports = \"{first}-{}\"\n[call]\ngrace = \"1s\"\n{phones}",
        first + 2599
    )
}

impl Telex {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("telex.toml"), config("127.0.0.1:0", "127.0.0.1:0", &["100"]))
            .unwrap();
        Self::start_in(folder, arguments)
    }

    fn start_in(folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        let child = command(folder.path())
            .env("NOTIFY_SOCKET", folder.path().join("notify"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let nowhere = SocketAddr::from(([0; 4], 0));
        let mut telex = Self { folder, child, udp: nowhere, tcp: nowhere };
        let mut line = String::new();
        BufReader::new(telex.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = |name: &str| {
            let text = line.split([' ', ',']).skip_while(|word| *word != name).nth(1);
            text.and_then(|t| t.parse().ok())
                .unwrap_or_else(|| panic!("no {name} address in {line:?}: {}", telex.log()))
        };
        let (udp, tcp) = (address("udp"), address("tcp"));
        assert!(line.contains(" · RTP ") && line.contains(" · ready in "), "{line}");
        (telex.udp, telex.tcp) = (udp, tcp);
        telex
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        command(self.folder.path()).args(arguments).output().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end; gives the exit code.
    fn ended(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status.code(),
                None if start.elapsed() > PATIENCE => panic!("still running\n{}", self.log()),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Waits until the log has `text`.
    fn says(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < PATIENCE, "no {text:?} in\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Telex {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn options(transport: &str, local: SocketAddr) -> String {
    format!(
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/{transport} {local};branch=z9hG4bK{transport}{};rport\r\n\
         From: <sip:tester@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {transport}{}\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        local.port(),
        local.port()
    )
}

fn over_udp(server: SocketAddr) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(options("UDP", socket.local_addr().unwrap()).as_bytes(), server).unwrap();
    let mut room = [0; 4096];
    let (length, from) = socket.recv_from(&mut room).unwrap();
    assert_eq!(from, server);
    String::from_utf8(room[..length].to_vec()).unwrap()
}

fn over_tcp(server: SocketAddr) -> String {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let text = options("TCP", stream.local_addr().unwrap());
    // In two pieces, as a network may deliver it.
    let (first, second) = text.split_at(60);
    stream.write_all(first.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    stream.write_all(second.as_bytes()).unwrap();
    let mut answer = String::new();
    let mut room = [0; 4096];
    while !answer.ends_with("\r\n\r\n") {
        let length = stream.read(&mut room).unwrap();
        assert!(length > 0, "closed after {answer:?}");
        answer.push_str(std::str::from_utf8(&room[..length]).unwrap());
    }
    answer
}

#[test]
fn options_are_answered_over_udp_and_tcp_and_sigterm_ends_it() {
    let mut telex = Telex::start(&["run", "--trace-sip"]);
    for answer in [over_udp(telex.udp), over_tcp(telex.tcp)] {
        assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nAllow: "), "{answer}");
    }
    telex.says("over TCP");
    assert!(telex.log().contains("  | OPTIONS sip:127.0.0.1 SIP/2.0\n"), "{}", telex.log());
    telex.signal(Signal::TERM);
    assert_eq!(telex.ended(), Some(0), "{}", telex.log());
    assert!(!telex.folder.path().join("telex.sock").exists());
}

#[test]
fn systemd_is_told_what_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("telex.toml"), config("127.0.0.1:0", "127.0.0.1:0", &["100"])).unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut room = [0; 256];
        let length = socket.recv(&mut room).unwrap();
        String::from_utf8(room[..length].to_vec()).unwrap()
    };
    let mut telex = Telex::start_in(folder, &["run"]);
    assert_eq!(told().trim(), "READY=1");
    telex.signal(Signal::HUP);
    let reloading = told();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(told().trim(), "READY=1");
    telex.signal(Signal::INT);
    assert_eq!(told().trim(), "STOPPING=1");
    assert_eq!(telex.ended(), Some(0));
}

#[test]
fn operators_get_tables_and_json() {
    let telex = Telex::start(&[]);
    let calls = telex.ask(&["calls"]);
    assert_eq!(
        (calls.status.code(), String::from_utf8(calls.stdout).unwrap()),
        (Some(0), "no calls\n".to_owned())
    );
    let json = telex.ask(&["registrations", "--json"]);
    assert_eq!(String::from_utf8(json.stdout).unwrap(), "{\"registrations\":[]}\n");
    over_udp(telex.udp);
    let stats = String::from_utf8(telex.ask(&["stats", "--json", "--control", "telex.sock"]).stdout).unwrap();
    assert!(stats.contains("\"received\":1,"), "{stats}");
    let hangup = telex.ask(&["hangup", "7"]);
    assert_eq!(hangup.status.code(), Some(1));
    assert!(String::from_utf8(hangup.stderr).unwrap().contains("there is no call 7"));
}

#[test]
fn a_second_exchange_is_refused_with_the_reason() {
    let telex = Telex::start(&["run"]);
    let other = telex.ask(&["run"]);
    assert_eq!(other.status.code(), Some(1));
    let told = String::from_utf8(other.stderr).unwrap();
    assert!(told.contains("another telex answers on"), "{told}");
    std::fs::write(
        telex.folder.path().join("other.toml"),
        config(&telex.udp.to_string(), "127.0.0.1:0", &[]),
    )
    .unwrap();
    let other = telex.ask(&["run", "--config", "other.toml"]);
    let told = String::from_utf8(other.stderr).unwrap();
    assert!(told.contains("cannot listen on udp") && told.contains("choose another port"), "{told}");
}

#[test]
fn sighup_puts_a_good_configuration_in_force_and_keeps_a_bad_one_out() {
    let telex = Telex::start(&["run"]);
    let file = telex.folder.path().join("telex.toml");
    std::fs::write(&file, "[listn]\n").unwrap();
    telex.signal(Signal::HUP);
    telex.says("telex.toml:1:2: unknown section or key `listn`; did you mean `listen`?");
    telex.says("the one before stays in force");
    assert!(over_udp(telex.udp).starts_with("SIP/2.0 200"));
    // The UDP listener stays as it is, the TCP listener goes, another comes.
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(&file, config("127.0.0.1:0", &free.to_string(), &["100", "101"])).unwrap();
    telex.signal(Signal::HUP);
    telex.says(&format!("configuration read again: 2 phones, listening on udp {}, tcp {free}", telex.udp));
    assert!(over_udp(telex.udp).starts_with("SIP/2.0 200"));
    assert!(over_tcp(free).starts_with("SIP/2.0 200"));
    assert!(TcpStream::connect(telex.tcp).is_err());
}

#[test]
fn reload_says_what_became_of_it() {
    let telex = Telex::start(&["run"]);
    let file = telex.folder.path().join("telex.toml");
    let reload = |more: &[&str]| {
        let done = telex.ask(&[&["reload"], more].concat());
        (done.status.code(), [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap()))
    };
    let good = config("127.0.0.1:0", "127.0.0.1:0", &["100", "101"]);
    std::fs::write(&file, "[listn]\n").unwrap();
    let (status, [out, told]) = reload(&["--control", "telex.sock"]);
    assert_eq!((status, out.as_str()), (Some(1), ""));
    let kept = "telex: the configuration was not changed; the one before stays in force\n";
    assert!(told.starts_with(&format!("{kept}telex.toml:1:2: unknown section or key `listn`")), "{told}");
    // What takes effect at the next start only is told once, and no more when it is taken back.
    std::fs::write(&file, format!("{good}[records]\nkeep = \"9d\"\n")).unwrap();
    let (status, [told, _]) = reload(&[]);
    assert_eq!(status, Some(0), "{told}");
    assert!(told.starts_with("configuration read again: 2 phones, listening on udp 127.0.0.1:"), "{told}");
    assert!(told.contains("\nthe new [records] takes effect when telex is started again\n"), "{told}");
    std::fs::write(&file, good).unwrap();
    let (status, [told, _]) = reload(&["--json"]);
    assert_eq!(status, Some(0), "{told}");
    assert!(told.starts_with(r#"{"reloaded":{"phones":2,"listening":"udp 127.0.0.1:"#), "{told}");
    assert!(told.contains(r#""warnings":[]"#), "{told}");
}

#[test]
fn a_first_start_writes_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str]| command(folder.path()).args(arguments).output().unwrap();
    let missing = check(&["run"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("cannot read telex.toml"));
    // The written configuration listens on all addresses, so it is only checked here, not run: a port is in the way.
    let held = UdpSocket::bind("127.0.0.1:5060");
    let first = check(&[]);
    drop(held);
    assert_eq!(first.status.code(), Some(1), "something holds port 5060, so it cannot start");
    let told = String::from_utf8(first.stdout).unwrap();
    assert!(told.contains("wrote telex.toml with two phones") && told.contains("*43 echo test"), "{told}");
    let good = check(&["check"]);
    let told = String::from_utf8(good.stdout).unwrap();
    assert!(
        told.starts_with(
            "telex.toml is right: 2 phones\nrecorded: signalling in 16 MiB, media without sound in 16 MiB"
        ),
        "{told}"
    );
}

#[test]
fn a_bad_configuration_and_a_bad_database_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.toml"), "[media]\nprots = \"1-2\"\n").unwrap();
    for verb in ["check", "run"] {
        let refused = command(folder.path()).args([verb, "--config", "bad.toml"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(told.contains("bad.toml:2:1") && told.contains("did you mean `ports`?"), "{told}");
    }
    std::fs::write(folder.path().join("telex.toml"), config("127.0.0.1:0", "127.0.0.1:0", &[])).unwrap();
    std::fs::write(folder.path().join("telex.db"), "not a database, but long enough to be looked at as one")
        .unwrap();
    let refused = command(folder.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("move it away and start again"), "{told}");
    assert_eq!(command(folder.path()).arg("--nonsense").output().unwrap().status.code(), Some(2));
}
