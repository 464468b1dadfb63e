//! What may differ between a recorded message and the engine's, and why.

use telex_engine::sip::HeaderName as H;

/// How a header field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Word for word, white space apart.
    Exact,
    /// As said in the reason.
    Structure,
    /// Not at all.
    Ignored,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which header field.
    pub name: H,
    /// How it is compared.
    pub rule: Rule,
    /// Why so.
    pub reason: &'static str,
}

const fn row(name: H, rule: Rule, reason: &'static str) -> Row {
    Row { name, rule, reason }
}

/// The table. What is not in it is ignored: extensions are everybody's own.
pub const RULES: [Row; 24] = [
    row(
        H::Via,
        Rule::Structure,
        "a response repeats what came, received and rport apart; a request has one hop of ours",
    ),
    row(
        H::From,
        Rule::Structure,
        "a response repeats it; a request names the same user, at our host, with a tag of ours",
    ),
    row(
        H::To,
        Rule::Structure,
        "the same URI; our tag is another one, always the same for the same recorded one",
    ),
    row(H::CallId, Rule::Structure, "our own in calls we make, always the same for the same recorded one"),
    row(
        H::CSeq,
        Rule::Structure,
        "the same method; a response has the same number, a request the next of ours",
    ),
    row(
        H::Contact,
        Rule::Structure,
        "where there is one there is one, a SIP URI; a registrar names the same bindings",
    ),
    row(H::RecordRoute, Rule::Exact, "a response that makes a dialog repeats it"),
    row(H::MaxForwards, Rule::Structure, "in every request, from 1 to 70"),
    row(H::ContentType, Rule::Structure, "the same where both have a body"),
    row(H::WwwAuthenticate, Rule::Structure, "a challenge for a challenge, with a realm and a nonce of ours"),
    row(
        H::ProxyAuthenticate,
        Rule::Ignored,
        "a user agent asks by WWW-Authenticate where a proxy asked by this",
    ),
    row(H::RSeq, Rule::Structure, "our own, where the response is reliable"),
    row(H::MinExpires, Rule::Ignored, "each registrar has its own least"),
    row(H::Unsupported, Rule::Exact, "names what was required and is not known"),
    row(H::Route, Rule::Ignored, "the recorded hops are not there"),
    row(H::Require, Rule::Ignored, "which optional extensions are in use is for both sides to choose"),
    row(H::Supported, Rule::Ignored, "what an element can do is its own"),
    row(H::Allow, Rule::Ignored, "what an element can do is its own"),
    row(H::Accept, Rule::Ignored, "what an element can do is its own"),
    row(H::SessionExpires, Rule::Ignored, "each side asks for its own interval"),
    row(H::UserAgent, Rule::Ignored, "a name"),
    row(H::Server, Rule::Ignored, "a name"),
    row(H::Date, Rule::Ignored, "the time of the record"),
    row(H::Reason, Rule::Ignored, "optional, and for people"),
];

/// Differences of a start line and a body that are none.
pub const OTHER_RULES: [(&str, &str); 9] = [
    ("reason phrase", "is for people (RFC 3261 §7.2)"),
    ("407 for 401", "a proxy asks with 407 where a user agent server asks with 401 (RFC 3261 §22)"),
    ("401 for 403", "a wrong password is asked for again; who may not do it at all gets 403"),
    ("PRACK", "needs not be answered where ours was not reliable: it is only when the caller requires it"),
    ("100", "is sent hop by hop and only when nothing else is said within 200 ms (RFC 3261 §17.2.1)"),
    ("offer in INVITE", "where the caller made none: media ends here, so the exchange can offer what it has"),
    ("repeated messages", "depend on who answered how fast"),
    (
        "SDP o=, s=, c=, ports",
        "are those of our own media; streams, formats in any order, directions must be the same",
    ),
    (
        "video and other streams",
        "are refused here, so that they have port 0 in an answer and are not offered on",
    ),
];

/// The row of a header field.
pub fn of(name: H) -> Option<&'static Row> {
    RULES.iter().find(|row| row.name == name)
}

/// The table as text.
pub fn text() -> String {
    let rule = |rule| match rule {
        Rule::Exact => "exact",
        Rule::Structure => "structure",
        Rule::Ignored => "ignored",
    };
    let line = |name: &str, rule: &str, reason: &str| format!("{name:<24} {rule:<10} {reason}\n");
    let rows = RULES.iter().map(|row| line(row.name.as_str(), rule(row.rule), row.reason));
    rows.chain(OTHER_RULES.iter().map(|(what, why)| line(what, "allowed", why))).collect()
}
