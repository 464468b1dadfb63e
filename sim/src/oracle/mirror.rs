//! A response says whose request it answers by repeating it.

use super::requests::Requests;
use super::{Exit, Verdict, broken};
use crate::text::Msg;

/// `answered_as_asked`: Via, From, To, Call-ID and CSeq of a response are those of its request (RFC 3261 §8.2.6.2);
/// only the topmost Via gains `received` and `rport`, and To a tag.
pub(crate) fn answered_as_asked(exit: &Exit<'_>, requests: &Requests) -> Verdict {
    if exit.msg.is_request() {
        return Ok(());
    }
    let Some(asked) = requests.asked(exit.msg, exit.msg.method()) else { return Ok(()) };
    match difference(&asked.msg, exit.msg) {
        None => Ok(()),
        Some((name, wanted, found)) => {
            let reason = format!("{} has {name} {found:?} instead of {wanted:?}", exit.msg.summary());
            Err(broken("answered_as_asked", exit.now, reason))
        }
    }
}

fn difference(request: &Msg, response: &Msg) -> Option<(&'static str, String, String)> {
    let vias = |msg: &Msg| -> Vec<String> {
        let each = |(at, via): (usize, &str)| if at == 0 { without_stamp(via) } else { even(via) };
        msg.values("via").enumerate().map(each).collect()
    };
    let (wanted, found) = (vias(request), vias(response));
    if wanted != found {
        return Some(("Via", wanted.join(", "), found.join(", ")));
    }
    for (name, title) in [("from", "From"), ("call-id", "Call-ID"), ("cseq", "CSeq")] {
        let (wanted, found) = (request.get(name).unwrap_or_default(), response.get(name).unwrap_or_default());
        if even(wanted) != even(found) {
            return Some((title, wanted.to_owned(), found.to_owned()));
        }
    }
    let (wanted, found) =
        (even(request.get("to").unwrap_or_default()), even(response.get("to").unwrap_or_default()));
    let added = found.strip_prefix(wanted.as_str());
    let fine = match (request.tag("to"), added) {
        (_, None) => false,
        (Some(_), Some(added)) => added.is_empty(),
        (None, Some(added)) => added.is_empty() || added.starts_with(";tag="),
    };
    (!fine).then_some(("To", wanted, found))
}

/// With one blank where there are several, and none around separators.
fn even(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    [" ;", "; ", " =", "= "].iter().fold(words, |text, blank| text.replace(blank, blank.trim()))
}

fn without_stamp(via: &str) -> String {
    let keep = |part: &&str| {
        let name = part.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        !["received", "rport"].contains(&name.as_str())
    };
    let parts: Vec<String> = via.split(';').filter(keep).map(|p| even(p.trim())).collect();
    parts.join(";")
}
