//! The operator's end of the control socket.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::table::render;
use super::{Reply, Request};

/// How long the exchange may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the exchange behind the socket at `path`; gives the text to print, as JSON or for people.
///
/// Errors with what to tell the operator.
pub(crate) fn ask(path: &Path, request: Request, json: bool) -> Result<String, String> {
    let text = exchange(path, request).map_err(|e| {
        let shown = path.display();
        match e.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
                format!("no telex is running here: nothing answers on {shown}; say where with --control or --config")
            }
            std::io::ErrorKind::PermissionDenied => format!("{shown} belongs to another user: use sudo, or sudo -u"),
            _ => format!("no answer from {shown}: {e}"),
        }
    })?;
    let reply: Reply =
        serde_json::from_str(&text).map_err(|e| format!("the answer is not understood: {e}"))?;
    match reply {
        Reply::Error(error) => Err(error),
        _ if json => Ok(text),
        reply => Ok(render(&reply)),
    }
}

fn exchange(path: &Path, request: Request) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{}\n", serde_json::to_string(&request)?).as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
