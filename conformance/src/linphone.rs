//! Linphone, a softphone, by its console program: it plays one WAV file and records to another.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use telex_engine::border::Transport;

use crate::exchange::PASSWORD;
use crate::ground::Ground;
use crate::program::Program;
use crate::tone;
use crate::wav::Sound;

/// How long the phone may take for anything.
const PATIENCE: Duration = Duration::from_secs(40);
/// Samples per second of what it records of a PCMU call.
const RECORDED: u32 = 8000;
/// Time between two questions to it.
const ASK: Duration = Duration::from_millis(400);

/// A running phone that has registered.
#[derive(Debug)]
pub struct Linphone {
    program: Program,
    recording: PathBuf,
}

impl Linphone {
    /// A phone of `user` that plays `hertz` at `level` decibels and answers by itself.
    ///
    /// # Panics
    /// When it does not register.
    pub fn start(
        ground: &Ground,
        user: &str,
        server: SocketAddr,
        transport: Transport,
        (hertz, level): (f64, f64),
    ) -> Self {
        let name = format!("linphone-{user}");
        let dir = ground.path(&name);
        // It does not start without this folder in its home.
        fs::create_dir_all(dir.join(".local/share/linphone"))
            .unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let config =
            ground.write(&format!("{name}/rc"), configuration(user, server, transport, ground.ports(4)));
        let sound =
            ground.write(&format!("{name}/tone.wav"), tone::sine(hertz, level, 16_000, 60.0).to_wav());
        let recording = dir.join("heard.wav");
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "linphonec", "-d", "0", "-c"]).arg(&config);
        command.env("HOME", &dir).env_remove("DISPLAY").current_dir(&dir);
        let mut program = Program::start(&name, &mut command, &dir.join("output.log"));
        program.expect_from(0, "its prompt", PATIENCE, |output| output.contains("linphonec>"));
        let mut phone = Self { program, recording };
        phone.ask_until("status register", "registered, identity");
        phone.command("soundcard use files");
        phone.command(&format!("play {}", sound.display()));
        phone.command(&format!("record {}", phone.recording.display()));
        phone.command("autoanswer enable");
        phone
    }

    /// Types a command, such as `call sip:101@telex.test` or `terminate`.
    pub fn command(&mut self, line: &str) {
        self.program.type_line(line);
        // The console reads a line only between two rounds of its own work.
        thread::sleep(Duration::from_millis(100));
    }

    /// Types a command again and again until it answers with this text.
    fn ask_until(&mut self, line: &str, answer: &str) {
        let began = Instant::now();
        loop {
            let start = self.program.output().len();
            self.program.type_line(line);
            thread::sleep(ASK);
            if self.program.output().get(start..).is_some_and(|output| output.contains(answer)) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "linphone: {line:?} never answered {answer:?}");
        }
    }

    /// Seconds that it has recorded so far, of tone, speech or silence. The file gets its header at the end of the
    /// call only.
    pub fn recorded(&self) -> f64 {
        let octets = fs::metadata(&self.recording).map_or(0, |m| m.len());
        octets as f64 / f64::from(2 * RECORDED)
    }

    /// Ends it. What it has heard.
    ///
    /// # Panics
    /// When it does not end, or has recorded nothing.
    pub fn stop(mut self) -> Sound {
        self.program.type_line("quit");
        self.program.wait(PATIENCE);
        Sound::read(&self.recording).unwrap_or_else(|e| panic!("{}: {e}", self.recording.display()))
    }
}

fn configuration(user: &str, server: SocketAddr, transport: Transport, port: u16) -> String {
    let (udp, tcp, scheme) = if transport.is_reliable() { (0, port, "tcp") } else { (port, 0, "udp") };
    let rtp = port + 2;
    format!(
        "[sip]\n\
         sip_port={udp}\n\
         sip_tcp_port={tcp}\n\
         sip_tls_port=0\n\
         bind_address=127.0.0.1\n\
         guess_hostname=0\n\
         use_ipv6=0\n\
         register_only_when_network_is_up=0\n\
         auto_net_state_mon=0\n\
         default_proxy=0\n\
         media_encryption=none\n\
         [net]\n\
         firewall_policy=0\n\
         [rtp]\n\
         audio_rtp_port={rtp}\n\
         audio_adaptive_jitt_comp_enabled=0\n\
         [sound]\n\
         echocancellation=0\n\
         agc=0\n\
         [misc]\n\
         uuid=00000000-0000-4000-8000-{rtp:012}\n\
         [proxy_0]\n\
         reg_proxy=<sip:{server};transport={scheme}>\n\
         reg_route=<sip:{server};transport={scheme};lr>\n\
         reg_identity=sip:{user}@telex.test\n\
         reg_expires=600\n\
         reg_sendregister=1\n\
         publish=0\n\
         [auth_info_0]\n\
         username={user}\n\
         passwd={PASSWORD}\n\
         [audio_codec_0]\n\
         mime=PCMU\n\
         rate=8000\n\
         channels=1\n\
         enabled=1\n"
    )
}
