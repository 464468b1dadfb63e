//! `telex rtp send` and `telex rtp receive` with GStreamer on the other side.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use telex_conformance::ground::Ground;
use telex_conformance::program::{Program, poll};
use telex_conformance::wav::Sound;
use telex_conformance::{exchange, peers, tone};

/// What Telex calls it, payload type, clock, what RTP calls it, and what reads and writes it.
const CODECS: [(&str, u8, u32, &str, &str, &str); 3] = [
    ("pcmu", 0, 8000, "PCMU", "rtppcmudepay ! mulawdec", "mulawenc ! rtppcmupay"),
    ("pcma", 8, 8000, "PCMA", "rtppcmadepay ! alawdec", "alawenc ! rtppcmapay"),
    ("opus/48000", 97, 48_000, "OPUS", "rtpopusdepay ! opusdec", "opusenc ! rtpopuspay pt=97"),
];

/// Elements come in packages of their own: what is not there is said. Building is not part of what is timed.
fn ready() -> bool {
    if !peers::installed(&["gst-launch-1.0", "gst-inspect-1.0"]) {
        return false;
    }
    for element in ["udpsrc", "rtppcmupay", "rtpopuspay", "opusenc", "audiotestsrc", "wavenc"] {
        let mut command = Command::new("gst-inspect-1.0");
        let known = command.args(["--exists", element]).status().is_ok_and(|status| status.success());
        if !known {
            assert!(env::var_os(peers::REQUIRE).is_none_or(|v| v != "1"), "GStreamer has no {element}");
            peers::skip(&format!("GStreamer has no {element} (see README.md, Tests)"));
            return false;
        }
    }
    exchange::binary().is_file()
}

/// A pipeline; the words of the launch line are its arguments.
fn gstreamer(pipeline: &str) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-e").args(pipeline.split_whitespace());
    command
}

fn telex(arguments: &[&str]) -> Command {
    let mut command = Command::new(exchange::binary());
    command.arg("rtp").args(arguments);
    command
}

/// 500 Hz at the level they were sent with, give or take what a codec does.
fn assert_heard(file: &Path, level: f64) {
    let sound = Sound::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    tone::assert_heard(&sound, 500.0, level - 2.0..=level + 2.0, 2.0);
}

#[test]
fn gstreamer_hears_what_telex_sends() {
    if !ready() {
        return;
    }
    for (codec, number, clock, name, reads, _) in CODECS {
        let ground = Ground::new("rtp-to-gstreamer");
        let port = ground.ports(2);
        let heard = ground.path("heard.wav");
        let mut command = gstreamer(&format!(
            "udpsrc port={port} caps=application/x-rtp,media=audio,clock-rate={clock},encoding-name={name},payload={number} \
             ! {reads} ! audioconvert ! audio/x-raw,format=S16LE,channels=1 ! wavenc ! filesink location={}",
            heard.display()
        ));
        let mut receiver = Program::start("gst-launch-1.0", &mut command, &ground.path("gstreamer.log"));
        let found = poll(Duration::from_secs(20), || {
            let sockets = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
            sockets.contains(&format!(":{port:04X} ")).then_some(())
        });
        assert!(found.is_some(), "{codec}: GStreamer does not listen: {}", receiver.output());
        let (to, number) = (format!("127.0.0.1:{port}"), number.to_string());
        let mut command = telex(&["send", "-d", &to, "--tone", "500", "--seconds", "4", "--codec", codec]);
        command.args(["--payload-type", &number]);
        let mut sender = Program::start("telex rtp send", &mut command, &ground.path("telex.log"));
        assert!(sender.wait(Duration::from_secs(40)).success(), "{codec}: {}", sender.output());
        receiver.signal(rustix::process::Signal::INT);
        receiver.wait(Duration::from_secs(20));
        assert_heard(&heard, -10.0);
    }
}

#[test]
fn telex_hears_what_gstreamer_sends() {
    if !ready() {
        return;
    }
    for (codec, number, clock, _, _, writes) in CODECS {
        let ground = Ground::new("rtp-from-gstreamer");
        let port = ground.ports(2).to_string();
        let heard = ground.path("heard.wav");
        let payload = format!("{number}={codec}");
        let out = heard.to_str().expect("paths of tests are text");
        let mut command = telex(&["receive", "-p", &port, "-o", out, "--payload", &payload, "--json"]);
        let mut receiver = Program::start("telex rtp receive", &mut command, &ground.path("telex.log"));
        receiver.expect_from(0, "listening", Duration::from_secs(20), |text| text.contains("listening"));
        let mut command = gstreamer(&format!(
            "audiotestsrc is-live=true freq=500 volume=0.25 samplesperbuffer={} num-buffers=200 \
             ! audio/x-raw,rate={clock},channels=1 ! {writes} ! udpsink host=127.0.0.1 port={port}",
            clock / 50
        ));
        let mut sender = Program::start("gst-launch-1.0", &mut command, &ground.path("gstreamer.log"));
        assert!(sender.wait(Duration::from_secs(40)).success(), "{codec}: {}", sender.output());
        assert!(receiver.wait(Duration::from_secs(20)).success(), "{codec}");
        let told = receiver.output();
        let documents = told.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let ended = documents.into_iter().find(|document| document["event"] == "ended");
        let ended = ended.unwrap_or_else(|| panic!("{codec}: {told}"));
        assert_eq!(
            (ended["lost"].as_u64(), ended["undecodable"].as_u64()),
            (Some(0), Some(0)),
            "{codec}: {told}"
        );
        // A quarter of the scale.
        assert_heard(&heard, -12.04);
    }
}
