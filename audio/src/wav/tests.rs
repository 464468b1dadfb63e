//! Files made by hand, files written, files damaged.

use std::io::Cursor;

use super::*;
use crate::codec::g711;
use proptest::prelude::*;

/// A chunk with its padding.
fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = [&id[..], &(body.len() as u32).to_le_bytes(), body].concat();
    out.resize(out.len().next_multiple_of(2), 0);
    out
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    [&b"RIFF"[..], &(body.len() as u32 + 4).to_le_bytes(), b"WAVE", &body].concat()
}

fn fmt(tag: u16, channels: u16, rate: u32, frame: u16, bits: u16) -> Vec<u8> {
    let mut body = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
    body.extend(rate.to_le_bytes());
    body.extend((rate * u32::from(frame)).to_le_bytes());
    body.extend([frame.to_le_bytes(), bits.to_le_bytes()].concat());
    chunk(b"fmt ", &body)
}

fn words(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

const SOME: [i16; 6] = [0, 1, -1, i16::MAX, i16::MIN, 1234];

#[test]
fn the_plain_file_is_forty_four_octets_and_the_samples() {
    let file = Layout::mono(8000).file(&[1, -2]);
    let wanted = [
        &b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x04\0\0\0"[..],
        &[1, 0, 0xfe, 0xff],
    ];
    assert_eq!(file, wanted.concat());
    let law = Layout { store: Store::ALaw, channels: 1, rate: 8000 }.file(&[0]);
    let wanted = b"RIFF\x34\0\0\0WAVEfmt \x12\0\0\0\x06\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0\0\0\
        fact\x04\0\0\0\x01\0\0\0data\x01\0\0\0\xd5\0";
    assert_eq!(law, wanted);
}

#[test]
fn other_chunks_extensible_formats_and_missing_padding_are_passed() {
    let mut extensible = fmt(0xfffe, 2, 44_100, 4, 16)[8..].to_vec();
    extensible.extend([22, 0, 16, 0, 3, 0, 0, 0, 1, 0]);
    extensible.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    let data = chunk(b"data", &words(&SOME));
    let list = chunk(b"LIST", b"INFOabc");
    let sound =
        decode(&riff(&[chunk(b"JUNK", &[7; 601]), chunk(b"fmt ", &extensible), list, data.clone()])).unwrap();
    let format = Format { rate: 44_100, channels: 2, coding: Coding::Linear { octets: 2 } };
    assert_eq!((sound.format, &sound.samples[..], &sound.warnings[..]), (format, &SOME[..], &[][..]));
    assert_eq!(sound.mono(), [0, 16_383, -15_767]);
    // The octet of padding is missing.
    let list = [&b"LIST\x03\0\0\0"[..], b"abc"].concat();
    let sound = decode(&riff(&[fmt(1, 1, 8000, 2, 16), list, data])).unwrap();
    assert_eq!((&sound.samples[..], &sound.warnings[..]), (&SOME[..], &[Warning::Unpadded][..]));
}

#[test]
fn every_coding_gives_its_samples() {
    let file = |format: Vec<u8>, body: &[u8]| decode(&riff(&[format, chunk(b"data", body)])).unwrap();
    assert_eq!(file(fmt(1, 1, 8000, 1, 8), &[0, 0x80, 0xff]).samples, [i16::MIN, 0, 0x7f00]);
    assert_eq!(file(fmt(1, 1, 8000, 3, 24), &[0, 1, 0, 0, 0, 0x80]).samples, [1, i16::MIN]);
    assert_eq!(file(fmt(1, 1, 8000, 4, 32), &[0, 0, 0xfe, 0xff]).samples, [-2]);
    // 24 bits in four octets; 12 bits in two.
    assert_eq!(file(fmt(1, 1, 8000, 4, 24), &[0, 0, 3, 0]).samples, [3]);
    assert_eq!(file(fmt(1, 1, 8000, 2, 12), &[0x10, 0]).samples, [16]);
    assert_eq!(file(fmt(3, 1, 8000, 4, 32), &0.5_f32.to_le_bytes()).samples, [16_384]);
    assert_eq!(file(fmt(3, 1, 8000, 8, 64), &(-0.5_f64).to_le_bytes()).samples, [-16_384]);
    assert_eq!(file(fmt(6, 1, 8000, 1, 8), &[0xd5, 0x2a]).samples, [8, -32_256]);
    assert_eq!(file(fmt(7, 1, 8000, 1, 8), &[0xff, 0x80]).samples, [0, 32_124]);
    // A frame that does not fit: bits and channels are believed.
    let odd = file(fmt(1, 2, 8000, 7, 16), &words(&[5, 6]));
    assert_eq!((odd.samples, odd.warnings), (vec![5, 6], vec![Warning::FrameOctets { told: 7, used: 4 }]));
}

#[test]
fn lengths_that_lie_play_what_there_is() {
    let plain = Layout::mono(8000).file(&SOME);
    for told in [0, u32::MAX] {
        let mut file = plain.clone();
        file[40..44].copy_from_slice(&told.to_le_bytes());
        let sound = decode(&file).unwrap();
        assert_eq!((&sound.samples[..], &sound.warnings[..]), (&SOME[..], &[Warning::Unfinished][..]));
    }
    let mut file = plain.clone();
    file[40..44].copy_from_slice(&4_000_000_000_u32.to_le_bytes());
    file.push(9);
    let sound = decode(&file).unwrap();
    let wanted = [Warning::Short { told: 4_000_000_000, found: 13 }, Warning::PartFrame { octets: 1 }];
    assert_eq!((&sound.samples[..], &sound.warnings[..]), (&SOME[..], &wanted[..]));
    // No sound at all is no lie, whether something follows it or not.
    let empty = decode(&Layout::mono(8000).file(&[])).unwrap();
    assert!(empty.samples.is_empty());
    let empty =
        decode(&riff(&[fmt(1, 1, 8000, 2, 16), chunk(b"data", &[]), chunk(b"LIST", &[0; 40])])).unwrap();
    assert_eq!((empty.samples.len(), empty.warnings.len()), (0, 0));
    // The long form of the length.
    let mut sizes = vec![0; 28];
    sizes[8] = 4;
    let mut file = riff(&[chunk(b"ds64", &sizes), fmt(1, 1, 8000, 2, 16), chunk(b"data", &words(&SOME))]);
    file[..4].copy_from_slice(b"RF64");
    let at = file.len() - 16;
    file[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let sound = decode(&file).unwrap();
    assert_eq!((&sound.samples[..], sound.warnings.len()), (&SOME[..2], 0));
}

#[test]
fn what_cannot_be_played_is_told_why() {
    let file = |format: Vec<u8>| decode(&riff(&[format, chunk(b"data", &[0; 8])])).unwrap_err().to_string();
    insta::assert_snapshot!([
        decode(b"").unwrap_err().to_string(),
        decode(b"RIFF\0\0\0\0AVI ").unwrap_err().to_string(),
        decode(b"RIFX\0\0\0\0WAVE").unwrap_err().to_string(),
        decode(&riff(&[chunk(b"data", &[0; 8]), fmt(1, 1, 8000, 2, 16)])).unwrap_err().to_string(),
        decode(&riff(&[fmt(1, 1, 8000, 2, 16)])).unwrap_err().to_string(),
        file(fmt(0x31, 1, 8000, 65, 0)),
        file(fmt(1, 1, 8000, 8, 64)),
        file(fmt(3, 1, 8000, 2, 16)),
        file(fmt(1, 0, 8000, 2, 16)),
        file(fmt(1, 1, 0, 2, 16)),
        file(chunk(b"fmt ", &[1, 0, 1, 0])),
    ].join("\n"), @"
    this is no WAV file
    this is no WAV file
    this is a big-endian WAV file (RIFX); convert it, for example with `sox in.wav out.wav`
    the WAV file has no format before its sound
    the WAV file has no data chunk
    samples of format 0x0031 (GSM 06.10) cannot be read; convert the file to 16-bit PCM
    samples of 64 bits in format 0x0001 cannot be read; convert the file to 16-bit PCM
    samples of 16 bits in format 0x0003 cannot be read; convert the file to 16-bit PCM
    0 channels; 1 to 32 can be read
    0 samples per second; 1 to 768000 can be read
    the WAV file has no format before its sound
    ");
}

#[test]
fn a_file_can_be_played_whenever_its_writer_stops() {
    let pcm: Vec<i16> = (0..30_000).map(|n| (n * 7 % 1000) as i16).collect();
    for store in [Store::Linear16, Store::ALaw, Store::MuLaw] {
        let layout = Layout { store, channels: 2, rate: 1000 };
        let mut writer = Writer::new(Cursor::new(Vec::new()), layout).unwrap();
        let mut before = 0;
        for piece in pcm.chunks(26) {
            writer.write(piece).unwrap();
            let mut left = Cursor::new(writer.get_ref().get_ref().clone());
            let heard = decode(left.get_ref()).unwrap();
            // At most a second is missing, and nothing that was there goes.
            assert!(
                heard.samples.len() / 2 + 1000 > writer.frames() as usize && heard.samples.len() >= before
            );
            before = heard.samples.len();
            let found = repair(&mut left).unwrap().unwrap_or(0);
            let whole = decode(left.get_ref()).unwrap();
            assert_eq!((whole.samples.len() as u64 / 2, whole.warnings.len()), (writer.frames(), 0));
            // Before the first second is over the header tells of no sound; a reader takes what it finds.
            let told = if heard.warnings.is_empty() { heard.samples.len() } else { 0 };
            assert_eq!(found, (whole.samples.len() - told) as u64 * layout.frame_octets() / 2);
            assert_eq!(repair(&mut left).unwrap(), None);
        }
        let file = writer.finish().unwrap().into_inner();
        assert_eq!(file, layout.file(&pcm));
    }
}

#[test]
fn what_is_cut_off_is_overwritten() {
    let mut writer = Writer::new(Cursor::new(Vec::new()), Layout::mono(8000)).unwrap();
    writer.write(&[1, 2, 3, 4]).unwrap();
    writer.cut(1).unwrap();
    writer.cut(3).unwrap();
    writer.write(&[9]).unwrap();
    assert_eq!(writer.frames(), 2);
    let file = writer.finish().unwrap();
    assert_eq!(file.position(), 48);
    assert_eq!(decode(file.get_ref()).unwrap().samples, [1, 9]);
}

#[test]
fn repair_leaves_what_follows_the_sound_alone() {
    let format = fmt(1, 1, 8000, 2, 16);
    let good = riff(&[format, chunk(b"data", &words(&SOME)), chunk(b"LIST", &[1; 20])]);
    let mut file = Cursor::new(good.clone());
    assert_eq!(repair(&mut file).unwrap(), None);
    assert_eq!(file.into_inner(), good);
}

#[test]
fn more_than_four_gigabytes_are_told_as_to_the_end() {
    let mut header = Vec::new();
    Layout::mono(48_000).header(5_000_000_000, &mut header);
    assert_eq!((&header[4..8], &header[40..]), (&[0xff; 4][..], &[0xff; 4][..]));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        pcm in prop::collection::vec(any::<i16>(), 0..9000),
        (rate, channels) in (1..RATE, 1..3_u8),
        store in prop::sample::select(vec![Store::Linear16, Store::ALaw, Store::MuLaw]),
        piece in 1..5000_usize,
    ) {
        let layout = Layout { store, channels, rate };
        let whole = &pcm[..pcm.len() / usize::from(channels) * usize::from(channels)];
        let file = layout.file(whole);
        let sound = decode(&file).unwrap();
        prop_assert_eq!((sound.format.rate, sound.format.channels), (rate, u16::from(channels)));
        prop_assert!(sound.warnings.is_empty());
        let wanted: Vec<i16> = match store {
            Store::Linear16 => whole.to_vec(),
            Store::ALaw => whole.iter().map(|&s| g711::a_decode(g711::a_encode(s))).collect(),
            Store::MuLaw => whole.iter().map(|&s| g711::mu_decode(g711::mu_encode(s))).collect(),
        };
        prop_assert_eq!(&sound.samples, &wanted);
        // Piece by piece it is the same.
        let (mut reader, mut pieces) = (Reader::new(&file[..]).unwrap(), Vec::new());
        prop_assert_eq!(reader.frames(), Some(wanted.len() as u64 / u64::from(channels)));
        while reader.read(piece, &mut pieces).unwrap() == piece {}
        prop_assert_eq!(pieces, wanted);
    }

    #[test]
    fn damage_anywhere_is_survived(
        pcm in prop::collection::vec(any::<i16>(), 0..100),
        places in prop::collection::vec((0..120_usize, any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = riff(&[
            chunk(b"LIST", &[3; 5]),
            fmt(1, 2, 8000, 4, 16),
            chunk(b"data", &words(&pcm)),
            chunk(b"cue ", &[0; 7]),
        ]);
        for (at, value) in places {
            if let Some(octet) = file.get_mut(at) {
                *octet = value;
            }
        }
        file.truncate(cut.index(file.len() + 1));
        if let Ok(sound) = decode(&file) {
            // A sample needs an octet at least.
            prop_assert!(sound.samples.len() <= file.len());
            prop_assert!(sound.warnings.len() < 5);
        }
        let _ = repair(&mut Cursor::new(file));
    }
}
