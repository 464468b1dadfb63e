//! One datagram on a media port: what it is, its header, the telephone event in it. A plain packet written again is the
//! same octets.

use telex_engine::rtp::{Header, Kind, Packet, TelephoneEvent, classify};

pub(crate) fn check(octets: &[u8]) {
    let kind = classify(octets);
    if let Some(event) = TelephoneEvent::parse(octets) {
        let _ = event.key();
        assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Some(event));
    }
    let Ok(packet) = Packet::parse(octets) else { return };
    let extension = packet.extension.map_or(0, |(_, data)| 4 + data.len());
    assert!(packet.payload.len() + packet.csrcs.len() + extension + Header::OCTETS <= octets.len());
    assert!(packet.csrcs.len().is_multiple_of(4) && packet.csrcs.len() <= 60);
    let mut again = packet.header.to_bytes().to_vec();
    again.extend_from_slice(packet.payload);
    if octets[0] == 0x80 {
        assert_eq!(again, octets, "a plain packet written again");
        assert!(matches!(kind, Kind::Rtp | Kind::Rtcp), "{kind:?}");
    }
    let again = Packet::parse(&again).expect("what was written can be read");
    assert_eq!((again.header, again.payload), (packet.header, packet.payload));
}
