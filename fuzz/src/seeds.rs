//! The seeds of the parser targets, one folder each, from the messages of the RFCs in `../conformance/messages`.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use telex_audio::codec::{Encoder, Encoding, Settings};
use telex_audio::wav::{Layout, Store};
use telex_engine::sip::Message;

use crate::conversation::STEP;
use crate::targets;

/// Writes them.
pub fn write(folder: &Path) -> std::io::Result<()> {
    let mut seeds = Seeds { folder: folder.to_owned(), count: 0 };
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in fs::read_dir(home.join("../conformance/messages"))? {
        for file in fs::read_dir(folder?.path())? {
            message(&mut seeds, &fs::read(file?.path())?)?;
        }
    }
    media(&mut seeds)?;
    for file in fs::read_dir(home.join("../sim/plans"))? {
        seeds.put("plan", &fs::read(file?.path())?)?;
    }
    for (options, steps) in (0..).zip(CONVERSATIONS) {
        seeds.put("conversation", &[&[options % 2 * 9], steps.concat().as_slice()].concat())?;
    }
    for recording in targets::recording::seeds() {
        seeds.put("recording", &recording)?;
    }
    let sample = fs::read(home.join("../runtime-smol/src/config/sample.toml"))?;
    seeds.put("config", &sample)?;
    for plan in DIALPLANS {
        seeds.put("dialplan", plan.as_bytes())?;
    }
    for line in ["{\"do\":\"calls\"}\n", "{\"do\":\"hangup\",\"call\":7}\n", "{\"do\":\"stats\"}"] {
        seeds.put("control", line.as_bytes())?;
    }
    Ok(())
}

/// What a dialplan may consist of.
const DIALPLANS: [&str; 4] = [
    "[internal]\nexten => 100,1,Answer()\n same => n(menu),Background(welcome)\n same => n,WaitExten(5)\n\
     exten => _1XX/5551234,1,Dial(PJSIP/${EXTEN},20,tT)\nexten => 100,hint,PJSIP/100\nexten => t,1,Goto(100,menu)\n",
    "[general]\nstatic=yes\n[globals]\nTRUNK=carrier\n[base](!)\nignorepat => 9\n[a](base)\ninclude => b,9:00-17:00,mon-fri,*,*\n\
     [b]\nexten => _[1-5a-c]NZX.,1,Set(A=$[${LEN(${EXTEN})} + 1])\n same => n+2,GotoIf($[\"${A}\" = \"3\"]?done:1) ; on\n\
     [b](+)\n same => n(done),Hangup(16)\nexten => _0!,1,NoOp(\\;)\n",
    ";-- [a]\n --;[a]\nexten = s,1,Gosub(sub,s,1(${CALLERID(num)},x))\nsame = n,While($[${I} < 3])\nsame = n,EndWhile\n[sub]\n\
     exten = s,1,Set(LOCAL(I)=${ARG1:1:2})\nsame = n,ExecIf($[${I}]?NoOp(yes):Hangup())\nsame = n,Return(${I})\n",
    "*,mon-fri&sun,1-7,nov-feb,Europe/Berlin",
];

/// Calls and what may befall them, as steps: `conversation/steps.rs` says what each does.
const CONVERSATIONS: [&[[u8; STEP]]; 11] = {
    const ALICE: [u8; STEP] = [29, 0, 0, 0];
    const BOB: [u8; STEP] = [29, 1, 0, 0];
    // Alice calls Bob, who rings and answers; she acknowledges.
    const CALL: [u8; STEP] = [30, 0, 0, 7];
    const BYE: [u8; STEP] = [7, 0, 0, 0];
    [
        &[ALICE, BOB, CALL, [21, 0, 0, 0], [21, 1, 0, 0], [18, 4, 0, 0], BYE, [18, 7, 0, 0]],
        &[ALICE, BOB, CALL, [21, 0, 0xe0, 0], [18, 15, 0, 0], [7, 1, 0, 0]],
        // Hold and resume.
        &[
            ALICE,
            BOB,
            CALL,
            [7, 0, 1, 0x18],
            [2, 0, 0, 0],
            [5, 0, 0, 0],
            [7, 0, 1, 8],
            [2, 0, 0, 0],
            [5, 0, 0, 0],
        ],
        // Echo and tone.
        &[ALICE, [30, 0, 4, 4], [21, 0, 0xe0, 0], [18, 15, 0, 0], BYE],
        &[ALICE, [30, 0, 5, 4], [18, 5, 0, 0], [10, 0, 0, 0], BYE],
        // Given up while it rings.
        &[ALICE, BOB, [30, 0, 0, 1], [10, 0, 0, 0], [2, 0, 15, 0], [18, 9, 0, 0]],
        // Over a stream, which is closed in the middle.
        &[ALICE, [29, 2, 0, 0], [30, 0, 2, 7], [21, 0, 0, 0], BYE, [16, 2, 1, 0]],
        // To a host name.
        &[ALICE, [30, 0, 7, 7], BYE],
        // Media hears late that the exchange is stopping.
        &[
            ALICE,
            BOB,
            [29, 5, 0, 0],
            [30, 0, 0, 3],
            [23, 0, 0, 0],
            [5, 0, 0, 0],
            [28, 5, 201, 0],
            [18, 9, 0, 0],
        ],
        // Reliable provisional responses.
        &[ALICE, BOB, [1, 0, 0, 11], [1, 0, 0, 11], [2, 0, 1, 0], [7, 0, 3, 0], [2, 0, 0, 0], [5, 0, 0, 0]],
        // A device on a wire, and everything an operator may do.
        &[
            [30, 3, 1, 1],
            [27, 1, 0, 0],
            [27, 2, 1, 0],
            [24, 0, 0, 0],
            [25, 0, 0, 0],
            [26, 0, 0, 0],
            [28, 0, 3, 0],
        ],
    ]
};

struct Seeds {
    folder: PathBuf,
    count: usize,
}

impl Seeds {
    fn put(&mut self, target: &str, octets: &[u8]) -> std::io::Result<()> {
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder)?;
        self.count += 1;
        fs::write(folder.join(format!("seed-{:04}", self.count)), octets)
    }
}

fn message(seeds: &mut Seeds, octets: &[u8]) -> std::io::Result<()> {
    seeds.put("message", octets)?;
    seeds.put("peer", octets)?;
    seeds.put("framer", &[b"\x20", octets].concat())?;
    if let Ok(length) = u16::try_from(octets.len()) {
        // A datagram, and a segment, of a capture.
        for kind in [0, 1] {
            let head = [1, kind, 0x88, length.to_be_bytes()[0], length.to_be_bytes()[1]];
            seeds.put("capture", &[&head[..], octets].concat())?;
        }
    }
    let Ok(message) = Message::parse(Bytes::copy_from_slice(octets)) else { return Ok(()) };
    seeds.put("uri", message.request_uri().as_bytes())?;
    for header in message.headers() {
        if let Some(which) = targets::header::number(header.id) {
            seeds.put("header", &[&[which], header.value.as_bytes()].concat())?;
        }
        if header.name.to_ascii_lowercase().contains("auth") {
            seeds.put("digest", header.value.as_bytes())?;
        }
        if header.value.contains('@') {
            seeds.put("uri", header.value.as_bytes())?;
        }
    }
    if message.content_type().is_some_and(|t| t.is_ok_and(|t| t.is("application", "sdp"))) {
        seeds.put("sdp", message.body())?;
    }
    Ok(())
}

/// A packet of speech, a telephone event, STUN; reports.
fn media(seeds: &mut Seeds) -> std::io::Result<()> {
    let speech = [&[0x80, 0, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4][..], &[0xff; 160]].concat();
    let event = [0x80, 0xe5, 0, 2, 0, 0, 1, 0x40, 1, 2, 3, 4, 5, 0x8a, 3, 0x20];
    let stun = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    for packet in [&speech[..], &event[..], &stun[..]] {
        seeds.put("rtp", packet)?;
    }
    let description = [0x81, 202, 0, 2, 1, 2, 3, 4, 1, 1, b'a', 0];
    let receiver = [&[0x81, 201, 0, 7, 1, 2, 3, 4][..], &[9; 24], &description].concat();
    let sender = [
        &[0x81, 200, 0, 12, 1, 2, 3, 4][..],
        &[3; 20],
        &[9; 24],
        &description,
        &[0x81, 203, 0, 1, 1, 2, 3, 4],
    ]
    .concat();
    seeds.put("rtcp", &receiver)?;
    seeds.put("rtcp", &sender)?;
    sound(seeds)
}

/// Files and payloads as their own writers make them, and a playout that is fed in time.
fn sound(seeds: &mut Seeds) -> std::io::Result<()> {
    let tone: Vec<i16> = (0..960_i16).map(|n| (n % 40 - 20) * 500).collect();
    for store in [Store::Linear16, Store::ALaw, Store::MuLaw] {
        seeds.put("wav", &Layout { store, channels: 1, rate: 8000 }.file(&tone))?;
    }
    for (choice, encoding) in (0..).zip(Encoding::all()) {
        let mut encoder = Encoder::new(encoding, Settings { rate: 8000, ..Settings::default() });
        let mut octets = vec![choice, 0];
        for _ in 0..3 {
            let mut payload = Vec::new();
            let twenty = encoder.rate() as usize / 50;
            encoder.encode(tone.get(..twenty).unwrap_or(&tone), &mut payload);
            payload.truncate(255);
            octets.push(payload.len() as u8);
            octets.extend(payload);
        }
        seeds.put("sound", &octets)?;
        // A packet of it 20 ms later, and as much taken out.
        let kind = 5 | 0x40 | (choice & 7) << 3;
        let step = |n: u8| [[kind, 20, 1, choice & 8, 27, n], [2 | 0x40, 0, 1, 0, 0, 0]].concat();
        seeds.put("playout", &[&[0][..], &(0..20).flat_map(step).collect::<Vec<u8>>()].concat())?;
    }
    Ok(())
}
