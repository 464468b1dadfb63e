//! Parameters of header fields: `*( SEMI generic-param )` (RFC 3261 §25.1).

use std::borrow::Cow;

use super::error::Why;
use super::scan::{self, Cursor};

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name, as written; names are compared without case.
    pub name: &'a str,
    /// Its value, without the quotes of a quoted string but with its backslashes; `None` without `=`.
    pub value: Option<&'a str>,
    /// Whether the value was a quoted string.
    pub quoted: bool,
}

impl<'a> Param<'a> {
    /// The value as it is meant: a quoted string loses its backslashes and folds.
    pub fn unquoted(&self) -> Option<Cow<'a, str>> {
        self.value.map(|v| if self.quoted { scan::unquote(v) } else { Cow::Borrowed(v) })
    }
}

/// The parameters of a value, in order. Their syntax was checked when the value was parsed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Params<'a> {
    text: &'a str,
}

impl<'a> Params<'a> {
    /// Parameters that were checked: `text` is empty or begins with a semicolon.
    pub(super) fn checked(text: &'a str) -> Self {
        Self { text }
    }

    /// As written, beginning with the first semicolon; empty without any.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The first parameter of this name: `None` when it is not there, `Some(None)` when it has no value.
    pub fn get(&self, name: &str) -> Option<Option<&'a str>> {
        self.iter().find(|p| p.name.eq_ignore_ascii_case(name)).map(|p| p.value)
    }

    /// The value of the first parameter of this name; `None` without a value too.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.get(name).flatten()
    }

    /// Whether there is a parameter of this name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All of them.
    pub fn iter(&self) -> ParamIter<'a> {
        ParamIter { cursor: Cursor::new(self.text) }
    }
}

impl<'a> IntoIterator for Params<'a> {
    type Item = Param<'a>;
    type IntoIter = ParamIter<'a>;

    fn into_iter(self) -> ParamIter<'a> {
        self.iter()
    }
}

/// Walks [`Params`].
#[derive(Clone, Debug)]
pub struct ParamIter<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = Param<'a>;

    fn next(&mut self) -> Option<Param<'a>> {
        next_param(&mut self.cursor).ok().flatten()
    }
}

/// Takes `SEMI name [ EQUAL value ]` when a semicolon is next, white space before it included.
#[inline(always)]
pub(super) fn next_param<'a>(c: &mut Cursor<'a>) -> Result<Option<Param<'a>>, Why> {
    if !c.separator(b';') {
        return Ok(None);
    }
    param(c).map(Some)
}

/// Takes `name [ EQUAL value ]`.
#[inline(always)]
pub(super) fn param<'a>(c: &mut Cursor<'a>) -> Result<Param<'a>, Why> {
    let name = c.take(scan::TOKEN);
    if name.is_empty() {
        return Err(Why::Parameter);
    }
    let end = c.at();
    if !c.separator(b'=') {
        // White space after a name belongs to whatever comes next.
        c.seek(end);
        return Ok(Param { name, value: None, quoted: false });
    }
    if c.peek() == b'"' {
        let value = c.quoted()?;
        return Ok(Param { name, value: Some(value), quoted: true });
    }
    let from = c.at();
    c.skip_long(scan::VALUE);
    let value = c.slice(from, c.at());
    if value.is_empty() { Err(Why::Parameter) } else { Ok(Param { name, value: Some(value), quoted: false }) }
}

/// Takes all parameters; `each` looks at them on the way.
#[inline(always)]
pub(super) fn params<'a>(
    c: &mut Cursor<'a>,
    mut each: impl FnMut(&Param<'a>) -> Result<(), Why>,
) -> Result<Params<'a>, Why> {
    let before = c.at();
    c.skip_lws();
    let from = c.at();
    let mut to = from;
    while let Some(param) = next_param(c)? {
        each(&param)?;
        to = c.at();
    }
    c.seek(if to == from { before } else { to });
    Ok(Params::checked(c.slice(from, to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(&str, Option<&str>)>, Why> {
        let mut c = Cursor::new(text);
        let params = params(&mut c, |_| Ok(()))?;
        assert_eq!(c.rest(), "", "{text}");
        Ok(params.iter().map(|p| (p.name, p.value)).collect())
    }

    #[test]
    fn names_values_and_flags() {
        assert_eq!(all(""), Ok(vec![]));
        let want = vec![("a", None), ("b", Some("1")), ("c", Some("x;y\\\"")), ("d", Some("[::1]"))];
        assert_eq!(all(" ; a ;\r\n b = 1;c=\"x;y\\\"\";d=[::1]"), Ok(want));
    }

    #[test]
    fn names_are_compared_without_case_and_the_first_one_counts() {
        let mut c = Cursor::new(";Tag=1;lr;tag=2");
        let params = params(&mut c, |_| Ok(())).unwrap();
        assert_eq!(params.get("tAG"), Some(Some("1")));
        assert_eq!(params.get("lr"), Some(None));
        assert_eq!(params.get("ta"), None);
    }

    #[test]
    fn empty_parameters_are_refused() {
        for bad in [";", ";;a", ";a=", ";a=;b", ";=b", "; ;"] {
            assert_eq!(all(bad), Err(Why::Parameter), "{bad}");
        }
    }
}
