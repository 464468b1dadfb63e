//! The operator's end of the control socket.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::table::render;
use super::{Cut, CutRequest, Reply, Request};

/// How long the exchange may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a recording may take to be cut, and a configuration to be read: sounds may have to be spoken first.
const SLOW: Duration = Duration::from_secs(120);

/// Asks the exchange behind the socket at `path`; gives the text to print, as JSON or for people.
///
/// Errors with what to tell the operator.
pub(crate) fn ask(path: &Path, request: &Request, json: bool) -> Result<String, String> {
    let patience = if matches!(request, Request::Reload) { SLOW } else { PATIENCE };
    let octets = exchange(path, request, patience).map_err(|e| explain(path, &e))?;
    let text = String::from_utf8_lossy(&octets).into_owned();
    match understood(octets.trim_ascii_end())? {
        Reply::Error(error) => Err(error),
        _ if json => Ok(text),
        reply => Ok(render(&reply)),
    }
}

/// Whether an exchange answers on the socket at `path`.
pub(crate) fn is_running(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

/// Asks for a recording; gives what is said about it, and the octets of its file.
///
/// Errors with what to tell the operator.
pub(crate) fn cut(path: &Path, request: CutRequest) -> Result<(Cut, Vec<u8>), String> {
    let octets = exchange(path, &Request::RecordCut(request), SLOW).map_err(|e| explain(path, &e))?;
    let end = octets.iter().position(|&b| b == b'\n').unwrap_or(octets.len());
    let (line, recording) = octets.split_at_checked(end + 1).unwrap_or((&octets, &[]));
    match understood(line)? {
        Reply::Recording(cut) if cut.octets == recording.len() => Ok((cut, recording.to_vec())),
        Reply::Recording(_) => Err("the recording did not arrive whole".to_owned()),
        Reply::Error(error) => Err(error),
        _ => Err("the answer is not understood".to_owned()),
    }
}

fn understood(line: &[u8]) -> Result<Reply, String> {
    serde_json::from_slice(line).map_err(|e| format!("the answer is not understood: {e}"))
}

fn explain(path: &Path, e: &std::io::Error) -> String {
    let shown = path.display();
    match e.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            format!(
                "no telex is running here: nothing answers on {shown}; say where with --control or --config"
            )
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("{shown} belongs to another user: use sudo, or sudo -u")
        }
        _ => format!("no answer from {shown}: {e}"),
    }
}

fn exchange(path: &Path, request: &Request, patience: Duration) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{}\n", serde_json::to_string(request)?).as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets)?;
    Ok(octets)
}
