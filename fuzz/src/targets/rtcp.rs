//! One datagram of RTCP: what is read of it, written again, reads the same.

use telex_engine::rtp::{Compound, ControlPacket, RtcpWriter};

pub(crate) fn check(octets: &[u8]) {
    let Ok(compound) = Compound::parse(octets) else { return };
    let packets: Vec<_> = compound.packets().collect();
    assert!(!packets.is_empty() && packets.len() * 4 <= octets.len());
    assert!(matches!(
        packets.first(),
        Some(ControlPacket::SenderReport { .. } | ControlPacket::ReceiverReport { .. })
    ));
    for packet in &packets {
        again(packet);
    }
}

/// Writes the packet at the head of a compound of its own and reads that.
fn again(packet: &ControlPacket<'_>) {
    let mut out = vec![];
    let mut writer = RtcpWriter::new(&mut out);
    match *packet {
        ControlPacket::SenderReport { ssrc, info, blocks } => {
            let block = blocks.iter().next();
            writer.report(ssrc, Some(info), block.as_ref());
            let read = Compound::parse(&out).expect("our own report").packets().next();
            let Some(ControlPacket::SenderReport { ssrc: s, info: i, blocks: b }) = read else {
                panic!("{read:?}")
            };
            assert_eq!((s, i, b.iter().next()), (ssrc, info, block));
        }
        ControlPacket::ReceiverReport { ssrc, blocks } => {
            let block = blocks.iter().next();
            writer.report(ssrc, None, block.as_ref());
            let read = Compound::parse(&out).expect("our own report").packets().next();
            let Some(ControlPacket::ReceiverReport { ssrc: s, blocks: b }) = read else { panic!("{read:?}") };
            assert_eq!((s, b.iter().next()), (ssrc, block));
        }
        _ => {}
    }
}
