//! The exchange's end of the control socket.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use smol::channel::{Sender, bounded};
use smol::future::or;
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::{Async, LocalExecutor, Timer};
use telex_engine::border::{Control, ControlReply};

use super::{Asked, CutRequest, Reloaded, Reply, Request};
use crate::record::Cutting;

/// Octets of the longest request.
const REQUEST: usize = 1024;
/// How long a connection may last. Cutting a large recording takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// A question on its way to the driver.
#[derive(Debug)]
pub(crate) enum Question {
    /// For the engine.
    Engine {
        /// What is asked.
        request: Control,
        /// Where the answer goes, with the uptime in seconds.
        answer: Sender<(ControlReply, u64)>,
    },
    /// What the recorder has kept.
    Cut {
        /// Where it goes, or why there is nothing.
        answer: Sender<Result<Cutting, String>>,
    },
    /// Read the configuration again.
    Reload {
        /// Where it goes what became of that, or all that is wrong with it, a line each.
        answer: Sender<Result<Reloaded, Vec<String>>>,
    },
}

/// The bound socket.
#[derive(Debug)]
pub(crate) struct Socket(Async<UnixListener>);

/// The file of the socket; dropping this removes it.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

/// Binds the control socket, for this user only. A file left behind by a process that is gone is replaced.
///
/// Errors with the reason and a remedy.
pub(crate) fn bind(path: &Path) -> Result<(Socket, SocketFile), String> {
    let explain = |e: io::Error| {
        let shown = path.display();
        match e.kind() {
            io::ErrorKind::InvalidInput => format!(
                "the path of the control socket {shown} is too long; name a shorter one in [control] path"
            ),
            _ => format!("cannot bind the control socket {shown}: {e}; name another one in [control] path"),
        }
    };
    if UnixStream::connect(path).is_ok() {
        return Err(format!(
            "another telex answers on {}: stop it first, or give this one its own [control] path",
            path.display()
        ));
    }
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(explain(e)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(explain)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(explain)?;
    let listener = Async::new(listener).map_err(explain)?;
    Ok((Socket(listener), SocketFile(path.to_owned())))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Socket {
    /// Answers everyone who asks, one task per connection; `ask` hands a question to the engine.
    pub(crate) async fn serve<F>(
        &self,
        executor: &LocalExecutor<'_>,
        ask: impl Fn(Question) -> F + Clone + 'static,
    ) where
        F: Future<Output = ()> + 'static,
    {
        while let Ok((stream, _)) = self.0.accept().await {
            executor.spawn(or(answer(stream, ask.clone()), late())).detach();
        }
    }
}

async fn late() {
    Timer::after(PATIENCE).await;
}

/// Reads one request, answers it and closes.
async fn answer<F: Future<Output = ()>>(mut stream: Async<UnixStream>, ask: impl Fn(Question) -> F) {
    let mut line = Vec::new();
    while !line.contains(&b'\n') && line.len() < REQUEST {
        let mut piece = [0; 256];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(n) => line.extend_from_slice(piece.get(..n).unwrap_or_default()),
        }
    }
    let (reply, recording) = match serde_json::from_slice::<Request>(&line) {
        Err(e) => (Reply::Error(format!("this request is not understood: {e}")), Vec::new()),
        Ok(request) => match request.split() {
            Asked::Engine(request) => (engine(request, ask).await, Vec::new()),
            Asked::Recorder(request) => cut(request, ask).await,
            Asked::Driver => (reload(ask).await, Vec::new()),
        },
    };
    let mut text = serde_json::to_vec(&reply).unwrap_or_default();
    text.push(b'\n');
    if stream.write_all(&text).await.is_ok() {
        let _ = stream.write_all(&recording).await;
    }
}

async fn engine<F: Future<Output = ()>>(request: Control, ask: impl Fn(Question) -> F) -> Reply {
    let (answer, answered) = bounded(1);
    ask(Question::Engine { request, answer }).await;
    match answered.recv().await {
        Ok((reply, uptime)) => Reply::new(reply, uptime),
        Err(_) => stopping(),
    }
}

async fn cut<F: Future<Output = ()>>(request: CutRequest, ask: impl Fn(Question) -> F) -> (Reply, Vec<u8>) {
    let (answer, answered) = bounded(1);
    ask(Question::Cut { answer }).await;
    match answered.recv().await {
        // It takes a while and must not hold up the exchange.
        Ok(Ok(cutting)) => smol::unblock(move || request.make(&cutting)).await,
        Ok(Err(error)) => (Reply::Error(error), Vec::new()),
        Err(_) => (stopping(), Vec::new()),
    }
}

async fn reload<F: Future<Output = ()>>(ask: impl Fn(Question) -> F) -> Reply {
    let (answer, answered) = bounded(1);
    ask(Question::Reload { answer }).await;
    match answered.recv().await {
        Ok(Ok(reloaded)) => Reply::Reloaded(reloaded),
        Ok(Err(problems)) => Reply::Error(format!(
            "the configuration was not changed; the one before stays in force\n{}",
            problems.join("\n")
        )),
        Err(_) => stopping(),
    }
}

fn stopping() -> Reply {
    Reply::Error("the exchange is stopping".to_owned())
}
