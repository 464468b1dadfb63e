//! SIP and RTP load for a server on loopback: caller and callee in one process, one report per run.

mod args;
mod audio;
mod call;
mod hist;
mod json;
mod limit;
mod ng;
mod procstat;
mod register;
mod report;
mod rtp;
mod sip;
mod sys;

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use args::{Args, die};
use audio::Codec;
use report::{Head, MediaSums};
use rtp::{Media, Probe, Shared};

/// What every run needs.
struct Common {
    args: Args,
    server: SocketAddr,
    domain: String,
    pid: Option<u32>,
    /// Sets this run's Call-IDs apart.
    run_id: String,
}

fn main() {
    let (mode, args) = Args::read();
    if mode == "limit" {
        return limit::run().unwrap_or_else(|error| die(error));
    }
    let Some(server) = args.parsed::<SocketAddr>("server").filter(|server| server.port() != 0) else {
        die("--server IP:PORT is needed")
    };
    if !server.ip().is_loopback() && !args.has("allow-nonloopback") {
        die("the server is not on loopback");
    }
    let pid: Option<u32> = args.parsed("server-pid");
    if pid.is_some() && !procstat::snap(pid).ok {
        die("no such --server-pid");
    }
    sys::raise_descriptors();
    let run_id = format!("{:x}", (sys::real_ns() / 1_000_000) & 0xff_ffff_ffff);
    let domain = args.text("domain", &server.ip().to_string());
    let common = Common { args, server, domain, pid, run_id };
    let done = if mode == "register" { register_mode(&common) } else { call_mode(&common) };
    done.unwrap_or_else(|error| die(error));
}

fn udp(address: &str) -> UdpSocket {
    let socket =
        UdpSocket::bind(address).unwrap_or_else(|error| die(format_args!("bind {address}: {error}")));
    socket.set_nonblocking(true).unwrap_or_else(|error| die(error));
    sys::receive_room(&socket, 8 << 20);
    sys::send_room(&socket, 8 << 20);
    socket
}

fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_else(|_| die(format_args!("{value} is no time")))
}

/// Prints the report, and appends the rows where they were asked for.
fn publish(args: &Args, json: &str, rows: &str) -> std::io::Result<()> {
    println!("{json}");
    if let Some(path) = args.get("table") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(rows.as_bytes())?;
    }
    Ok(())
}

fn register_mode(common: &Common) -> std::io::Result<()> {
    let args = &common.args;
    let socket = udp(&args.text("uac", "127.0.0.1:6060"));
    let users: usize = args.number("users", 1000);
    let user = args.text("user", "u{i}");
    let plan = register::Plan {
        server: common.server,
        domain: common.domain.clone(),
        auth_user: args.text("auth-user", &user),
        user,
        pass: args.text("pass", "{i}"),
        first: args.number("first", 0),
        users,
        count: args.number("count", users),
        rate: args.number("rate", 100.0),
        max_inflight: args.number("max-inflight", 2000),
        timeout: seconds(args.number("timeout", 10.0)),
        expires: args.number("expires", 3600),
        run_id: common.run_id.clone(),
        keep_nonce: args.has("keep-nonce"),
        retry: args.has("retry"),
    };
    let yardstick = procstat::yardstick();
    let before = procstat::snap(common.pid);
    let out = register::run(&socket, &plan)?;
    let after = procstat::snap(common.pid);
    let head = head(common, plan.rate, yardstick);
    let json = report::register_json(&head, users, &out, &before, &after);
    publish(args, &json, &report::register_rows(&head, users, &out, &before, &after))
}

fn head(common: &Common, rate: f64, yardstick: f64) -> Head<'_> {
    Head {
        label: common.args.get("label").unwrap_or_default(),
        server: common.server.to_string(),
        rate,
        yardstick: [yardstick, procstat::yardstick()],
    }
}

/// Registers the callees where asked.
fn register_callees(common: &Common, socket: &UdpSocket) -> std::io::Result<()> {
    let args = &common.args;
    let Some(user) = args.get("uas-reg-user") else { return Ok(()) };
    let count: usize = args.number("uas-reg-count", 1);
    let plan = register::Plan {
        server: common.server,
        domain: common.domain.clone(),
        auth_user: user.to_owned(),
        user: user.to_owned(),
        pass: args.text("uas-reg-pass", "{i}"),
        first: 0,
        users: count,
        count,
        rate: 200.0,
        max_inflight: 100,
        timeout: Duration::from_secs(10),
        expires: 3600,
        run_id: format!("{}u", common.run_id),
        keep_nonce: false,
        retry: false,
    };
    let out = register::run(socket, &plan)?;
    if out.ok != count {
        die(format_args!("callees registered: {} of {count}; {:?}", out.ok, out.failed));
    }
    Ok(())
}

fn call_plan(common: &Common) -> call::Plan {
    let args = &common.args;
    let codec = |name: &str| {
        args.get(name).map(|name| Codec::parse(name).unwrap_or_else(|| die("codec: pcmu, pcma or g722")))
    };
    let uac_codec = codec("codec").unwrap_or(Codec::Pcmu);
    let from = args.text("from", "uac{i}");
    let rate = args.number("rate", 10.0);
    let time = |name: &str, default: f64| seconds(args.number(name, default));
    call::Plan {
        server: common.server,
        domain: common.domain.clone(),
        target: args.text("target", "uas{i}"),
        targets: args.number("targets", 1),
        from_users: args.number("from-users", 1),
        auth_user: args.text("auth-user", &from),
        from,
        pass: args.text("pass", "{i}"),
        calls: args.number("calls", 100),
        rate,
        hold: time("hold", 1.0),
        steady: args.has("steady").then(|| time("steady", 10.0)),
        warmup: time("warmup", 2.0),
        max_inflight: args.number("max-inflight", 20000),
        ring: time("ring-ms", 0.0) / 1000,
        answer: time("answer-ms", 0.0) / 1000,
        uac_codec,
        uas_codec: codec("uas-codec").unwrap_or(if args.has("transcode") { Codec::Pcma } else { uac_codec }),
        media: args.has("media"),
        conference: args.parsed("conference"),
        record: args.get("record").map(str::to_owned),
        invite_timeout: time("invite-timeout", 32.0),
        server_pid: common.pid,
        run_id: common.run_id.clone(),
        teardown_rate: args.number("teardown-rate", rate),
        verbose: args.has("verbose"),
    }
}

/// Sockets and threads for `legs` callers and as many callees.
fn start_media(args: &Args, plan: &call::Plan, socket: &UdpSocket, legs: usize) -> std::io::Result<Media> {
    let passes = plan.uac_codec == plan.uas_codec && plan.conference.is_none();
    let default = if passes { "stamp" } else { "tone" };
    let probe = match args.text("probe", default).as_str() {
        "stamp" => Probe::Stamp,
        "marker" => Probe::Marker,
        "tone" => Probe::Tone,
        "none" => Probe::None,
        _ => die("--probe: stamp, marker, tone or none"),
    };
    let SocketAddr::V4(local) = socket.local_addr()? else { die("IPv4 only") };
    let codec = |leg| if leg < legs { plan.uac_codec } else { plan.uas_codec };
    let all = if plan.conference.is_some() { legs } else { 2 * legs };
    let legs = rtp::make_legs(*local.ip(), args.number("rtp-port", 20000), all, codec)?;
    Ok(Media::start(Arc::new(Shared::new(legs, probe)), args.has("rt")))
}

fn call_mode(common: &Common) -> std::io::Result<()> {
    let args = &common.args;
    let uac = udp(&args.text("uac", "127.0.0.1:6060"));
    let uas = udp(&args.text("uas", "127.0.0.1:6070"));
    register_callees(common, &uas)?;
    let plan = call_plan(common);
    let (rate, hold, steady) = (plan.rate, plan.hold.as_secs_f64(), plan.steady);
    let together = (rate * (hold + 3.0)).ceil() as usize + 50;
    let legs = if steady.is_some() { plan.calls } else { plan.calls.min(together).min(plan.max_inflight) };
    let media = plan.media.then(|| start_media(args, &plan, &uac, legs)).transpose()?;
    let yardstick = procstat::yardstick();
    let shared = media.as_ref().map(|media| media.shared.clone());
    let streams = if plan.conference.is_some() { 1 } else { 2 };
    let out = match (args.parsed::<SocketAddr>("ng"), shared) {
        (Some(ng), Some(shared)) => ng::run(ng, &plan, &shared)?,
        (Some(_), None) => die("--ng goes with --media"),
        (None, shared) => call::Engine::new(plan, (uac, uas), shared, legs)?.run(),
    };
    let mut media_json = "null".to_owned();
    let sums = media.map(|media| {
        let shared = media.shared.clone();
        let drops = drops(&shared);
        let (sent, received) = media.stop();
        let sums = MediaSums::new(&shared, sent, received);
        media_json = sums.json(streams * out.answered, drops);
        sums
    });
    let head = head(common, rate, yardstick);
    let hold =
        steady.map_or_else(|| hold.to_string(), |steady| format!("\"steady {}\"", steady.as_secs_f64()));
    let json = report::call_json(&head, &hold, steady.is_some(), &out, &media_json);
    publish(args, &json, &report::call_rows(&head, &out, sums.as_ref()))
}

/// Datagrams that arrived at the legs' sockets and found no room.
fn drops(shared: &Shared) -> u64 {
    let ports = shared.legs.iter().map(|leg| leg.port).collect();
    match shared.legs.first().and_then(|leg| leg.socket.local_addr().ok()) {
        Some(SocketAddr::V4(local)) => procstat::udp_drops(*local.ip(), &ports),
        _ => 0,
    }
}
