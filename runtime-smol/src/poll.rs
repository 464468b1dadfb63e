//! Waits until some of many UDP sockets are readable, or somebody rings.
//!
//! Level-triggered, so that one receive per readiness is enough: a socket with more in its queue is simply ready again.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Wake;
use std::time::Duration;

pub(crate) use sys::Poller;

/// Ready sockets told by one wait: bounds the time until the clock is read again.
const READY: usize = 64;

/// What a wait brought.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    /// Names of readable sockets.
    pub(crate) names: Vec<u16>,
    /// Whether the bell was rung.
    pub(crate) rung: bool,
}

/// Wakes the thread that waits on a poller. However often it is rung between two looks, it wakes once.
#[derive(Clone, Debug)]
pub(crate) struct Bell(Arc<Clapper>);

#[derive(Debug)]
struct Clapper {
    waker: sys::Waker,
    rung: AtomicBool,
}

impl Bell {
    /// The bell of this poller.
    pub(crate) fn of(poller: &Poller) -> Self {
        Self(Arc::new(Clapper { waker: poller.waker(), rung: AtomicBool::new(false) }))
    }

    /// Ends the present wait, or the next one.
    pub(crate) fn ring(&self) {
        self.0.wake_by_ref();
    }

    /// To be called after a wait and before looking what the ringing was about.
    pub(crate) fn hush(&self) {
        self.0.rung.store(false, Ordering::SeqCst);
    }

    /// The bell as a waker of tasks.
    pub(crate) fn task_waker(&self) -> std::task::Waker {
        Arc::clone(&self.0).into()
    }
}

impl Wake for Clapper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            self.waker.wake();
        }
    }
}

/// The way into the queue of a thread that waits on a poller. Never blocks.
#[derive(Debug)]
pub(crate) struct Post<T> {
    sender: Sender<T>,
    bell: Bell,
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), bell: self.bell.clone() }
    }
}

impl<T> Post<T> {
    /// A queue whose reader is woken by `bell`.
    pub(crate) fn new(bell: Bell) -> (Self, Receiver<T>) {
        let (sender, receiver) = channel();
        (Self { sender, bell }, receiver)
    }

    /// Puts something into the queue without waking its reader; [`Post::ring`] follows. False when nobody reads it.
    pub(crate) fn leave(&self, item: T) -> bool {
        self.sender.send(item).is_ok()
    }

    /// Wakes the reader.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    /// Puts something into the queue and wakes its reader. What nobody reads any more is dropped.
    pub(crate) fn send(&self, item: T) {
        if self.leave(item) {
            self.ring();
        }
    }
}

#[cfg(target_os = "linux")]
mod sys {
    use super::{Arc, Duration, READY, Ready, UdpSocket, io};
    use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;

    /// Names the bell among the sockets.
    const BELL: u64 = u64::MAX;

    /// An epoll instance. The kernel's interface is used as it is: one system call per wait, which at one packet per
    /// wait is a third of all work.
    #[derive(Debug)]
    pub(crate) struct Poller {
        epoll: OwnedFd,
        bell: Arc<OwnedFd>,
    }

    /// Ends a wait from another thread.
    #[derive(Debug)]
    pub(super) struct Waker(Arc<OwnedFd>);

    impl Waker {
        pub(super) fn wake(&self) {
            // It fails only when it was called 2^64 times without a wait, and then the waiter is woken anyway.
            let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
        }
    }

    impl Poller {
        pub(crate) fn new() -> io::Result<Self> {
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
            epoll::add(&epoll, &bell, epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
            Ok(Self { epoll, bell })
        }

        pub(super) fn waker(&self) -> Waker {
            Waker(Arc::clone(&self.bell))
        }

        /// Watches `socket` under `name` until it is closed.
        pub(crate) fn add(&self, socket: &UdpSocket, name: u16) -> io::Result<()> {
            let data = epoll::EventData::new_u64(u64::from(name));
            Ok(epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN)?)
        }

        /// Watches `socket` no longer.
        pub(crate) fn remove(&self, socket: &UdpSocket) {
            // It fails only for what is not watched.
            let _ = epoll::delete(&self.epoll, socket);
        }

        /// Waits for something to read, the bell or the end of `timeout`, which is rounded up to milliseconds.
        pub(crate) fn wait(&mut self, ready: &mut Ready, timeout: Option<Duration>) -> io::Result<()> {
            ready.names.clear();
            ready.rung = false;
            let most = Timespec { tv_sec: 3600, tv_nsec: 0 };
            let timeout = timeout.map(|t| Timespec::try_from(t).unwrap_or(most).min(most));
            let mut room = [MaybeUninit::uninit(); READY];
            let (events, _) = match epoll::wait(&self.epoll, &mut room[..], timeout.as_ref()) {
                Err(rustix::io::Errno::INTR) => return Ok(()),
                waited => waited?,
            };
            for event in events {
                match event.data.u64() {
                    BELL => {
                        ready.rung = true;
                        let _ = rustix::io::read(&*self.bell, &mut [0; 8]);
                    }
                    name => ready.names.extend(u16::try_from(name)),
                }
            }
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    use super::{Arc, Duration, READY, Ready, UdpSocket, io};
    use polling::{Event, Events, PollMode};
    use std::num::NonZeroUsize;

    /// The system's way of waiting, whatever it is.
    #[derive(Debug)]
    pub(crate) struct Poller {
        poller: Arc<polling::Poller>,
        events: Events,
    }

    /// Ends a wait from another thread.
    #[derive(Debug)]
    pub(super) struct Waker(Arc<polling::Poller>);

    impl Waker {
        pub(super) fn wake(&self) {
            let _ = self.0.notify();
        }
    }

    impl Poller {
        pub(crate) fn new() -> io::Result<Self> {
            let events = Events::with_capacity(NonZeroUsize::new(READY).unwrap_or(NonZeroUsize::MIN));
            Ok(Self { poller: Arc::new(polling::Poller::new()?), events })
        }

        pub(super) fn waker(&self) -> Waker {
            Waker(Arc::clone(&self.poller))
        }

        /// Watches `socket` under `name` until it is closed.
        pub(crate) fn add(&self, socket: &UdpSocket, name: u16) -> io::Result<()> {
            // SAFETY: the systems that come here forget a socket when it is closed, so the poller never uses a
            // descriptor that has become another file.
            unsafe { self.poller.add_with_mode(socket, Event::readable(usize::from(name)), PollMode::Level) }
        }

        /// Watches `socket` no longer.
        pub(crate) fn remove(&self, socket: &UdpSocket) {
            // It fails only for what is not watched.
            let _ = self.poller.delete(socket);
        }

        /// Waits for something to read, the bell or the end of `timeout`.
        pub(crate) fn wait(&mut self, ready: &mut Ready, timeout: Option<Duration>) -> io::Result<()> {
            ready.names.clear();
            self.events.clear();
            self.poller.wait(&mut self.events, timeout)?;
            // The bell is not told apart from the end of the timeout, so its reader looks each time.
            ready.rung = true;
            ready.names.extend(self.events.iter().filter_map(|e| u16::try_from(e.key).ok()));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_stays_ready_until_it_is_empty() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&socket, 7).unwrap();
        let mut ready = Ready::default();
        let mut wait = |timeout| {
            poller.wait(&mut ready, Some(Duration::from_millis(timeout))).unwrap();
            ready.names.clone()
        };
        assert!(wait(0).is_empty());
        for _ in 0..2 {
            socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        }
        for _ in 0..2 {
            assert_eq!(wait(1000), [7]);
            socket.recv(&mut [0; 8]).unwrap();
        }
        assert!(wait(0).is_empty());
    }

    #[test]
    fn what_is_sent_at_any_moment_is_seen() {
        let mut poller = Poller::new().unwrap();
        let bell = Bell::of(&poller);
        let (post, queue) = Post::new(bell.clone());
        let sender = std::thread::spawn(move || (0..20_000).for_each(|n| post.send(n)));
        let mut ready = Ready::default();
        let mut seen = 0;
        while seen < 20_000 {
            poller.wait(&mut ready, Some(Duration::from_secs(20))).unwrap();
            assert!(ready.rung, "a ring was lost after {seen}");
            bell.hush();
            seen += queue.try_iter().count();
        }
        sender.join().unwrap();
    }
}
