//! A phone's transactions (RFC 3261 §17), small and written from the RFC: one deadline to send again, one to
//! end.

use bytes::Bytes;
use telex_engine::border::Transport;
use telex_engine::time::{Duration, Instant};

use super::{Phone, Scene, Timer};
use crate::plan::Habit;
use crate::text::{Build, Msg};

/// T1 of RFC 3261 §17.1.1.1.
pub(crate) const T1: Duration = Duration::from_millis(500);
/// T2: the longest gap between retransmissions of anything but an INVITE.
pub(crate) const T2: Duration = Duration::from_secs(4);
/// T4: how long a message stays in the network.
pub(crate) const T4: Duration = Duration::from_secs(5);
/// 64 times T1: timers B, F, H and J.
pub(crate) const LIFE: Duration = Duration::from_secs(32);

/// What a client transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Registering, refreshing or leaving.
    Register,
    /// The INVITE that opens this leg.
    Invite(usize),
    /// A later INVITE of this leg.
    Reinvite(usize),
    /// Ends this leg.
    Bye(usize),
    /// Takes back this leg's INVITE.
    Cancel(usize),
    /// Hands this leg's call over, with this CSeq.
    Refer(usize, u32),
    /// Nothing that its answer would change.
    Ignored,
}

/// Where a client transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing was heard yet.
    Trying,
    /// A provisional response came.
    Proceeding,
    /// The final response came.
    Done,
}

/// One request of ours.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    id: u64,
    branch: String,
    method: &'static str,
    pub(crate) purpose: Purpose,
    progress: Progress,
    bytes: Bytes,
    ack: Option<Bytes>,
    interval: Duration,
    resend: Option<Instant>,
    end: Option<Instant>,
    /// It ends then, whatever is still heard of it.
    limit: Option<Instant>,
}

/// One request of the exchange.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    id: u64,
    pub(crate) request: Msg,
    stream: Option<u64>,
    pub(crate) to_tag: String,
    last: Option<Bytes>,
    pub(crate) code: u16,
    interval: Duration,
    resend: Option<Instant>,
    end: Option<Instant>,
    /// The leg whose first INVITE it is.
    pub(crate) leg: Option<usize>,
}

/// What a response means to the phone.
pub(crate) enum Answer<'a> {
    /// 1xx.
    Provisional(&'a Msg),
    /// 2xx to 6xx. A 2xx to INVITE comes as often as it is received.
    Final(&'a Msg),
    /// Nobody answered.
    Timeout,
}

impl Server {
    /// The stream the request came on.
    pub(super) fn stream(&self) -> Option<u64> {
        self.stream
    }
}

impl Phone {
    /// Sends a request and keeps it until it is answered.
    pub(super) fn begin(
        &mut self,
        scene: &Scene<'_>,
        method: &'static str,
        branch: String,
        bytes: Bytes,
        purpose: Purpose,
    ) -> u64 {
        let id = self.unique();
        let now = scene.now;
        let unreliable = self.plan.transport == Transport::Udp;
        self.transmit(bytes.clone(), None);
        let client = Client {
            id,
            branch,
            method,
            purpose,
            progress: Progress::Trying,
            bytes,
            ack: None,
            interval: T1,
            resend: unreliable.then_some(now + T1),
            end: Some(now + LIFE),
            limit: None,
        };
        self.arm_both(client.resend, client.end, Timer::Client(id));
        self.clients.push(client);
        id
    }

    fn arm_both(&mut self, resend: Option<Instant>, end: Option<Instant>, timer: Timer) {
        for at in [resend, end].into_iter().flatten() {
            self.arm(at, timer);
        }
    }

    /// The progress of a client transaction; `None` when it is gone.
    pub(super) fn progress(&self, id: u64) -> Option<Progress> {
        self.clients.iter().find(|c| c.id == id).map(|c| c.progress)
    }

    /// Gives an INVITE that was cancelled 64 T1 more (RFC 3261 §9.1).
    pub(super) fn limit(&mut self, id: u64, at: Instant) {
        if let Some(client) = self.clients.iter_mut().find(|c| c.id == id) {
            (client.end, client.limit) = (Some(at), Some(at));
            self.arm(at, Timer::Client(id));
        }
    }

    pub(super) fn receive_response(&mut self, scene: &Scene<'_>, msg: &Msg) {
        let now = scene.now;
        let unreliable = self.plan.transport == Transport::Udp;
        let code = msg.code().unwrap_or(0);
        let Some(at) = self.clients.iter().position(|c| c.branch == msg.branch() && c.method == msg.method())
        else {
            return self.stray_response(scene, msg);
        };
        let client = &mut self.clients[at];
        let (purpose, id, invite) = (client.purpose, client.id, client.method == "INVITE");
        if code < 200 {
            if client.progress == Progress::Done {
                return;
            }
            client.progress = Progress::Proceeding;
            if invite {
                // It may ring as long as it likes, unless it was cancelled.
                (client.resend, client.end) = (None, client.limit);
            } else {
                client.interval = T2;
            }
            return self.answered(scene, purpose, &Answer::Provisional(msg));
        }
        let first = client.progress != Progress::Done;
        client.progress = Progress::Done;
        client.resend = None;
        let linger = match (invite, code) {
            (true, 200..300) => LIFE,
            (true, _) if unreliable => LIFE,
            (false, _) if unreliable => T4,
            _ => Duration::ZERO,
        };
        if first {
            client.end = Some(now + linger);
            self.arm(now + linger, Timer::Client(id));
        }
        if invite && code >= 300 {
            self.acknowledge(at, msg);
        }
        if first || (invite && code < 300) {
            self.answered(scene, purpose, &Answer::Final(msg));
        }
    }

    /// The ACK of a refusal belongs to the transaction (RFC 3261 §17.1.1.3).
    fn acknowledge(&mut self, at: usize, msg: &Msg) {
        if self.has(Habit::NeverAcks) {
            return;
        }
        let client = &mut self.clients[at];
        let ack = match &client.ack {
            Some(ack) => ack.clone(),
            None => {
                let request = Msg::read(&client.bytes);
                let Some(request) = request else { return };
                let crate::text::Start::Request { uri, .. } = &request.start else { return };
                let cseq = request.cseq().map_or(0, |(number, _)| number);
                let mut ack = Build::request("ACK", uri)
                    .header("Via", request.get("via").unwrap_or_default())
                    .header("Max-Forwards", "70")
                    .header("From", request.get("from").unwrap_or_default())
                    .header("To", msg.get("to").unwrap_or_default())
                    .header("Call-ID", request.call_id())
                    .header("CSeq", &format!("{cseq} ACK"));
                for route in request.all("route") {
                    ack = ack.header("Route", route);
                }
                ack.body("")
            }
        };
        client.ack = Some(ack.clone());
        self.transmit(ack, None);
    }

    pub(super) fn fire_client(&mut self, scene: &Scene<'_>, id: u64) {
        let now = scene.now;
        let Some(at) = self.clients.iter().position(|c| c.id == id) else { return };
        let client = &mut self.clients[at];
        if client.end.is_some_and(|end| end <= now) {
            let (purpose, done) = (client.purpose, client.progress == Progress::Done);
            self.clients.remove(at);
            if !done {
                self.answered(scene, purpose, &Answer::Timeout);
            }
            return;
        }
        if client.resend.is_some_and(|resend| resend <= now) {
            let doubled = client.interval * 2;
            client.interval = if client.method == "INVITE" { doubled } else { doubled.min(T2) };
            let next = now + client.interval;
            client.resend = Some(next);
            let bytes = client.bytes.clone();
            self.transmit(bytes, None);
            self.arm(next, Timer::Client(id));
        }
    }

    /// The name of the timer of a client transaction that runs out now.
    pub(super) fn client_timer(&self, id: u64, now: Instant) -> &'static str {
        let Some(client) = self.clients.iter().find(|c| c.id == id) else { return "an old timer" };
        let (invite, over) = (client.method == "INVITE", client.end.is_some_and(|end| end <= now));
        match (invite, over, client.progress == Progress::Done) {
            (true, false, _) => "timer A",
            (true, true, false) => "timer B",
            (true, true, true) => "timer D",
            (false, false, _) => "timer E",
            (false, true, false) => "timer F",
            (false, true, true) => "timer K",
        }
    }

    /// The same of a server transaction.
    pub(super) fn server_timer(&self, id: u64, now: Instant) -> &'static str {
        let Some(server) = self.servers.iter().find(|s| s.id == id) else { return "an old timer" };
        match (server.request.method() == "INVITE", server.end.is_some_and(|end| end <= now)) {
            (true, false) => "timer G",
            (true, true) => "timer H",
            (false, _) => "timer J",
        }
    }

    /// The stream broke: what waits for an answer will not get one (RFC 3261 §17.1.4).
    pub(super) fn fail_clients(&mut self, scene: &Scene<'_>) {
        let waiting = |c: &&Client| c.progress != Progress::Done;
        let purposes: Vec<Purpose> = self.clients.iter().filter(waiting).map(|c| c.purpose).collect();
        self.clients.retain(|c| c.progress == Progress::Done);
        for purpose in purposes {
            self.answered(scene, purpose, &Answer::Timeout);
        }
    }

    /// Finds the transaction of a request, or opens one. `None` when the request was only a repetition.
    pub(super) fn receive_request(
        &mut self,
        scene: &Scene<'_>,
        msg: &Msg,
        stream: Option<u64>,
    ) -> Option<u64> {
        let method = msg.method();
        let found = self.servers.iter_mut().find(|s| {
            s.request.branch() == msg.branch()
                && (s.request.method() == method || (method == "ACK" && s.request.method() == "INVITE"))
        });
        if let Some(server) = found {
            if method == "ACK" {
                if server.code >= 300 && server.resend.is_some() {
                    server.resend = None;
                    let (id, end) = (server.id, scene.now + T4);
                    server.end = Some(end);
                    self.arm(end, Timer::Server(id));
                }
            } else if let Some(last) = server.last.clone()
                && !(method == "INVITE" && (200..300).contains(&server.code))
            {
                let stream = server.stream;
                self.transmit(last, stream);
            }
            return None;
        }
        let id = self.unique();
        let to_tag = msg.tag("to").map_or_else(|| self.name("t"), str::to_owned);
        self.servers.push(Server {
            id,
            request: msg.clone(),
            stream,
            to_tag,
            last: None,
            code: 0,
            interval: T1,
            resend: None,
            end: None,
            leg: None,
        });
        Some(id)
    }

    /// A server transaction that lives.
    pub(super) fn server(&mut self, id: u64) -> Option<&mut Server> {
        self.servers.iter_mut().find(|s| s.id == id)
    }

    /// Finds the INVITE that a CANCEL means (RFC 3261 §9.2).
    pub(super) fn cancelled(&self, cancel: &Msg) -> Option<u64> {
        let found = |s: &&Server| s.request.method() == "INVITE" && s.request.branch() == cancel.branch();
        self.servers.iter().find(found).map(|s| s.id)
    }

    /// Answers a request. Gives back what was sent, for the 2xx that the phone repeats itself.
    pub(super) fn respond(
        &mut self,
        scene: &Scene<'_>,
        id: u64,
        code: u16,
        headers: &[(&str, String)],
        body: &str,
    ) -> Option<Bytes> {
        self.servers.iter().find(|s| s.id == id && s.code < 200)?;
        let (bytes, stream) = self.compose(id, code, headers, body)?;
        let unreliable = self.plan.transport == Transport::Udp;
        let server = self.servers.iter_mut().find(|s| s.id == id)?;
        let invite = server.request.method() == "INVITE";
        server.last = Some(bytes.clone());
        server.code = code;
        let (resend, end) = match (invite, code) {
            (_, ..200) => (None, None),
            (true, 300..) => (unreliable.then_some(scene.now + T1), Some(scene.now + LIFE)),
            (false, _) if !unreliable => (None, Some(scene.now)),
            _ => (None, Some(scene.now + LIFE)),
        };
        (server.resend, server.end) = (resend, end);
        self.transmit(bytes.clone(), stream);
        self.arm_both(resend, end, Timer::Server(id));
        Some(bytes)
    }

    /// Writes a response, and says which stream it goes by.
    pub(super) fn compose(
        &mut self,
        id: u64,
        code: u16,
        headers: &[(&str, String)],
        body: &str,
    ) -> Option<(Bytes, Option<u64>)> {
        let (contact, allow, recorded) = (self.contact(), self.allow(), self.recorded());
        let server = self.servers.iter().find(|s| s.id == id)?;
        let request = &server.request;
        let mut build = Build::response(code);
        for via in request.all("via") {
            build = build.header("Via", via);
        }
        if code < 300 {
            for route in request.all("record-route") {
                build = build.header("Record-Route", route);
            }
        }
        if request.method() == "INVITE" && request.tag("to").is_none() && code > 100 && code < 300 {
            for route in &recorded {
                build = build.header("Record-Route", route);
            }
        }
        let mut to = request.get("to")?.to_owned();
        if request.tag("to").is_none() && code > 100 {
            to = format!("{to};tag={}", server.to_tag);
        }
        build = build
            .header("From", request.get("from")?)
            .header("To", &to)
            .header("Call-ID", request.call_id())
            .header("CSeq", request.get("cseq")?);
        if code > 100 && code < 300 {
            build = build.header("Contact", &contact).header("Allow", allow);
        }
        for (name, value) in headers {
            build = build.header(name, value);
        }
        Some((build.body(body), server.stream))
    }

    pub(super) fn fire_server(&mut self, scene: &Scene<'_>, id: u64) {
        let now = scene.now;
        let Some(at) = self.servers.iter().position(|s| s.id == id) else { return };
        let server = &mut self.servers[at];
        if server.end.is_some_and(|end| end <= now) {
            self.servers.remove(at);
            return;
        }
        if server.resend.is_some_and(|resend| resend <= now) {
            server.interval = (server.interval * 2).min(T2);
            let next = now + server.interval;
            server.resend = Some(next);
            let (bytes, stream) = (server.last.clone(), server.stream);
            if let Some(bytes) = bytes {
                self.transmit(bytes, stream);
            }
            self.arm(next, Timer::Server(id));
        }
    }
}
