//! The documents that watchers are sent, always the full state.

use std::fmt::{self, Write as _};

use super::request::{Package, escape};
use super::standing::{Line, LineState, Presence, Standing};
use crate::sip::EscapedUser;

/// What a document is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// The extension.
    pub(super) extension: &'a str,
    /// The host its watcher knows it at.
    pub(super) host: &'a str,
    /// How many documents went before in this subscription.
    pub(super) version: u32,
}

/// The document of `package` that says `now` to a watcher that was told `before`.
pub(super) fn write(package: Package, subject: Subject<'_>, before: &Standing, now: &Standing) -> String {
    let mut out = String::with_capacity(512);
    let written = match package {
        Package::Dialog => dialogs(&mut out, subject, before, now),
        Package::Presence => presence(&mut out, subject, now.presence()),
        Package::MessageSummary => messages(&mut out, subject, now),
    };
    debug_assert!(written.is_ok(), "a string takes everything");
    out
}

fn entity(subject: Subject<'_>) -> String {
    entity_of(subject.extension, subject.host)
}

fn entity_of(extension: &str, host: &str) -> String {
    format!("sip:{}@{host}", EscapedUser(extension))
}

/// RFC 4235 §4. Calls that were told and are gone are listed as ended, since some phones look for that. Who the other
/// party is remains between the two, but for those who may pick the call up.
fn dialogs(out: &mut String, subject: Subject<'_>, before: &Standing, now: &Standing) -> fmt::Result {
    let entity = entity(subject);
    let version = subject.version;
    out.push_str("<?xml version=\"1.0\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" ");
    writeln!(out, "version=\"{version}\" state=\"full\" entity=\"{}\">", escape(&entity))?;
    let gone = before.lines.iter().filter(|old| now.lines.iter().all(|new| !old.same(new)));
    for line in now.lines.iter() {
        dialog(out, line, line.state.as_str(), subject)?;
    }
    for line in gone {
        dialog(out, line, "terminated", subject)?;
    }
    if !now.reachable {
        out.push_str("<note xmlns=\"urn:ietf:params:xml:ns:pidf\">Unavailable</note>\n");
    }
    out.push_str("</dialog-info>\n");
    Ok(())
}

impl Line {
    fn same(&self, other: &Self) -> bool {
        (self.call, self.outgoing) == (other.call, other.outgoing)
    }
}

fn dialog(out: &mut String, line: &Line, state: &str, subject: Subject<'_>) -> fmt::Result {
    let (side, direction) = if line.outgoing { ('a', "initiator") } else { ('b', "recipient") };
    let ring = line.ring.as_deref().filter(|_| state == "early");
    write!(out, "<dialog id=\"{side}{}\" ", line.call)?;
    if let Some(ring) = ring {
        write!(out, "call-id=\"{}\" local-tag=\"{}\" ", escape(&ring.call_id), escape(&ring.local_tag))?;
        write!(out, "remote-tag=\"{}\" ", escape(&ring.remote_tag))?;
    }
    writeln!(out, "direction=\"{direction}\"><state>{state}</state>")?;
    let entity = entity(subject);
    let entity = escape(&entity);
    if let Some(ring) = ring {
        let (number, name) = &ring.caller;
        let caller = entity_of(number, subject.host);
        let (caller, name) = (escape(&caller), escape(name));
        writeln!(out, "<local><identity>{entity}</identity></local>")?;
        let display = if name.is_empty() { String::new() } else { format!(" display=\"{name}\"") };
        writeln!(out, "<remote><identity{display}>{caller}</identity></remote>")?;
    }
    if state == "confirmed" {
        // RFC 4235 §4.1.6.2: whether the other party's media is rendered.
        let rendering = if line.state == LineState::Holding { "no" } else { "yes" };
        write!(out, "<local><target uri=\"{entity}\">")?;
        writeln!(out, "<param pname=\"+sip.rendering\" pval=\"{rendering}\"/></target></local>")?;
    }
    out.push_str("</dialog>\n");
    Ok(())
}

/// RFC 3863, with an activity of RFC 4480.
fn presence(out: &mut String, subject: Subject<'_>, presence: Presence) -> fmt::Result {
    let (basic, activity, note) = match presence {
        Presence::Closed => ("closed", "", "Unavailable"),
        Presence::Idle => ("open", "", "Ready"),
        Presence::Ringing => ("open", "busy", "Ringing"),
        Presence::OnThePhone => ("open", "on-the-phone", "On the phone"),
        Presence::OnHold => ("open", "on-the-phone", "On hold"),
    };
    let entity = entity(subject);
    let entity = escape(&entity);
    out.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" ",
    );
    out.push_str("xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" ");
    writeln!(out, "xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"{entity}\">")?;
    writeln!(out, "<tuple id=\"phone\"><status><basic>{basic}</basic></status>")?;
    writeln!(out, "<contact>{entity}</contact><note>{note}</note></tuple>")?;
    if !activity.is_empty() {
        writeln!(out, "<dm:person id=\"person\"><rpid:activities><rpid:{activity}/></rpid:activities>")?;
        writeln!(out, "<dm:note>{note}</dm:note></dm:person>")?;
    }
    out.push_str("</presence>\n");
    Ok(())
}

/// RFC 3842 §5.2.
fn messages(out: &mut String, subject: Subject<'_>, now: &Standing) -> fmt::Result {
    let (new, old) = (now.messages.new, now.messages.old);
    let waiting = if new > 0 { "yes" } else { "no" };
    write!(out, "Messages-Waiting: {waiting}\r\nMessage-Account: {}\r\n", entity(subject))?;
    write!(out, "Voice-Message: {new}/{old} (0/0)\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription::standing::Messages;

    #[test]
    fn names_are_escaped() {
        let subject = Subject { extension: "a&<\"b", host: "h'&x", version: 3 };
        let standing = Standing::default();
        let text = write(Package::Dialog, subject, &standing, &standing);
        assert!(text.contains("entity=\"sip:a&amp;%3C%22b@h&apos;&amp;x\""), "{text}");
    }

    #[test]
    fn what_is_no_character_of_xml_becomes_a_space() {
        assert_eq!(escape("A\u{1}\u{fffe}\u{ffff}\u{85}<\u{1f600}"), "A    &lt;\u{1f600}");
    }

    #[test]
    fn a_mailbox_counts_new_and_heard() {
        let subject = Subject { extension: "101", host: "telex", version: 0 };
        let full = Standing { messages: Messages { new: 3, old: 2 }, ..Standing::default() };
        insta::assert_snapshot!(write(Package::MessageSummary, subject, &full, &full), @r"
        Messages-Waiting: yes
        Message-Account: sip:101@telex
        Voice-Message: 3/2 (0/0)
        ");
    }
}
