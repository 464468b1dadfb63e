//! A scripted caller: calls the echo test and listens for its own voice.
//!
//! The telephone is a [`UserAgent`](telex_engine::agent::UserAgent), the engine's transactions and dialogs without its
//! exchange. The voice is a second of packets whose payload nobody else could send; each must come back as it went.
//!
//! ```text
//! cargo run -p telex-examples --bin echo_caller 192.168.1.50:5060 100 secret
//! ```
//!
//! calls `*43` at that exchange as extension 100. Without arguments it starts an exchange of its own on this host, on
//! threads and blocking sockets. It ends with 0 when the echo was heard.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use telex_engine::agent::{AgentConfig, AgentEvent, CallHandle, Server};
use telex_engine::border::Transport;
use telex_engine::config::{Config, Credentials, Phone as Known};
use telex_engine::offer::{self, Codec, Direction, Local};
use telex_engine::rtp::{Header, Packet};
use telex_examples::exchange::{self, Exchange};
use telex_examples::{Phone, facing};

/// Packets sent: one second of voice.
const PACKETS: u16 = 50;
/// Milliseconds of voice in each.
const PTIME: u64 = 20;
/// Octets of PCMU in each.
const OCTETS: usize = 160;
/// How long one may wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [address, user, password] => call(address.parse()?, user, password),
        [] => {
            let mut config = Config::default();
            let credentials = Some(Credentials::from_password("100", &config.realm, "secret"));
            config.phones.insert("100".into(), Known { credentials, ..Known::default() });
            let exchange = Exchange::start(config, ([127, 0, 0, 1], 0).into())?;
            let result = call(exchange.address, "100", "secret");
            exchange.stop();
            result
        }
        _ => Err("usage: echo_caller [ADDRESS USER PASSWORD]".into()),
    }
}

/// The script.
fn call(address: SocketAddr, user: &str, password: &str) -> Result<(), Box<dyn Error>> {
    let local = facing(address)?;
    let [rtp, _rtcp] = exchange::pair(local.ip())?;
    let said = Local { address: local.ip(), port: rtp.local_addr()?.port(), session_id: 1, version: 1 };
    let codec = Codec::new(0, "PCMU", 8000);
    let offer = offer::write_offer(&said, &[codec], Direction::SendRecv, offer::Ptime::default());

    let mut phone = Phone::new(AgentConfig::new(user, "telex", password), local)?;
    let server = Server { transport: Transport::Udp, address };
    let uri = format!("sip:*43@{address}");
    let call = phone.order(|agent, now, out| agent.call(now, server, &uri, offer, out));
    let call = call.ok_or("there is no way to the exchange")?;
    let remote = answered(&mut phone)?;
    println!("answered: voice goes to {remote}");

    // The telephone has to be served while the voice is under way.
    let voice = thread::spawn(move || talk(&rtp, remote));
    while !voice.is_finished() {
        if let Some(event) = phone.wait(Duration::from_millis(100))?.pop() {
            return Err(format!("the call did not last: {event:?}").into());
        }
    }
    let echoed = voice.join().map_err(|_| "the voice failed")??;
    hang_up(&mut phone, call)?;

    let mean = echoed.values().sum::<Duration>() / u32::try_from(echoed.len().max(1))?;
    let longest = echoed.values().max().copied().unwrap_or_default();
    println!(
        "{PACKETS} packets sent, {} echoed, round trip {mean:.1?} on average, {longest:.1?} at most",
        echoed.len()
    );
    if echoed.len() == usize::from(PACKETS) { Ok(()) } else { Err("some of the echo is missing".into()) }
}

/// Waits for the answer; gives where it wants the voice.
fn answered(phone: &mut Phone) -> Result<SocketAddr, Box<dyn Error>> {
    loop {
        let events = phone.wait(PATIENCE)?;
        if events.is_empty() {
            return Err("nobody answers".into());
        }
        for event in events {
            match event {
                AgentEvent::Answered { body, .. } => {
                    let description = offer::read(&body)?;
                    let remote = description.audio().and_then(|audio| audio.remote());
                    return Ok(remote.ok_or("the answer wants no voice")?);
                }
                AgentEvent::Progress { status, .. } => println!("{status}"),
                other => return Err(format!("no answer: {other:?}").into()),
            }
        }
    }
}

fn hang_up(phone: &mut Phone, call: CallHandle) -> Result<(), Box<dyn Error>> {
    phone.order(|agent, now, out| agent.hang_up(now, call, out));
    let end = Instant::now() + PATIENCE;
    while !phone.is_idle() {
        phone.wait(Duration::from_millis(10))?;
        if Instant::now() > end {
            return Err("the exchange does not answer to BYE".into());
        }
    }
    Ok(())
}

/// Sends the voice in time and takes the echo of each packet; gives the round trips of those whose payload came back.
fn talk(socket: &UdpSocket, remote: SocketAddr) -> io::Result<BTreeMap<u16, Duration>> {
    let start = Instant::now();
    let mut sent = Vec::new();
    let mut echoed = BTreeMap::new();
    for frame in 0..PACKETS {
        let header = Header {
            marker: frame == 0,
            payload_type: 0,
            sequence: frame,
            timestamp: u32::from(frame) * 160,
            ssrc: 0x7e1e_0043,
        };
        socket.send_to(&[&header.to_bytes()[..], &payload(frame)].concat(), remote)?;
        sent.push(Instant::now());
        let next = start + Duration::from_millis(PTIME * u64::from(frame + 1));
        listen(socket, next, &sent, &mut echoed)?;
    }
    // The last ones are still under way.
    listen(socket, Instant::now() + Duration::from_secs(1), &sent, &mut echoed)?;
    Ok(echoed)
}

/// Takes what comes back until then, or until everything that was sent has.
fn listen(
    socket: &UdpSocket,
    until: Instant,
    sent: &[Instant],
    echoed: &mut BTreeMap<u16, Duration>,
) -> io::Result<()> {
    let mut buffer = [0; 2048];
    while echoed.len() < sent.len() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left))?;
        let Ok((length, _)) = socket.recv_from(&mut buffer) else { continue };
        let Ok(packet) = Packet::parse(&buffer[..length]) else { continue };
        let mut frames = (0..).zip(sent);
        if let Some((frame, at)) = frames.find(|&(frame, _)| packet.payload == payload(frame)) {
            echoed.entry(frame).or_insert_with(|| at.elapsed());
        }
    }
    // Voice keeps its pace whatever comes back.
    if sent.len() < usize::from(PACKETS) {
        thread::sleep(until.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// What only we say in this frame.
fn payload(frame: u16) -> [u8; OCTETS] {
    let [high, low] = frame.to_be_bytes();
    std::array::from_fn(|i| if i % 2 == 0 { high ^ 0x5a } else { low.wrapping_mul(31) ^ 0xa5 })
}
