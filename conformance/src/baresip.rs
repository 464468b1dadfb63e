//! Baresip, a softphone, without a sound card: it plays a sine and records both directions to WAV files.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use telex_engine::border::Transport;

use crate::exchange::PASSWORD;
use crate::ground::Ground;
use crate::program::{Program, poll};
use crate::wav::Sound;

/// How long the phone may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a phone is to be.
#[derive(Debug)]
pub struct Plan {
    user: String,
    server: SocketAddr,
    transport: Transport,
    hertz: u32,
    answers: bool,
    codecs: String,
    digits: &'static str,
    sound: Option<Sound>,
    watches: String,
    registers: bool,
}

impl Plan {
    /// A phone of `user` that plays `hertz` and answers by itself.
    pub fn new(user: &str, server: SocketAddr, transport: Transport, hertz: u32) -> Self {
        Self {
            user: user.to_owned(),
            server,
            transport,
            hertz,
            answers: true,
            codecs: "PCMU/8000/1".to_owned(),
            digits: "rtpevent",
            sound: None,
            watches: String::new(),
            registers: true,
        }
    }

    /// It belongs to no exchange: whoever knows its address may call it. `server` is of no use then.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.registers = false;
        self
    }

    /// It rings until [`Baresip::command`] says `accept` or `hangup`.
    #[must_use]
    pub fn rings(mut self) -> Self {
        self.answers = false;
        self
    }

    /// It has these codecs only, as in `G722/16000/1,PCMA/8000/1`.
    #[must_use]
    pub fn codecs(mut self, codecs: &str) -> Self {
        codecs.clone_into(&mut self.codecs);
        self
    }

    /// It sends key presses by INFO instead of as telephone events.
    #[must_use]
    pub fn digits_by_info(mut self) -> Self {
        self.digits = "info";
        self
    }

    /// It plays this once instead of the sine: 8, 16 or 48 kHz.
    #[must_use]
    pub fn plays(mut self, sound: Sound) -> Self {
        self.sound = Some(sound);
        self
    }

    /// It subscribes to the presence of this phone.
    #[must_use]
    pub fn watches(mut self, user: &str) -> Self {
        user.clone_into(&mut self.watches);
        self
    }

    /// Starts it and waits until it has registered.
    ///
    /// Its RTP sockets are bound to every address, so its packets come from 127.0.0.1 whatever its SDP says: all
    /// phones stand on 127.0.0.1 and differ in their ports.
    ///
    /// # Panics
    /// When it does not register.
    pub fn start(self, ground: &Ground) -> Baresip {
        let port = ground.ports(4);
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, port + 2));
        let name = format!("baresip-{}-{port}", self.user);
        let dir = ground.path(&name);
        fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let scheme = if self.transport.is_reliable() { "tcp" } else { "udp" };
        let source = match &self.sound {
            None => format!("ausine,{}", self.hertz),
            Some(sound) => {
                let file = ground.write(&format!("{name}/sound.wav"), stereo(sound));
                format!("aufile,{}", file.display())
            }
        };
        ground.write(
            &format!("{name}/config"),
            configuration(&dir.display().to_string(), port, scheme, &source) + self.modules(),
        );
        ground.write(&format!("{name}/contacts"), self.contacts());
        ground.write(
            &format!("{name}/accounts"),
            format!(
                "<sip:{user}@telex.test>;auth_user={user};auth_pass={PASSWORD};{home};answermode={answer};\
                 audio_codecs={codecs};dtmfmode={digits}\n",
                home = match self.registers {
                    true => format!("outbound=\"sip:{};transport={scheme}\";regint=600", self.server),
                    false => "regint=0".to_owned(),
                },
                codecs = self.codecs,
                digits = self.digits,
                user = self.user,
                answer = if self.answers { "auto" } else { "manual" },
            ),
        );
        let mut command = Command::new("baresip");
        // It ends by itself even when the test is killed and cannot end it.
        command.arg("-4").arg("-f").arg(&dir).args(["-t", "240"]).current_dir(&dir);
        let mut program = Program::start(&name, &mut command, &dir.join("output.log"));
        let stream = poll(PATIENCE, || {
            TcpStream::connect(control).ok().or_else(|| program.ended().then(|| panic!("{name} has ended")))
        });
        let stream = stream.unwrap_or_else(|| panic!("{name} does not listen on {control}"));
        stream.set_nonblocking(true).unwrap_or_else(|e| panic!("{name}: {e}"));
        if self.registers {
            program.expect_from(0, "its registration", PATIENCE, |output| output.contains("200 OK"));
        }
        Baresip { program, name, dir, port, stream, buffer: Vec::new(), events: Vec::new(), next: 0 }
    }

    fn modules(&self) -> &'static str {
        if self.watches.is_empty() { "" } else { "module_app presence.so\n" }
    }

    fn contacts(&self) -> String {
        match self.watches.as_str() {
            "" => String::new(),
            user => format!("\"{user}\" <sip:{user}@telex.test>;presence=p2p\n"),
        }
    }
}

fn configuration(dir: &str, port: u16, scheme: &str, source: &str) -> String {
    let control = port + 2;
    let mut text = format!(
        "poll_method epoll\n\
         sip_listen 127.0.0.1:{port}\n\
         sip_trans_def {scheme}\n\
         call_local_timeout 120\n\
         call_max_calls 4\n\
         audio_path /usr/share/baresip\n\
         audio_source {source}\n\
         audio_player aubridge,sink\n\
         audio_alert aubridge,alert\n\
         audio_level no\n\
         ausrc_srate 48000\n\
         auplay_srate 48000\n\
         ausrc_channels 2\n\
         auplay_channels 2\n\
         audio_buffer 20-160\n\
         rtp_ports 20000-29999\n\
         rtp_stats yes\n\
         statmode_default off\n\
         net_interface 127.0.0.1\n\
         snd_path {dir}\n\
         ctrl_tcp_listen 127.0.0.1:{control}\n\
         module_path /usr/lib/baresip/modules\n"
    );
    for module in ["g711", "g722", "opus", "gsm", "l16", "ausine", "aufile", "aubridge", "sndfile", "uuid"] {
        let _ = writeln!(text, "module {module}.so");
    }
    for module in ["account", "contact", "menu", "ctrl_tcp", "debug_cmd"] {
        let _ = writeln!(text, "module_app {module}.so");
    }
    text
}

/// As a WAV file of two channels at 48 kHz, the only kind that it plays here.
fn stereo(sound: &Sound) -> Vec<u8> {
    let times = (48_000 / sound.rate).max(1) as i32;
    let mut samples = Vec::with_capacity(sound.samples.len() * 2 * times as usize);
    let after = sound.samples.iter().skip(1).chain(sound.samples.last());
    for (&a, &b) in sound.samples.iter().zip(after) {
        for n in 0..times {
            let sample = ((i32::from(a) * (times - n) + i32::from(b) * n) / times) as i16;
            samples.extend([sample, sample]);
        }
    }
    let mut file = Sound { rate: 48_000, samples }.to_wav();
    // Two channels: their number, octets per second and octets per frame.
    file[22] = 2;
    file[28..32].copy_from_slice(&192_000u32.to_le_bytes());
    file[32] = 4;
    file
}

/// A running phone.
#[derive(Debug)]
pub struct Baresip {
    program: Program,
    name: String,
    dir: PathBuf,
    port: u16,
    stream: TcpStream,
    buffer: Vec<u8>,
    events: Vec<Value>,
    /// The first event that [`Baresip::expect`] has not passed yet.
    next: usize,
}

impl Baresip {
    /// Gives one of its commands, such as `dial sip:101@telex.test`, `accept`, `hold`, `resume` or `hangup`.
    ///
    /// # Panics
    /// When it has gone.
    pub fn command(&mut self, line: &str) {
        let (command, params) = line.split_once(' ').unwrap_or((line, ""));
        let message = json!({ "command": command, "params": params, "token": "telex" }).to_string();
        let message = format!("{}:{message},", message.len());
        let written = self.stream.write_all(message.as_bytes());
        written.unwrap_or_else(|e| panic!("{} takes no command: {e}", self.name));
    }

    /// Waits for an event of this type, such as `CALL_ESTABLISHED`, after the last one waited for. The event.
    ///
    /// # Panics
    /// When it does not come.
    pub fn expect(&mut self, kind: &str) -> Value {
        let start = Instant::now();
        loop {
            self.receive();
            let is_it = |event: &Value| event["type"] == kind;
            if let Some(at) = self.events[self.next..].iter().position(is_it) {
                self.next += at + 1;
                return self.events[self.next - 1].clone();
            }
            let gone = self.program.ended() || start.elapsed() > PATIENCE;
            let kinds = self.kinds();
            assert!(!gone, "{}: no {kind} in {kinds:?}", self.name);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types of all events so far, in order.
    pub fn kinds(&mut self) -> Vec<String> {
        self.receive();
        self.events.iter().map(|e| e["type"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What all events of this type so far say, in order.
    pub fn params(&mut self, kind: &str) -> Vec<String> {
        self.receive();
        let of = self.events.iter().filter(|event| event["type"] == kind);
        of.map(|event| event["param"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Reads what has come on the control connection: netstrings of JSON.
    fn receive(&mut self) {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = self.stream.read(&mut chunk) {
            self.buffer.extend_from_slice(&chunk[..count]);
        }
        while let Some(colon) = self.buffer.iter().position(|&b| b == b':') {
            let length =
                std::str::from_utf8(&self.buffer[..colon]).ok().and_then(|n| n.parse::<usize>().ok());
            let length = length.unwrap_or_else(|| panic!("{}: not a netstring", self.name));
            let end = colon + 1 + length;
            if self.buffer.len() <= end {
                return;
            }
            let message = serde_json::from_slice::<Value>(&self.buffer[colon + 1..end]);
            let message = message.unwrap_or_else(|e| panic!("{}: {e}", self.name));
            if message["event"] == true {
                self.events.push(message);
            }
            self.buffer.drain(..=end);
        }
    }

    /// Where it takes calls.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// What it has heard so far: all its recordings of the far side in the order in which they were begun. A call has
    /// one for each time its audio was started.
    pub fn heard(&self) -> Vec<Sound> {
        let mut files: Vec<PathBuf> = fs::read_dir(&self.dir)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        files.sort();
        files.iter().filter_map(|path| Sound::read(path).ok()).collect()
    }

    /// Ends it.
    pub fn stop(mut self) {
        self.program.stop(Duration::from_secs(10));
    }
}
