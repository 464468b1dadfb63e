//! What a REGISTER asks for (RFC 3261 §10.3, steps 2 and 6 to 7), read without a look at what is registered.

use smallvec::SmallVec;
use smol_str::SmolStr;

use super::Refusal;
use crate::config::RegistrarConfig;
use crate::limits::{BINDING_OCTETS, BINDINGS_PER_AOR};
use crate::sip::{Contacts, HeaderName, Message, NameAddr, Scheme, Uri};
use crate::time::Duration;

/// Expiry meant by a Contact whose `expires` cannot be read (RFC 3261 §20.10), and the longest that may be refused as
/// too brief (§10.3 step 7).
const HOUR: Duration = Duration::from_secs(3600);
/// Octets kept of a User-Agent.
const USER_AGENT_OCTETS: usize = 96;

/// A REGISTER, reduced to what the table needs. Every string is a copy.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) call_id: SmolStr,
    pub(super) cseq: u32,
    pub(super) user_agent: SmolStr,
    pub(super) path: SmolStr,
    pub(super) contacts: Wanted,
}

/// Which bindings it is about.
#[derive(Debug)]
pub(super) enum Wanted {
    /// None: it only asks which there are.
    Fetch,
    /// All are to go.
    RemoveAll,
    /// These are to be added, refreshed or removed; no two are equivalent.
    These(SmallVec<[Contact; 1]>),
}

/// One Contact.
#[derive(Clone, Debug)]
pub(super) struct Contact {
    pub(super) uri: SmolStr,
    pub(super) q: u16,
    pub(super) instance: SmolStr,
    /// Zero removes.
    pub(super) expires: Duration,
}

impl Wish {
    pub(super) fn read(request: &Message, config: &RegistrarConfig) -> Result<Self, Refusal> {
        check_extensions(request)?;
        let call_id = kept(request.call_id()?, "Call-ID too long")?;
        let cseq = request.cseq()?.number;
        let path = read_path(request)?;
        let expires = request.header(HeaderName::Expires);
        let contacts = match request.contacts()? {
            Contacts::Star if expires.is_some_and(|e| delta_seconds(e) == Some(Duration::ZERO)) => {
                Wanted::RemoveAll
            }
            Contacts::Star => return Err(Refusal::Bad("Contact * needs Expires 0".into())),
            Contacts::List(list) => {
                let otherwise = expires.and_then(delta_seconds).unwrap_or(config.default_expires);
                let mut wanted = SmallVec::new();
                for contact in list {
                    add(&mut wanted, Contact::read(&contact?, otherwise, config)?)?;
                }
                if wanted.is_empty() { Wanted::Fetch } else { Wanted::These(wanted) }
            }
        };
        let user_agent = request.header(HeaderName::UserAgent).unwrap_or_default();
        let user_agent = SmolStr::new(cut(user_agent, USER_AGENT_OCTETS));
        Ok(Self { call_id, cseq, user_agent, path, contacts })
    }
}

impl Contact {
    fn read(given: &NameAddr<'_>, otherwise: Duration, config: &RegistrarConfig) -> Result<Self, Refusal> {
        let expires = match given.params.get("expires") {
            None => otherwise,
            Some(value) => value.and_then(delta_seconds).unwrap_or(HOUR),
        };
        if !expires.is_zero() && expires < config.min_expires && expires < HOUR {
            return Err(Refusal::TooBrief(config.min_expires));
        }
        Ok(Self {
            uri: kept(given.uri_text, "Contact too long")?,
            q: given.q().unwrap_or(1000),
            instance: read_instance(given)?,
            expires: expires.min(config.max_expires),
        })
    }
}

/// Adds a contact; of two that are equivalent the later counts.
fn add(wanted: &mut SmallVec<[Contact; 1]>, contact: Contact) -> Result<(), Refusal> {
    if let Some(earlier) = wanted.iter_mut().find(|earlier| same_uri(&earlier.uri, &contact.uri)) {
        *earlier = contact;
    } else if wanted.len() < BINDINGS_PER_AOR {
        wanted.push(contact);
    } else {
        return Err(Refusal::Bad("Too many contacts in one request".into()));
    }
    Ok(())
}

/// Whether two contact URIs are one binding (RFC 3261 §19.1.4).
pub(super) fn same_uri(a: &str, b: &str) -> bool {
    a == b || matches!((Uri::parse(a), Uri::parse(b)), (Ok(a), Ok(b)) if a.equivalent(&b))
}

/// `Require` may name what is known here (RFC 3261 §8.2.2.3), and a Path needs a phone that knows it: otherwise a proxy
/// could divert its calls unseen (RFC 3327 §5.3).
fn check_extensions(request: &Message) -> Result<(), Refusal> {
    let unknown: Vec<_> =
        request.values(HeaderName::Require).filter(|token| !token.eq_ignore_ascii_case("path")).collect();
    if !unknown.is_empty() {
        return Err(Refusal::Unsupported(unknown.join(", ")));
    }
    if request.header(HeaderName::Path).is_some() && !request.has_token(HeaderName::Supported, "path") {
        return Err(Refusal::Unsupported("path".into()));
    }
    Ok(())
}

fn read_path(request: &Message) -> Result<SmolStr, Refusal> {
    let mut path = String::new();
    for value in request.values(HeaderName::Path) {
        if !matches!(NameAddr::parse(value)?.uri.scheme(), Scheme::Sip | Scheme::Sips) {
            return Err(Refusal::Bad("Path is no SIP URI".into()));
        }
        if !path.is_empty() {
            path.push_str(", ");
        }
        path.push_str(value);
        if path.len() > BINDING_OCTETS {
            break;
        }
    }
    kept(&path, "Path too long")
}

/// Which device it is (RFC 5626 §4.1): two registrations of one device differ by `reg-id`.
fn read_instance(contact: &NameAddr<'_>) -> Result<SmolStr, Refusal> {
    let Some(instance) = contact.params.value("+sip.instance") else { return Ok(SmolStr::default()) };
    match contact.params.value("reg-id") {
        None => kept(instance, "Contact too long"),
        Some(reg_id) => kept(&format!("{instance};{reg_id}"), "Contact too long"),
    }
}

/// A copy of something within the bound of what is kept.
fn kept(text: &str, too_long: &'static str) -> Result<SmolStr, Refusal> {
    if text.len() > BINDING_OCTETS { Err(Refusal::Bad(too_long.into())) } else { Ok(SmolStr::new(text)) }
}

/// Reads delta-seconds (RFC 3261 §25.1); what is too large for the wire format is as long as that can say.
fn delta_seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(text.parse::<u32>().unwrap_or(u32::MAX).into()))
}

/// The longest start of `text` of at most `octets`.
fn cut(text: &str, octets: usize) -> &str {
    let end = (0..=octets.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}
