//! Typed values of a message, parsed when asked for.

use super::error::{ParseError, Why};
use super::message::{Field, Message, missing};
use super::name::HeaderName;
use super::name_addr::NameAddr;
use super::scan;
use super::uri::{Scheme, Uri};
use super::values::{
    CSeq, Event, MediaType, RAck, Reason, Replaces, RetryAfter, SessionExpires, SubscriptionState, seconds,
};
use super::via::Via;
use crate::limits::MESSAGE_VIAS;

/// What Contact says (RFC 3261 §20.10).
#[derive(Clone, Debug)]
pub enum Contacts<'a> {
    /// `*`: every contact there is.
    Star,
    /// These addresses; none when there is no Contact.
    List(Addresses<'a>),
}

/// Walks the values of a list header, each parsed where the one before ended.
#[derive(Clone, Debug)]
struct List<'a> {
    message: &'a Message,
    name: HeaderName,
    /// The field to look at next.
    next: usize,
    /// What is left of the field before it, and where that begins in the message.
    rest: &'a str,
    base: usize,
}

impl<'a> List<'a> {
    fn new(message: &'a Message, name: HeaderName) -> Self {
        Self { message, name, next: 0, rest: "", base: 0 }
    }

    /// Where the next value begins; empty elements are left out.
    fn value(&mut self) -> Option<(&'a str, usize)> {
        loop {
            let value = self.rest.trim_start_matches([',', ' ', '\t', '\r', '\n']);
            self.base += self.rest.len() - value.len();
            self.rest = value;
            if !value.is_empty() {
                return Some((value, self.base));
            }
            let (position, field) = self.message.field_from(self.name, self.next)?;
            self.next = position + 1;
            self.rest = self.message.text(field.value);
            self.base = usize::from(field.value.0);
        }
    }

    /// The value ended there. After an error nobody knows where the next one begins: the rest of the field is left out.
    fn ended(&mut self, at: Option<usize>) {
        let at = at.unwrap_or(self.rest.len());
        self.rest = self.rest.get(at..).unwrap_or_default();
        self.base += at;
    }
}

/// Walks addresses: see [`Message::addresses`].
#[derive(Clone, Debug)]
pub struct Addresses<'a>(List<'a>);

impl<'a> Iterator for Addresses<'a> {
    type Item = Result<NameAddr<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (text, base) = self.0.value()?;
        let address = NameAddr::parse_first(text, self.0.name.as_str(), base);
        self.0.ended(address.as_ref().ok().map(NameAddr::end));
        Some(address)
    }
}

/// Walks the path of a request: see [`Message::vias`].
#[derive(Clone, Debug)]
pub struct Vias<'a>(List<'a>);

impl<'a> Iterator for Vias<'a> {
    type Item = Result<Via<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (text, base) = self.0.value()?;
        let via = Via::parse_first(text, base);
        self.0.ended(via.as_ref().ok().map(Via::end));
        Some(via)
    }
}

impl Message {
    /// The topmost Via: who sent this request, or who gets this response.
    pub fn via(&self) -> Result<Via<'_>, ParseError> {
        let field = self.required(HeaderName::Via)?;
        Via::parse_first(self.text(field.value), usize::from(field.value.0))
    }

    /// Every Via, topmost first.
    pub fn vias(&self) -> Vias<'_> {
        Vias(List::new(self, HeaderName::Via))
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr<'_>, ParseError> {
        self.address(HeaderName::From)
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr<'_>, ParseError> {
        self.address(HeaderName::To)
    }

    /// The first field of this name as one address: From, To, Refer-To, Referred-By, Reply-To. For headers that may
    /// hold several see [`Message::addresses`].
    pub fn address(&self, name: HeaderName) -> Result<NameAddr<'_>, ParseError> {
        let field = self.required(name)?;
        NameAddr::parse_field(self.text(field.value), name.as_str(), usize::from(field.value.0))
    }

    /// All addresses of this name: Route, Record-Route, Path, P-Asserted-Identity and their kin.
    pub fn addresses(&self, name: HeaderName) -> Addresses<'_> {
        Addresses(List::new(self, name))
    }

    /// Contact. An error in one address is that item's; `*` beside addresses is an error (RFC 3261 §10.3).
    pub fn contacts(&self) -> Result<Contacts<'_>, ParseError> {
        let name = HeaderName::Contact;
        if !self.header(name).is_some_and(|value| value.starts_with('*')) {
            return Ok(Contacts::List(self.addresses(name)));
        }
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (Some("*"), None) => Ok(Contacts::Star),
            _ => Err(ParseError::new(name.as_str(), Why::Character, 0)),
        }
    }

    /// The first Contact address: the remote target of a dialog.
    pub fn contact(&self) -> Option<Result<NameAddr<'_>, ParseError>> {
        self.addresses(HeaderName::Contact).next()
    }

    /// Call-ID.
    pub fn call_id(&self) -> Result<&str, ParseError> {
        let field = self.required(HeaderName::CallId)?;
        let value = self.text(field.value);
        if scan::is_visible(value) {
            return Ok(value);
        }
        let why = if value.is_empty() { Why::Empty } else { Why::Character };
        Err(at(ParseError::new("Call-ID", why, 0), field))
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq<'_>, ParseError> {
        let field = self.required(HeaderName::CSeq)?;
        CSeq::parse(self.text(field.value)).map_err(|e| at(e, field))
    }

    /// Max-Forwards (RFC 3261 §20.22: 0 to 255).
    pub fn max_forwards(&self) -> Option<Result<u8, ParseError>> {
        let number = self.number(HeaderName::MaxForwards, u32::from(u8::MAX))?;
        Some(number.map(|n| n as u8))
    }

    /// Content-Length, as written. The body has what there is: see [`Message::body`].
    pub fn content_length(&self) -> Option<Result<u32, ParseError>> {
        self.number(HeaderName::ContentLength, u32::MAX)
    }

    /// Expires in seconds.
    pub fn expires(&self) -> Option<Result<u32, ParseError>> {
        self.optional(HeaderName::Expires, |t| seconds("Expires", t))
    }

    /// Min-Expires in seconds.
    pub fn min_expires(&self) -> Option<Result<u32, ParseError>> {
        self.optional(HeaderName::MinExpires, |t| seconds("Min-Expires", t))
    }

    /// Session-Expires (RFC 4028).
    pub fn session_expires(&self) -> Option<Result<SessionExpires<'_>, ParseError>> {
        self.optional(HeaderName::SessionExpires, SessionExpires::parse)
    }

    /// Min-SE in seconds (RFC 4028).
    pub fn min_se(&self) -> Option<Result<u32, ParseError>> {
        self.optional(HeaderName::MinSe, |t| seconds("Min-SE", t))
    }

    /// RSeq (RFC 3262).
    pub fn rseq(&self) -> Option<Result<u32, ParseError>> {
        self.optional(HeaderName::RSeq, |t| seconds("RSeq", t))
    }

    /// RAck (RFC 3262).
    pub fn rack(&self) -> Option<Result<RAck<'_>, ParseError>> {
        self.optional(HeaderName::RAck, RAck::parse)
    }

    /// Content-Type.
    pub fn content_type(&self) -> Option<Result<MediaType<'_>, ParseError>> {
        self.optional(HeaderName::ContentType, MediaType::parse)
    }

    /// Refer-To (RFC 3515).
    pub fn refer_to(&self) -> Option<Result<NameAddr<'_>, ParseError>> {
        self.first(HeaderName::ReferTo).map(|_| self.address(HeaderName::ReferTo))
    }

    /// Replaces (RFC 3891).
    pub fn replaces(&self) -> Option<Result<Replaces<'_>, ParseError>> {
        self.optional(HeaderName::Replaces, Replaces::parse)
    }

    /// Event (RFC 6665).
    pub fn event(&self) -> Option<Result<Event<'_>, ParseError>> {
        self.optional(HeaderName::Event, Event::parse)
    }

    /// Subscription-State (RFC 6665).
    pub fn subscription_state(&self) -> Option<Result<SubscriptionState<'_>, ParseError>> {
        self.optional(HeaderName::SubscriptionState, SubscriptionState::parse)
    }

    /// Retry-After.
    pub fn retry_after(&self) -> Option<Result<RetryAfter<'_>, ParseError>> {
        self.optional(HeaderName::RetryAfter, RetryAfter::parse)
    }

    /// Every Reason (RFC 3326).
    pub fn reasons(&self) -> impl Iterator<Item = Result<Reason<'_>, ParseError>> {
        self.values(HeaderName::Reason).map(Reason::parse)
    }

    /// The first P-Asserted-Identity (RFC 3325).
    pub fn p_asserted_identity(&self) -> Option<Result<NameAddr<'_>, ParseError>> {
        self.addresses(HeaderName::PAssertedIdentity).next()
    }

    /// Checks what every element relies on: no [`Message::defect`]; Via, From, To, Call-ID and CSeq there and well
    /// formed (RFC 3261 §8.1.1), the Request-URI, Max-Forwards, Contact, Route and Record-Route well formed, CSeq with
    /// the method of the request. A request without Max-Forwards passes, as RFC 2543 has it.
    pub fn validate(&self) -> Result<(), ParseError> {
        if let Some(&defect) = self.defect() {
            return Err(defect);
        }
        if self.is_request() {
            Uri::parse(self.request_uri()).map_err(|e| e.named("Request-URI"))?;
        }
        self.required(HeaderName::Via)?;
        let mut hops = 0;
        for via in self.vias() {
            via?;
            hops += 1;
        }
        match hops {
            0 => return Err(ParseError::new("Via", Why::Empty, 0)),
            1..=MESSAGE_VIAS => {}
            _ => return Err(ParseError::new("Via", Why::TooLarge, 0)),
        }
        self.from()?;
        self.to()?;
        self.call_id()?;
        let cseq = self.cseq()?;
        if self.is_request() && cseq.name != self.method_name() {
            return Err(ParseError::new("CSeq", Why::Method, 0));
        }
        self.max_forwards().transpose()?;
        if let Contacts::List(contacts) = self.contacts()? {
            for contact in contacts {
                contact?;
            }
        }
        for name in [HeaderName::Route, HeaderName::RecordRoute] {
            for route in self.addresses(name) {
                let sip = matches!(route?.uri.scheme(), Scheme::Sip | Scheme::Sips);
                if !sip {
                    return Err(ParseError::new(name.as_str(), Why::NoScheme, 0));
                }
            }
        }
        Ok(())
    }

    /// A value that is one number.
    fn number(&self, name: HeaderName, max: u32) -> Option<Result<u32, ParseError>> {
        let field = self.first(name)?;
        let number = scan::number_of(self.octets(field.value), max);
        Some(number.map_err(|why| at(ParseError::new(name.as_str(), why, 0), field)))
    }

    fn required(&self, name: HeaderName) -> Result<&Field, ParseError> {
        self.first(name).ok_or_else(|| missing(name))
    }

    fn optional<'a, T>(
        &'a self,
        name: HeaderName,
        parse: impl FnOnce(&'a str) -> Result<T, ParseError>,
    ) -> Option<Result<T, ParseError>> {
        let field = self.first(name)?;
        Some(parse(self.text(field.value)).map_err(|e| at(e.named(name.as_str()), field)))
    }
}

/// An error in a field's value, counted from the start of the message.
fn at(error: ParseError, field: &Field) -> ParseError {
    error.shifted(usize::from(field.value.0))
}
