//! TCP: listeners, and streams with bounded memory in both directions.
//!
//! An idle stream costs one task that waits to read. Writing happens at once when the kernel has room; only what it
//! does not take is queued, and a peer that lets too much pile up is cut off.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use smol::channel::Sender;
use smol::{Async, LocalExecutor, Task, Timer};
use socket2::{SockRef, TcpKeepalive};
use telex_engine::border::{Input, ListenerId, StreamEvent, StreamId};
use telex_engine::limits;

use super::Arrival;

/// Octets taken from a stream by one read.
const READ: usize = 16_384;
/// Octets that may wait for one peer to read them.
const QUEUED: usize = 256 << 10;
/// How long a connection may take to come about, as long as a transaction waits for an answer (RFC 3261 table 4, timer
/// F).
const CONNECT: Duration = Duration::from_secs(32);
/// How long a closing stream may take to deliver what was written.
const LINGER: Duration = Duration::from_secs(5);
/// Silence after which the kernel asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(120);
/// Pause after an accept failed, as it does when there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One stream.
#[derive(Debug, Default)]
struct Stream {
    /// Absent while connecting.
    socket: RefCell<Option<Rc<Async<TcpStream>>>>,
    queue: RefCell<VecDeque<Bytes>>,
    queued: Cell<usize>,
    /// The task that connects or reads; dropping it stops that.
    task: RefCell<Option<Task<()>>>,
    writing: Cell<bool>,
    closing: Cell<bool>,
    remote: Cell<Option<SocketAddr>>,
}

/// All streams.
#[derive(Debug)]
pub(super) struct Streams {
    executor: Rc<LocalExecutor<'static>>,
    inbox: Sender<Arrival>,
    streams: BTreeMap<StreamId, Rc<Stream>>,
    most: usize,
    /// Streams that peers open are odd.
    next: u64,
    /// Streams that were closed but have something left to write.
    lingering: Rc<Cell<usize>>,
}

impl Streams {
    /// Peers may open at most so many streams, so that descriptors are left for calls.
    pub(super) fn new(executor: Rc<LocalExecutor<'static>>, inbox: Sender<Arrival>, most: usize) -> Self {
        let most = most.min(limits::STREAMS);
        Self { executor, inbox, streams: BTreeMap::new(), most, next: 1, lingering: Rc::default() }
    }

    /// Takes in a connection that a peer opened. `None` when there are too many, or the connection is gone already.
    pub(super) fn accepted(&mut self, listener: ListenerId, socket: Async<TcpStream>) -> Option<Input> {
        if self.streams.len() >= self.most {
            return None;
        }
        let id = StreamId(self.next);
        self.next += 2;
        self.streams.insert(id, Rc::default());
        self.opened(id, Some(listener), socket)
    }

    /// Opens a stream; [`Arrival::Connected`] follows.
    pub(super) fn connect(&mut self, id: StreamId, remote: SocketAddr) {
        let stream = Rc::new(Stream::default());
        stream.remote.set(Some(remote));
        let inbox = self.inbox.clone();
        let connect = async move {
            let late = async {
                Timer::after(CONNECT).await;
                Err(io::ErrorKind::TimedOut.into())
            };
            let socket = smol::future::or(Async::<TcpStream>::connect(remote), late).await;
            let _ = inbox.send(Arrival::Connected(id, socket)).await;
        };
        *stream.task.borrow_mut() = Some(self.executor.spawn(connect));
        self.streams.insert(id, stream);
    }

    /// A connection that was asked for has come about, or not.
    pub(super) fn connected(&mut self, id: StreamId, socket: io::Result<Async<TcpStream>>) -> Option<Input> {
        match socket {
            Ok(socket) => self.opened(id, None, socket),
            Err(_) => self.streams.remove(&id).map(|_| closed(id)),
        }
    }

    fn opened(
        &mut self,
        id: StreamId,
        listener: Option<ListenerId>,
        socket: Async<TcpStream>,
    ) -> Option<Input> {
        let stream = self.streams.get(&id).cloned()?;
        let ends = prepare(&socket);
        let Ok((local, remote)) = ends else {
            self.streams.remove(&id);
            return listener.is_none().then(|| closed(id));
        };
        let socket = Rc::new(socket);
        stream.remote.set(Some(remote));
        *stream.socket.borrow_mut() = Some(Rc::clone(&socket));
        *stream.task.borrow_mut() = Some(self.executor.spawn(read(id, socket, self.inbox.clone())));
        self.push(&stream);
        Some(Input::Stream { stream: id, event: StreamEvent::Opened { listener, local, remote } })
    }

    /// Whether `input` may reach the engine: nothing of a stream that it has closed does. Forgets streams that ended.
    pub(super) fn admit(&mut self, input: &Input) -> bool {
        match input {
            Input::Stream { stream, event: StreamEvent::Closed } => match self.streams.remove(stream) {
                Some(stream) => {
                    stream.close();
                    true
                }
                None => false,
            },
            Input::Stream { stream, .. } => self.streams.contains_key(stream),
            _ => true,
        }
    }

    /// The peer of a stream.
    pub(super) fn remote(&self, id: StreamId) -> Option<SocketAddr> {
        self.streams.get(&id)?.remote.get()
    }

    /// Writes octets to a stream, now or as the peer takes them. What is returned tells that the stream is gone.
    pub(super) fn send(&mut self, id: StreamId, bytes: Bytes) -> Option<Input> {
        let stream = self.streams.get(&id).cloned()?;
        stream.queued.set(stream.queued.get() + bytes.len());
        stream.queue.borrow_mut().push_back(bytes);
        if !stream.writing.get() {
            self.push(&stream);
        }
        if stream.queued.get() <= QUEUED {
            return None;
        }
        stream.queue.borrow_mut().clear();
        stream.close();
        stream.shut();
        self.streams.remove(&id);
        Some(closed(id))
    }

    /// Closes a stream once what was written has left.
    pub(super) fn disconnect(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.remove(&id) {
            stream.close();
        }
    }

    /// Whether nothing more waits to be written.
    pub(super) fn is_flushed(&self) -> bool {
        self.lingering.get() == 0
    }

    /// Writes what the kernel takes; a task of its own waits for room for the rest.
    fn push(&self, stream: &Rc<Stream>) {
        let Some(socket) = stream.socket.borrow().clone() else { return };
        if stream.write(&socket) {
            stream.writing.set(true);
            self.lingering.set(self.lingering.get() + 1);
            let (stream, lingering) = (Rc::clone(stream), Rc::clone(&self.lingering));
            self.executor
                .spawn(async move {
                    let written = stream.write_rest(&socket);
                    let late = async {
                        // A stream in use may take its time: its queue is bounded. A closing one may not.
                        loop {
                            Timer::after(LINGER).await;
                            if stream.closing.get() {
                                return;
                            }
                        }
                    };
                    smol::future::or(written, late).await;
                    stream.writing.set(false);
                    lingering.set(lingering.get() - 1);
                    if stream.closing.get() {
                        stream.shut();
                    }
                })
                .detach();
        }
    }
}

impl Stream {
    /// Writes what the kernel takes. True when something is left for later.
    fn write(&self, socket: &Async<TcpStream>) -> bool {
        let mut queue = self.queue.borrow_mut();
        while let Some(bytes) = queue.front_mut() {
            match socket.get_ref().write(bytes) {
                Ok(n) => {
                    bytes.advance(n);
                    self.queued.set(self.queued.get().saturating_sub(n));
                    if bytes.is_empty() {
                        queue.pop_front();
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    // The reading task sees the same error, and tells.
                    queue.clear();
                    self.queued.set(0);
                }
            }
        }
        false
    }

    async fn write_rest(&self, socket: &Async<TcpStream>) {
        while self.write(socket) {
            if socket.writable().await.is_err() {
                return;
            }
        }
    }

    /// Stops reading, and ends the connection as soon as nothing is left to write.
    fn close(&self) {
        self.closing.set(true);
        self.task.borrow_mut().take();
        if !self.writing.get() {
            self.shut();
        }
    }

    fn shut(&self) {
        if let Some(socket) = self.socket.borrow_mut().take() {
            let _ = socket.get_ref().shutdown(Shutdown::Both);
        }
    }
}

fn closed(stream: StreamId) -> Input {
    Input::Stream { stream, event: StreamEvent::Closed }
}

/// Sets a connection up; gives its two ends.
fn prepare(socket: &Async<TcpStream>) -> io::Result<(SocketAddr, SocketAddr)> {
    socket.get_ref().set_nodelay(true)?;
    SockRef::from(socket.get_ref()).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    Ok((socket.get_ref().local_addr()?, socket.get_ref().peer_addr()?))
}

/// Hands everything that arrives on a stream to `inbox`, which makes the peer wait when it is full.
async fn read(id: StreamId, socket: Rc<Async<TcpStream>>, inbox: Sender<Arrival>) {
    loop {
        let got = {
            let mut room = [0; READ];
            socket
                .get_ref()
                .read(&mut room)
                .map(|n| Bytes::copy_from_slice(room.get(..n).unwrap_or_default()))
        };
        let event = match got {
            Ok(bytes) if !bytes.is_empty() => StreamEvent::Bytes(bytes),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => match socket.readable().await {
                Ok(()) => continue,
                Err(_) => StreamEvent::Closed,
            },
            _ => StreamEvent::Closed,
        };
        let last = event == StreamEvent::Closed;
        let input = Input::Stream { stream: id, event };
        if inbox.send(Arrival::Input(input)).await.is_err() || last {
            return;
        }
    }
}

/// Binds to `address`, of whose family it will be alone.
pub(super) fn bind(address: SocketAddr) -> io::Result<Async<TcpListener>> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Async::new(TcpListener::from(socket))
}

/// Hands every connection to `inbox`.
pub(super) async fn accept(id: ListenerId, listener: Rc<Async<TcpListener>>, inbox: Sender<Arrival>) {
    loop {
        let arrival = match listener.accept().await {
            Ok((socket, _)) => Arrival::Accepted(id, socket),
            Err(error) => {
                Timer::after(ACCEPT_PAUSE).await;
                Arrival::AcceptFailed(error)
            }
        };
        if inbox.send(arrival).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::channel::{Receiver, bounded};
    use smol::future::or;

    struct World {
        executor: Rc<LocalExecutor<'static>>,
        arrivals: Receiver<Arrival>,
        streams: Streams,
    }

    impl World {
        fn new() -> Self {
            let executor = Rc::new(LocalExecutor::new());
            let (inbox, arrivals) = bounded(8);
            Self { streams: Streams::new(Rc::clone(&executor), inbox, usize::MAX), executor, arrivals }
        }

        fn run<T>(&self, future: impl Future<Output = T>) -> T {
            let late = async {
                Timer::after(Duration::from_secs(20)).await;
                panic!("nothing happens");
            };
            smol::block_on(self.executor.run(or(future, late)))
        }

        /// What reaches the engine next.
        fn next(&mut self) -> Option<Input> {
            match self.run(self.arrivals.recv()).unwrap() {
                Arrival::Input(input) => self.streams.admit(&input).then_some(input),
                Arrival::Connected(id, socket) => self.streams.connected(id, socket),
                other => panic!("{other:?}"),
            }
        }

        /// A stream of ours, and the peer's end of it.
        fn connect(&mut self, id: StreamId) -> TcpStream {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            self.streams.connect(id, listener.local_addr().unwrap());
            let opened = self.next();
            assert!(matches!(
                opened,
                Some(Input::Stream { event: StreamEvent::Opened { listener: None, .. }, .. })
            ));
            listener.accept().unwrap().0
        }
    }

    const ID: StreamId = StreamId(2);

    #[test]
    fn octets_go_both_ways_and_the_end_is_told_once() {
        let mut world = World::new();
        let mut peer = world.connect(ID);
        assert!(world.streams.send(ID, Bytes::from_static(b"ping")).is_none());
        let mut room = [0; 4];
        peer.read_exact(&mut room).unwrap();
        peer.write_all(b"pong").unwrap();
        let Some(Input::Stream { event, .. }) = world.next() else { panic!() };
        assert_eq!((&room, event), (b"ping", StreamEvent::Bytes(Bytes::from_static(b"pong"))));
        drop(peer);
        assert!(matches!(world.next(), Some(Input::Stream { event: StreamEvent::Closed, .. })));
        assert!(world.streams.send(ID, Bytes::from_static(b"late")).is_none());
        assert!(!world.streams.admit(&closed(ID)));
    }

    #[test]
    fn what_waits_for_a_connection_is_sent_when_it_comes() {
        let mut world = World::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        world.streams.connect(ID, listener.local_addr().unwrap());
        assert!(world.streams.send(ID, Bytes::from_static(b"ping")).is_none());
        world.next();
        let mut room = [0; 4];
        listener.accept().unwrap().0.read_exact(&mut room).unwrap();
        assert_eq!(&room, b"ping");
    }

    #[test]
    fn a_connection_that_fails_is_closed() {
        let mut world = World::new();
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        world.streams.connect(ID, nobody);
        assert!(matches!(world.next(), Some(Input::Stream { event: StreamEvent::Closed, .. })));
    }

    #[test]
    fn a_peer_that_does_not_read_is_cut_off() {
        let mut world = World::new();
        let peer = world.connect(ID);
        let piece = Bytes::from(vec![0; 65_536]);
        // The kernel takes some megabytes at most.
        let cut = (0..1000).find_map(|_| world.streams.send(ID, piece.clone()));
        assert!(matches!(cut, Some(Input::Stream { event: StreamEvent::Closed, .. })));
        assert!(world.streams.streams.is_empty());
        world.run(async {
            while !world.streams.is_flushed() {
                Timer::after(Duration::from_millis(5)).await;
            }
        });
        drop(peer);
    }

    #[test]
    fn what_was_written_leaves_before_the_stream_closes() {
        let mut world = World::new();
        let mut peer = world.connect(ID);
        let piece = Bytes::from(vec![7; 100_000]);
        let mut written = 0;
        while world.streams.is_flushed() {
            assert!(world.streams.send(ID, piece.clone()).is_none());
            written += piece.len();
        }
        world.streams.disconnect(ID);
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            all.len()
        });
        world.run(async {
            while !world.streams.is_flushed() {
                Timer::after(Duration::from_millis(5)).await;
            }
        });
        assert_eq!(reader.join().unwrap(), written);
    }
}
