//! Compares a message of the engine with the recorded one, by the rules of [`super::rules`].

use telex_engine::sdp::{Media, Session};
use telex_engine::sip::{Contacts, HeaderName, Message, Method, NameAddr, Uri, Via, unfold};

use super::rules::{self, Rule};

/// Something that is not as the rules want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The header field; `start line` or `body` for these.
    pub header: String,
    /// What the record leads one to expect.
    pub expected: String,
    /// What the engine said.
    pub got: String,
}

/// A pair of messages, and the request that the engine's response answers.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// What the record has.
    pub recorded: &'a Message,
    /// What the engine said.
    pub got: &'a Message,
    /// The request as it was said to the engine, when `got` is a response.
    pub asked: Option<&'a Message>,
}

/// Everything that differs and must not.
pub fn differences(pair: &Pair<'_>) -> Vec<Difference> {
    let mut found = start_line(pair);
    for row in rules::RULES {
        let differs = match row.rule {
            Rule::Ignored => None,
            Rule::Exact => exact(pair, row.name),
            Rule::Structure => structure(pair, row.name),
        };
        found.extend(differs.map(|(expected, got)| Difference {
            header: row.name.as_str().into(),
            expected,
            got,
        }));
    }
    found.extend(body(pair));
    found
}

fn start_line(pair: &Pair<'_>) -> Vec<Difference> {
    let differs = |expected: String, got: String| Difference { header: "start line".into(), expected, got };
    let (recorded, got) = (pair.recorded, pair.got);
    if let (Some(theirs), Some(ours)) = (recorded.status(), got.status()) {
        let asks = |code| matches!(code, 401 | 407);
        let tried = pair.asked.is_some_and(|asked| asked.header(HeaderName::Authorization).is_some());
        let asked_again = asks(theirs.code()) || tried && theirs.code() == 403;
        let same = theirs == ours || asked_again && asks(ours.code());
        return if same { vec![] } else { vec![differs(theirs.code().to_string(), ours.code().to_string())] };
    }
    if recorded.method_name() != got.method_name() {
        return vec![differs(recorded.method_name().into(), got.method_name().into())];
    }
    // Parameters of a Contact are often left out by who should repeat them; where it leads is what counts.
    let (theirs, ours) = (Uri::parse(recorded.request_uri()), Uri::parse(got.request_uri()));
    let same = match (&theirs, &ours) {
        (Ok(a), Ok(b)) => {
            a.scheme() == b.scheme()
                && a.user_unescaped() == b.user_unescaped()
                && a.host().same_as(&b.host())
                && a.port() == b.port()
        }
        _ => recorded.request_uri() == got.request_uri(),
    };
    if same { vec![] } else { vec![differs(recorded.request_uri().into(), got.request_uri().into())] }
}

/// Expected and got, when these differ.
type Differs = Option<(String, String)>;

fn unequal(expected: impl Into<String>, got: impl Into<String>) -> Differs {
    let (expected, got) = (expected.into(), got.into());
    (expected != got).then_some((expected, got))
}

fn exact(pair: &Pair<'_>, name: HeaderName) -> Differs {
    let all = |message: &Message| {
        message.values(name).map(|v| unfold(v).into_owned()).collect::<Vec<_>>().join(", ")
    };
    // What a response repeats is what was said here, from which recorded hops may be missing.
    let from =
        if name == HeaderName::RecordRoute { pair.asked.unwrap_or(pair.recorded) } else { pair.recorded };
    let dialog = pair.got.status().is_some_and(|s| (101..300).contains(&s.code()))
        && pair.got.method() == Method::Invite;
    if name == HeaderName::RecordRoute && !dialog {
        return None;
    }
    unequal(all(from), all(pair.got))
}

fn structure(pair: &Pair<'_>, name: HeaderName) -> Differs {
    let Pair { recorded, got, asked } = *pair;
    match name {
        HeaderName::Via => via(got, asked),
        HeaderName::From => from(pair),
        HeaderName::To => to(pair),
        HeaderName::CallId => {
            let asked = asked?;
            unequal(asked.call_id().unwrap_or_default(), got.call_id().unwrap_or_default())
        }
        HeaderName::CSeq => {
            let text = |m: &Message| m.cseq().map_or(String::new(), |c| format!("{} {}", c.number, c.name));
            match asked {
                Some(asked) => unequal(text(asked), text(got)),
                None => unequal(recorded.method_name(), got.cseq().map_or("", |c| c.name)),
            }
        }
        HeaderName::Contact => contact(recorded, got),
        HeaderName::MaxForwards if got.is_request() => {
            let hops = got.max_forwards().and_then(Result::ok);
            let fine = hops.is_some_and(|hops| (1..=70).contains(&hops));
            (!fine).then(|| ("1 to 70".into(), format!("{hops:?}")))
        }
        HeaderName::ContentType => {
            let both = !recorded.body().is_empty() && !got.body().is_empty();
            let kind = |m: &Message| {
                m.header(name)
                    .unwrap_or_default()
                    .split(';')
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .to_ascii_lowercase()
            };
            if both { unequal(kind(recorded), kind(got)) } else { None }
        }
        HeaderName::WwwAuthenticate => {
            let asks = |m: &Message| m.status().is_some_and(|s| matches!(s.code(), 401 | 407));
            let challenge = got.header(name).unwrap_or_default();
            let fine = !asks(recorded)
                || ["Digest ", "realm=", "nonce="].iter().all(|part| challenge.contains(part));
            (!fine).then(|| ("Digest with realm and nonce".into(), challenge.into()))
        }
        HeaderName::RSeq => {
            let reliable = got.has_token(HeaderName::Require, "100rel");
            let fine = reliable == got.header(name).is_some();
            (!fine).then(|| ("with Require: 100rel".into(), "without".into()))
        }
        _ => None,
    }
}

fn via(got: &Message, asked: Option<&Message>) -> Differs {
    let hops = |message: &Message| -> Vec<String> {
        let hop = |via: Via<'_>| {
            format!("{} {};branch={}", via.transport(), via.sent_by(), via.branch().unwrap_or("-"))
        };
        message.vias().filter_map(Result::ok).map(hop).collect()
    };
    match asked {
        Some(asked) => unequal(hops(asked).join(", "), hops(got).join(", ")),
        None => {
            let all = hops(got);
            let fine = all.len() == 1 && all.iter().all(|hop| hop.contains(";branch=z9hG4bK"));
            (!fine).then(|| ("one hop with a branch of ours".into(), all.join(", ")))
        }
    }
}

fn from(pair: &Pair<'_>) -> Differs {
    let text = |m: &Message, host: bool| {
        m.from().map_or(String::new(), |from| {
            let user = || super::script::named(&from.uri.user_unescaped()).to_owned();
            let uri = if host { from.uri_text.to_owned() } else { user() };
            format!("{uri};{}", from.tag().map_or("no tag", |tag| if host { tag } else { "tag" }))
        })
    };
    match pair.asked {
        Some(asked) => unequal(text(asked, true), text(pair.got, true)),
        None => unequal(text(pair.recorded, false), text(pair.got, false)),
    }
}

fn to(pair: &Pair<'_>) -> Differs {
    let text = |m: &Message, host: bool| {
        m.to().map_or(String::new(), |to| {
            let tag = if to.tag().is_some() { "tag" } else { "no tag" };
            let user = to.uri.user_unescaped();
            format!("{};{tag}", if host { to.uri_text } else { &user })
        })
    };
    // A 100 may have a tag or not (RFC 3261 §8.2.6.1).
    if pair.got.status().is_some_and(|status| status.code() == 100) {
        return None;
    }
    match pair.asked {
        Some(asked) => {
            let expected = text(asked, true).replace(";no tag", ";tag");
            unequal(expected, text(pair.got, true))
        }
        None => unequal(text(pair.recorded, false), text(pair.got, false)),
    }
}

fn contact(recorded: &Message, got: &Message) -> Differs {
    let list = |m: &Message| -> Vec<String> {
        let Ok(Contacts::List(contacts)) = m.contacts() else { return vec![] };
        contacts.filter_map(Result::ok).map(|c| c.uri_text.to_owned()).collect()
    };
    let (mut theirs, mut ours) = (list(recorded), list(got));
    if got.method() == Method::Register {
        let endless = |c: &NameAddr<'_>| c.expires().is_none();
        if let Some(Ok(contact)) = got.addresses(HeaderName::Contact).find(|c| c.as_ref().is_ok_and(endless))
        {
            return Some(("with expires (RFC 3261 §10.3)".into(), contact.uri_text.into()));
        }
        theirs.sort();
        ours.sort();
        return unequal(theirs.join(", "), ours.join(", "));
    }
    // A 3xx names others, and an ACK or a refusal needs none.
    let wanted = !theirs.is_empty() && got.status().is_none_or(|s| s.code() < 300) && needs_contact(got);
    let fine = !wanted || ours.len() == 1 && ours.iter().all(|uri| uri.starts_with("sip"));
    (!fine).then(|| ("one SIP URI".into(), ours.join(", ")))
}

fn needs_contact(message: &Message) -> bool {
    matches!(message.method(), Method::Invite | Method::Update | Method::Subscribe | Method::Refer)
}

fn body(pair: &Pair<'_>) -> Option<Difference> {
    let differs = |expected: String, got: String| Some(Difference { header: "body".into(), expected, got });
    let (theirs, ours) = (pair.recorded.body(), pair.got.body());
    // With an offer of ours where the caller made none, the answer comes in the response and not in the ACK.
    let late = pair.got.is_request()
        && match pair.got.method() {
            Method::Invite => theirs.is_empty(),
            Method::Ack => ours.is_empty(),
            _ => false,
        };
    match (Session::parse(theirs), Session::parse(ours)) {
        _ if late || theirs.is_empty() && ours.is_empty() => None,
        (Ok(theirs), Ok(ours)) => {
            let (theirs, ours) = (described(&theirs), described(&ours));
            if theirs == ours { None } else { differs(theirs, ours) }
        }
        // What is not read here is passed on by nobody.
        (Err(_), _) if !theirs.is_empty() => None,
        (_, Err(_)) if !ours.is_empty() => {
            differs("a session description".into(), "something unreadable".into())
        }
        _ => differs(what(theirs).into(), what(ours).into()),
    }
}

fn what(body: &[u8]) -> &'static str {
    if body.is_empty() { "no body" } else { "a body" }
}

/// What a description says of audio: formats and direction; whether it is refused.
fn described(session: &Session<'_>) -> String {
    let direction = |media: &Media<'_, '_>| {
        let known = ["sendrecv", "sendonly", "recvonly", "inactive"];
        let at_media = known.iter().find(|name| media.section.attribute(name).is_some());
        *at_media
            .or(known.iter().find(|name| session.session().attribute(name).is_some()))
            .unwrap_or(&"sendrecv")
    };
    let streams =
        session.media().filter(|media| media.line.kind == "audio").map(|media| match media.line.port {
            0 => "audio refused".to_owned(),
            _ => {
                let mut formats: Vec<&str> = media.line.formats.split_ascii_whitespace().collect();
                formats.sort_unstable();
                format!("audio {} {}", formats.join(" "), direction(&media))
            }
        });
    streams.collect::<Vec<_>>().join("; ")
}
