//! A capture file: read to where it makes sense, understood, and shown in every way there is. With an odd first octet
//! the rest is datagrams and segments that are put into a whole capture first, so that the fuzzer need not find out
//! the formats around them.

use telex_capture::{Analyser, Options, json, ladder, svg, text, wav};

pub(crate) fn check(octets: &[u8]) {
    let Some((&how, octets)) = octets.split_first() else { return };
    let wrapped;
    let file = if how & 1 == 1 {
        wrapped = wrap(octets);
        &wrapped[..]
    } else {
        octets
    };
    show(file, how & 2 != 0);
}

fn show(file: &[u8], audio: bool) {
    let mut analyser = Analyser::new(Options { audio, ..Options::default() });
    let stopped = analyser.read(file).err();
    if let Some(stopped) = &stopped {
        assert!(stopped.offset <= file.len() as u64, "{stopped:?}");
    }
    let report = analyser.finish();
    assert!(report.counts.octets <= file.len() as u64);
    let counted = report.counts.requests + report.counts.responses;
    assert!(report.messages.len() as u64 <= counted);
    let shown = text::report(&report, &[]);
    assert!(!shown.contains('\u{1b}'), "a capture steers the terminal");
    let stopped: Vec<_> = stopped.iter().map(|stopped| ("file".to_owned(), stopped)).collect();
    let document = json::document(&report, &stopped, &[]);
    assert_eq!(document["messages"].as_array().map(Vec::len), Some(report.messages.len()));
    let all: Vec<_> = report.calls.iter().collect();
    for chosen in [&[][..], &all[..]] {
        let ladder = ladder::text(&report, chosen);
        assert!(!ladder.contains('\u{1b}'), "a capture steers the terminal");
        let picture = svg::picture(&report, chosen);
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
        // Nothing of the capture becomes markup.
        assert!(!picture.contains("<script") && !picture.chars().any(|c| c.is_control() && c != '\n'));
    }
    if let Some(call) = report.calls.first() {
        let _ = (text::report(&report, &[call]), json::document(&report, &stopped, &[call]));
    }
    for stream in report.streams.iter().chain(&report.suspects) {
        assert!(!wav::name(stream).contains('/'));
        if let Ok(file) = wav::file(stream) {
            assert!(file.starts_with(b"RIFF"));
        }
    }
}

/// Datagrams and segments of `[kind, ports, length, length]` and so many octets, as a pcap file with a packet each
/// millisecond.
fn wrap(mut octets: &[u8]) -> Vec<u8> {
    // Magic, version, no time zone, 65,535 octets, raw IP.
    let mut file = [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65_535, 101].map(u32::to_be_bytes).concat();
    let mut sequence = [0u32; 4];
    let mut time = 0u32;
    while let Some((&[kind, ports, high, low], rest)) = octets.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([high & 7, low])).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        octets = rest;
        let tcp = kind & 1 == 1;
        let port = |n: u8| if n & 8 != 0 { 5060 } else { 10_000 + u16::from(n & 7) }.to_be_bytes();
        let mut segment = [port(ports), port(ports >> 4)].concat();
        if tcp {
            let sent = &mut sequence[usize::from(kind >> 1 & 3)];
            segment.extend(sent.to_be_bytes());
            // Some leave a gap or come again.
            *sent = sent
                .wrapping_add(length as u32)
                .wrapping_add(u32::from(kind >> 5))
                .wrapping_sub(u32::from(kind >> 3 & 3));
            segment.extend([0, 0, 0, 0, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        } else {
            segment.extend((length as u16 + 8).to_be_bytes());
            segment.extend([0, 0]);
        }
        segment.extend(payload);
        let total = (segment.len() as u16 + 20).to_be_bytes();
        let fragment = if kind & 0xc0 == 0xc0 { [0x20, 0] } else { [0, 0] };
        let host = |n: u8| [10, 0, 0, n & 1];
        let mut packet = vec![
            0x45,
            0,
            total[0],
            total[1],
            0,
            ports,
            fragment[0],
            fragment[1],
            64,
            if tcp { 6 } else { 17 },
            0,
            0,
        ];
        packet.extend(host(kind >> 1));
        packet.extend(host(kind >> 2));
        packet.extend(segment);
        time += 1000;
        for word in [time / 1_000_000, time % 1_000_000, packet.len() as u32, packet.len() as u32] {
            file.extend(word.to_be_bytes());
        }
        file.extend(packet);
    }
    file
}
