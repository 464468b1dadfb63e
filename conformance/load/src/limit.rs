//! What the kernel charges for a packet: one thread receives and sends on, as fast as it can, and does nothing else.
//! A relay costs at least that.

use std::net::UdpSocket;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use crate::json::Object;
use crate::sys;

/// Octets of a packet with 20 ms of G.711.
const PACKET: [u8; 172] = [0x80; 172];
const SPAN: Duration = Duration::from_secs(2);
/// Packets of a call in a second, both ways.
const OF_A_CALL: f64 = 100.0;
/// Sent at a time by the feeder, so that the relay never waits.
const BURST: usize = 64;

/// Prints the CPU time per packet, and the share of a core that a call would take.
pub fn run() -> std::io::Result<()> {
    let [feeder, ear, mouth, sink] = [(); 4].map(|()| UdpSocket::bind("127.0.0.1:0"));
    let (feeder, ear, mouth, sink) = (feeder?, ear?, mouth?, sink?);
    sys::receive_room(&ear, 8 << 20);
    ear.set_read_timeout(Some(Duration::from_millis(100)))?;
    let (target, from) = (sink.local_addr()?, ear.local_addr()?);
    let over = AtomicBool::new(false);
    let (packets, nanos) = thread::scope(|scope| {
        let relay = scope.spawn(|| {
            let (mut room, mut packets) = ([0u8; 2048], 0u64);
            let began = sys::thread_cpu_ns();
            while !over.load(Relaxed) {
                let Ok((length, _)) = ear.recv_from(&mut room) else { continue };
                packets += u64::from(mouth.send_to(&room[..length], target).is_ok());
            }
            (packets, sys::thread_cpu_ns() - began)
        });
        let end = Instant::now() + SPAN;
        while Instant::now() < end {
            for _ in 0..BURST {
                let _ = feeder.send_to(&PACKET, from);
            }
        }
        over.store(true, Relaxed);
        relay.join().expect("a panic ends the process")
    });
    let each = nanos as f64 / packets.max(1) as f64;
    let report = Object::default()
        .text("mode", "limit")
        .put("packets", packets)
        .put("ns_per_packet", format_args!("{each:.0}"))
        .put("cpu_pct_of_core_per_call", format_args!("{:.4}", each * OF_A_CALL / 1e7));
    println!("{}", report.end());
    Ok(())
}
