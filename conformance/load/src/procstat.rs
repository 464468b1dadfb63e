//! CPU time and memory of a process, read from /proc, and the whole machine's idle share.

use std::collections::HashSet;
use std::fs;
use std::hint::black_box;
use std::net::Ipv4Addr;

use crate::json::Object;
use crate::sys;

/// The measured process and the machine at one moment; times in seconds.
#[derive(Clone, Copy, Default, Debug)]
pub struct Snap {
    /// User and system time, from the process's CPU clock (nanosecond grain).
    pub cpu: f64,
    user: f64,
    system: f64,
    /// What the process holds.
    pub rss_kb: u64,
    /// The same with shared pages divided among those who share them.
    pub pss_kb: u64,
    hwm_kb: u64,
    threads: u64,
    fds: u64,
    machine_busy: f64,
    machine_total: f64,
    own_cpu: f64,
    /// When.
    pub time: f64,
    /// Whether the process could be read.
    pub ok: bool,
}

/// Looks at the process, if one is given, and the machine.
pub fn snap(pid: Option<u32>) -> Snap {
    let seconds = |nanos: u64| nanos as f64 / sys::SECOND as f64;
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let mut snap =
        Snap { time: seconds(sys::mono_ns()), own_cpu: seconds(sys::own_cpu_ns()), ..Snap::default() };
    if let Some(pid) = pid {
        read_stat(&mut snap, pid, ticks);
        if let Some(cpu) = sys::process_cpu_ns(pid).filter(|_| snap.ok) {
            snap.cpu = seconds(cpu);
        }
        read_status(&mut snap, pid);
        snap.fds = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |folder| folder.count() as u64);
    }
    if let Some(pid) = pid {
        snap.pss_kb = proportional(pid).unwrap_or(snap.rss_kb);
    }
    read_machine(&mut snap, ticks);
    snap
}

fn read_stat(snap: &mut Snap, pid: u32, ticks: f64) {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return };
    let Some(name_end) = stat.rfind(')') else { return };
    let fields: Vec<&str> = stat[name_end + 1..].split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    snap.user = field(11) / ticks;
    snap.system = field(12) / ticks;
    snap.threads = field(17) as u64;
    snap.cpu = snap.user + snap.system;
    snap.ok = true;
}

fn read_status(snap: &mut Snap, pid: u32) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    for line in status.lines() {
        let value = || line.split_whitespace().nth(1).and_then(|value| value.parse().ok()).unwrap_or(0);
        if line.starts_with("VmRSS:") {
            snap.rss_kb = value();
        } else if line.starts_with("VmHWM:") {
            snap.hwm_kb = value();
        }
    }
}

fn proportional(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn read_machine(snap: &mut Snap, ticks: f64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let words = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    let times: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
    if times.len() >= 5 {
        snap.machine_total = times.iter().sum::<f64>() / ticks;
        snap.machine_busy = snap.machine_total - (times[3] + times[4]) / ticks;
    }
}

/// What the process used between two moments.
pub fn server_json(a: &Snap, b: &Snap) -> String {
    if !a.ok || !b.ok {
        return "null".into();
    }
    let wall = (b.time - a.time).max(1e-9);
    let cpu = b.cpu - a.cpu;
    Object::default()
        .put("wall_s", format_args!("{wall:.3}"))
        .put("cpu_s", format_args!("{cpu:.4}"))
        .put("cpu_user_s", format_args!("{:.3}", b.user - a.user))
        .put("cpu_sys_s", format_args!("{:.3}", b.system - a.system))
        .put("cpu_pct_of_core", format_args!("{:.2}", 100.0 * cpu / wall))
        .put("rss_kb_start", a.rss_kb)
        .put("rss_kb_end", b.rss_kb)
        .put("pss_kb_start", a.pss_kb)
        .put("pss_kb_end", b.pss_kb)
        .put("hwm_kb", b.hwm_kb)
        .put("threads_start", a.threads)
        .put("threads_end", b.threads)
        .put("fds_start", a.fds)
        .put("fds_end", b.fds)
        .end()
}

/// How busy the machine was, and how much of that was neither the server nor this process.
pub fn machine_json(a: &Snap, b: &Snap) -> String {
    let wall = (b.time - a.time).max(1e-9);
    let busy = b.machine_busy - a.machine_busy;
    let total = (b.machine_total - a.machine_total).max(1e-9);
    let own = b.own_cpu - a.own_cpu;
    let others = (busy - own - (b.cpu - a.cpu)).max(0.0);
    Object::default()
        .put("busy_pct", format_args!("{:.1}", 100.0 * busy / total))
        .put("loadgen_pct_of_core", format_args!("{:.1}", 100.0 * own / wall))
        .put("others_pct_of_core", format_args!("{:.1}", 100.0 * others / wall))
        .end()
}

/// CPU milliseconds for a fixed piece of work (arithmetic and a walk over 8 MiB). On a shared machine a busy
/// neighbour slows the cores down: figures of two runs compare only where their yardsticks do.
pub fn yardstick() -> f64 {
    let mut words = vec![1u64; 1 << 20];
    let start = sys::thread_cpu_ns();
    let mut x = 88_172_645_463_325_252u64;
    for _ in 0..5_000_000 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        let at = (x as usize) & (words.len() - 1);
        words[at] = words[at].wrapping_add(x);
    }
    let spent = sys::thread_cpu_ns() - start;
    black_box(&words);
    spent as f64 / 1e6
}

/// Datagrams the kernel dropped at UDP sockets bound to `ip` and one of `ports`.
pub fn udp_drops(ip: Ipv4Addr, ports: &HashSet<u16>) -> u64 {
    let address = format!("{:08X}:", u32::from_ne_bytes(ip.octets()));
    let table = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let mut drops = 0;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = fields.get(1).and_then(|local| local.strip_prefix(address.as_str()));
        let port = port.and_then(|port| u16::from_str_radix(port, 16).ok());
        if port.is_some_and(|port| ports.contains(&port)) {
            drops += fields.get(12).and_then(|drops| drops.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    drops
}
