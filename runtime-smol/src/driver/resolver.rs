//! Host names, looked up by the operating system on threads that come and go.

use std::cell::Cell;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::rc::Rc;

use smol::LocalExecutor;
use smol::channel::Sender;
use smol::lock::Semaphore;
use telex_engine::border::{Input, QueryId, ResolveError};

use super::Arrival;

/// Lookups at a time: each takes a thread, and a dead name server holds it for half a minute.
const AT_ONCE: usize = 8;
/// Lookups that wait for their turn; what is more is answered at once with [`ResolveError::Unreachable`].
const WAITING: usize = 256;

/// Answers questions for addresses.
#[derive(Debug)]
pub(super) struct Resolver {
    executor: Rc<LocalExecutor<'static>>,
    inbox: Sender<Arrival>,
    turns: Rc<Semaphore>,
    asked: Rc<Cell<usize>>,
}

impl Resolver {
    pub(super) fn new(executor: Rc<LocalExecutor<'static>>, inbox: Sender<Arrival>) -> Self {
        Self { executor, inbox, turns: Rc::new(Semaphore::new(AT_ONCE)), asked: Rc::default() }
    }

    /// Looks `host` up; the answer arrives as an input.
    pub(super) fn ask(&self, query: QueryId, host: String) {
        let (inbox, turns, asked) = (self.inbox.clone(), Rc::clone(&self.turns), Rc::clone(&self.asked));
        asked.set(asked.get() + 1);
        let crowded = asked.get() > AT_ONCE + WAITING;
        self.executor
            .spawn(async move {
                let answer = if crowded {
                    Err(ResolveError::Unreachable)
                } else {
                    let _turn = turns.acquire().await;
                    smol::unblock(move || look_up(&host)).await
                };
                asked.set(asked.get() - 1);
                let _ = inbox.send(Arrival::Input(Input::Resolved { query, answer })).await;
            })
            .detach();
    }
}

fn look_up(host: &str) -> Result<Vec<IpAddr>, ResolveError> {
    match (host, 0).to_socket_addrs() {
        Ok(found) => {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found.map(|a| a.ip()) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            if addresses.is_empty() { Err(ResolveError::NotFound) } else { Ok(addresses) }
        }
        // The library gives no code, only the C library's sentence: "Temporary failure in name resolution".
        Err(e) if e.to_string().contains("Temporary failure") => Err(ResolveError::Unreachable),
        Err(_) => Err(ResolveError::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_found() {
        assert_eq!(look_up("127.0.0.1"), Ok(vec!["127.0.0.1".parse().unwrap()]));
        assert!(look_up("localhost").unwrap().iter().all(IpAddr::is_loopback));
        assert!(look_up("no name has spaces").is_err());
    }
}
