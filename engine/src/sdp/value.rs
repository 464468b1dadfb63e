//! The values of the lines that a telephone exchange has to understand.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who made the session description, and which edition it is: `o=` (RFC 8866 §5.2).
///
/// The two numbers stay text: that they are digits is sure, their length is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// User name, `-` for none.
    pub user: &'a str,
    /// Decimal digits that name the session.
    pub session_id: &'a str,
    /// Decimal digits that grow with each change.
    pub version: &'a str,
    /// Network type, address type and address of the host it was made on. They make the name unique and are not
    /// looked into.
    pub host: &'a str,
}

impl<'a> Origin<'a> {
    /// Reads the value of an `o=` line.
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut cursor = Cursor(value);
        let user = cursor.word()?;
        cursor.gap()?;
        let session_id = cursor.digits()?;
        cursor.gap()?;
        let version = cursor.digits()?;
        cursor.gap()?;
        let host = cursor.rest();
        (host.split_ascii_whitespace().count() == 3).then_some(Self { user, session_id, version, host })
    }
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.user, self.session_id, self.version, self.host)
    }
}

/// An address with its type, as in `o=`, `c=` and `a=rtcp` (RFC 8866 §5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// `IN IP4`, in numbers.
    V4(Ipv4Addr),
    /// `IN IP6`, in numbers.
    V6(Ipv6Addr),
    /// `IN IP4`, a host name.
    Name4(&'a str),
    /// `IN IP6`, a host name.
    Name6(&'a str),
    /// A network or address type of which nothing is known.
    Other {
        /// Network type.
        net: &'a str,
        /// Address type.
        kind: &'a str,
        /// The address.
        text: &'a str,
    },
}

impl<'a> Address<'a> {
    /// Reads network type, address type and address. `None` when the address is of the other type.
    fn parse(net: &'a str, kind: &'a str, address: &'a str) -> Option<Self> {
        let v4 = kind.eq_ignore_ascii_case("IP4");
        if !net.eq_ignore_ascii_case("IN") || !(v4 || kind.eq_ignore_ascii_case("IP6")) {
            return Some(Self::Other { net, kind, text: address });
        }
        match address.parse() {
            Ok(IpAddr::V4(address)) => v4.then_some(Self::V4(address)),
            Ok(IpAddr::V6(address)) => (!v4).then_some(Self::V6(address)),
            Err(_) if address.contains(':') => None,
            Err(_) => Some(if v4 { Self::Name4(address) } else { Self::Name6(address) }),
        }
    }

    /// The address in numbers, an IPv4-mapped one as IPv4. `None` for names.
    pub fn ip(&self) -> Option<IpAddr> {
        match *self {
            Self::V4(address) => Some(IpAddr::V4(address)),
            Self::V6(address) => Some(IpAddr::V6(address).to_canonical()),
            Self::Name4(_) | Self::Name6(_) | Self::Other { .. } => None,
        }
    }

    /// Whether it says that there is nothing to send to: the unspecified address, or a name under `.invalid`
    /// (RFC 3264 §5.1 and §8.4).
    pub fn is_nowhere(&self) -> bool {
        match *self {
            Self::V4(_) | Self::V6(_) => self.ip().is_some_and(|ip| ip.is_unspecified()),
            Self::Name4(name) | Self::Name6(name) => {
                name.as_bytes().last_chunk::<8>().is_some_and(|end| end.eq_ignore_ascii_case(b".invalid"))
            }
            Self::Other { .. } => false,
        }
    }
}

impl From<IpAddr> for Address<'_> {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4(address) => write!(f, "IN IP4 {address}"),
            Self::V6(address) => write!(f, "IN IP6 {address}"),
            Self::Name4(name) => write!(f, "IN IP4 {name}"),
            Self::Name6(name) => write!(f, "IN IP6 {name}"),
            Self::Other { net, kind, text } => write!(f, "{net} {kind} {text}"),
        }
    }
}

/// Where media is received: `c=` (RFC 8866 §5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// The address, or the first of several multicast addresses.
    pub address: Address<'a>,
    /// Time to live of IPv4 multicast.
    pub ttl: Option<u8>,
    /// How many multicast addresses in a row; 1 when not said.
    pub count: u32,
}

impl<'a> Connection<'a> {
    /// Reads the value of a `c=` line.
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut cursor = Cursor(value);
        let (net, kind, place) = (cursor.word()?, cursor.word()?, cursor.word()?);
        cursor.end()?;
        let slash = place.bytes().position(|b| b == b'/').unwrap_or(place.len());
        let mut place = Cursor(place);
        let address = Address::parse(net, kind, place.cut(slash))?;
        let v6 = matches!(address, Address::V6(_) | Address::Name6(_));
        let ttl = if !v6 && place.eat(b'/') { Some(place.number()?) } else { None };
        let count = place.per(1)?;
        place.end()?;
        Some(Self { address, ttl, count })
    }
}

impl fmt::Display for Connection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(ttl) = self.ttl {
            write!(f, "/{ttl}")?;
        }
        if self.count != 1 {
            write!(f, "/{}", self.count)?;
        }
        Ok(())
    }
}

/// When the session takes place: `t=` (RFC 8866 §5.9). NTP seconds; 0 means unbounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timing {
    /// When it starts.
    pub start: u64,
    /// When it ends.
    pub stop: u64,
}

impl Timing {
    /// Always: what a call says.
    pub const ALWAYS: Self = Self { start: 0, stop: 0 };

    /// Reads the value of a `t=` line.
    pub fn parse(value: &str) -> Option<Self> {
        let mut cursor = Cursor(value);
        let start = cursor.number()?;
        cursor.gap()?;
        let stop = cursor.number()?;
        cursor.end()?;
        Some(Self { start, stop })
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.start, self.stop)
    }
}

/// A bandwidth limit: `b=` (RFC 8866 §5.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth<'a> {
    /// `CT`, `AS` or another.
    pub kind: &'a str,
    /// Kilobits per second for the two named.
    pub value: u64,
}

impl<'a> Bandwidth<'a> {
    /// Reads the value of a `b=` line.
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut cursor = Cursor(value);
        let kind = cursor.token()?;
        let value = if cursor.eat(b':') { cursor.number()? } else { return None };
        cursor.end()?;
        Some(Self { kind, value })
    }
}

/// What is sent where and how: `m=` (RFC 8866 §5.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaLine<'a> {
    /// `audio`, `video`, `application` or another.
    pub kind: &'a str,
    /// Port; 0 when the stream is refused or gone (RFC 3264 §6, §8.2).
    pub port: u16,
    /// How many port pairs in a row; 1 when not said.
    pub count: u32,
    /// `RTP/AVP` or another.
    pub proto: &'a str,
    /// Formats as written, separated by blanks.
    pub formats: &'a str,
}

impl<'a> MediaLine<'a> {
    /// Reads the value of an `m=` line. Formats may be missing where the port is 0: nothing is lost by it.
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut cursor = Cursor(value);
        let kind = cursor.token()?;
        cursor.gap()?;
        let (port, count) = (cursor.number()?, cursor.per(1)?);
        cursor.gap()?;
        let (proto, formats) = (cursor.word()?, cursor.rest());
        let line = Self { kind, port, count, proto, formats };
        (port == 0 || !formats.is_empty()).then_some(line)
    }

    /// Each format.
    pub fn formats(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.formats.split_ascii_whitespace()
    }
}

impl fmt::Display for MediaLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.port)?;
        if self.count != 1 {
            write!(f, "/{}", self.count)?;
        }
        write!(f, " {} {}", self.proto, self.formats)
    }
}

/// `a=`: a name alone, or a name and a value (RFC 8866 §5.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Before the colon.
    pub name: &'a str,
    /// Behind the colon; empty without one.
    pub value: &'a str,
}

impl<'a> Attribute<'a> {
    /// Reads the value of an `a=` line; there is none that cannot be read.
    pub fn parse(value: &'a str) -> Self {
        match value.bytes().position(|b| b == b':') {
            Some(at) => Self { name: &value[..at], value: &value[at + 1..] },
            None => Self { name: value.trim_ascii_end(), value: "" },
        }
    }
}

/// What a payload type number stands for: `a=rtpmap` (RFC 8866 §6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtpmap<'a> {
    /// Payload type number.
    pub number: u8,
    /// Encoding name.
    pub name: &'a str,
    /// RTP clock rate in hertz, not 0.
    pub clock: u32,
    /// Channels; 1 when not said.
    pub channels: u8,
}

impl<'a> Rtpmap<'a> {
    /// Reads the attribute's value.
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut cursor = Cursor(value);
        let number = cursor.number()?;
        cursor.gap()?;
        let name = cursor.token()?;
        let clock = if cursor.eat(b'/') { cursor.number()? } else { return None };
        let channels = cursor.per(1)?;
        cursor.end()?;
        (number < 128 && clock > 0 && channels > 0).then_some(Self { number, name, clock, channels })
    }
}

impl fmt::Display for Rtpmap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.number, self.name, self.clock)?;
        if self.channels != 1 {
            write!(f, "/{}", self.channels)?;
        }
        Ok(())
    }
}

/// Parameters of a format: `a=fmtp` (RFC 8866 §6.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fmtp<'a> {
    /// Payload type number.
    pub number: u8,
    /// What the encoding's own document says.
    pub parameters: &'a str,
}

impl<'a> Fmtp<'a> {
    /// Reads the attribute's value.
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut cursor = Cursor(value);
        let number = cursor.number()?;
        cursor.gap()?;
        let parameters = cursor.rest();
        (number < 128 && !parameters.is_empty()).then_some(Self { number, parameters })
    }
}

/// Where RTCP is received: `a=rtcp` (RFC 3605 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtcp<'a> {
    /// Port.
    pub port: u16,
    /// Address, when it is not that of the media.
    pub address: Option<Address<'a>>,
}

impl<'a> Rtcp<'a> {
    /// Reads the attribute's value.
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut cursor = Cursor(value);
        let port = cursor.number()?;
        if cursor.0.is_empty() {
            return Some(Self { port, address: None });
        }
        cursor.gap()?;
        let address = Address::parse(cursor.word()?, cursor.word()?, cursor.word()?)?;
        Some(Self { port, address: Some(address) })
    }
}

/// What is left of a line. One space between fields is the rule (RFC 8866 §5); more blanks are suffered.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    /// Cuts off what is before `end`, an offset behind ASCII only or before ASCII.
    fn cut(&mut self, end: usize) -> &'a str {
        let (cut, rest) = self.0.split_at_checked(end).unwrap_or((self.0, ""));
        self.0 = rest;
        cut
    }

    /// Everything up to a blank or the end, at least one character; blanks before it are passed over.
    fn word(&mut self) -> Option<&'a str> {
        self.blanks();
        let end = self.0.bytes().position(|b| b == b' ' || b == b'\t').unwrap_or(self.0.len());
        let word = self.cut(end);
        (!word.is_empty()).then_some(word)
    }

    /// A token (RFC 8866 §9).
    fn token(&mut self) -> Option<&'a str> {
        let end = self.0.bytes().position(|b| !TOKEN[usize::from(b)]).unwrap_or(self.0.len());
        let token = self.cut(end);
        (!token.is_empty()).then_some(token)
    }

    /// Decimal digits.
    fn digits(&mut self) -> Option<&'a str> {
        let end = self.0.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(self.0.len());
        let digits = self.cut(end);
        (!digits.is_empty()).then_some(digits)
    }

    /// A decimal number that fits; none of more than 19 digits does.
    fn number<N: TryFrom<u64>>(&mut self) -> Option<N> {
        let (mut number, mut length) = (0, 0);
        for b in self.0.bytes().take_while(u8::is_ascii_digit).take(20) {
            number = u64::wrapping_add(u64::wrapping_mul(number, 10), u64::from(b - b'0'));
            length += 1;
        }
        self.cut(length);
        if (1..20).contains(&length) { N::try_from(number).ok() } else { None }
    }

    /// `/` and a number, or `default` when no `/` comes.
    fn per<N: TryFrom<u64>>(&mut self, default: N) -> Option<N> {
        if self.eat(b'/') { self.number() } else { Some(default) }
    }

    /// Takes this ASCII character if it comes next.
    fn eat(&mut self, b: u8) -> bool {
        let comes = self.0.as_bytes().first() == Some(&b);
        if comes {
            self.cut(1);
        }
        comes
    }

    /// Takes blanks, if there are any.
    fn blanks(&mut self) {
        while let Some(b' ' | b'\t') = self.0.as_bytes().first() {
            self.cut(1);
        }
    }

    /// Takes blanks, at least one.
    fn gap(&mut self) -> Option<()> {
        let before = self.0.len();
        self.blanks();
        (self.0.len() < before).then_some(())
    }

    /// Nothing but blanks is left.
    fn end(mut self) -> Option<()> {
        self.blanks();
        self.0.is_empty().then_some(())
    }

    /// Everything that is left, without the blanks around it.
    fn rest(self) -> &'a str {
        self.0.trim_ascii()
    }
}

/// The characters of a token (RFC 8866 §9).
const TOKEN: [bool; 256] = {
    let mut class = [false; 256];
    let mut b = b'!';
    while b <= b'~' {
        class[b as usize] = !matches!(
            b,
            b'"' | b'('
                | b')'
                | b','
                | b'/'
                | b':'
                | b';'
                | b'<'
                | b'='
                | b'>'
                | b'?'
                | b'@'
                | b'['
                | b'\\'
                | b']'
        );
        b += 1;
    }
    class
};
