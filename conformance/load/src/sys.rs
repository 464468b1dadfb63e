//! What the standard library has not: clocks, the kernel's receive times, larger buffers.

use std::io::IoSliceMut;
use std::mem;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

use rustix::net::sockopt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * SECOND + time.tv_nsec as u64
}

/// Wall time in nanoseconds, the clock of the kernel's receive times.
pub fn real_ns() -> u64 {
    nanos(ClockId::Realtime)
}

/// Nanoseconds of the clock that never jumps.
pub fn mono_ns() -> u64 {
    nanos(ClockId::Monotonic)
}

/// CPU time of this thread in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    nanos(ClockId::ThreadCPUTime)
}

/// CPU time of this process in nanoseconds.
pub fn own_cpu_ns() -> u64 {
    nanos(ClockId::ProcessCPUTime)
}

/// CPU time of all threads of a process in nanoseconds.
pub fn process_cpu_ns(pid: u32) -> Option<u64> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` is valid for writing during the call.
    if unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock) } != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing during the call.
    let failed = unsafe { libc::clock_gettime(clock, &mut time) } != 0;
    (!failed).then(|| time.tv_sec as u64 * SECOND + time.tv_nsec as u64)
}

/// Sleeps until the monotonic clock shows `at`.
pub fn sleep_until(at: u64) {
    let at = Timespec { tv_sec: (at / SECOND) as i64, tv_nsec: (at % SECOND) as _ };
    let _ = clock_nanosleep_absolute(ClockId::Monotonic, &at);
}

/// Gives this thread real-time priority, if the system lets it.
pub fn real_time() -> bool {
    let priority = libc::sched_param { sched_priority: 10 };
    // SAFETY: `priority` is valid for reading during the call; 0 is this thread.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &priority) == 0 }
}

/// Raises the number of descriptors to what the system allows.
pub fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Makes room for `octets` waiting to be read; beyond the system's limit when privileged.
pub fn receive_room(socket: &UdpSocket, octets: usize) {
    if sockopt::set_socket_recv_buffer_size_force(socket, octets).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(socket, octets);
    }
}

/// Makes room for `octets` waiting to be sent; beyond the system's limit when privileged.
pub fn send_room(socket: &UdpSocket, octets: usize) {
    if sockopt::set_socket_send_buffer_size_force(socket, octets).is_err() {
        let _ = sockopt::set_socket_send_buffer_size(socket, octets);
    }
}

/// Has the kernel note when each datagram arrived.
pub fn note_arrivals(socket: &UdpSocket) -> std::io::Result<()> {
    let on: libc::c_int = 1;
    let length = size_of_val(&on) as libc::socklen_t;
    // SAFETY: `on` is valid for reading `length` octets during the call, and the descriptor is open.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            ptr::from_ref(&on).cast(),
            length,
        )
    };
    if status == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Reads one datagram without waiting: its length and when the kernel got it, in wall time.
pub fn receive(socket: &UdpSocket, room: &mut [u8]) -> Option<(usize, Option<u64>)> {
    let mut control = [0u64; 32];
    let mut slice = IoSliceMut::new(room);
    // SAFETY: of integers and pointers only, for which zero is a value.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    // `IoSliceMut` is laid out as an iovec.
    header.msg_iov = ptr::from_mut(&mut slice).cast();
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    // SAFETY: `header` leads to `room` and `control`, both of the lengths given and borrowed past the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut header, libc::MSG_DONTWAIT) };
    let length = usize::try_from(length).ok()?;
    let mut arrived = None;
    // SAFETY: the kernel filled `control`, which is aligned for its headers and outlives the walk; the macros stay
    // inside `msg_controllen`. A timestamp's data is a timespec, read without regard to alignment.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(&header);
        while !next.is_null() {
            if (*next).cmsg_level == libc::SOL_SOCKET && (*next).cmsg_type == libc::SCM_TIMESTAMPNS {
                let time: libc::timespec = ptr::read_unaligned(libc::CMSG_DATA(next).cast());
                arrived = Some(time.tv_sec as u64 * SECOND + time.tv_nsec as u64);
            }
            next = libc::CMSG_NXTHDR(&header, next);
        }
    }
    Some((length, arrived))
}
