//! Files that are read back, cut off, damaged, and played by others.

use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::codec::test_sound::{snr, speech};

const MONO: Layout = Layout { rate: 16_000, channels: 1 };

fn file(layout: Layout, pcm: &[i16]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), layout, 7).unwrap();
    // In pieces that are no packets.
    for piece in pcm.chunks(1234 * usize::from(layout.channels)) {
        writer.write(piece).unwrap();
    }
    assert_eq!(writer.frames(), pcm.len() as u64 / u64::from(layout.channels));
    writer.finish().unwrap()
}

/// Two voices, one after the other and then both, side by side.
fn two(rate: u32, seconds: usize) -> (Vec<i16>, Vec<i16>) {
    let all = speech(rate, rate as usize * (seconds + 3));
    let second = rate as usize;
    let side = |from: usize, spoken: [bool; 3]| -> Vec<i16> {
        let heard = |at: usize| spoken[(at / second) % 3];
        (0..seconds * second).map(|at| if heard(at) { all[from + at] } else { 0 }).collect()
    };
    (side(0, [true, false, true]), side(second * 3, [false, true, true]))
}

fn woven(left: &[i16], right: &[i16]) -> Vec<i16> {
    left.iter().zip(right).flat_map(|(&left, &right)| [left, right]).collect()
}

fn unwoven(pcm: &[i16]) -> (Vec<i16>, Vec<i16>) {
    pcm.as_chunks::<2>().0.iter().map(|&[left, right]| (left, right)).unzip()
}

fn power(pcm: &[i16]) -> f64 {
    pcm.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / pcm.len() as f64 + 1.0
}

/// The checksum as RFC 3533 has it, bit by bit and by other means than the table.
fn checksum(octets: &[u8]) -> u32 {
    let mut sum = 0_u32;
    for &octet in octets {
        for bit in (0..8).rev() {
            let top = sum >> 31 ^ u32::from(octet >> bit & 1);
            sum = sum << 1 ^ if top == 1 { 0x04c1_1db7 } else { 0 };
        }
    }
    sum
}

#[test]
fn a_file_is_pages_of_a_second_with_their_time_and_checksum() {
    let octets = file(MONO, &speech(16_000, 40_000));
    let mut at = 0;
    let mut told = Vec::new();
    for page in Pages::new(&octets) {
        let start = at;
        at =
            octets[at + 4..].windows(4).position(|four| four == b"OggS").map_or(octets.len(), |n| at + 4 + n);
        let mut blank = octets[start..at].to_vec();
        let sum = u32::from_le_bytes(blank[22..26].try_into().unwrap());
        blank[22..26].fill(0);
        assert_eq!(sum, checksum(&blank), "page {}", page.number);
        told.push((
            page.number,
            page.serial,
            page.is_first(),
            page.is_last(),
            page.granule,
            page.packets().count(),
        ));
    }
    assert_eq!(
        told,
        [
            (0, 7, true, false, 0, 1),
            (1, 7, false, false, 0, 1),
            (2, 7, false, false, 48_000, 50),
            (3, 7, false, false, 96_000, 50),
            // Half a second and what the encoder looks ahead.
            (4, 7, false, true, 120_000 + 312, 26),
        ]
    );
    assert_eq!(octets[28..47], *b"OpusHead\x01\x01\x38\x01\x80\x3e\x00\x00\x00\x00\x00");
}

#[test]
fn what_is_read_back_has_its_length_and_its_sound_at_its_place() {
    for (rate, least) in [(8000, 9.0), (12_000, 9.0), (16_000, 9.0), (24_000, 7.0), (48_000, 7.0)] {
        let pcm = speech(rate, rate as usize * 2 + 77);
        let sound = decode(&file(Layout { rate, channels: 1 }, &pcm)).unwrap();
        assert_eq!((sound.rate, sound.channels, sound.damaged), (rate, 1, false));
        assert_eq!(sound.samples.len(), pcm.len());
        let (ratio, delay) = snr(&pcm, &sound.samples, 100);
        assert!(delay <= 3 && ratio > least, "{rate}: {ratio:.1} dB, {delay} late");
    }
    assert_eq!(decode(&file(MONO, &[])).unwrap().samples, []);
}

#[test]
fn each_side_of_a_call_stays_in_its_channel() {
    for rate in [8000, 16_000, 48_000] {
        let (left, right) = two(rate, 6);
        let sound = decode(&file(Layout { rate, channels: 2 }, &woven(&left, &right))).unwrap();
        let (heard_left, heard_right) = unwoven(&sound.samples);
        assert_eq!(heard_left.len(), left.len());
        for (said, heard) in [(&left, &heard_left), (&right, &heard_right)] {
            let (ratio, delay) = snr(said, heard, 100);
            assert!(delay <= 3 && ratio > 6.0, "{rate}: {ratio:.1} dB, {delay} late");
        }
        // While only one speaks, the other's channel is quiet: from 0.2 s after the change on.
        let second = rate as usize;
        let part = |n: usize| n * second + second / 5..(n + 1) * second - second / 50;
        let leak_right = power(&heard_right[part(3)]) / power(&heard_left[part(3)]);
        let leak_left = power(&heard_left[part(4)]) / power(&heard_right[part(4)]);
        let decibels = [leak_right, leak_left].map(|leak| 10.0 * leak.log10());
        assert!(decibels.iter().all(|&leak| leak < -25.0), "{rate}: {decibels:.1?}");
    }
}

#[test]
fn a_file_whose_writer_dies_lacks_a_second_at_most() {
    let pcm = speech(16_000, 16_000 * 3 + 9000);
    let mut writer = Writer::new(Vec::new(), MONO, 1).unwrap();
    writer.write(&pcm).unwrap();
    let sound = decode(writer.get_ref()).unwrap();
    assert_eq!(sound.samples.len(), 16_000 * 3 - 104, "what is due to come out is behind");
    assert!(sound.damaged, "it has no end");
    // Cut anywhere: the pages that are whole are played.
    let octets = file(MONO, &pcm);
    for cut in (0..octets.len()).step_by(97) {
        match decode(&octets[..cut]) {
            Ok(sound) => assert!(sound.damaged && pcm.len() - sound.samples.len() >= 9000 - 104),
            Err(error) => assert_eq!((error, cut < 47), (OggError::NoOpus, true)),
        }
    }
}

#[test]
fn a_damaged_page_is_left_out() {
    let pcm = speech(16_000, 16_000 * 4);
    let mut octets = file(MONO, &pcm);
    let middle = octets.len() / 2;
    octets[middle] ^= 4;
    let sound = decode(&octets).unwrap();
    assert_eq!((sound.samples.len(), sound.damaged), (16_000 * 3, true));
}

#[test]
fn what_cannot_be_played_is_told() {
    let mut octets = file(MONO, &[5; 400]);
    assert_eq!(decode(b"RIFF and so on"), Err(OggError::NoOpus));
    assert_eq!(decode(&[]), Err(OggError::NoOpus));
    let mut bundle = page::Bundle::new(3);
    let mut surround = octets[28..47].to_vec();
    surround[18] = 1;
    bundle.add(&surround);
    octets.clear();
    bundle.page(page::FIRST, 0, &mut octets);
    assert_eq!(decode(&octets), Err(OggError::Channels));
    assert!(Writer::new(Vec::new(), Layout { rate: 44_100, channels: 1 }, 0).is_err());
    assert!(Writer::new(Vec::new(), Layout { rate: 8000, channels: 3 }, 0).is_err());
}

/// A page put together by hand.
fn page_of(flags: u8, granule: u64, number: u32, lacing: &[u8], body: &[u8]) -> Vec<u8> {
    let mut page = [&b"OggS\0"[..], &[flags], &granule.to_le_bytes(), &9_u32.to_le_bytes()].concat();
    page.extend(number.to_le_bytes());
    page.extend([0; 4]);
    page.push(lacing.len() as u8);
    page.extend_from_slice(lacing);
    page.extend_from_slice(body);
    let sum = checksum(&page).to_le_bytes();
    page[22..26].copy_from_slice(&sum);
    page
}

/// The packets that others write: they go on in the next page, which may be lost.
#[test]
fn a_packet_that_goes_on_in_the_next_page_is_read() {
    let octets = file(MONO, &speech(16_000, 16_000));
    let all: Vec<&[u8]> = Pages::new(&octets).flat_map(|page| page.packets()).map(|(p, _)| p).collect();
    // The first packet of sound with padding (RFC 6716 §3.2.5) up to 301 octets.
    let padding = 301 - 4 - (all[2].len() - 1);
    let long =
        [&[all[2][0] | 3, 0x41, 255, (padding - 254) as u8][..], &all[2][1..], &vec![0; padding]].concat();
    assert_eq!(long.len(), 301);
    let pages = [
        page_of(2, 0, 0, &[19], all[0]),
        page_of(0, 0, 1, &[all[1].len() as u8, 255], &[all[1], &long[..255]].concat()),
        page_of(1, 960, 2, &[46], &long[255..]),
        page_of(4, 960 + 480, 3, &[all[3].len() as u8], all[3]),
    ];
    let want = decode(&octets).unwrap().samples;
    let sound = decode(&pages.concat()).unwrap();
    assert_eq!((&*sound.samples, sound.damaged), (&want[..320 + 160 - 104], false));
    let without = decode(&[&pages[0][..], &pages[1], &pages[3]].concat()).unwrap();
    assert_eq!((without.samples.len(), without.damaged), (320 - 104, true), "a half packet is none");
    let without = decode(&[&pages[0][..], &pages[2], &pages[3]].concat()).unwrap();
    assert!(without.damaged, "the rest of a packet is none");
    assert!(!page::Bundle::new(1).fits(255 * 255));
}

/// What `name` of the Opus tools and FFmpeg makes of a file, at 48 kHz; nothing where it is not installed.
fn played_by(program: &str, arguments: &[&str], octets: &[u8]) -> Option<Vec<u8>> {
    let path = std::env::temp_dir().join(format!("telex-ogg-{}-{program}.opus", std::process::id()));
    std::fs::write(&path, octets).unwrap();
    let arguments = arguments.iter().map(|&a| if a == "FILE" { path.as_os_str() } else { a.as_ref() });
    let output = Command::new(program).args(arguments).output();
    std::fs::remove_file(&path).unwrap();
    let Ok(output) = output else {
        eprintln!("SKIPPED: no {program} (apt install ffmpeg opus-tools)");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program}: {said}");
    assert!(!said.to_lowercase().contains("warning") && !said.contains("rror"), "{program}: {said}");
    Some(output.stdout)
}

#[test]
fn others_play_it() {
    let (left, right) = two(16_000, 3);
    let layout = Layout { rate: 16_000, channels: 2 };
    let octets = file(layout, &woven(&left, &right));
    let words = |raw: Vec<u8>| -> Vec<i16> {
        raw.as_chunks().0.iter().map(|&word| i16::from_le_bytes(word)).collect()
    };
    let ffmpeg = ["-v", "warning", "-i", "FILE", "-f", "s16le", "-ar", "16000", "-"];
    if let Some(raw) = played_by("ffmpeg", &ffmpeg, &octets) {
        let pcm = words(raw);
        assert_eq!(pcm.len(), 2 * 48_000);
        let (heard_left, heard_right) = unwoven(&pcm);
        let ratios = [snr(&left, &heard_left, 100), snr(&right, &heard_right, 100)];
        assert!(ratios.iter().all(|&(ratio, delay)| ratio > 5.0 && delay <= 3), "{ratios:?}");
    }
    if let Some(raw) = played_by("opusdec", &["--quiet", "--rate", "48000", "FILE", "-"], &octets) {
        assert_eq!(raw.len() / 4, 144_000, "to the sample");
    }
    if let Some(said) = played_by("opusinfo", &["FILE"], &octets) {
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("Playback length: 0m:03.000s") && said.contains("Channels: 2"), "{said}");
        assert!(!said.to_lowercase().contains("warning"), "{said}");
    }
    // One whose writer was killed.
    let mut writer = Writer::new(Vec::new(), layout, 1).unwrap();
    writer.write(&woven(&left, &right)).unwrap();
    if let Some(raw) = played_by("ffmpeg", &ffmpeg, writer.get_ref()) {
        assert_eq!(words(raw).len(), 2 * (48_000 - 104));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn anything_is_read_safely(
        octets in prop::collection::vec(any::<u8>(), 0..200),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        resum: bool,
    ) {
        let mut good = file(MONO, &speech(16_000, 20_000));
        for (at, with) in flips {
            let at = at.index(good.len());
            good[at] ^= with;
        }
        good.splice(60..60, octets.iter().copied());
        if resum {
            // Right checksums over wrong pages.
            let starts: Vec<usize> =
                good.windows(4).enumerate().filter(|(_, four)| four == b"OggS").map(|(at, _)| at).collect();
            for (&from, &to) in starts.iter().zip(starts.iter().skip(1).chain([&good.len()])) {
                if to - from > 27 {
                    good[from..to][22..26].fill(0);
                    let sum = checksum(&good[from..to]).to_le_bytes();
                    good[from..to][22..26].copy_from_slice(&sum);
                }
            }
        }
        let _ = decode(&good);
        let _ = decode(&octets);
    }

    #[test]
    fn packets_of_any_length_are_whole_in_their_page(lengths in prop::collection::vec(0..2000_usize, 1..40)) {
        let (mut bundle, mut octets, mut sent) = (page::Bundle::new(1), Vec::new(), Vec::new());
        for (nth, length) in lengths.into_iter().enumerate() {
            let packet = vec![nth as u8; length];
            if !bundle.fits(length) {
                bundle.page(0, 5, &mut octets);
            }
            bundle.add(&packet);
            sent.push((packet, true));
        }
        bundle.page(0, 5, &mut octets);
        let read: Vec<(Vec<u8>, bool)> =
            Pages::new(&octets).flat_map(|page| page.packets()).map(|(p, whole)| (p.to_vec(), whole)).collect();
        prop_assert_eq!(read, sent);
    }
}
