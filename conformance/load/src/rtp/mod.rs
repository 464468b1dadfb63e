//! Media: one UDP socket per leg, one thread that sends for every leg each 20 ms (the legs spread over the 20 ms) and
//! one that receives. Arrival times are the kernel's, so that a late thread does not count as latency of the server.

mod receive;
mod send;

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;

pub use receive::Received;
pub use send::Sent;

use crate::audio::Codec;
use crate::sys;

const STAMP_MAGIC: u32 = 0x544c_5842;
const PERIOD_NS: u64 = 20_000_000;
/// Octets of audio in a packet.
const FRAME: usize = 160;
/// A stream has a marker every so many packets.
const MARKER_EVERY: u32 = 25;
/// Of the tone between markers, and of the tone that is looked for.
const AMPLITUDE: f64 = 300.0;
const TONE_AMPLITUDE: f64 = 1000.0;
/// Packets in sequence of each stream that are kept to be judged.
const JUDGED: usize = 50;
/// Room for many seconds of audio at each socket: the receiver may be starved of CPU.
const SOCKET_ROOM: usize = 1 << 20;

/// What the payload carries besides a tone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Send time, stream and number: exact loss and latency of every packet, where the payload passes through.
    Stamp,
    /// A loud coded frame now and then, where the server transcodes.
    Marker,
    /// Nothing but the tone, which is looked for in what is heard, where all is decoded.
    Tone,
    /// Nothing.
    None,
}

/// One end of a call.
pub struct Leg {
    pub socket: UdpSocket,
    pub port: u16,
    /// Address and port of the far end (`ip << 16 | port`); 0 while the leg does not send.
    pub target: AtomicU64,
    /// Number of the stream the leg sends; `u32::MAX` before the first.
    pub stream: AtomicU32,
    pub codec: Codec,
}

/// What the threads share with the calls.
pub struct Shared {
    pub legs: Vec<Leg>,
    pub stop: AtomicBool,
    /// Packets sent while this is set are the ones counted.
    pub measuring: AtomicBool,
    pub window_start: AtomicU64,
    pub window_end: AtomicU64,
    pub probe: Probe,
    marker_sent: Vec<AtomicU64>,
}

impl Shared {
    /// Nothing measured yet.
    pub fn new(legs: Vec<Leg>, probe: Probe) -> Self {
        Self {
            legs,
            stop: AtomicBool::new(false),
            measuring: AtomicBool::new(false),
            window_start: AtomicU64::new(u64::MAX),
            window_end: AtomicU64::new(u64::MAX),
            probe,
            marker_sent: (0..=u16::MAX).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Counts from now on.
    pub fn open_window(&self) {
        self.window_end.store(u64::MAX, Ordering::Release);
        self.window_start.store(sys::real_ns(), Ordering::Release);
        self.measuring.store(true, Ordering::Release);
    }

    /// Counts no longer.
    pub fn close_window(&self) {
        self.measuring.store(false, Ordering::Release);
        self.end_window();
    }

    /// Ends the span of time in which packets are counted, while those sent go on being marked.
    pub fn end_window(&self) {
        self.window_end.store(sys::real_ns(), Ordering::Release);
    }

    fn in_window(&self, time: u64) -> bool {
        time >= self.window_start.load(Ordering::Relaxed) && time < self.window_end.load(Ordering::Relaxed)
    }
}

/// The running threads.
pub struct Media {
    pub shared: Arc<Shared>,
    sender: JoinHandle<Sent>,
    receiver: JoinHandle<Received>,
}

impl Media {
    /// Starts both threads.
    pub fn start(shared: Arc<Shared>, real_time: bool) -> Self {
        let (for_sender, for_receiver) = (shared.clone(), shared.clone());
        Self {
            shared,
            sender: std::thread::spawn(move || send::run(&for_sender, real_time)),
            receiver: std::thread::spawn(move || receive::run(&for_receiver)),
        }
    }

    /// Stops them.
    pub fn stop(self) -> (Sent, Received) {
        self.shared.stop.store(true, Ordering::Release);
        let sent = self.sender.join();
        let received = self.receiver.join();
        (sent.expect("a panic ends the process"), received.expect("a panic ends the process"))
    }
}

/// Binds `count` sockets on even ports from `base` upwards, passing over those in use.
pub fn make_legs(
    ip: Ipv4Addr,
    base: u16,
    count: usize,
    codec: impl Fn(usize) -> Codec,
) -> std::io::Result<Vec<Leg>> {
    let mut legs = Vec::with_capacity(count);
    let mut port = u32::from(base);
    while legs.len() < count {
        let number = u16::try_from(port).ok().filter(|number| *number < u16::MAX);
        let number = number.ok_or_else(|| std::io::Error::other("out of RTP ports"))?;
        if let Ok(socket) = UdpSocket::bind((ip, number)) {
            socket.set_nonblocking(true)?;
            sys::note_arrivals(&socket)?;
            sys::receive_room(&socket, SOCKET_ROOM);
            legs.push(Leg {
                socket,
                port: number,
                target: AtomicU64::new(0),
                stream: AtomicU32::new(u32::MAX),
                codec: codec(legs.len()),
            });
        }
        port += 2;
    }
    Ok(legs)
}

/// The element of that number, made if it is not there.
fn grow<T: Clone + Default>(list: &mut Vec<T>, number: usize) -> &mut T {
    if list.len() <= number {
        list.resize(number + 1, T::default());
    }
    &mut list[number]
}
