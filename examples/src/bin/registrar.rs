//! A registrar on one blocking socket of the standard library, without any async runtime.
//!
//! The engine decides everything; this program waits, hands in and sends. What it prints are the engine's own events.
//!
//! ```text
//! cargo run -p telex-examples --bin registrar 192.168.1.50:5060 100 secret
//! ```
//!
//! serves one telephone, or more with more names and passwords, until it is interrupted. Without arguments it tries
//! itself: it serves on a free port, and telephones on the same host register, are turned away and leave.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use telex_engine::agent::{AgentConfig, AgentEvent, Server};
use telex_engine::border::Transport;
use telex_engine::config::{Config, Credentials, Phone as Known};
use telex_engine::sip::Status;
use telex_engine::{Action, Actions, Boot, Signalling};
use telex_examples::{Line, Phone, seed, wall};

/// How long a telephone waits for the registrar.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(address) = arguments.next() else { return try_itself() };
    let accounts: Vec<String> = arguments.collect();
    let line = Line::bind(address.parse()?)?;
    serve(line, accounts.chunks_exact(2).map(|account| (account[0].as_str(), account[1].as_str())))?;
    Ok(())
}

/// The whole driver.
fn serve<'a>(mut line: Line, accounts: impl Iterator<Item = (&'a str, &'a str)>) -> io::Result<()> {
    let mut config = Config::default();
    for (user, password) in accounts {
        let credentials = Some(Credentials::from_password(user, &config.realm, password));
        config.phones.insert(user.into(), Known { credentials, ..Known::default() });
    }
    println!("listening on udp {}", line.listener().local);
    let boot = Boot { wall: wall(), listeners: vec![line.listener()], shards: 1, ..Boot::default() };
    let mut machine = Signalling::new(Arc::new(config), seed()?, boot);
    let mut actions = Actions::new();
    loop {
        let input = line.wait(machine.deadline().map(|deadline| deadline.at))?;
        machine.handle(line.now(), input, &mut actions);
        for action in actions.drain(..) {
            // Records to be stored are dropped: this registrar forgets when it ends.
            if let Some(Action::Report(event)) = line.perform(action) {
                println!("{event:?}");
            }
        }
    }
}

/// Registers telephones at a registrar on another thread, which ends with the process.
fn try_itself() -> Result<(), Box<dyn Error>> {
    let local: SocketAddr = ([127, 0, 0, 1], 0).into();
    let line = Line::bind(local)?;
    let server = Server { transport: Transport::Udp, address: line.listener().local };
    std::thread::spawn(move || serve(line, [("100", "secret")].into_iter()));

    let phone = |password| Phone::new(AgentConfig::new("100", "telex", password), local);
    let (mut phone, mut impostor) = (phone("secret")?, phone("guess")?);
    let minutes = Duration::from_secs(600);
    let granted = |expires| AgentEvent::Registered { expires };
    let refused = AgentEvent::NotRegistered { status: Some(Status::UNAUTHORIZED) };
    expect(&mut phone, server, minutes, &granted(minutes))?;
    expect(&mut impostor, server, minutes, &refused)?;
    expect(&mut phone, server, Duration::ZERO, &granted(Duration::ZERO))
}

/// Registers for so long, or leaves, and wants this to come of it.
fn expect(
    phone: &mut Phone,
    server: Server,
    expires: Duration,
    wanted: &AgentEvent,
) -> Result<(), Box<dyn Error>> {
    phone.order(|agent, now, out| agent.register(now, server, expires, out));
    let event = phone.wait(PATIENCE)?.pop().ok_or("the registrar does not answer")?;
    println!("a telephone asks for {} s and hears: {event:?}", expires.as_secs());
    if event == *wanted { Ok(()) } else { Err("this is not what should have happened".into()) }
}
