//! Calls and registrations out of a capture.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use telex_capture::{Analyser, Options};
use telex_engine::sip::{Message, Method};

use super::script::{Link, Script};

/// Whose place the exchange takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Of who was called.
    Uas,
    /// Of who called.
    Uac,
    /// Of who was registered with.
    Registrar,
}

/// One message as it was captured: when, from whom, to whom, what people call it, and itself.
pub type Captured = (Duration, SocketAddr, SocketAddr, String, Message);

/// No conversation is replayed for longer: a capture can tell any time.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// All messages of a capture by Call-ID, those that can be read, in order of their times.
///
/// # Errors
/// What is wrong with the capture, when nothing could be read of it.
pub fn conversations(capture: impl Read) -> Result<Vec<(String, Vec<Captured>)>, String> {
    let mut analyser = Analyser::new(Options::default());
    let read = analyser.read(capture);
    let report = analyser.finish();
    if let (Err(stopped), true) = (read, report.messages.is_empty()) {
        return Err(format!("{stopped}"));
    }
    let began = report.began.unwrap_or_default();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut all: Vec<(String, Vec<Captured>)> = Vec::new();
    // What was repeated was lost, or late; nothing is here.
    for found in report.messages.iter().filter(|message| message.repeats.is_none()) {
        let Ok(message) = Message::parse(found.raw.clone()) else { continue };
        let call = found.call_id.clone();
        let place = *places.entry(call.clone()).or_insert(all.len());
        if place == all.len() {
            all.push((call, Vec::new()));
        }
        let at = found.at.since(began).min(LONGEST);
        let label = format!("frame {}", found.frame);
        if let Some((_, conversation)) = all.get_mut(place) {
            conversation.push((at, found.source, found.destination, label, message));
        }
    }
    Ok(all)
}

/// The script of one conversation with the exchange in that place; `None` when it has nothing for it.
pub fn script(conversation: &[Captured], place: Place) -> Option<Script> {
    let has = |method: Method| conversation.iter().any(|(.., m)| m.is_request() && m.method() == method);
    match place {
        Place::Uas if has(Method::Invite) => Script::between(&two_parties(conversation), Link::Caller),
        Place::Uac if has(Method::Invite) => Script::between(&two_parties(conversation), Link::Callee),
        Place::Registrar if has(Method::Register) => Script::registering(&two_parties(conversation)),
        _ => None,
    }
}

/// The messages between the first two addresses: what goes on by other hops is another conversation.
fn two_parties(conversation: &[Captured]) -> Vec<Captured> {
    let Some((_, from, to, ..)) = conversation.iter().find(|(.., m)| m.is_request()) else { return vec![] };
    let host = |address: &SocketAddr| address.ip();
    let between = |(_, source, destination, ..): &&Captured| {
        (host(source), host(destination)) == (host(from), host(to))
            || (host(source), host(destination)) == (host(to), host(from))
    };
    let named = |(at, source, destination, label, message): &Captured| {
        // A party may send from another port than it listens at.
        let party = |address: &SocketAddr| if host(address) == host(from) { *from } else { *to };
        let (source, destination) = if host(from) == host(to) {
            (*source, *destination)
        } else {
            (party(source), party(destination))
        };
        (*at, source, destination, label.clone(), message.clone())
    };
    conversation.iter().filter(between).map(named).collect()
}
