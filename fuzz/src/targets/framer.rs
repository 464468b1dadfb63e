//! A stream: however it is cut, the same frames come out, and no octet twice.

use telex_engine::sip::{Frame, Framer};

pub(crate) fn check(octets: &[u8]) {
    let Some((&step, octets)) = octets.split_first() else { return };
    let whole = frames(octets, octets.len().max(1));
    let cut = frames(octets, usize::from(step).max(1));
    let messages = |frames: &[Frame]| -> Vec<Frame> {
        frames.iter().filter(|f| matches!(f, Frame::Message(_) | Frame::KeepAlive)).cloned().collect()
    };
    assert_eq!(messages(&whole), messages(&cut));
    let octets_out: usize = whole.iter().map(|f| if let Frame::Message(m) = f { m.len() } else { 0 }).sum();
    assert!(octets_out <= octets.len());
}

fn frames(octets: &[u8], step: usize) -> Vec<Frame> {
    let mut framer = Framer::new();
    let mut frames = vec![];
    for part in octets.chunks(step) {
        framer.push(part);
        loop {
            match framer.next_frame() {
                Frame::NeedMore => break,
                frame @ Frame::Broken { .. } => {
                    frames.push(frame);
                    assert!(matches!(framer.next_frame(), Frame::Broken { .. }), "broken stays broken");
                    return frames;
                }
                frame => frames.push(frame),
            }
        }
    }
    frames
}
