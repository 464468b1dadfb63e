//! Digits pressed on telephones, as others have captured them, if they are at hand.

use std::path::PathBuf;
use std::time::Duration;

use telex_audio::dtmf::events::{EventReceiver, Received, TelephoneEvent};

/// The payloads of UDP in a capture of Ethernet frames and IPv4 (classic pcap, little-endian), with their times.
fn datagrams(capture: &[u8]) -> Vec<(Duration, Vec<u8>)> {
    let word = |at: usize| capture.get(at..at + 4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]));
    let (mut at, mut found) = (24, Vec::new());
    while let (Some(seconds), Some(micros), Some(length)) = (word(at), word(at + 4), word(at + 8)) {
        let frame = &capture[at + 16..(at + 16 + length as usize).min(capture.len())];
        let ip = &frame[14..];
        let header = usize::from(ip[0] & 15) * 4;
        if ip[9] == 17 {
            let time = Duration::new(u64::from(seconds), micros * 1000);
            found.push((time, ip[header + 8..].to_vec()));
        }
        at += 16 + length as usize;
    }
    found
}

#[test]
fn captured_presses_are_one_each() {
    let folder = std::env::var_os("TELEX_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let keys = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "star", "pound"];
    for (name, key) in keys.into_iter().zip("0123456789*#".chars()) {
        let Ok(capture) = std::fs::read(folder.join(format!("pcap/sipp/dtmf_2833_{name}.pcap"))) else {
            eprintln!(
                "SKIPPED: no pcap/sipp/dtmf_2833_{name}.pcap in {}: set TELEX_CORPUS",
                folder.display()
            );
            continue;
        };
        let (mut receiver, mut out, mut last) = (EventReceiver::new(8000), Vec::new(), Duration::ZERO);
        for (now, rtp) in datagrams(&capture) {
            // Version 2, no padding, extension or contributing sources; payload type 101; one event.
            if rtp[0] != 0x80 || rtp[1] & 0x7f != 101 || rtp.len() != 16 {
                continue;
            }
            let sequence = u16::from_be_bytes([rtp[2], rtp[3]]);
            let timestamp = u32::from_be_bytes([rtp[4], rtp[5], rtp[6], rtp[7]]);
            let payload = TelephoneEvent::parse(&rtp[12..]).unwrap();
            receiver.feed(now, (sequence, timestamp, rtp[1] & 0x80 != 0), payload, &mut out);
            last = now;
        }
        receiver.tick(last + Duration::from_secs(1), &mut out);
        let [Received::Press { digit, .. }, Received::Release { duration, .. }] = out[..] else {
            panic!("{name}: {out:?}");
        };
        assert_eq!(digit.key(), key);
        assert!((40..1000).contains(&duration.as_millis()), "{name}: {duration:?}");
    }
}
