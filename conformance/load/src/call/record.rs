//! Orders to record, at the control socket of the server: a JSON document there, and one back.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Engine;

impl Engine {
    /// Has every call recorded that the server says it has, where that is wanted.
    pub fn record(&mut self) {
        let Some(path) = &self.plan.record else { return };
        match all_recorded(path) {
            Ok(recorded) => self.out.recorded = recorded,
            Err(error) => eprintln!("telex-load: recording at {path}: {error}"),
        }
        let missing = self.up.saturating_sub(self.out.recorded) as u64;
        if missing > 0 {
            *self.out.failed.entry("not_recorded".into()).or_default() += missing;
        }
    }
}

/// One request, one answer, one connection.
fn ask(path: &str, request: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn all_recorded(path: &str) -> std::io::Result<usize> {
    let mut recorded = 0;
    for id in ask(path, "{\"do\":\"calls\"}")?.split("\"id\":").skip(1) {
        let id: String = id.chars().take_while(char::is_ascii_digit).collect();
        let order = format!("{{\"do\":\"recording\",\"call\":{id},\"order\":{{\"start\":{{\"what\":\"stereo\"}}}}}}");
        let answer = ask(path, &order)?;
        if answer.starts_with("{\"recorded\":") {
            recorded += 1;
        } else {
            eprintln!("telex-load: {}", answer.trim());
        }
    }
    Ok(recorded)
}
