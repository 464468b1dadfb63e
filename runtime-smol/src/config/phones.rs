//! The `[[phone]]` entries: who may register, who is called where.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use smol_str::SmolStr;
use telex_engine::config::{Credentials, DigestOffer, FixedContact, Phone, is_plain};
use telex_engine::sip::{Scheme, Uri};
use toml::de::DeTable;

use super::office;
use super::reader::{At, Reader, Section};
use super::sound;

/// Numbers that the exchange answers itself.
const SERVICES: &[(&str, &str)] = &[("*43", "the echo test"), ("*60", "the tone")];

/// All phones by extension, and the contexts that are named.
pub(super) fn phones(
    reader: &mut Reader,
    root: &DeTable<'_>,
    realm: &str,
    digest: DigestOffer,
) -> (BTreeMap<SmolStr, Phone>, Vec<At<SmolStr>>) {
    let (mut phones, mut contexts) = (BTreeMap::new(), Vec::new());
    for entry in reader.list(root, "phone") {
        let Some(extension) = extension(reader, &entry) else { continue };
        let mut phone = phone(reader, &entry, &extension, realm, digest);
        if let Some(context) = reader.text(entry.value, "context") {
            phone.context = context.value.into();
            contexts.push(At { value: context.value.into(), span: context.span });
        }
        if phones.contains_key(&extension.value) {
            let title = format!("extension `{}` is already taken", extension.value);
            reader.wrong(
                &extension.span,
                title,
                "second phone of this name",
                "give each phone an extension of its own",
            );
            continue;
        }
        phones.insert(extension.value, phone);
    }
    (phones, contexts)
}

fn extension(reader: &mut Reader, entry: &At<Section<'_>>) -> Option<At<SmolStr>> {
    if reader.key(entry.value, "extension").is_none() {
        let remedy = "add extension = \"…\": the number or name it is called by";
        reader.wrong(&entry.span, "this phone has no extension", "in this entry", remedy);
    }
    number(reader, entry.value, "extension", "phone")
}

/// What can be dialled to reach a thing of this kind.
pub(super) fn number(
    reader: &mut Reader,
    section: Section<'_>,
    key: &'static str,
    kind: &str,
) -> Option<At<SmolStr>> {
    let text = reader.text(section, key)?;
    // RFC 3261 section 25.1, user: unreserved and +. What else a user may be has a meaning of its own in a dialplan.
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'+".contains(c);
    if text.value.is_empty() || text.value.len() > 64 || !text.value.chars().all(allowed) {
        let remedy = "use 1 to 64 letters, digits or any of - _ . ! ~ * ' +";
        reader.wrong(&text.span, "this cannot be dialled", "not usable", remedy);
        return None;
    }
    if !is_plain(text.value) {
        let remedy = "choose one that does not begin with _ and is none of s i t h o a e T fax";
        reader.wrong(&text.span, "this means something else in a dialplan", "not usable", remedy);
        return None;
    }
    if let Some((number, service)) = SERVICES.iter().find(|(number, _)| *number == text.value) {
        let title = format!("{number} is {service} and cannot be a {kind}");
        reader.wrong(&text.span, title, "taken", format!("choose another {key}"));
        return None;
    }
    Some(At { value: text.value.into(), span: text.span })
}

fn phone(
    reader: &mut Reader,
    entry: &At<Section<'_>>,
    extension: &At<SmolStr>,
    realm: &str,
    digest: DigestOffer,
) -> Phone {
    let has = |key| reader.key(entry.value, key);
    let (password, ha1, sha256, contact) = (has("password"), has("ha1"), has("ha1_sha256"), has("contact"));
    if password.is_none() && ha1.is_none() && contact.is_none() {
        let remedy = "add password = \"…\" (or ha1 = \"…\") so that it can register, \
                      or contact = \"sip:…\" if it never does";
        reader.wrong(
            &extension.span,
            "this phone can neither register nor be reached",
            "no password, no contact",
            remedy,
        );
    }
    if let (Some(_), Some(span)) = (&password, &ha1) {
        reader.wrong(span, "`password` and `ha1` say the same thing twice", "second one", "keep one of them");
    }
    if let (None, Some(span)) = (&ha1, &sha256) {
        let remedy = "add ha1 = \"…\" as well, or give the password instead of both";
        reader.wrong(span, "`ha1_sha256` goes with `ha1`", "`ha1` is missing", remedy);
    }
    let credentials = from_password(reader, entry.value, &extension.value, realm);
    let credentials = credentials.or_else(|| from_hashes(reader, entry.value, digest));
    let contact = reader.text(entry.value, "contact").and_then(|text| fixed_contact(reader, &text));
    Phone {
        credentials,
        contact,
        codecs: sound::codecs(reader, entry.value),
        digits: sound::digits(reader, entry.value),
        context: SmolStr::default(),
        name: reader
            .text(entry.value, "name")
            .and_then(|text| office::shown(reader, &text))
            .unwrap_or_default(),
        pickup_group: reader
            .text(entry.value, "pickup_group")
            .filter(|text| !text.value.is_empty())
            .and_then(|text| office::shown(reader, &text))
            .unwrap_or_default(),
        call_waiting: call_waiting(reader, entry.value),
        trusted: reader.flag(entry.value, "trusted").unwrap_or_default(),
    }
}

/// How many calls a phone may be in when one more is put through: `false` is one, `true` any number.
fn call_waiting(reader: &mut Reader, phone: Section<'_>) -> Option<u8> {
    const MOST: std::ops::Range<u32> = 1..101;
    if reader.is_flag(phone, "call_waiting") {
        let any = reader.flag(phone, "call_waiting").unwrap_or(true);
        return (!any).then_some(1);
    }
    let most = reader.number(phone, "call_waiting", MOST)?;
    u8::try_from(most).ok()
}

fn from_password(
    reader: &mut Reader,
    section: Section<'_>,
    extension: &str,
    realm: &str,
) -> Option<Credentials> {
    let password = reader.text(section, "password")?;
    if password.value.is_empty() || password.value.chars().any(char::is_control) {
        let remedy = "write one of 12 or more letters and digits";
        reader.wrong(&password.span, "this is not a password", "empty, or with control characters", remedy);
        return None;
    }
    Some(Credentials::from_password(extension, realm, password.value))
}

fn from_hashes(reader: &mut Reader, section: Section<'_>, digest: DigestOffer) -> Option<Credentials> {
    let md5 = reader.text(section, "ha1")?;
    let sha256 = reader.text(section, "ha1_sha256");
    if sha256.is_none() && digest == DigestOffer::Sha256 {
        let remedy = "add ha1_sha256 = \"…\", or allow \"md5\" in [sip] digest";
        reader.wrong(
            &md5.span,
            "this phone could never register: only SHA-256 is offered",
            "MD5 only",
            remedy,
        );
    }
    let sha256 = sha256.and_then(|t| hash(reader, &t, "sha256(extension:realm:password)"));
    let md5 = hash(reader, &md5, "md5(extension:realm:password)");
    Some(Credentials { ha1_md5: md5?, ha1_sha256: sha256 })
}

fn hash<const N: usize>(reader: &mut Reader, text: &At<&str>, formula: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    let hex = text.value.as_bytes();
    let good = hex.len() == 2 * N
        && octets.iter_mut().zip(hex.chunks(2)).all(|(octet, pair)| {
            let digits = std::str::from_utf8(pair).ok().filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()));
            digits.and_then(|d| u8::from_str_radix(d, 16).ok()).map(|v| *octet = v).is_some()
        });
    if !good {
        let remedy = format!("write {formula} as {} hexadecimal digits", 2 * N);
        reader.wrong(&text.span, "this is not such a hash", format!("{} characters", hex.len()), remedy);
    }
    good.then_some(octets)
}

/// What a URI asks to be reached over, where that is nothing we speak.
fn other_transport<'a>(uri: &Uri<'a>) -> Option<&'a str> {
    let wanted = uri.param("transport").flatten()?;
    let known = ["udp", "tcp"].iter().any(|known| known.eq_ignore_ascii_case(wanted));
    (!known).then_some(wanted)
}

fn fixed_contact(reader: &mut Reader, text: &At<&str>) -> Option<FixedContact> {
    let remedy = "write it as in \"sip:door@192.0.2.7:5060\" or \"sip:door@192.0.2.7;transport=tcp\"";
    let why = match Uri::parse(text.value) {
        Err(error) => error.to_string(),
        Ok(uri) if uri.scheme() != Scheme::Sip => "only sip: addresses can be called".to_owned(),
        Ok(uri) => match other_transport(&uri) {
            // Nobody is called in clear who was to be called over TLS.
            Some(other) => format!("calls go over udp or tcp, not {other}"),
            None => {
                let address = uri.host().ip().map(|ip| SocketAddr::new(ip, uri.port().unwrap_or(5060)));
                return Some(FixedContact { uri: text.value.into(), address });
            }
        },
    };
    reader.wrong(&text.span, "this is not a contact that can be called", why, remedy);
    None
}
