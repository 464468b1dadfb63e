//! `telex rtp`, `telex codec` and `telex transcode` as their users meet them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use telex_audio::wav::{Layout, Store, decode};

fn telex(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telex"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    telex(arguments).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// A receiver that listens, and the port it listens on.
struct Receiver {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    port: String,
}

impl Receiver {
    fn start(arguments: &[&str]) -> Self {
        // The port is free when it was asked for; who takes it in between makes the test fail loudly.
        let port = (0..100)
            .find_map(|_| {
                let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
                let above = port.checked_add(1)?;
                UdpSocket::bind(("127.0.0.1", above)).is_ok().then_some(port.to_string())
            })
            .unwrap();
        let mut command = telex(&["rtp", "receive", "--address", "127.0.0.1", "--json", "-p", &port]);
        let mut child =
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(line.contains("listening"), "{line}");
        Self { child, out, port }
    }

    fn destination(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The documents it printed, and what it said besides.
    fn end(mut self) -> (Vec<Value>, String) {
        let documents = (&mut self.out).lines().map(|l| serde_json::from_str(&l.unwrap()).unwrap()).collect();
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success());
        (documents, text(&output.stderr))
    }
}

fn event<'a>(documents: &'a [Value], name: &str) -> &'a Value {
    documents.iter().find(|d| d["event"] == name).unwrap_or_else(|| panic!("no {name} in {documents:?}"))
}

/// Share of the energy of `pcm` that is at `hertz` (Goertzel's algorithm).
fn share(pcm: &[i16], rate: u32, hertz: f64) -> f64 {
    let around = 2.0 * (std::f64::consts::TAU * hertz / f64::from(rate)).cos();
    let (mut last, mut before, mut all) = (0.0, 0.0, 0.0);
    for &sample in pcm {
        (last, before) = (f64::from(sample) + around * last - before, last);
        all += f64::from(sample) * f64::from(sample);
    }
    (last * last + before * before - around * last * before) * 2.0 / (pcm.len() as f64 * f64::max(all, 1.0))
}

/// The tone fills the file, but for its ends, and the file is as long as it should be.
fn assert_tone(file: &Path, rate: u32, seconds: f64) {
    let sound = decode(&fs::read(file).unwrap()).unwrap();
    assert_eq!((sound.format.rate, sound.warnings.len()), (rate, 0));
    let length = sound.samples.len() as f64 / f64::from(rate);
    assert!((length - seconds).abs() < 0.15, "{length} s");
    let tenth = rate as usize / 10;
    for piece in sound.samples[tenth..sound.samples.len() - 2 * tenth].chunks_exact(tenth) {
        let share = share(piece, rate, 500.0);
        assert!(share > 0.9, "{share}");
    }
}

#[test]
fn a_tone_arrives_whole_in_every_codec() {
    let folder = tempfile::tempdir().unwrap();
    for codec in telex_audio::codec::Encoding::all() {
        let properties = codec.properties();
        let file = folder.path().join("heard.wav");
        let number = properties.payload_type.unwrap_or(96).to_string();
        let name = format!("{}/{}", properties.name, properties.clock);
        let receiver = Receiver::start(&[
            "--wait",
            "0.5",
            "--payload",
            &format!("{number}={name}"),
            "-o",
            file.to_str().unwrap(),
        ]);
        let to = receiver.destination();
        let sent =
            run(&["rtp", "send", "-d", &to, "--tone", "500", "--seconds", "1.2", "--codec", &name, "--json"]);
        assert!(sent.status.success(), "{}", text(&sent.stderr));
        let (documents, told) = receiver.end();
        let first = event(&documents, "first_packet");
        assert_eq!((first["codec"].as_str(), told.as_str()), (Some(properties.name), ""));
        let ended = event(&documents, "ended");
        assert_eq!((ended["packets"].as_u64(), ended["lost"].as_u64()), (Some(60), Some(0)), "{ended}");
        event(&documents, "buffer");
        event(&documents, "goodbye");
        let sent: Vec<Value> = text(&sent.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(event(&sent, "streaming")["ssrc"], first["ssrc"]);
        assert_eq!(event(&sent, "ended")["packets"], 60);
        assert_tone(&file, properties.rate, 1.2);
    }
}

#[test]
fn what_is_received_is_written_as_opus_when_the_name_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heard.opus");
    let receiver = Receiver::start(&["--wait", "0.5", "-o", file.to_str().unwrap()]);
    let to = receiver.destination();
    run(&["rtp", "send", "-d", &to, "--tone", "500", "--seconds", "1.2"]);
    receiver.end();
    let sound = telex_audio::ogg::decode(&fs::read(&file).unwrap()).unwrap();
    assert_eq!((sound.rate, sound.channels, sound.damaged), (8000, 1, false));
    let wav = folder.path().join("heard.wav");
    let done = run(&["transcode", "--to", "pcm", file.to_str().unwrap(), wav.to_str().unwrap()]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_tone(&wav, 8000, 1.2);
}

#[test]
fn a_file_is_resampled_and_described_to_the_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let turn = std::f64::consts::TAU * 500.0 / 44_100.0;
    let stereo: Vec<i16> =
        (0..44_100).flat_map(|n| [(8000.0 * (turn * f64::from(n)).sin()) as i16; 2]).collect();
    let layout = Layout { store: Store::Linear16, channels: 2, rate: 44_100 };
    // A length that lies, too.
    let mut wav = layout.file(&stereo);
    wav[40..44].copy_from_slice(&900_000_000_u32.to_le_bytes());
    fs::write(path("in.wav"), wav).unwrap();
    let sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 101\r\n\
        a=rtpmap:101 L16/16000\r\n";
    fs::write(path("in.sdp"), sdp).unwrap();
    let receiver = Receiver::start(&["--wait", "0.5", "--sdp", &path("in.sdp"), "-o", &path("out.wav")]);
    let to = receiver.destination();
    let sent = run(&[
        "rtp",
        "send",
        "-d",
        &to,
        "-f",
        &path("in.wav"),
        "--codec",
        "l16/16000",
        "--payload-type",
        "101",
        "--sdp",
        &path("out.sdp"),
    ]);
    let (said, told) = (text(&sent.stdout), text(&sent.stderr));
    assert!(said.contains("(16-bit PCM, 44100 Hz, stereo -> 16000 Hz)"), "{said}");
    assert!(
        said.contains("Sent 50 packets | Duration: 00:00:01") && said.contains("Pacing: mean "),
        "{said}"
    );
    assert!(told.contains("claims 900000000 octets of sound and has 176400"), "{told}");
    receiver.end();
    assert_tone(&folder.path().join("out.wav"), 16_000, 1.0);
    let sdp = fs::read_to_string(path("out.sdp")).unwrap();
    assert!(sdp.contains(&format!("m=audio {} RTP/AVP 101", to.rsplit(':').next().unwrap())), "{sdp}");
}

#[test]
fn ctrl_c_leaves_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heard.wav");
    let receiver = Receiver::start(&["--wait", "60", "-o", file.to_str().unwrap()]);
    let to = receiver.destination();
    let mut sender =
        telex(&["rtp", "send", "-d", &to, "--tone", "500", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    // Until its first second is in the file.
    while fs::metadata(&file).map_or(0, |m| m.len()) < 16_044 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let interrupt = |child: &Child| {
        let pid = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    };
    interrupt(&receiver.child);
    let (documents, _) = receiver.end();
    assert_eq!(event(&documents, "ended")["lost"], 0);
    interrupt(&sender);
    assert!(sender.wait().unwrap().success());
    let sound = decode(&fs::read(&file).unwrap()).unwrap();
    assert!(sound.samples.len() >= 8000 && sound.warnings.is_empty());
}

#[test]
fn what_is_not_a_stream_is_counted_and_told() {
    let receiver = Receiver::start(&["--wait", "0.3"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let packet = |payload_type: u8, sequence: u8, ssrc: u8, payload: &[u8]| {
        [&[0x80, payload_type, 0, sequence, 0, 0, 0, sequence, 0, 0, 0, ssrc][..], payload].concat()
    };
    let send = |octets: &[u8]| socket.send_to(octets, receiver.destination()).unwrap();
    send(b"hello");
    send(&[0x80, 0, 0]);
    send(&packet(77, 0, 1, &[0; 160]));
    for n in 0..5 {
        send(&packet(0, n, 1, &[0xff; 160]));
    }
    send(&packet(0, 9, 2, &[0xff; 160]));
    // Key 5, its end three times.
    for (n, flags) in [(5, 0), (6, 0), (7, 0x80), (8, 0x80), (9, 0x80)] {
        let mut octets = packet(101, n, 1, &[5, flags, 1, 0]);
        octets[7] = 99;
        send(&octets);
    }
    let (documents, told) = receiver.end();
    assert!(
        told.contains("payload type 77 are not understood") && told.contains("--payload 77=NAME/CLOCK"),
        "{told}"
    );
    let ended = event(&documents, "ended");
    let refused = &ended["refused"];
    assert_eq!((refused["not_rtp"].as_u64(), refused["broken"].as_u64()), (Some(1), Some(1)), "{ended}");
    assert_eq!(
        (refused["other_source"].as_u64(), refused["unknown_payload_type"].as_u64()),
        (Some(1), Some(6))
    );
    assert_eq!(ended["packets"], 5);
}

#[test]
fn keys_are_told_once_each() {
    let receiver = Receiver::start(&["--wait", "0.3", "--payload", "101=telephone-event/8000"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = |payload_type: u8, sequence: u8, timestamp: u8, payload: &[u8]| {
        let octets =
            [&[0x80, payload_type, 0, sequence, 0, 0, 0, timestamp, 0, 0, 0, 1][..], payload].concat();
        socket.send_to(&octets, receiver.destination()).unwrap();
    };
    send(0, 0, 0, &[0xff; 160]);
    for (n, flags) in [(1, 0), (2, 0), (3, 0x80), (4, 0x80), (5, 0x80)] {
        send(101, n, 50, &[5, flags, 1, 0]);
    }
    send(101, 6, 90, &[11, 0x80, 1, 0]);
    let (documents, _) = receiver.end();
    let ended = event(&documents, "ended");
    assert_eq!((ended["keys"].as_str(), ended["packets"].as_u64()), (Some("5#"), Some(7)));
}

#[test]
fn mistakes_are_told_with_their_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let text_file = folder.path().join("a.txt");
    fs::write(&text_file, "hello, this is a text").unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let text_file = text_file.to_str().unwrap();
    for (arguments, why) in [
        (
            &["receive", "--address", "127.0.0.1", "-p", &port][..],
            "another program has it; choose another with -p",
        ),
        (&["receive", "-p", "40000", "-o", "/no/such/folder/a.wav"], "cannot write /no/such/folder/a.wav"),
        (&["receive", "-p", "40000", "--sdp", text_file], "bad SDP at line 1"),
        (&["send", "-d", "nowhere", "--tone", "440"], "write it as HOST:PORT"),
        (&["send", "-d", "127.0.0.1:9", "-f", "missing.wav"], "cannot open missing.wav"),
        (&["send", "-d", "127.0.0.1:9", "-f", text_file], "no sound file of a known kind"),
        (&["send", "-d", "127.0.0.1:9", "--tone", "440", "--codec", "tetra"], "known are pcmu, pcma"),
        (
            &["send", "-d", "127.0.0.1:9", "--tone", "440", "--codec", "gsm", "--ptime", "30"],
            "--ptime 20, 40, 60 can",
        ),
        (&["send", "-d", "127.0.0.1:9", "--tone", "4400"], "does not fit into 8000 samples"),
    ] {
        let output = run(&[&["rtp"], arguments].concat());
        let told = text(&output.stderr);
        assert!(told.contains(why), "{arguments:?}: {told}");
        assert_eq!(output.status.code(), Some(1));
    }
}

/// Half a second of a tone that rises, as a WAV file of 16 kHz.
fn speech(path: &Path) -> Vec<i16> {
    let sample = |n: i32| {
        let at = f64::from(n) / 16_000.0;
        (9000.0 * (std::f64::consts::TAU * (300.0 * at + 600.0 * at * at)).sin()) as i16
    };
    let pcm: Vec<i16> = (0..8000).map(sample).collect();
    fs::write(path, Layout::mono(16_000).file(&pcm)).unwrap();
    pcm
}

#[test]
fn codec_test_shows_what_each_codec_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.wav");
    speech(&file);
    let file = file.to_str().unwrap();
    let shown = text(&run(&["codec", "test", file]).stdout);
    assert!(shown.starts_with("Input: 16-bit PCM, 16000 Hz, mono, 0.50 seconds\n"), "{shown}");
    let output = run(&["codec", "test", file, "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    for codec in telex_audio::codec::Encoding::all() {
        let name = codec.properties().name;
        assert!(shown.contains(&format!("\n{name} ")), "{name} is missing in\n{shown}");
        let of = |d: &&Value| d["codec"] == name;
        let found = document["codecs"].as_array().unwrap().iter().find(of).unwrap();
        assert!(
            found["encode_us"].as_f64().unwrap() > 0.0 && found["ratio"].as_f64().unwrap() >= 1.0,
            "{found}"
        );
    }
    let of = |name: &str| {
        document["codecs"].as_array().unwrap().iter().find(|d| d["codec"] == name).unwrap().clone()
    };
    assert_eq!((of("PCMU")["octets"].as_u64(), of("PCMU")["ratio"].as_f64()), (Some(4000), Some(2.0)));
    assert!(of("PCMA")["snr_db"].as_f64().unwrap() > 33.0 && of("L16")["snr_db"].is_null());
    let missing = run(&["codec", "test", "missing.wav"]);
    assert!(text(&missing.stderr).contains("cannot open missing.wav"));
}

#[test]
fn files_are_transcoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let all: Vec<u8> = (0..=255).cycle().take(8000).collect();
    fs::write(path("in.raw"), &all).unwrap();
    let done = run(&["transcode", "--from=pcmu", "--to=pcma", &path("in.raw"), &path("out.raw")]);
    assert_eq!((text(&done.stdout).as_str(), done.status.code()), ("Transcoded 8000 samples\n", Some(0)));
    let wanted: Vec<u8> = all
        .iter()
        .map(|&code| telex_audio::codec::g711::a_encode(telex_audio::codec::g711::mu_decode(code)))
        .collect();
    assert_eq!(fs::read(path("out.raw")).unwrap(), wanted);
    // From WAV at another rate to a WAV of A-law, to linear samples, and to frames and back.
    let pcm = speech(&folder.path().join("in.wav"));
    let done = run(&["transcode", "--to", "pcma", &path("in.wav"), &path("law.wav")]);
    assert_eq!(text(&done.stdout), "Transcoded 8000 samples (16000 Hz -> 8000 Hz)\n");
    let law = decode(&fs::read(path("law.wav")).unwrap()).unwrap();
    assert_eq!((law.format.rate, law.samples.len()), (8000, 4000));
    run(&["transcode", "--to", "pcm", &path("in.wav"), &path("out.pcm")]);
    let words: Vec<u8> = pcm.iter().flat_map(|s| s.to_le_bytes()).collect();
    assert_eq!(fs::read(path("out.pcm")).unwrap(), words);
    run(&["transcode", "--to", "gsm", &path("in.wav"), &path("out.gsm")]);
    assert_eq!(fs::metadata(path("out.gsm")).unwrap().len(), 33 * 25);
    let done = run(&["transcode", "--from", "gsm", "--to", "pcm", &path("out.gsm"), &path("back.wav")]);
    assert_eq!(text(&done.stdout), "Transcoded 4000 samples\n");
    // Opus in Ogg and back, and pauses cut.
    run(&["transcode", "--to", "opus", &path("in.wav"), &path("out.opus")]);
    let ogg = telex_audio::ogg::decode(&fs::read(path("out.opus")).unwrap()).unwrap();
    assert_eq!((ogg.rate, ogg.channels, ogg.samples.len(), ogg.damaged), (16_000, 1, pcm.len(), false));
    let mut long = pcm.clone();
    long.resize(16_000 * 9, 0);
    let words: Vec<u8> = long.iter().flat_map(|s| s.to_le_bytes()).collect();
    fs::write(path("long.pcm"), words).unwrap();
    let trim = ["transcode", "--from", "pcm", "--rate", "16000", "--to", "pcm", "--trim=1"];
    let done = run(&[&trim[..], &[&path("long.pcm"), &path("short.wav")]].concat());
    let short = decode(&fs::read(path("short.wav")).unwrap()).unwrap();
    let seconds = (short.samples.len() - pcm.len()) as f64 / 16_000.0;
    assert!((1.0..=1.3).contains(&seconds), "{seconds}: {}", text(&done.stdout));
    for (arguments, why) in [
        (&["--to", "gsm", &path("in.wav"), &path("x.opus")][..], "an Ogg file can hold opus here"),
        (&["--to", "pcma", &path("in.raw"), &path("x.raw")], "say what it is with --from"),
        (&["--from", "opus", "--to", "pcma", &path("in.raw"), &path("x.raw")], "cannot be read raw"),
        (&["--to", "opus", &path("in.wav"), &path("x.raw")], "cannot be written raw"),
        (&["--to", "gsm", &path("in.wav"), &path("x.wav")], "a WAV file cannot hold GSM"),
        (&["--from", "x", "--to", "pcm", &path("in.raw"), &path("x.raw")], "known are pcm, pcmu"),
    ] {
        let output = run(&[&["transcode"], arguments].concat());
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(1));
    }
}

/// 0.6 seconds of 500 Hz, made by `ffmpeg -f lavfi -i sine=frequency=500:sample_rate=22050:duration=0.6` with libmp3lame,
/// flac and libvorbis, and at 48 kHz with libopus, at 32 kbit/s.
#[test]
#[cfg(feature = "compressed")]
fn compressed_files_are_read_and_damage_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (ending, rate) in [("mp3", 22_050), ("flac", 22_050), ("ogg", 22_050), ("opus", 48_000)] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sounds/tone").with_extension(ending);
        let done = run(&["transcode", "--to", "pcm", file.to_str().unwrap(), &path("out.wav")]);
        assert!(done.status.success(), "{ending}: {}", text(&done.stderr));
        let sound = decode(&fs::read(path("out.wav")).unwrap()).unwrap();
        assert_eq!(sound.format.rate, rate, "{ending}");
        let seconds = sound.samples.len() as f64 / f64::from(rate);
        // MP3 has no word for where its sound ends.
        assert!((0.58..0.7).contains(&seconds), "{ending}: {seconds}");
        let middle = &sound.samples[rate as usize / 5..rate as usize * 2 / 5];
        assert!(share(middle, rate, 500.0) > 0.95, "{ending}");
        // Octets changed, and an end that is missing: there may be less sound, or none.
        let mut octets = fs::read(&file).unwrap();
        for at in (octets.len() / 3..octets.len()).step_by(97) {
            octets[at] ^= 0x5a;
        }
        let broken = path(&format!("broken.{ending}"));
        for length in [octets.len(), octets.len() / 2, 40, 5, 0] {
            fs::write(&broken, &octets[..length]).unwrap();
            let done = run(&["transcode", "--to", "pcm", &broken, &path("out.wav")]);
            let told = text(&done.stderr);
            assert!(
                matches!(done.status.code(), Some(0 | 1)) && !told.contains("panicked"),
                "{ending} {length}: {told}"
            );
        }
    }
}
