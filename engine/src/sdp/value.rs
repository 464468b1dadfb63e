//! The values of the lines that a telephone exchange has to understand.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str;

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
    /// Where it was made.
    pub address: Address<'a>,
}

impl<'a> Origin<'a> {
    /// Reads the value of an `o=` line.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let mut fields = fields(value);
        let user = text(fields.next()?)?;
        let session_id = digits(fields.next()?)?;
        let version = digits(fields.next()?)?;
        let address = Address::parse(fields.next()?, fields.next()?, fields.next()?)?;
        fields.next().is_none().then_some(Self { user, session_id, version, address })
    }
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.user, self.session_id, self.version, self.address)
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
    fn parse(net: &'a [u8], kind: &'a [u8], address: &'a [u8]) -> Option<Self> {
        let address = text(address)?;
        let v4 = kind.eq_ignore_ascii_case(b"IP4");
        if !net.eq_ignore_ascii_case(b"IN") || !(v4 || kind.eq_ignore_ascii_case(b"IP6")) {
            return Some(Self::Other { net: text(net)?, kind: text(kind)?, text: address });
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
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let mut fields = fields(value);
        let (net, kind, rest) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() {
            return None;
        }
        let mut parts = rest.split(|&b| b == b'/');
        let address = Address::parse(net, kind, parts.next()?)?;
        let (first, second) = (parts.next(), parts.next());
        if parts.next().is_some() {
            return None;
        }
        let (ttl, count) = match (address, first, second) {
            (_, None, _) => (None, None),
            (Address::V6(_) | Address::Name6(_), Some(_), Some(_)) => return None,
            (Address::V6(_) | Address::Name6(_), count, None) => (None, count),
            (_, ttl, count) => (ttl, count),
        };
        let ttl = ttl.map(|t| number(t).ok_or(())).transpose().ok()?;
        let count = count.map_or(Some(1), number)?;
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
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut fields = fields(value);
        let timing = Self { start: number(fields.next()?)?, stop: number(fields.next()?)? };
        fields.next().is_none().then_some(timing)
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
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (kind, value) = split(value.trim_ascii(), b':')?;
        Some(Self { kind: token(kind)?, value: number(value)? })
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
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (kind, rest) = field(value)?;
        let (ports, rest) = field(rest)?;
        let (proto, rest) = field(rest)?;
        let (port, count) = match split(ports, b'/') {
            Some((port, count)) => (number(port)?, number(count)?),
            None => (number(ports)?, 1),
        };
        let formats = text(rest.trim_ascii())?;
        let line = Self { kind: token(kind)?, port, count, proto: text(proto)?, formats };
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
    pub name: &'a [u8],
    /// Behind the colon; empty without one.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// Reads the value of an `a=` line; there is none that cannot be read.
    pub fn parse(value: &'a [u8]) -> Self {
        match split(value, b':') {
            Some((name, value)) => Self { name, value },
            None => Self { name: value.trim_ascii_end(), value: &[] },
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
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let mut fields = fields(value);
        let number = number(fields.next()?)?;
        let mut parts = fields.next()?.split(|&b| b == b'/');
        let name = token(parts.next()?)?;
        let clock = self::number(parts.next()?).filter(|&clock| clock > 0)?;
        let channels = parts.next().map_or(Some(1), self::number)?;
        (number < 128 && channels > 0).then_some(Self { number, name, clock, channels })
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
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (number, rest) = field(value)?;
        let number = self::number(number).filter(|&number| number < 128)?;
        let parameters = text(rest.trim_ascii())?;
        (!parameters.is_empty()).then_some(Self { number, parameters })
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
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let mut fields = fields(value);
        let port = number(fields.next()?)?;
        let address = match fields.next() {
            Some(net) => Some(Address::parse(net, fields.next()?, fields.next()?)?),
            None => None,
        };
        Some(Self { port, address })
    }
}

/// Fields between blanks. One space is the rule (RFC 8866 §5); more are suffered.
pub(super) fn fields(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| is_blank(b)).filter(|field| !field.is_empty())
}

/// The first field and what is behind it.
fn field(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let value = value.trim_ascii_start();
    let end = value.iter().position(|&b| is_blank(b)).unwrap_or(value.len());
    (end > 0).then(|| value.split_at(end))
}

fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

/// What is before and behind the first `at`.
fn split(value: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, behind) = value.split_at(value.iter().position(|&b| b == at)?);
    Some((before, behind.get(1..)?))
}

fn text(value: &[u8]) -> Option<&str> {
    str::from_utf8(value).ok()
}

/// A token (RFC 8866 §9).
fn token(value: &[u8]) -> Option<&str> {
    let legal = |b: &u8| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(b);
    if value.is_empty() || !value.iter().all(legal) { None } else { text(value) }
}

fn digits(value: &[u8]) -> Option<&str> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) { None } else { text(value) }
}

/// Decimal digits that fit; no sign.
pub(super) fn number<N: TryFrom<u64>>(value: &[u8]) -> Option<N> {
    let mut number = 0u64;
    for &b in value {
        if !b.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(b - b'0'))?;
    }
    if value.is_empty() { None } else { N::try_from(number).ok() }
}
