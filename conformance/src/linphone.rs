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
/// Time between two questions to it.
const ASK: Duration = Duration::from_millis(400);

/// All codecs it has, as its configuration names them: what that does not name is switched on.
const CODECS: [&str; 8] = [
    "opus/48000/2",
    "speex/16000/1",
    "speex/8000/1",
    "PCMU/8000/1",
    "PCMA/8000/1",
    "GSM/8000/1",
    "G722/8000/1",
    "G729/8000/1",
];

/// What a phone is to be.
#[derive(Debug)]
pub struct Plan<'a> {
    user: &'a str,
    server: SocketAddr,
    transport: Transport,
    sound: &'a Sound,
    codec: &'a str,
}

impl<'a> Plan<'a> {
    /// A phone of `user` that plays `sound`, has PCMU only and answers by itself.
    pub fn new(user: &'a str, server: SocketAddr, transport: Transport, sound: &'a Sound) -> Self {
        Self { user, server, transport, sound, codec: "PCMU/8000/1" }
    }

    /// It has only this codec, as in `G722/8000/1`.
    ///
    /// # Panics
    /// When it has no such codec.
    #[must_use]
    pub fn codec(mut self, codec: &'a str) -> Self {
        assert!(CODECS.contains(&codec), "linphone has no {codec}");
        self.codec = codec;
        self
    }

    /// Starts it and waits until it has registered.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(self, ground: &Ground) -> Linphone {
        let name = format!("linphone-{}", self.user);
        let dir = ground.path(&name);
        // It does not start without this folder in its home.
        fs::create_dir_all(dir.join(".local/share/linphone"))
            .unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let config = ground.write(&format!("{name}/rc"), self.configuration(ground.ports(8)));
        let sound = ground.write(&format!("{name}/sound.wav"), self.sound.to_wav());
        let recording = dir.join("heard.wav");
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "linphonec", "-d", "0", "-c"]).arg(&config);
        command.env("HOME", &dir).env_remove("DISPLAY").current_dir(&dir);
        let mut program = Program::start(&name, &mut command, &dir.join("output.log"));
        program.expect_from(0, "its prompt", PATIENCE, |output| output.contains("linphonec>"));
        let mut phone = Linphone { program, recording, rate: recorded_at(self.codec) };
        phone.ask_until("status register", "registered, identity");
        phone.command("soundcard use files");
        phone.command(&format!("play {}", sound.display()));
        phone.command(&format!("record {}", phone.recording.display()));
        phone.command("autoanswer enable");
        phone
    }
}

/// Samples per second of what it records of a call with a codec.
fn recorded_at(codec: &str) -> u32 {
    match codec {
        "opus/48000/2" => 48_000,
        "G722/8000/1" | "speex/16000/1" => 16_000,
        _ => 8000,
    }
}

/// A running phone that has registered.
#[derive(Debug)]
pub struct Linphone {
    program: Program,
    recording: PathBuf,
    rate: u32,
}

impl Linphone {
    /// A phone of `user` that plays `hertz` at `level` decibels, has PCMU only and answers by itself.
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
        Plan::new(user, server, transport, &tone::sine(hertz, level, 16_000, 60.0)).start(ground)
    }

    /// Types a command, such as `call sip:101@telex.test` or `terminate`.
    pub fn command(&mut self, line: &str) {
        self.program.type_line(line);
        // The console reads a line only between two rounds of its own work.
        thread::sleep(Duration::from_millis(100));
    }

    /// Waits until it has shown this at any time.
    ///
    /// # Panics
    /// When it does not.
    pub fn expect(&mut self, text: &str) {
        self.program.expect_from(0, text, PATIENCE, |output| output.contains(text));
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
        octets as f64 / f64::from(2 * self.rate)
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

impl Plan<'_> {
    fn configuration(&self, port: u16) -> String {
        let Self { user, server, transport, .. } = *self;
        let (udp, tcp, scheme) = if transport.is_reliable() { (0, port, "tcp") } else { (port, 0, "udp") };
        let rtp = port + 2;
        let codec = |(n, &name): (usize, &&str)| {
            let mut parts = name.split('/');
            let mut part = || parts.next().unwrap_or_default();
            let (mime, rate, channels, on) = (part(), part(), part(), u8::from(name == self.codec));
            format!("[audio_codec_{n}]\nmime={mime}\nrate={rate}\nchannels={channels}\nenabled={on}\n")
        };
        let codecs: String = CODECS.iter().enumerate().map(codec).collect();
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
         {codecs}"
        )
    }
}
