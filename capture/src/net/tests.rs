use super::*;
use crate::testing::{address, datagram, ip, ipv4, tcp, udp};
use crate::time::Time;
use proptest::prelude::*;

fn frame(link: u32, data: &[u8]) -> Frame<'_> {
    let length = data.len() as u32;
    Frame { number: 1, offset: 0, at: Time::default(), link: Link(link), data, length }
}

fn payload(link: u32, data: &[u8]) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
    match Network::default().decode(&frame(link, data))?.carried {
        Carried::Datagram { source, destination, payload, .. } => {
            Some((source, destination, payload.as_ref().to_vec()))
        }
        _ => None,
    }
}

const FROM: &str = "10.0.0.1:1000";
const TO: &str = "10.0.0.2:2000";

#[test]
fn a_datagram_is_found_behind_every_link_layer() {
    let packet = udp(address(FROM), address(TO), b"hello");
    let packet6 = udp(address("[2001:db8::1]:1000"), address("[2001:db8::2]:2000"), b"hello");
    let behind = |head: &[u8], packet: &[u8]| [head, packet].concat();
    let mac = [0; 12];
    let ethernet = |tail: &[u8], packet: &[u8]| [&mac[..], tail, packet].concat();
    let mut sll = vec![0; 14];
    sll.extend([8, 0]);
    let mut sll2 = vec![8, 0];
    sll2.extend([0; 18]);
    for (link, data) in [
        (101, packet.clone()),
        (12, packet.clone()),
        (228, packet.clone()),
        (0, behind(&[2, 0, 0, 0], &packet)),
        (108, behind(&[0, 0, 0, 2], &packet)),
        (1, ethernet(&[8, 0], &packet)),
        (1, ethernet(&[0x81, 0, 0, 5, 8, 0], &packet)),
        (1, ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0], &packet)),
        (1, ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 33, 0, 0x21], &packet)),
        (1, ethernet(&[0x88, 0x47, 0, 1, 1, 64], &packet)),
        (113, behind(&sll, &packet)),
        (276, behind(&sll2, &packet)),
        (9, behind(&[0xff, 3, 0, 0x21], &packet)),
        (101, ip([10, 9, 9, 9].into(), [10, 8, 8, 8].into(), 4, &packet)),
        (101, ip([10, 9, 9, 9].into(), [10, 8, 8, 8].into(), 47, &behind(&[0, 0, 8, 0], &packet))),
        (
            101,
            ip(
                [10, 9, 9, 9].into(),
                [10, 8, 8, 8].into(),
                47,
                &behind(&[0x20, 0, 8, 0, 0, 0, 0, 9], &packet),
            ),
        ),
    ] {
        assert_eq!(
            payload(link, &data),
            Some((address(FROM), address(TO), b"hello".to_vec())),
            "link {link}"
        );
    }
    let inside = ip([10, 9, 9, 9].into(), [10, 8, 8, 8].into(), 41, &packet6);
    for (link, data) in [(101, packet6.clone()), (1, ethernet(&[0x86, 0xdd], &packet6)), (101, inside)] {
        let (source, ..) = payload(link, &data).unwrap();
        assert_eq!(source, address("[2001:db8::1]:1000"));
    }
    // Padding of short Ethernet frames is no part of the datagram.
    assert_eq!(payload(1, &ethernet(&[8, 0], &[&packet[..], &[0; 20]].concat())).unwrap().2, b"hello");
    assert_eq!(payload(147, &packet), None);
    // Not for ever.
    let nested = (0..10).fold(packet, |p, _| ip([1; 4].into(), [2; 4].into(), 4, &p));
    assert_eq!(payload(101, &nested), None);
}

#[test]
fn fragments_of_both_versions_become_one_datagram() {
    let content = datagram(1000, 2000, b"a message in two fragments, long enough for both");
    let (first, second) = content.split_at(24);
    let v4 = |id, offset: u16, part: &[u8]| ipv4([10, 0, 0, 1], [10, 0, 0, 2], (17, id, offset), part);
    let v6 = |offset: u16, part: &[u8]| {
        let mut extension = vec![17, 0];
        extension.extend(offset.to_be_bytes());
        extension.extend([0, 0, 0, 9]);
        extension.extend(part);
        let (source, destination) = (address("[2001:db8::1]:1").ip(), address("[2001:db8::2]:1").ip());
        ip(source, destination, 44, &extension)
    };
    for (a, b) in [(v4(5, 0x2000, first), v4(5, 3, second)), (v6(1, first), v6(24, second))] {
        for order in [[&a, &b], [&b, &a]] {
            let mut network = Network::default();
            let waits = network.decode(&frame(101, order[0])).unwrap();
            assert_eq!(waits, Decoded { carried: Carried::Fragment, fragmented: true });
            let whole = network.decode(&frame(101, order[1])).unwrap();
            let Carried::Datagram { source, payload, .. } = whole.carried else { panic!("{whole:?}") };
            assert_eq!((source.port(), payload.as_ref()), (1000, &content[8..]));
        }
    }
    let mut network = Network::default();
    network.decode(&frame(101, &v4(5, 0x2000, first)));
    let other = v4(6, 3, second);
    let other = network.decode(&frame(101, &other)).unwrap();
    assert_eq!(other.carried, Carried::Fragment);
}

#[test]
fn what_the_snap_length_cut_off_is_counted() {
    let packet = udp(address(FROM), address(TO), &[b'x'; 100]);
    let Carried::Datagram { payload, missing, .. } =
        Network::default().decode(&frame(101, &packet[..60])).unwrap().carried
    else {
        panic!("a datagram");
    };
    assert_eq!((payload.as_ref().len(), missing), (32, 68));
    let packet = tcp(address(FROM), address(TO), 5, 0, &[b'x'; 100]);
    let Carried::Segment { payload, missing, sequence, .. } =
        Network::default().decode(&frame(101, &packet[..60])).unwrap().carried
    else {
        panic!("a segment");
    };
    assert_eq!((payload.as_ref().len(), missing, sequence), (20, 80, 5));
}

#[test]
fn icmp_says_what_cannot_be_reached() {
    let quoted = udp(address(FROM), address(TO), b"rtp");
    let icmp = [&[3, 3, 0, 0, 0, 0, 0, 0], &quoted[..28]].concat();
    let packet = ip([10, 0, 0, 2].into(), [10, 0, 0, 1].into(), 1, &icmp);
    let carried = Network::default().decode(&frame(101, &packet)).unwrap().carried;
    let by = [10, 0, 0, 2].into();
    assert_eq!(carried, Carried::Unreachable { by, source: address(FROM), destination: address(TO) });
}

proptest! {
    #[test]
    fn anything_is_survived(
        link in prop::sample::select(vec![0, 1, 9, 12, 101, 108, 113, 228, 276]),
        data in prop::collection::vec(any::<u8>(), 0..120),
        // IP headers that nearly make sense go further.
        version in prop::sample::select(vec![0x45_u8, 0x46, 0x60]),
        protocol in prop::sample::select(vec![1_u8, 4, 6, 17, 41, 44, 47, 58, 51, 60]),
    ) {
        let mut network = Network::default();
        network.decode(&frame(link, &data));
        let mut packet = data;
        if let Some(first) = packet.first_mut() {
            *first = version;
        }
        let at = if version == 0x60 { 6 } else { 9 };
        if let Some(place) = packet.get_mut(at) {
            *place = protocol;
        }
        network.decode(&frame(101, &packet));
    }
}
