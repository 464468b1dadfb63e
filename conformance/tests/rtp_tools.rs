//! `telex rtp send` and `telex rtp receive` with FFmpeg on the other side.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use telex_conformance::ground::Ground;
use telex_conformance::program::{Program, poll};
use telex_conformance::wav::Sound;
use telex_conformance::{exchange, peers, tone};

/// What FFmpeg calls it, what Telex calls it, payload type, samples per second.
const CODECS: [(&str, &str, u8, u32); 6] = [
    ("pcm_mulaw", "pcmu", 0, 8000),
    ("pcm_alaw", "pcma", 8, 8000),
    ("libgsm", "gsm", 3, 8000),
    ("g722", "g722", 9, 16_000),
    ("pcm_s16be", "l16/16000", 97, 16_000),
    ("libopus", "opus/48000", 97, 48_000),
];

/// FFmpeg waits ten seconds for a stream, which must not be spent with building.
fn ready() -> bool {
    peers::installed(&["ffmpeg"]) && exchange::binary().is_file()
}

fn ffmpeg(arguments: &[&str]) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "warning", "-nostdin", "-y"]).args(arguments);
    command
}

fn telex(arguments: &[&str]) -> Command {
    let mut command = Command::new(exchange::binary());
    command.args(arguments);
    command
}

/// 500 Hz at the level they were sent with, give or take what a codec does.
fn assert_heard(file: &Path, level: f64, seconds: f64) {
    let sound = Sound::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    tone::assert_heard(&sound, 500.0, level - 2.0..=level + 2.0, seconds);
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

#[test]
fn ffmpeg_hears_what_telex_sends() {
    if !ready() {
        return;
    }
    for (_, codec, number, rate) in CODECS {
        let ground = Ground::new("rtp-to-ffmpeg");
        let port = ground.ports(2);
        let to = format!("127.0.0.1:{port}");
        let number = number.to_string();
        let (name, channels) =
            (codec.split('/').next().unwrap_or(codec).to_uppercase(), if rate == 48_000 { "/2" } else { "" });
        let clock = if codec == "g722" { 8000 } else { rate };
        let sdp = ground.write(
            "in.sdp",
            format!(
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                 m=audio {port} RTP/AVP {number}\r\na=rtpmap:{number} {name}/{clock}{channels}\r\n"
            ),
        );
        let heard = ground.path("heard.wav");
        let mut command = ffmpeg(&["-protocol_whitelist", "file,udp,rtp", "-i", text(&sdp), "-t", "2"]);
        command.args(["-ac", "1", text(&heard)]);
        let mut receiver = Program::start("ffmpeg", &mut command, &ground.path("ffmpeg.log"));
        // From the first packet on: GSM predicts a tone so well that later ones have little of it in themselves.
        let ports = [format!(":{port:04X} "), format!(":{:04X} ", port + 1)];
        let found = poll(Duration::from_secs(10), || {
            let sockets = fs::read_to_string("/proc/net/udp").unwrap_or_default();
            ports.iter().all(|port| sockets.contains(port)).then_some(())
        });
        assert!(found.is_some(), "{codec}: ffmpeg does not listen: {}", receiver.output());
        let mut command =
            telex(&["rtp", "send", "-d", &to, "--tone", "500", "--seconds", "20", "--codec", codec]);
        command.args(["--payload-type", &number]);
        let mut sender = Program::start("telex rtp send", &mut command, &ground.path("telex.log"));
        let ended = receiver.wait(Duration::from_secs(40));
        assert!(ended.success(), "{codec}: {}", receiver.output());
        sender.signal(rustix::process::Signal::INT);
        assert!(sender.wait(Duration::from_secs(10)).success(), "{codec}");
        assert_heard(&heard, -10.0, 1.0);
    }
}

#[test]
fn telex_hears_what_ffmpeg_sends() {
    if !ready() {
        return;
    }
    // FFmpeg reads GSM from RTP and does not write it.
    for (coder, codec, number, rate) in CODECS.into_iter().filter(|(_, codec, ..)| *codec != "gsm") {
        let ground = Ground::new("rtp-from-ffmpeg");
        let port = ground.ports(2).to_string();
        let heard = ground.path("heard.wav");
        let payload = format!("{number}={codec}");
        let mut command =
            telex(&["rtp", "receive", "-p", &port, "-o", text(&heard), "--payload", &payload, "--json"]);
        let log = ground.path("telex.log");
        let mut receiver = Program::start("telex rtp receive", &mut command, &log);
        receiver.expect_from(0, "listening", Duration::from_secs(20), |text| text.contains("listening"));
        let source = format!("sine=frequency=500:sample_rate={rate}:duration=3");
        let to = format!("rtp://127.0.0.1:{port}");
        let mut command = ffmpeg(&["-re", "-f", "lavfi", "-i", &source, "-c:a", coder, "-f", "rtp", &to]);
        let mut sender = Program::start("ffmpeg", &mut command, &ground.path("ffmpeg.log"));
        assert!(sender.wait(Duration::from_secs(40)).success(), "{coder}: {}", sender.output());
        assert!(receiver.wait(Duration::from_secs(20)).success(), "{codec}");
        let told = receiver.output();
        let ended: serde_json::Value = told
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .find(|document| document["event"] == "ended")
            .unwrap_or_else(|| panic!("{codec}: {told}"));
        assert_eq!(
            (ended["lost"].as_u64(), ended["undecodable"].as_u64()),
            (Some(0), Some(0)),
            "{codec}: {told}"
        );
        // FFmpeg's sine is at an eighth of the scale.
        assert_heard(&heard, -18.06, 2.0);
    }
}
