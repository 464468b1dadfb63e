//! Names of header fields (RFC 3261 §20 and the registry it founded).

use std::fmt;

macro_rules! names {
    ($($variant:ident $long:literal $short:literal $flags:expr,)*) => {
        /// A header field the exchange knows by name. Compact forms mean the same (RFC 3261 §7.3.3).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum HeaderName {
            /// Any other; the field has its name.
            Other,
            $(#[doc = concat!("`", $long, "`.")] $variant,)*
        }

        /// By number: long name, compact form, flags.
        const NAMES: &[(&str, &str, u8)] = &[("", "", 0), $(($long, $short, $flags),)*];
        const ALL: &[HeaderName] = &[HeaderName::Other, $(HeaderName::$variant,)*];
    };
}

/// Values may be joined by commas.
const LIST: u8 = 1;
/// May stand once only; twice makes a message ambiguous.
const ONCE: u8 = 2;

names! {
    Via "Via" "v" LIST,
    From "From" "f" ONCE,
    To "To" "t" ONCE,
    CallId "Call-ID" "i" ONCE,
    CSeq "CSeq" "" ONCE,
    Contact "Contact" "m" LIST,
    MaxForwards "Max-Forwards" "" ONCE,
    ContentLength "Content-Length" "l" ONCE,
    ContentType "Content-Type" "c" ONCE,
    Route "Route" "" LIST,
    RecordRoute "Record-Route" "" LIST,
    Supported "Supported" "k" LIST,
    Require "Require" "" LIST,
    ProxyRequire "Proxy-Require" "" LIST,
    Unsupported "Unsupported" "" LIST,
    Allow "Allow" "" LIST,
    AllowEvents "Allow-Events" "u" LIST,
    Expires "Expires" "" ONCE,
    MinExpires "Min-Expires" "" ONCE,
    Authorization "Authorization" "" 0,
    ProxyAuthorization "Proxy-Authorization" "" 0,
    WwwAuthenticate "WWW-Authenticate" "" 0,
    ProxyAuthenticate "Proxy-Authenticate" "" 0,
    AuthenticationInfo "Authentication-Info" "" 0,
    UserAgent "User-Agent" "" 0,
    Server "Server" "" 0,
    Subject "Subject" "s" 0,
    Date "Date" "" 0,
    Timestamp "Timestamp" "" 0,
    Organization "Organization" "" 0,
    Priority "Priority" "" 0,
    Accept "Accept" "" LIST,
    AcceptEncoding "Accept-Encoding" "" LIST,
    AcceptLanguage "Accept-Language" "" LIST,
    AlertInfo "Alert-Info" "" LIST,
    CallInfo "Call-Info" "" LIST,
    ErrorInfo "Error-Info" "" LIST,
    ContentDisposition "Content-Disposition" "" ONCE,
    ContentEncoding "Content-Encoding" "e" LIST,
    ContentLanguage "Content-Language" "" LIST,
    MimeVersion "MIME-Version" "" 0,
    InReplyTo "In-Reply-To" "" LIST,
    ReplyTo "Reply-To" "" 0,
    RetryAfter "Retry-After" "" 0,
    Warning "Warning" "" LIST,
    RAck "RAck" "" ONCE,
    RSeq "RSeq" "" ONCE,
    Event "Event" "o" ONCE,
    SubscriptionState "Subscription-State" "" ONCE,
    ReferTo "Refer-To" "r" ONCE,
    ReferredBy "Referred-By" "b" ONCE,
    ReferSub "Refer-Sub" "" 0,
    Replaces "Replaces" "" ONCE,
    Join "Join" "" ONCE,
    TargetDialog "Target-Dialog" "" ONCE,
    SessionExpires "Session-Expires" "x" ONCE,
    MinSe "Min-SE" "" ONCE,
    Path "Path" "" LIST,
    ServiceRoute "Service-Route" "" LIST,
    Reason "Reason" "" LIST,
    Diversion "Diversion" "" LIST,
    HistoryInfo "History-Info" "" LIST,
    PAssertedIdentity "P-Asserted-Identity" "" LIST,
    PPreferredIdentity "P-Preferred-Identity" "" LIST,
    RemotePartyId "Remote-Party-ID" "" LIST,
    Privacy "Privacy" "" 0,
    SipEtag "SIP-ETag" "" ONCE,
    SipIfMatch "SIP-If-Match" "" ONCE,
    InfoPackage "Info-Package" "" 0,
    RecvInfo "Recv-Info" "" LIST,
    AcceptContact "Accept-Contact" "a" LIST,
    RejectContact "Reject-Contact" "j" LIST,
    RequestDisposition "Request-Disposition" "d" LIST,
    Identity "Identity" "y" 0,
}

impl HeaderName {
    /// How many there are, [`HeaderName::Other`] included.
    pub(super) const COUNT: usize = NAMES.len();

    /// The name in its long form; empty for [`HeaderName::Other`].
    pub const fn as_str(self) -> &'static str {
        NAMES[self as usize].0
    }

    /// The one-letter form; empty without one.
    pub const fn compact(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// Whether values of this header may be joined by commas in one field (RFC 3261 §7.3.1).
    pub const fn is_list(self) -> bool {
        NAMES[self as usize].2 & LIST != 0
    }

    /// Whether two fields of this name make a message ambiguous.
    pub(super) const fn is_single(self) -> bool {
        NAMES[self as usize].2 & ONCE != 0
    }

    /// The header of this name, long or compact, in any case.
    pub fn from_name(name: &str) -> Self {
        lookup(name.as_bytes())
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Names are found by their length and their first and last eight octets in lower case. A hash of these leads into a
/// table with open addressing, made by the compiler.
const SLOTS: usize = 256;
const TABLE: &[Slot; SLOTS] = &table();

#[derive(Clone, Copy)]
struct Slot {
    head: u64,
    tail: u64,
    len: u8,
    name: HeaderName,
}

const FREE: Slot = Slot { head: 0, tail: 0, len: 0, name: HeaderName::Other };

const fn table() -> [Slot; SLOTS] {
    let mut table = [FREE; SLOTS];
    let mut i = 1;
    while i < NAMES.len() {
        table = add(table, NAMES[i].0.as_bytes(), ALL[i]);
        if !NAMES[i].1.is_empty() {
            table = add(table, NAMES[i].1.as_bytes(), ALL[i]);
        }
        i += 1;
    }
    table
}

const fn add(mut table: [Slot; SLOTS], name: &[u8], id: HeaderName) -> [Slot; SLOTS] {
    let (head, tail) = (head(name), tail(name));
    let mut at = hash(head, tail, name.len());
    while table[at].len != 0 {
        at = (at + 1) % SLOTS;
    }
    table[at] = Slot { head, tail, len: name.len() as u8, name: id };
    table
}

/// Eight octets with their letters in lower case. Only what has the bit of letters is changed: a carriage return does
/// not become a hyphen.
#[inline]
const fn lower(word: u64) -> u64 {
    word | (word & 0x4040_4040_4040_4040) >> 1
}

/// Up to eight octets from the start, in lower case, the rest zero.
const fn head(name: &[u8]) -> u64 {
    let mut word = 0;
    let mut i = 0;
    while i < 8 && i < name.len() {
        word |= (name[i] as u64) << (8 * i);
        i += 1;
    }
    lower(word)
}

/// The last eight octets in lower case; zero for a name of eight octets or less.
const fn tail(name: &[u8]) -> u64 {
    if name.len() <= 8 {
        return 0;
    }
    let (_, last) = name.split_at(name.len() - 8);
    head(last)
}

#[inline]
const fn hash(head: u64, tail: u64, len: usize) -> usize {
    let mixed = (head ^ tail.rotate_left(17)).wrapping_add(len as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 56) as usize
}

/// Finds a name. Every known name is made of token characters.
#[inline]
pub(super) fn lookup(name: &[u8]) -> HeaderName {
    find(head(name), tail(name), name)
}

/// Finds a name at the start of `text`, which goes on after it: eight octets are read at once.
#[inline]
pub(super) fn lookup_in(text: &[u8], len: usize) -> HeaderName {
    let Some(name) = text.get(..len) else { return HeaderName::Other };
    let Some(first) = text.first_chunk::<8>() else { return lookup(name) };
    let first = lower(u64::from_le_bytes(*first));
    match name.last_chunk::<8>() {
        None if len == 0 => HeaderName::Other,
        None => find(first & (u64::MAX >> (64 - 8 * len)), 0, name),
        Some(_) if len == 8 => find(first, 0, name),
        Some(last) => find(first, lower(u64::from_le_bytes(*last)), name),
    }
}

#[inline]
fn find(head: u64, tail: u64, name: &[u8]) -> HeaderName {
    let mut at = hash(head, tail, name.len());
    loop {
        let slot = &TABLE[at % SLOTS];
        if slot.head == head && slot.tail == tail && usize::from(slot.len) == name.len() {
            let whole = name.len() <= 16 || name.eq_ignore_ascii_case(slot.name.as_str().as_bytes());
            return if whole { slot.name } else { HeaderName::Other };
        }
        if slot.len == 0 {
            return HeaderName::Other;
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_in_its_compact_form() {
        for (&name, &(long, short, _)) in ALL.iter().zip(NAMES).skip(1) {
            assert_eq!(HeaderName::from_name(long), name);
            assert_eq!(HeaderName::from_name(&long.to_lowercase()), name);
            assert_eq!(HeaderName::from_name(&long.to_uppercase()), name);
            let line = format!("{long}: and more text");
            assert_eq!(lookup_in(line.as_bytes(), long.len()), name);
            if !short.is_empty() {
                assert_eq!(HeaderName::from_name(short), name);
                assert_eq!(HeaderName::from_name(&short.to_uppercase()), name);
                assert_eq!(lookup_in(format!("{short}:12345678").as_bytes(), 1), name);
                assert_eq!(lookup_in(format!("{short}:").as_bytes(), 1), name);
            }
        }
    }

    #[test]
    fn near_misses_are_other() {
        for name in [
            "",
            "q",
            "Vi",
            "Viaa",
            "Content-Lengthh",
            "Content-Lengt",
            "C%6Fntact",
            "Max Forwards",
            "Call\rID",
        ] {
            assert_eq!(HeaderName::from_name(name), HeaderName::Other, "{name}");
        }
        // The middle of a long name counts too.
        assert_eq!(HeaderName::from_name("Subscrip_ion-State"), HeaderName::Other);
        assert_eq!(HeaderName::from_name("P-AssertXd-Identity"), HeaderName::Other);
    }

    #[test]
    fn probing_is_short() {
        let used = TABLE.iter().filter(|s| s.len != 0).count();
        assert!(used * 2 < SLOTS, "{used} of {SLOTS} slots");
    }
}
