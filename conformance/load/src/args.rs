//! The command line.

use std::collections::HashMap;
use std::fmt::Display;
use std::process::exit;
use std::str::FromStr;

const HELP: &str = "telex-load <register|call|limit> --server IP:PORT [options]

 common
  --server A           server under test (loopback unless --allow-nonloopback)
  --domain D           host part of request URIs (default: the server's IP)
  --uac IP:PORT        local SIP address of the caller (default 127.0.0.1:6060)
  --server-pid N       report that process's CPU time, RSS, threads, descriptors
  --label S            copied into the report
  --table FILE         append the main figures to FILE as rows of a Markdown table
  --allow-nonloopback, --verbose
 register              each is REGISTER, 401, REGISTER with digest, 200
  --user T --pass T    templates; {i} is the user's number (u{i}, {i})
  --auth-user T        user name in the digest (default: --user)
  --users N --first N  how many distinct users, from which number (1000, 0)
  --count N --rate R   registrations in all, and per second (users, 100)
  --max-inflight N     (2000)   --timeout S (10)   --expires S (3600)
  --retry              come again after a 503 with Retry-After
  --keep-nonce         later registrations of a user send the earlier answer at once
 limit                 no server: CPU time for a packet that one thread receives and sends on
 call                  caller -> server -> callee in this process
  --uas IP:PORT        local SIP address of the callee (127.0.0.1:6070)
  --target T           user dialled, or a whole sip: URI (uas{i})   --targets N (1)
  --from T --from-users N   caller's user (uac{i}, 1)   --auth-user T --pass T  if challenged
  --uas-reg-user T --uas-reg-pass T --uas-reg-count N   register callees first
  --calls N --rate R   (100, 10)     --max-inflight N (20000)
  --hold S             hang up each call after this long (1)
  --steady S           instead: place all calls, hold them together this long, then hang up
  --warmup S (2)  --teardown-rate R (rate)  --ring-ms (0)  --answer-ms (0)  --invite-timeout S (32)
  --media              send RTP both ways, 20 ms packets
  --codec C --uas-codec C   pcmu, pcma or g722, caller and callee (pcmu, --codec)
  --transcode          the callee answers another codec: pcma, unless --uas-codec names it
  --conference N       no callees: so many callers a number (--target room{i}), each hears the others' tone
  --record SOCKET      all calls are recorded while measuring, by orders to this control socket
  --ng IP:PORT         no SIP: ports are got from an rtpengine there, by its ng protocol
  --probe P            stamp, marker, tone or none (stamp if both codecs are the same, else tone)
  --rtp-port N (20000, even; each leg takes its own port)
  --rt                 sender thread runs SCHED_FIFO

The report is one JSON object on standard output.
";

const FLAGS: &[&str] = &["media", "rt", "verbose", "allow-nonloopback", "keep-nonce", "retry", "transcode"];
const OPTIONS: &str = "server domain uac server-pid label table user pass auth-user users first count rate \
    max-inflight timeout expires uas target targets from from-users uas-reg-user uas-reg-pass uas-reg-count calls \
    hold steady warmup teardown-rate ring-ms answer-ms invite-timeout codec uas-codec probe rtp-port conference record ng";

/// Ends the program: the command line or the machine does not allow what was asked.
pub fn die(what: impl Display) -> ! {
    eprintln!("telex-load: {what}");
    exit(2)
}

/// The options by name.
pub struct Args(HashMap<String, String>);

impl Args {
    /// Mode and options.
    pub fn read() -> (String, Self) {
        let mut words = std::env::args().skip(1);
        let mode = words.next().unwrap_or_default();
        if !["register", "call", "limit"].contains(&mode.as_str()) {
            eprint!("{HELP}");
            exit(2);
        }
        let mut options = HashMap::new();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else { die(format_args!("unexpected {word}")) };
            let value = if FLAGS.contains(&name) {
                String::new()
            } else if OPTIONS.split_whitespace().any(|known| known == name) {
                words.next().unwrap_or_else(|| die(format_args!("--{name} needs a value")))
            } else {
                die(format_args!("unknown option --{name}"));
            };
            options.insert(name.to_owned(), value);
        }
        (mode, Self(options))
    }

    /// An option as it is.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// An option or its default.
    pub fn text(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or(default).to_owned()
    }

    /// An option that is a number or an address, if it was given.
    pub fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        let value = self.get(name)?;
        Some(value.parse().unwrap_or_else(|_| die(format_args!("bad value for --{name}: {value}"))))
    }

    /// An option that is a number or an address, or its default.
    pub fn number<T: FromStr>(&self, name: &str, default: T) -> T {
        self.parsed(name).unwrap_or(default)
    }

    /// Whether an option was given.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}
