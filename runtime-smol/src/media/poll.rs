//! Waits until some of many sockets are readable.
//!
//! Level-triggered, so that one receive per readiness is enough: a socket with more in its queue is simply ready again.

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

/// Ready sockets told by one wait: bounds the time until the clock is read again.
pub(super) const READY: usize = 64;

/// What a wait brought.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// Names of readable sockets.
    pub(super) ports: Vec<u16>,
    /// Whether [`Waker::wake`] was called.
    pub(super) woken: bool,
}

pub(super) use sys::{Poller, Waker};

#[cfg(target_os = "linux")]
mod sys {
    use super::{Duration, READY, Ready, UdpSocket, io};
    use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    /// Names the waker among the sockets.
    const WAKER: u64 = u64::MAX;

    /// An epoll instance. The kernel's interface is used as it is: one system call per wait, which at one packet per
    /// wait is a third of all work.
    #[derive(Debug)]
    pub(in super::super) struct Poller {
        epoll: OwnedFd,
        waker: Arc<OwnedFd>,
    }

    /// Ends a wait from another thread.
    #[derive(Clone, Debug)]
    pub(in super::super) struct Waker(Arc<OwnedFd>);

    impl Waker {
        /// Lets the present wait, or the next one, return at once.
        pub(in super::super) fn wake(&self) {
            // It fails only when it was called 2^64 times without a wait, and then the waiter is woken anyway.
            let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
        }
    }

    impl Poller {
        pub(in super::super) fn new() -> io::Result<Self> {
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let waker = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
            epoll::add(&epoll, &waker, epoll::EventData::new_u64(WAKER), epoll::EventFlags::IN)?;
            Ok(Self { epoll, waker })
        }

        pub(in super::super) fn waker(&self) -> Waker {
            Waker(Arc::clone(&self.waker))
        }

        /// Watches `socket` under the name `port` until it is closed.
        pub(in super::super) fn add(&self, socket: &UdpSocket, port: u16) -> io::Result<()> {
            let name = epoll::EventData::new_u64(u64::from(port));
            Ok(epoll::add(&self.epoll, socket, name, epoll::EventFlags::IN)?)
        }

        /// Waits for something to read, a wake or the end of `timeout`.
        pub(in super::super) fn wait(
            &mut self,
            ready: &mut Ready,
            timeout: Option<Duration>,
        ) -> io::Result<()> {
            ready.ports.clear();
            ready.woken = false;
            let timeout =
                timeout.map(|t| Timespec::try_from(t).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 }));
            let mut room = [MaybeUninit::uninit(); READY];
            let (events, _) = match epoll::wait(&self.epoll, &mut room[..], timeout.as_ref()) {
                Err(rustix::io::Errno::INTR) => return Ok(()),
                waited => waited?,
            };
            for event in events {
                match event.data.u64() {
                    WAKER => {
                        ready.woken = true;
                        let _ = rustix::io::read(&*self.waker, &mut [0; 8]);
                    }
                    port => ready.ports.extend(u16::try_from(port)),
                }
            }
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    use super::{Duration, READY, Ready, UdpSocket, io};
    use polling::{Event, Events, PollMode};
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    /// The system's way of waiting, whatever it is.
    #[derive(Debug)]
    pub(in super::super) struct Poller {
        poller: Arc<polling::Poller>,
        events: Events,
    }

    /// Ends a wait from another thread.
    #[derive(Clone, Debug)]
    pub(in super::super) struct Waker(Arc<polling::Poller>);

    impl Waker {
        /// Lets the present wait, or the next one, return at once.
        pub(in super::super) fn wake(&self) {
            let _ = self.0.notify();
        }
    }

    impl Poller {
        pub(in super::super) fn new() -> io::Result<Self> {
            let events = Events::with_capacity(NonZeroUsize::new(READY).unwrap_or(NonZeroUsize::MIN));
            Ok(Self { poller: Arc::new(polling::Poller::new()?), events })
        }

        pub(in super::super) fn waker(&self) -> Waker {
            Waker(Arc::clone(&self.poller))
        }

        /// Watches `socket` under the name `port` until it is closed.
        pub(in super::super) fn add(&self, socket: &UdpSocket, port: u16) -> io::Result<()> {
            // SAFETY: the owner of this poller keeps every socket open for as long as the poller exists.
            unsafe { self.poller.add_with_mode(socket, Event::readable(usize::from(port)), PollMode::Level) }
        }

        /// Waits for something to read, a wake or the end of `timeout`.
        pub(in super::super) fn wait(
            &mut self,
            ready: &mut Ready,
            timeout: Option<Duration>,
        ) -> io::Result<()> {
            ready.ports.clear();
            self.events.clear();
            self.poller.wait(&mut self.events, timeout)?;
            // A wake is not told apart from the end of the timeout, so the commands are looked at each time.
            ready.woken = true;
            ready.ports.extend(self.events.iter().filter_map(|e| u16::try_from(e.key).ok()));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_stays_ready_until_it_is_empty_and_a_wake_is_seen_once() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&socket, 7).unwrap();
        let mut ready = Ready::default();
        let mut wait = |timeout| {
            poller.wait(&mut ready, Some(Duration::from_millis(timeout))).unwrap();
            ready.ports.clone()
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
        let waker = poller.waker();
        waker.wake();
        waker.wake();
        poller.wait(&mut ready, None).unwrap();
        assert!(ready.woken);
    }
}
