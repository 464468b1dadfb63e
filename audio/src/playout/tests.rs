use proptest::prelude::*;

use super::*;
use crate::codec::g711;

const MS: u64 = 1_000_000;

fn at(nanoseconds: u64) -> Duration {
    Duration::from_nanos(nanoseconds)
}

/// A sender of L16 at 8 kHz whose samples count up, so that every sample says which it is; and a listener.
struct Talk {
    playout: Playout,
    now: u64,
    heard: Vec<i16>,
    pulled: Pulled,
}

impl Talk {
    fn new(settings: Settings) -> Self {
        Self { playout: Playout::new(8000, settings), now: 0, heard: Vec::new(), pulled: Pulled::default() }
    }

    /// The packet of 20 ms that begins with this sample, under numbers that wrap soon.
    fn packet(&mut self, number: u16, first: usize) -> Inserted {
        self.packet_of(number, first, 160)
    }

    fn packet_of(&mut self, number: u16, first: usize, samples: usize) -> Inserted {
        let payload: Vec<u8> = (first..first + samples).flat_map(|s| sample(s).to_be_bytes()).collect();
        self.send(number, first as u32, Encoding::L16 { rate: 8000 }.into(), &payload)
    }

    fn send(&mut self, number: u16, ticks: u32, content: Content, payload: &[u8]) -> Inserted {
        let packet = Packet {
            sequence: number.wrapping_add(65_530),
            timestamp: ticks.wrapping_sub(800),
            content,
            payload,
        };
        self.playout.insert(at(self.now), packet)
    }

    /// What the packet of this number carries again of the one so many before it.
    fn again(&mut self, number: u16, before: u16) -> bool {
        let first = usize::from(number - before) * 160;
        let payload: Vec<u8> = (first..first + 160).flat_map(|s| sample(s).to_be_bytes()).collect();
        let packet = Packet {
            sequence: number.wrapping_add(65_530),
            timestamp: (u32::from(number) * 160).wrapping_sub(800),
            content: Encoding::L16 { rate: 8000 }.into(),
            payload: &payload,
        };
        self.playout.insert_again(at(self.now), packet, before * 160)
    }

    /// A packet that is no sound.
    fn other(&mut self, number: u16) -> Inserted {
        self.playout.insert_other(at(self.now), number.wrapping_add(65_530))
    }

    /// 20 ms pass, then 20 ms are pulled.
    fn pull(&mut self) -> Pulled {
        self.now += 20 * MS;
        let pulled = self.playout.pull(at(self.now), 160, &mut self.heard);
        self.pulled.sound += pulled.sound;
        self.pulled.concealed += pulled.concealed;
        self.pulled.noise += pulled.noise;
        self.pulled.silence += pulled.silence;
        pulled
    }

    /// Sends the packets of these numbers 20 ms apart, each heard from after it is sent.
    fn go(&mut self, numbers: std::ops::Range<u16>) {
        for number in numbers {
            self.packet(number, usize::from(number) * 160);
            self.pull();
        }
    }

    /// What was heard since the beginning, without the silence before it and the fade into it.
    fn sound(&self) -> &[i16] {
        let begin = self.heard.iter().position(|&s| s != 0).unwrap_or(self.heard.len());
        &self.heard[(begin + 60).min(self.heard.len())..]
    }

    /// Whether what was heard is sample after sample as it was sent.
    fn is_whole(&self) -> bool {
        self.sound().windows(2).all(|pair| pair[1] == pair[0] + 1 || pair[1] == sample(0))
    }
}

/// A tenth of the packets is lost, one at a time or two, and each packet carries the two before it.
#[test]
fn what_is_carried_again_fills_the_gaps() {
    let mut talk = Talk::new(Settings::default());
    let mut chance = 1_u32;
    let mut lost = 0;
    for number in 0..1000_u16 {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if chance >> 16 < 6554 {
            lost += 1;
        } else {
            talk.packet(number, usize::from(number) * 160);
            for before in 1..=2.min(number) {
                talk.again(number, before);
            }
        }
        talk.pull();
    }
    let stats = talk.playout.stats();
    assert!(lost > 80 && stats.repeated + 5 > lost, "{lost} {stats:?}");
    // At first it does not wait for what comes again.
    assert!(stats.concealed < 8 * 160, "{stats:?}");
    assert_eq!(stats.duplicates, 0);
}

#[test]
fn what_is_carried_again_must_be_a_packet_that_is_missing() {
    let mut talk = Talk::new(Settings::default());
    talk.go(0..20);
    assert!(!talk.again(19, 1), "it is there");
    talk.packet(22, 22 * 160);
    let before = talk.playout.stats();
    let odd = Packet {
        sequence: 22_u16.wrapping_add(65_530),
        timestamp: (22_u32 * 160).wrapping_sub(800),
        content: Encoding::Pcmu.into(),
        payload: &[9; 160],
    };
    for offset in [0, 80, 161, 16_001] {
        assert!(!talk.playout.insert_again(at(talk.now), odd, offset), "{offset}");
    }
    assert!(!talk.playout.insert_again(at(talk.now), Packet { payload: &[], ..odd }, 160));
    assert_eq!(talk.playout.stats(), before);
    assert!(talk.again(22, 1) && !talk.again(22, 1) && talk.again(22, 2));
    talk.pull();
    talk.go(23..60);
    assert_eq!((talk.pulled.concealed, talk.playout.stats().lost), (0, 0));
}

/// Never 0, so that silence is told from sound; rises for 3.5 seconds.
fn sample(index: usize) -> i16 {
    (index % 28_000 + 1000) as i16
}

#[test]
fn what_comes_in_order_is_heard_as_it_was() {
    let mut talk = Talk::new(Settings::default());
    talk.go(0..200);
    assert!(talk.is_whole());
    assert!(talk.pulled.silence <= 480 && talk.pulled.concealed == 0, "{:?}", talk.pulled);
    let stats = talk.playout.stats();
    assert_eq!((stats.lost, stats.late, stats.duplicates, stats.packets), (0, 0, 0, 200));
}

/// The delay that the figures give is that of the samples.
#[test]
fn the_delay_is_what_it_is_said_to_be() {
    let mut talk = Talk::new(Settings { least: at(95 * MS), ..Settings::default() });
    talk.go(0..100);
    // This pull's first sample was sent so long before the pull; the fastest take no time.
    let first = talk.heard[talk.heard.len() - 160] as u64 - 1000;
    let delay = talk.now - first * MS / 8;
    assert_eq!(u64::from(talk.playout.stats().delay_us), delay / 1000);
    assert_eq!(delay, 100 * MS);
}

#[test]
fn overtaken_packets_are_put_in_order_and_doubles_are_left_out() {
    let mut talk = Talk::new(Settings { least: at(60 * MS), ..Settings::default() });
    talk.go(0..20);
    for pair in (20..80).step_by(2) {
        for number in [pair + 1, pair] {
            assert_eq!(talk.packet(number, usize::from(number) * 160), Inserted::Kept);
            assert_eq!(talk.packet(number, usize::from(number) * 160), Inserted::Duplicate);
            talk.pull();
        }
    }
    assert!(talk.is_whole());
    assert_eq!(talk.playout.stats().duplicates, 60);
    assert_eq!(talk.playout.stats().lost, 0);
}

#[test]
fn a_lost_packet_is_concealed_for_as_long_as_it_lasts() {
    let mut talk = Talk::new(Settings { least: at(40 * MS), ..Settings::default() });
    talk.go(0..50);
    talk.pull();
    let before = talk.pulled;
    talk.go(51..80);
    assert_eq!(talk.pulled.concealed - before.concealed, 160);
    let stats = talk.playout.stats();
    assert_eq!((stats.lost, stats.late, stats.expanded + stats.compressed), (1, 0, 0));
    // It comes now: no use, and not lost.
    assert_eq!(talk.packet(50, 50 * 160), Inserted::Late);
    let stats = talk.playout.stats();
    assert_eq!((stats.lost, stats.late), (0, 1));
}

/// Nothing comes for 60 ms, then all at once: it is all heard, later, and time is made good again.
#[test]
fn a_hold_up_loses_nothing() {
    let mut talk = Talk::new(Settings::default());
    talk.go(0..50);
    (0..3).for_each(|_| {
        let _ = talk.pull();
    });
    (50..53).for_each(|number| {
        let _ = talk.packet(number, usize::from(number) * 160);
    });
    talk.go(53..60);
    let stats = talk.playout.stats();
    assert_eq!((stats.lost, stats.late, stats.belated), (0, 0, 1), "{stats:?}");
    assert!(stats.delay_us > 50_000, "{stats:?}");
    // Quiet, so that time can be made good.
    for number in 60..400 {
        talk.send(number, u32::from(number) * 160, Encoding::Pcmu.into(), &[0xff; 160]);
        talk.pull();
    }
    let stats = talk.playout.stats();
    assert!(stats.delay_us < stats.target_us + 20_000 && stats.compressed > 0, "{stats:?}");
}

/// What came late by a whole second and more, at once, is more than may wait: the newest is heard.
#[test]
fn a_flood_is_cut_to_what_may_wait() {
    let mut talk = Talk::new(Settings { most: at(200 * MS), ..Settings::default() });
    talk.go(0..50);
    for _ in 0..40 {
        talk.pull();
    }
    for number in 50..90 {
        talk.packet(number, usize::from(number) * 160);
    }
    talk.go(90..93);
    let stats = talk.playout.stats();
    assert!(stats.dropped > 20 && stats.delay_us <= 220_000, "{stats:?}");
    let last = usize::try_from(*talk.heard.last().unwrap() - 1000).unwrap();
    assert!((93 * 160 - last) as u64 * MS / 8 < 250 * MS, "{last}");
    // More than can be kept.
    for number in 100..400 {
        talk.packet(number, usize::from(number) * 160);
    }
    assert!(talk.playout.queue.len() <= queue::PACKETS);
    talk.go(400..410);
    assert!(talk.playout.stats().delay_us <= 220_000);
}

/// A phone that held the call sends on as if no time had passed.
#[test]
fn a_pause_without_timestamps_is_forgotten() {
    let mut talk = Talk::new(Settings::default());
    talk.go(0..50);
    for _ in 0..500 {
        talk.pull();
    }
    assert_eq!(talk.pull(), Pulled { silence: 160, ..Pulled::default() });
    talk.go(50..60);
    let stats = talk.playout.stats();
    assert!(stats.delay_us < 60_000 && stats.lost == 0, "{stats:?}");
    assert_eq!(*talk.heard.last().unwrap(), sample(60 * 160 - 161));
}

/// A gap in the timestamps but not in the numbers is silence of the sender's.
#[test]
fn silence_that_was_not_sent_is_no_loss() {
    let mut talk = Talk::new(Settings::default());
    talk.go(0..20);
    for _ in 0..30 {
        talk.pull();
    }
    for number in 20..30 {
        talk.packet(number, usize::from(number + 30) * 160);
        talk.pull();
    }
    let stats = talk.playout.stats();
    assert_eq!((stats.lost, stats.late, stats.belated, stats.expanded + stats.compressed), (0, 0, 0, 0));
    assert_eq!(*talk.heard.last().unwrap(), sample(60 * 160 - 161));
}

/// A key is pressed for 200 ms: ten packets that are not sound.
#[test]
fn telephone_events_are_no_loss() {
    let mut talk = Talk::new(Settings::default());
    talk.go(0..20);
    for number in 20..30 {
        assert_eq!(talk.other(number), Inserted::Kept);
        assert_eq!(talk.other(number), Inserted::Duplicate);
        talk.pull();
    }
    talk.go(30..40);
    let stats = talk.playout.stats();
    assert_eq!((stats.lost, stats.late, stats.belated, stats.malformed), (0, 0, 0, 0), "{stats:?}");
    assert!(*talk.heard.last().unwrap() >= sample(40 * 160 - 481));
    // One before an event is lost, and one behind it.
    talk.go(40..50);
    talk.other(51);
    talk.pull();
    talk.pull();
    talk.go(53..60);
    assert_eq!(talk.playout.stats().lost, 2);
    assert!(*talk.heard.last().unwrap() >= sample(60 * 160 - 481));
}

/// Events without end, each as far ahead as may be: what lies between them and the next sound leaves 64 bits.
#[test]
fn events_without_end_are_no_time_without_end() {
    let mut playout = Playout::new(8000, Settings::default());
    let second = [[0xd0; 33]; 50];
    let packet = |sequence: u16| Packet {
        sequence,
        timestamp: 0,
        content: Encoding::Gsm.into(),
        payload: second.as_flattened(),
    };
    assert_eq!(playout.insert(at(0), packet(0)), Inserted::Kept);
    let mut sequence = 0_u16;
    for _ in 0..3_100_000 {
        sequence = sequence.wrapping_add(3000);
        playout.insert_other(at(20 * MS), sequence);
    }
    assert_eq!(playout.insert(at(40 * MS), packet(sequence.wrapping_add(1))), Inserted::Full);
    let mut pcm = Vec::new();
    playout.pull(at(60 * MS), 160, &mut pcm);
    assert_eq!(pcm.len(), 160);
}

/// One is lost before an event, and behind that noise is described, at the time at which the sound ended.
#[test]
fn noise_behind_what_was_given_up_is_heard() {
    let mut talk = Talk::new(Settings::default());
    talk.go(0..20);
    talk.other(21);
    (0..5).for_each(|_| _ = talk.pull());
    talk.send(22, 20 * 160, Content::Noise { clock: 8000 }, &[40]);
    talk.pull();
    assert_eq!(talk.pull().noise, 160, "{:?}", talk.playout.stats());
}

#[test]
fn noise_that_was_described_is_heard_until_the_next_packet() {
    let mut talk = Talk::new(Settings::default());
    talk.go(0..20);
    talk.send(20, 20 * 160, Content::Noise { clock: 8000 }, &[40]);
    talk.pull();
    let before = talk.pulled;
    for _ in 0..100 {
        talk.pull();
    }
    assert_eq!(talk.pulled.noise - before.noise, 16_000);
    for number in 21..40 {
        talk.packet(number, usize::from(number + 100) * 160);
        talk.pull();
    }
    assert_eq!(talk.pulled.concealed, before.concealed);
    // Joined on where it fitted, not quite to the sample.
    let last = *talk.heard.last().unwrap();
    assert!((sample(140 * 160 - 241)..=sample(140 * 160 - 161)).contains(&last), "{last}");
}

#[test]
fn packets_may_change_in_length_and_encoding() {
    let mut talk = Talk::new(Settings { least: at(60 * MS), ..Settings::default() });
    let mut first = 0;
    for number in 0..120_u16 {
        let samples = [80, 160, 320, 480][usize::from(number / 7 % 4)];
        talk.packet_of(number, first, samples);
        first += samples;
        while talk.heard.len() + 160 <= first {
            talk.pull();
        }
    }
    // A ramp is like itself everywhere, so time may be scaled anywhere in it.
    let stats = talk.playout.stats();
    let whole = talk.sound().windows(2).filter(|pair| pair[1] == pair[0] + 1).count();
    assert!(whole as u64 + 4 * (stats.expanded + stats.compressed) >= talk.sound().len() as u64, "{stats:?}");
    assert_eq!((talk.pulled.concealed, stats.lost, stats.late), (0, 0, 0));

    let mut talk = Talk::new(Settings { least: at(40 * MS), ..Settings::default() });
    for number in 0..60_u16 {
        let law = number / 10 % 2 == 0;
        let code = if law { g711::mu_encode(5000) } else { g711::a_encode(5000) };
        let encoding = if law { Encoding::Pcmu } else { Encoding::Pcma };
        talk.send(number, u32::from(number) * 160, encoding.into(), &[code; 160]);
        talk.pull();
    }
    let (least, most) = (talk.sound().iter().min(), talk.sound().iter().max());
    assert!(least > Some(&4800) && most < Some(&5200), "{least:?} {most:?}");
    // A fade at each of the five changes.
    assert!(talk.pulled.concealed <= 5 * 60 && talk.playout.stats().lost == 0, "{:?}", talk.pulled);
}

/// Timestamps that do not move, run twice as fast, or say anything: the sound is heard as it comes.
#[test]
fn timestamps_that_make_no_sense_are_not_believed() {
    for (name, step) in
        [("none", 0), ("double", 320), ("back", 0_u32.wrapping_sub(160)), ("wild", 0x5432_1987)]
    {
        let mut talk = Talk::new(Settings::default());
        for number in 0..300_u16 {
            talk.send(number, u32::from(number).wrapping_mul(step), Encoding::Pcmu.into(), &[0x90; 160]);
            talk.pull();
        }
        let stats = talk.playout.stats();
        assert_eq!((stats.lost, stats.late, stats.dropped), (0, 0, 0), "{name} {stats:?}");
        assert!(talk.pulled.sound > 290 * 160 && stats.delay_us < 60_000, "{name} {stats:?}");
    }
}

#[test]
fn a_new_source_is_heard_at_once() {
    let mut talk = Talk::new(Settings::default());
    talk.go(0..50);
    talk.playout.restart();
    for number in 0..20_u16 {
        talk.packet(number + 20_000, usize::from(number) * 160 + 1_000_000);
        talk.pull();
    }
    let stats = talk.playout.stats();
    assert_eq!((stats.restarts, stats.lost, stats.late), (1, 0, 0));
    assert_eq!(*talk.heard.last().unwrap(), sample(1_000_000 + 20 * 160 - 161));
    // And so is one that counts anew under the same name, from its second packet on.
    assert_eq!(talk.packet(40_000, 160), Inserted::Astray);
    assert_eq!(talk.packet(40_001, 320), Inserted::Restarted);
    assert_eq!(talk.packet(40_002, 480), Inserted::Kept);
    // A stray one alone does no harm.
    assert_eq!(talk.packet(10, 160), Inserted::Astray);
    assert_eq!(talk.packet(40_003, 640), Inserted::Kept);
}

#[test]
fn what_is_malformed_is_refused() {
    let mut talk = Talk::new(Settings::default());
    let odd = Encoding::L16 { rate: 8000 }.into();
    assert_eq!(talk.send(0, 0, odd, &[1, 2, 3]), Inserted::Malformed);
    assert_eq!(talk.send(0, 0, odd, &[]), Inserted::Malformed);
    assert_eq!(talk.send(0, 0, Encoding::Pcmu.into(), &[0; queue::PAYLOAD + 1]), Inserted::Malformed);
    assert_eq!(talk.send(0, 0, Content::Noise { clock: 0 }, &[]), Inserted::Malformed);
    // One that lasts an hour.
    assert_eq!(talk.send(0, 0, Encoding::L16 { rate: 1 }.into(), &[0; 4000]), Inserted::Malformed);
    assert_eq!(talk.playout.stats().malformed, 5);
    talk.go(0..20);
    assert!(talk.is_whole());
}

/// The wait grows in a second when the network becomes uneven, and shrinks again in some ten when it is even.
#[test]
fn the_wait_follows_the_network() {
    let mut playout = Playout::new(8000, Settings::default());
    let mut pcm = Vec::new();
    let mut targets = Vec::new();
    // By the index of the packet: how late it is.
    let late = |index: u64| if (500..1000).contains(&index) { index * 37 % 80 } else { 0 };
    let mut events: Vec<(u64, u64)> =
        (0..6000).map(|index| (index * 20 * MS + late(index) * MS, index)).collect();
    events.sort_unstable();
    let mut events = events.into_iter().peekable();
    for pull in 0..6000 {
        let now = (pull * 20 + 10) * MS;
        while let Some((arrival, index)) = events.next_if(|(arrival, _)| *arrival <= now) {
            let packet = Packet {
                sequence: index as u16,
                timestamp: index as u32 * 160,
                content: Encoding::Pcmu.into(),
                payload: &[0xff; 160],
            };
            playout.insert(at(arrival), packet);
        }
        pcm.clear();
        playout.pull(at(now), 160, &mut pcm);
        targets.push(playout.stats().target_us / 1000);
    }
    assert!(targets[490] <= 12, "{}", targets[490]);
    assert!(
        (76..=84).contains(&targets[560]) && (76..=84).contains(&targets[990]),
        "{} {}",
        targets[560],
        targets[990]
    );
    assert!(targets[5999] <= 12, "{}", targets[5999]);
    assert!(playout.stats().delay_us < 40_000);
}

#[test]
fn buffers_do_not_grow_once_they_have() {
    let mut talk = Talk::new(Settings::default());
    talk.go(0..400);
    let sizes = |talk: &Talk| (talk.playout.scratch.capacity(), talk.playout.line.capacity());
    let before = sizes(&talk);
    talk.go(400..1000);
    assert_eq!(sizes(&talk), before, "{:?}", talk.playout.stats());
}

/// Whatever the decoder's rate is, and whenever the listener's changes: the tone goes on without a corner.
#[test]
fn sound_is_brought_to_the_rate_of_the_listener() {
    let payload = |number: usize| -> Vec<u8> {
        (0..160)
            .map(|index| {
                let phase = (number * 160 + index) as f64 * 500.0 / 8000.0 * std::f64::consts::TAU;
                g711::mu_encode((phase.sin() * 10_000.0) as i16)
            })
            .collect()
    };
    for (rate, corner) in [(8000_u32, 2200), (16_000, 600), (48_000, 130)] {
        let mut playout = Playout::new(rate, Settings::default());
        let mut pcm = Vec::new();
        let samples = rate as usize / 50;
        for number in 0..200 {
            let packet = Packet {
                sequence: number as u16,
                timestamp: number * 160,
                content: Encoding::Pcmu.into(),
                payload: &payload(number as usize),
            };
            let now = u64::from(number) * 20 * MS;
            playout.insert(at(now), packet);
            playout.pull(at(now + MS), samples, &mut pcm);
        }
        assert_eq!(pcm.len(), 200 * samples);
        let corners = pcm[10 * samples..]
            .windows(3)
            .map(|w| (i32::from(w[0]) - 2 * i32::from(w[1]) + i32::from(w[2])).abs());
        assert!(corners.max() < Some(corner), "{rate}");
        let loudest = pcm.iter().skip(10 * samples).max();
        assert!((9700..10_400).contains(loudest.unwrap()), "{rate} {loudest:?}");
        assert_eq!(playout.stats().concealed, 0);
        // The other rates give as many samples as are asked for, at once.
        for rate in [16_000, 8000, 44_100] {
            playout.set_rate(rate);
            let now = 4000 * MS;
            playout.insert(
                at(now),
                Packet {
                    sequence: 200,
                    timestamp: 200 * 160,
                    content: Encoding::Pcmu.into(),
                    payload: &payload(200),
                },
            );
            pcm.clear();
            playout.pull(at(now), 1000, &mut pcm);
            assert_eq!(pcm.len(), 1000);
        }
    }
}

/// Clocks that are apart by 200 millionths, for an hour: the delay is at the end what it was at the beginning, and no
/// packet is late or left out.
#[test]
fn an_hour_of_drift_adds_no_delay() {
    // Nanoseconds from packet to packet.
    for interval in [20 * MS - 4000, 20 * MS + 4000] {
        let mut playout = Playout::new(8000, Settings::default());
        let (mut pcm, mut delays) = (Vec::new(), Vec::new());
        let mut sent = 0;
        for pull in 0..180_000 {
            let now = pull * 20 * MS;
            while sent * interval <= now {
                let packet = Packet {
                    sequence: sent as u16,
                    timestamp: (sent as u32).wrapping_mul(160),
                    content: Encoding::Pcmu.into(),
                    payload: &[0xff; 160],
                };
                playout.insert(at(sent * interval), packet);
                sent += 1;
            }
            pcm.clear();
            playout.pull(at(now), 160, &mut pcm);
            delays.push(playout.stats().delay_us);
        }
        let stats = playout.stats();
        assert_eq!((stats.lost, stats.late, stats.belated, stats.dropped), (0, 0, 0, 0), "{stats:?}");
        // From the second minute on.
        assert!(delays[3000..].iter().all(|delay| *delay < 45_000), "{stats:?}");
        // 200 millionths of an hour are 720 ms.
        let scaled = if interval < 20 * MS { stats.compressed } else { stats.expanded };
        assert!((5600..6400).contains(&scaled), "{stats:?}");
    }
}

/// One that is written down and read back at every step goes on as if nothing had happened.
#[cfg(feature = "serde")]
#[test]
fn a_copy_goes_on_alike() {
    let mut talk = Talk::new(Settings::default());
    let mut copy = Talk::new(Settings::default());
    for number in 0..400_u16 {
        for talk in [&mut talk, &mut copy] {
            match number % 23 {
                5 => {}
                7 => drop(talk.send(
                    number,
                    u32::from(number) * 160,
                    Content::Noise { clock: 8000 },
                    &[50, 90],
                )),
                8..10 => {
                    let _ = talk.send(number, u32::from(number) * 160, Encoding::G722.into(), &[0x5a; 160]);
                }
                _ => drop(talk.packet(number, usize::from(number) * 160)),
            }
            talk.pull();
        }
        let written = postcard::to_stdvec(&copy.playout).unwrap();
        copy.playout = postcard::from_bytes(&written).unwrap();
    }
    assert!(talk.heard == copy.heard);
    assert_eq!(talk.playout.stats(), copy.playout.stats());
}

#[derive(Clone, Debug)]
enum Act {
    Packet {
        sequence: u16,
        timestamp: u32,
        content: Content,
        length: usize,
    },
    Follow {
        steps: u16,
        length: usize,
    },
    Pull(usize),
    Wait(u64),
    Jump(u64),
    Restart,
    Other,
    /// Something of so many ticks before.
    Again(u16, usize),
    Rate(u32),
}

fn contents() -> impl Strategy<Value = Content> {
    prop_oneof![
        4 => Just(Content::Sound(Encoding::Pcmu)),
        1 => Just(Content::Sound(Encoding::Pcma)),
        1 => Just(Content::Sound(Encoding::G722)),
        1 => any::<u32>().prop_map(|rate| Content::Sound(Encoding::L16 { rate })),
        1 => Just(Content::Sound(Encoding::L16 { rate: 8000 })),
        1 => any::<u32>().prop_map(|clock| Content::Noise { clock }),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (any::<u16>(), any::<u32>(), contents(), 0_usize..6000)
            .prop_map(|(sequence, timestamp, content, length)| Act::Packet { sequence, timestamp, content, length }),
        8 => (0_u16..4, 1_usize..500).prop_map(|(steps, length)| Act::Follow { steps, length }),
        1 => (0_u16..4000, 1_usize..5700).prop_map(|(steps, length)| Act::Follow { steps, length }),
        8 => (0_usize..500).prop_map(Act::Pull),
        4 => (0_u64..100 * MS).prop_map(Act::Wait),
        1 => any::<u64>().prop_map(Act::Jump),
        1 => Just(Act::Restart),
        2 => Just(Act::Other),
        4 => (0_u16..1000, 1_usize..500).prop_map(|(offset, length)| Act::Again(offset, length)),
        1 => prop::sample::select(vec![0, 1, 8000, 16_000, 48_000]).prop_map(Act::Rate),
    ]
}

proptest! {
    /// Whatever comes whenever: as many samples as were asked for, and bounded memory.
    #[test]
    fn anything_may_happen(
        acts in prop::collection::vec(acts(), 1..200),
        least in 0_u64..3000 * MS,
        most in 0_u64..3000 * MS,
        rate in prop::sample::select(vec![8000, 16_000, 48_000]),
    ) {
        let mut playout = Playout::new(rate, Settings { least: at(least), most: at(most), ..Settings::default() });
        let (mut now, mut number, mut ticks, mut pcm) = (0_u64, 0_u16, 0_u32, Vec::new());
        let payload = [0x5a; 6000];
        for act in acts {
            match act {
                Act::Packet { sequence, timestamp, content, length } => {
                    let packet =
                        Packet { sequence, timestamp, content, payload: &payload[..length] };
                    playout.insert(at(now), packet);
                }
                Act::Follow { steps, length } => {
                    number = number.wrapping_add(steps);
                    ticks = ticks.wrapping_add(u32::from(steps) * length as u32);
                    let packet = Packet {
                        sequence: number,
                        timestamp: ticks,
                        content: Encoding::Pcmu.into(),
                        payload: &payload[..length],
                    };
                    playout.insert(at(now), packet);
                }
                Act::Pull(samples) => {
                    pcm.clear();
                    let pulled = playout.pull(at(now), samples, &mut pcm);
                    prop_assert_eq!(pcm.len(), samples);
                    prop_assert_eq!(pulled.sound + pulled.concealed + pulled.noise + pulled.silence, samples);
                }
                Act::Wait(time) => now = now.saturating_add(time),
                Act::Jump(time) => now = time,
                Act::Restart => playout.restart(),
                Act::Other => {
                    number = number.wrapping_add(1);
                    playout.insert_other(at(now), number);
                }
                Act::Again(offset, length) => {
                    let content = Encoding::Pcmu.into();
                    let payload = &payload[..length];
                    let packet = Packet { sequence: number, timestamp: ticks, content, payload };
                    playout.insert_again(at(now), packet, offset);
                }
                Act::Rate(rate) => playout.set_rate(rate),
            }
            prop_assert!(playout.queue.len() <= queue::PACKETS);
            prop_assert!(playout.line.capacity() < 400_000);
            prop_assert!(playout.scratch.capacity() < 400_000);
            let stats = playout.stats();
            prop_assert!(stats.concealed + stats.noise + stats.silence <= stats.samples, "{:?}", stats);
        }
    }
}
