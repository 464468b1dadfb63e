//! Orders to record, at the control socket of the server: a JSON document per line, and one back.

use std::io::{BufRead, BufReader, Write};
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

fn all_recorded(path: &str) -> std::io::Result<usize> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut ask = |request: &str| {
        stream.write_all(format!("{request}\n").as_bytes())?;
        let mut answer = String::new();
        answers.read_line(&mut answer).map(|_| answer)
    };
    let calls = ask("{\"do\":\"calls\"}")?;
    let mut recorded = 0;
    for id in calls.split("\"id\":").skip(1) {
        let id: String = id.chars().take_while(char::is_ascii_digit).collect();
        let order = format!("{{\"do\":\"recording\",\"call\":{id},\"order\":{{\"start\":\"stereo\"}}}}");
        recorded += usize::from(ask(&order)?.starts_with("{\"recorded\":"));
    }
    Ok(recorded)
}
