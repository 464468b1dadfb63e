//! Mixing: each hears all others and not itself, at the right level, in its own codec.

use super::transcode::{Singer, amplitude, assert_steady, heard, speaks};
use super::*;

/// A room that mixes, with so many members.
struct Conference {
    w: World,
    singers: Vec<Singer>,
    payloads: Vec<Payload>,
}

const PEAK: i16 = 3000;

fn port(member: usize) -> u16 {
    A + 2 * member as u16
}

fn address(member: usize) -> String {
    format!("192.0.2.{}:4000", 1 + member)
}

/// A frequency of its own that lies between the others' and makes whole turns in a second.
fn hertz(member: usize) -> u32 {
    300 + 30 * member as u32
}

impl Conference {
    fn new(payloads: &[Payload]) -> Self {
        let mut w = World::new(1);
        w.room(RoomMode::Mix);
        w.strict = payloads.len() < 10;
        let mut singers = Vec::new();
        for (n, &payload) in payloads.iter().enumerate() {
            w.put(n as u64, 1, speaks(payload, port(n), &address(n)));
            singers.push(Singer::new(n as u32, payload, hertz(n), PEAK));
        }
        Self { w, singers, payloads: payloads.to_vec() }
    }

    /// These sing, the others are silent but for their packets.
    fn sing(&mut self, frames: usize, who: &[usize]) {
        for _ in 0..frames {
            for (n, singer) in self.singers.iter_mut().enumerate() {
                let peak = if who.contains(&n) { PEAK } else { 0 };
                let packet = singer.next_at(peak);
                self.w.packet(port(n), &address(n), &packet);
            }
            self.w.run(Duration::from_millis(20));
        }
    }

    /// The last second of what a member was sent.
    fn ear(&self, member: usize) -> (Vec<i16>, u32) {
        let encoding = self.payloads[member].encoding.unwrap();
        let rate = encoding.properties().rate;
        let sent = self.w.media();
        let pcm = heard(&sent, port(member), encoding);
        (pcm[pcm.len() - rate as usize..].to_vec(), rate)
    }

    fn sent_to(&self, member: usize) -> Vec<&Sent> {
        self.w.media().into_iter().filter(|s| s.port == port(member)).collect()
    }
}

fn assert_hears(conference: &Conference, member: usize, singing: &[usize], members: usize) {
    let (pcm, rate) = conference.ear(member);
    // Of the silent ones some will do.
    let near = [member, (member + 1) % members, (member + 7) % members];
    for other in (0..members).filter(|n| singing.contains(n) || near.contains(n)) {
        let level = amplitude(&pcm, rate, hertz(other));
        if singing.contains(&other) && other != member {
            assert!((level - f64::from(PEAK)).abs() < 200.0, "{member} hears {other} at {level}");
        } else {
            assert!(level < 60.0, "{member} hears {other} at {level}");
        }
    }
}

#[test]
fn three_members_hear_each_other_and_not_themselves() {
    let mut c = Conference::new(&[PCMU, PCMA, PCMU]);
    c.sing(100, &[0, 1, 2]);
    for member in 0..3 {
        assert_hears(&c, member, &[0, 1, 2], 3);
        assert_steady(&c.sent_to(member), 160);
    }
    // One falls silent: the others hear one less, and it hears both still.
    c.sing(100, &[0, 1]);
    for member in 0..3 {
        assert_hears(&c, member, &[0, 1], 3);
        assert_steady(&c.sent_to(member), 160);
    }
}

#[test]
fn a_hundred_members_take_turns() {
    const MEMBERS: usize = 100;
    let payloads: Vec<Payload> = (0..MEMBERS).map(|n| if n % 3 == 0 { PCMA } else { PCMU }).collect();
    let mut c = Conference::new(&payloads);
    for turn in 0..10 {
        // Ten at a time, far from each other in frequency.
        let singing: Vec<usize> = (0..10).map(|n| 10 * n + turn).collect();
        c.w.sent.clear();
        c.sing(80, &singing);
        for member in 0..MEMBERS {
            assert_hears(&c, member, &singing, MEMBERS);
            assert_steady(&c.sent_to(member), 160);
        }
    }
    // Those who only listen by the same codec get the same octets.
    let last = |member| c.sent_to(member).last().unwrap().payload().to_vec();
    assert_eq!(last(1), last(2));
    assert_eq!(last(0), last(3));
    assert_ne!(last(0), last(1));
}

#[test]
fn members_come_and_go_and_the_others_notice_nothing() {
    let mut c = Conference::new(&[PCMU, PCMU, PCMU, PCMU]);
    c.sing(100, &[0, 1, 3]);
    c.w.drop_leg(3);
    c.sing(100, &[0, 1]);
    for member in 0..3 {
        assert_hears(&c, member, &[0, 1], 3);
        assert_steady(&c.sent_to(member), 160);
    }
    c.w.put(7, 1, speaks(PCMU, port(3), &address(3)));
    c.sing(100, &[0, 3]);
    for member in 0..3 {
        assert_hears(&c, member, &[0, 3], 4);
        assert_steady(&c.sent_to(member), 160);
    }
}

#[test]
fn a_muted_member_is_not_heard_and_one_on_hold_hears_nothing() {
    let mut c = Conference::new(&[PCMU, PCMU, PCMU]);
    c.sing(60, &[0, 1, 2]);
    c.w.put(0, 2, LegSpec { receive: false, ..speaks(PCMU, port(0), &address(0)) });
    c.w.put(1, 2, LegSpec { send: false, ..speaks(PCMU, port(1), &address(1)) });
    let before = c.sent_to(1).len();
    c.sing(60, &[0, 1, 2]);
    assert_eq!(c.sent_to(1).len(), before);
    assert_hears(&c, 2, &[1], 3);
    assert_hears(&c, 0, &[1, 2], 3);
}

#[test]
fn three_who_shout_are_not_clipped() {
    let mut c = Conference::new(&[PCMU; 4]);
    for singer in &mut c.singers {
        singer.peak = 30_000.0;
    }
    for _ in 0..100 {
        for (n, singer) in c.singers.iter_mut().enumerate().take(3) {
            let packet = singer.next();
            c.w.packet(port(n), &address(n), &packet);
        }
        c.w.run(Duration::from_millis(20));
    }
    let (pcm, rate) = c.ear(3);
    let tones: f64 = (0..3).map(|n| amplitude(&pcm, rate, hertz(n)).powi(2) / 2.0).sum();
    let all = pcm.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / pcm.len() as f64;
    let rest = 10.0 * ((all - tones) / all).log10();
    assert!(rest < -20.0, "{rest} dB of what is heard was not said");
}

#[test]
fn legs_of_a_call_go_to_a_conference_and_back() {
    let mut c = Conference::new(&[PCMU, PCMU, PCMU, PCMA]);
    c.w.command(MediaCommand::PutRoom { room: RoomId(2), rev: 1, spec: RoomSpec::new(RoomMode::Relay) });
    let mut rev = 1;
    let mut go = |c: &mut Conference, room: u64| {
        rev += 1;
        for n in [2, 3] {
            let spec = speaks(c.payloads[n], port(n), &address(n));
            c.w.put(n as u64, rev, LegSpec { room: RoomId(room), ..spec });
        }
    };
    c.sing(100, &[0, 1, 2, 3]);
    assert_hears(&c, 2, &[0, 1, 3], 4);
    go(&mut c, 2);
    c.w.sent.clear();
    c.sing(100, &[0, 1, 2, 3]);
    for (member, singing) in [(0, [1]), (1, [0]), (2, [3]), (3, [2])] {
        assert_hears(&c, member, &singing, 4);
    }
    go(&mut c, 1);
    c.w.sent.clear();
    c.sing(100, &[0, 1, 2, 3]);
    for member in 0..4 {
        let others: Vec<usize> = (0..4).filter(|other| *other != member).collect();
        assert_hears(&c, member, &others, 4);
    }
    // One stream all the time: numbers in sequence.
    let sent = c.sent_to(2);
    for pair in sent.windows(2) {
        assert_eq!(pair[1].header().sequence, pair[0].header().sequence.wrapping_add(1));
    }
    // A room that there is not ends the leg, as a contract broken does.
    let spec = speaks(PCMU, port(0), &address(0));
    c.w.put(0, 9, LegSpec { room: RoomId(7), ..spec });
    assert!(c.w.reports.iter().any(|r| matches!(r, MediaReport::Dropped { leg: LegId(0), .. })));
}
