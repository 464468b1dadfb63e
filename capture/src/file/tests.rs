use super::*;
use crate::testing::Pcap;
use proptest::prelude::*;

type Read1 = Vec<(u64, u32, Vec<u8>, u64)>;

/// All frames as (nanoseconds, link, octets, place in the file), and where it stopped.
fn all(file: &[u8]) -> (Read1, Option<(u64, String)>) {
    let mut frames = Vec::new();
    let mut capture = match Capture::new(file) {
        Ok(capture) => capture,
        Err(e) => return (frames, Some((e.offset, e.why.to_string()))),
    };
    loop {
        match capture.next_frame() {
            Ok(Some(f)) => frames.push((f.at.as_nanos(), f.link.0, f.data.to_vec(), f.offset)),
            Ok(None) => return (frames, None),
            Err(e) => {
                assert!(matches!(capture.next_frame(), Ok(None)), "it goes on after an error");
                return (frames, Some((e.offset, e.why.to_string())));
            }
        }
    }
}

fn swapped(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

#[test]
fn both_byte_orders_and_both_resolutions_are_read() {
    for (magic, nanos, extra) in
        [(0xa1b2_c3d4_u32, 5_000, false), (0xa1b2_3c4d, 5, false), (0xa1b2_cd34, 5_000, true)]
    {
        for big in [false, true] {
            let order = |w: u32| if big { w.to_be_bytes() } else { w.to_le_bytes() };
            let version = if big { 0x0002_0004 } else { 0x0004_0002 };
            let mut words = vec![magic, version, 0, 0, 65_535, 101, 1, 5, 4, 60];
            words.extend(if extra { vec![0, 0] } else { vec![] });
            let mut file: Vec<u8> = words.into_iter().flat_map(order).collect();
            file.extend(b"abcd");
            let offset = 24;
            let wanted = (vec![(1_000_000_000 + nanos, 101, b"abcd".to_vec(), offset)], None);
            assert_eq!(all(&file), wanted, "{magic:x} {big}");
        }
    }
}

/// A pcapng block in the byte order that is native to no one here.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = 12 + body.len().next_multiple_of(4) as u32;
    let mut block = swapped(&[kind, length]);
    block.extend(body);
    block.resize(length as usize - 4, 0);
    block.extend(length.to_be_bytes());
    block
}

fn section() -> Vec<u8> {
    block(SECTION, &swapped(&[0x1a2b_3c4d, 0x0001_0000, u32::MAX, u32::MAX]))
}

/// An interface with its link type, `if_tsresol` and `if_tsoffset`.
fn interface(link: u16, resolution: u8, offset: u64) -> Vec<u8> {
    let mut body = link.to_be_bytes().to_vec();
    body.extend([0; 6]);
    body.extend([0, 9, 0, 1, resolution, 0, 0, 0]);
    body.extend([0, 14, 0, 8]);
    body.extend(offset.to_be_bytes());
    body.extend([0, 0, 0, 0]);
    block(INTERFACE, &body)
}

fn packet(interface: u32, stamp: u64, data: &[u8]) -> Vec<u8> {
    let length = data.len() as u32;
    let mut body = swapped(&[interface, (stamp >> 32) as u32, stamp as u32, length, length]);
    body.extend(data);
    block(ENHANCED, &body)
}

#[test]
fn interfaces_have_links_and_clocks_of_their_own() {
    let unknown = block(0xbad, &[1; 40]);
    let simple = block(SIMPLE, &[&swapped(&[3])[..], b"xyz"].concat());
    let file = [
        section(),
        interface(1, 6, 0),
        interface(101, 9, 10),
        // Units of 2^-10 seconds.
        interface(101, 0x8a, 0),
        unknown,
        packet(0, 5, b"abcde"),
        packet(1, 7, b"f"),
        packet(2, 1536, b""),
        simple,
        section(),
        interface(12, 3, 0),
        packet(0, 2, b"g"),
    ]
    .concat();
    let (frames, stopped) = all(&file);
    assert_eq!(stopped, None);
    let frames: Vec<(u64, u32, &[u8])> =
        frames.iter().map(|(at, link, data, _)| (*at, *link, &data[..])).collect();
    let wanted: Vec<(u64, u32, &[u8])> = vec![
        (5_000, 1, b"abcde"),
        (10_000_000_007, 101, b"f"),
        (1_500_000_000, 101, b""),
        (0, 1, b"xyz"),
        (2_000_000, 12, b"g"),
    ];
    assert_eq!(frames, wanted);
}

#[test]
fn what_makes_no_sense_is_named_with_its_place() {
    let mut good = Pcap::new(101);
    good.add(0, b"abcd");
    let with = |tail: &[u8]| [&good.octets[..], tail].concat();
    let huge = [[0; 4], [0; 4], [0xff; 4], [0xff; 4]].concat();
    let ng = |tail: &[u8]| [&section()[..], tail].concat();
    for (file, offset, wanted) in [
        (Vec::new(), 0, "empty"),
        (b"GIF89a".to_vec(), 0, "no capture"),
        (vec![0x1f, 0x8b, 8, 0], 0, "gzip"),
        (good.octets[..20].to_vec(), 0, "ends within a file header"),
        (good.octets[..30].to_vec(), 24, "ends within a record header"),
        (good.octets[..42].to_vec(), 24, "ends within a record:"),
        (with(&huge), 44, "4294967295 octets"),
        (with(&[[0; 4], [0xff; 4], [0; 4], [0; 4]].concat()), 44, "time stamp"),
        (ng(&[0, 0, 0, 6, 0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 0]), 28, "4294967292 octets"),
        (ng(&[0, 0, 0, 99, 0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 0]), 28, "ends within a block"),
        (ng(&[0, 0, 0, 6, 0, 0, 0, 13, 0, 0, 0, 0]), 28, "length does not fit"),
        (ng(&[0, 0, 0, 6]), 28, "ends within a block header"),
        (ng(&packet(0, 1, b"x")), 28, "interface 0"),
        (vec![0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 1, 2, 3, 4], 0, "byte order mark"),
    ] {
        let (_, stopped) = all(&file);
        let (at, why) = stopped.unwrap_or_else(|| panic!("{wanted} was not noticed"));
        assert!(at == offset && why.contains(wanted), "{at} {why}, not {offset} {wanted}");
    }
}

/// A reader that gives one octet at a time.
struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.0.len().min(room.len()).min(1);
        let (now, later) = self.0.split_at(count);
        room[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

proptest! {
    #[test]
    fn frames_come_out_as_they_went_in(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut pcap = Pcap::new(1);
        for (n, frame) in frames.iter().enumerate() {
            pcap.add(n as u64, frame);
        }
        let (whole, stopped) = all(&pcap.octets);
        prop_assert_eq!(stopped, None);
        let got: Vec<&Vec<u8>> = whole.iter().map(|(_, _, data, _)| data).collect();
        prop_assert_eq!(got, frames.iter().collect::<Vec<_>>());
        let mut slow = Capture::new(Drops(&pcap.octets)).unwrap();
        for (_, _, data, offset) in &whole {
            let frame = slow.next_frame().unwrap().unwrap();
            prop_assert_eq!((frame.data, frame.offset), (&data[..], *offset));
        }
        // Cut anywhere: what is whole is read, and the place of the rest is told.
        let cut = cut.index(pcap.octets.len());
        let (some, stopped) = all(&pcap.octets[..cut]);
        prop_assert_eq!(&some[..], &whole[..some.len()]);
        let end = some.last().map_or(24, |(_, _, data, offset)| offset + 16 + data.len() as u64);
        match stopped {
            Some((at, _)) => prop_assert!(at == end || cut < 24 && at == 0),
            None => prop_assert_eq!(end, cut as u64),
        }
    }

    #[test]
    fn anything_is_survived(
        kind in 0..4usize,
        noise in prop::collection::vec(any::<u8>(), 0..300),
        lengths in prop::collection::vec(0..64u32, 0..6),
    ) {
        let start = [Pcap::new(1).octets, section(), [section(), interface(1, 6, 0)].concat(), Vec::new()];
        let mut file = start[kind].clone();
        for length in lengths {
            file.extend(block(length % 8, &noise[..(length as usize).min(noise.len())]));
        }
        file.extend(noise);
        all(&file);
    }
}
