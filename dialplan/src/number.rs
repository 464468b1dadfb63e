//! Numbers of expressions: decimals of eighteen digits, so that the same plan reckons the same everywhere.
//!
//! The results print as `%.18g` prints them: `1/3` is `0.333333333333333333`, `10/5` is `2`, ten to the twentieth
//! `1e+20`.

use std::cmp::Ordering;
use std::fmt;

/// Digits kept.
const DIGITS: u32 = 18;
/// The first mantissa that is too long.
const FULL: i128 = 10_i128.pow(DIGITS);
/// Powers of ten beyond this, either way, are no numbers here.
const MAX_EXPONENT: i32 = 4_900;

/// `mantissa * 10^exponent`, without zeros at the end of the mantissa.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    mantissa: i128,
    exponent: i32,
}

impl Number {
    pub(crate) const ZERO: Self = Self { mantissa: 0, exponent: 0 };
    pub(crate) const ONE: Self = Self { mantissa: 1, exponent: 0 };

    /// Rounds to what is kept; `None` beyond the bounds.
    fn new(mantissa: i128, exponent: i32) -> Option<Self> {
        let (mut mantissa, mut exponent) = (mantissa, exponent);
        let digits = length(mantissa);
        if digits > DIGITS {
            let cut = digits - DIGITS;
            let unit = 10_i128.pow(cut);
            let half = mantissa.signum() * (unit / 2);
            mantissa = (mantissa + half) / unit;
            exponent += cut.cast_signed();
        }
        while mantissa != 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        if mantissa == 0 {
            return Some(Self::ZERO);
        }
        (exponent.abs() <= MAX_EXPONENT).then_some(Self { mantissa, exponent })
    }

    /// Reads `12`, `-1.5`, `.5`, `1e3`; spaces around do not matter.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (plain, power) = match text.split_once(['e', 'E']) {
            Some((plain, power)) if !power.is_empty() && power.len() <= 5 => (plain, power.parse().ok()?),
            Some(_) => return None,
            None => (text, 0_i32),
        };
        let (whole, part) = plain.split_once('.').unwrap_or((plain, ""));
        if whole.is_empty() && part.is_empty() {
            return None;
        }
        let (mut mantissa, mut exponent) = (0_i128, power);
        for (place, digit) in whole.bytes().chain(part.bytes()).enumerate() {
            if !digit.is_ascii_digit() {
                return None;
            }
            let fraction = place >= whole.len();
            if mantissa < FULL * 1_000 {
                mantissa = mantissa * 10 + i128::from(digit - b'0');
                exponent -= i32::from(fraction);
            } else {
                exponent = exponent.saturating_add(i32::from(!fraction));
            }
        }
        Self::new(if negative { -mantissa } else { mantissa }, exponent)
    }

    pub(crate) fn from_int(value: i64) -> Self {
        Self::new(i128::from(value), 0).unwrap_or(Self::ZERO)
    }

    /// The integer nearest to zero from here; `None` if it does not fit.
    pub(crate) fn to_int(self) -> Option<i64> {
        let whole = self.trunc();
        let unit = 10_i128.checked_pow(whole.exponent.try_into().ok()?)?;
        whole.mantissa.checked_mul(unit)?.try_into().ok()
    }

    pub(crate) const fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    pub(crate) const fn neg(self) -> Self {
        Self { mantissa: -self.mantissa, exponent: self.exponent }
    }

    pub(crate) const fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    pub(crate) fn add(self, other: Self) -> Option<Self> {
        if self.is_zero() || other.is_zero() {
            return Some(if self.is_zero() { other } else { self });
        }
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let shift = (high.exponent - low.exponent).unsigned_abs();
        if shift + length(high.mantissa) > 37 {
            return Some(high); // the other is less than its last digit
        }
        Self::new(high.mantissa * 10_i128.pow(shift) + low.mantissa, low.exponent)
    }

    pub(crate) fn sub(self, other: Self) -> Option<Self> {
        self.add(other.neg())
    }

    pub(crate) fn mul(self, other: Self) -> Option<Self> {
        Self::new(self.mantissa * other.mantissa, self.exponent + other.exponent)
    }

    /// `None` for a division by zero.
    pub(crate) fn div(self, other: Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let shift = 37 - length(self.mantissa);
        let quotient = self.mantissa * 10_i128.pow(shift) / other.mantissa;
        Self::new(quotient, self.exponent - other.exponent - shift.cast_signed())
    }

    /// What is left of a division to the integer nearest to zero; `None` for a division by zero.
    pub(crate) fn rem(self, other: Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let shift = self.exponent - other.exponent;
        if shift >= 0 {
            let mut rest = self.mantissa % other.mantissa;
            for _ in 0..shift {
                rest = rest * 10 % other.mantissa;
            }
            return Self::new(rest, other.exponent);
        }
        if shift.unsigned_abs() + length(other.mantissa) > 37 {
            return Some(self); // it is less than the divisor
        }
        Self::new(self.mantissa % (other.mantissa * 10_i128.pow(shift.unsigned_abs())), self.exponent)
    }

    /// A power with an integer exponent.
    pub(crate) fn pow(self, power: i64) -> Option<Self> {
        let (mut result, mut base, mut left) = (Self::ONE, self, power.unsigned_abs());
        while left > 0 {
            if left & 1 == 1 {
                result = result.mul(base)?;
            }
            left >>= 1;
            if left > 0 {
                base = base.mul(base)?;
            }
        }
        if power < 0 { Self::ONE.div(result) } else { Some(result) }
    }

    /// A power of ten that is no smaller than the square root, and less than a hundred times it.
    pub(crate) fn above_root(self) -> Self {
        let digits = self.exponent + length(self.mantissa).cast_signed();
        Self { mantissa: 1, exponent: (digits + 1).div_euclid(2) }
    }

    pub(crate) fn trunc(self) -> Self {
        if self.exponent >= 0 {
            return self;
        }
        let unit = 10_i128.checked_pow(self.exponent.unsigned_abs());
        unit.and_then(|unit| Self::new(self.mantissa / unit, 0)).unwrap_or(Self::ZERO)
    }

    pub(crate) fn floor(self) -> Option<Self> {
        let whole = self.trunc();
        if self.is_negative() && whole != self { whole.sub(Self::ONE) } else { Some(whole) }
    }

    pub(crate) fn ceil(self) -> Option<Self> {
        self.neg().floor().map(Self::neg)
    }

    /// To the nearest integer, halves away from zero.
    pub(crate) fn round(self) -> Option<Self> {
        let half = Self { mantissa: 5 * self.mantissa.signum(), exponent: -1 };
        if self.is_zero() { Some(self) } else { self.add(half).map(Self::trunc) }
    }

    pub(crate) fn order(self, other: Self) -> Ordering {
        match self.sub(other) {
            Some(difference) => difference.mantissa.cmp(&0),
            None => self.mantissa.cmp(&0),
        }
    }
}

fn length(mantissa: i128) -> u32 {
    mantissa.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1)
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative() {
            f.write_str("-")?;
        }
        let digits = self.mantissa.unsigned_abs().to_string();
        let point = self.exponent + digits.len() as i32; // digits before the point
        if !(-3..=DIGITS as i32).contains(&point) {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let power = point - 1;
            let sign = if power < 0 { '-' } else { '+' };
            return write!(f, "{first}{dot}{rest}e{sign}{:02}", power.abs());
        }
        if point <= 0 {
            let zeros = point.unsigned_abs() as usize;
            return write!(f, "0.{:0<zeros$}{digits}", "");
        }
        let point = point as usize;
        if point >= digits.len() {
            return write!(f, "{digits:0<point$}");
        }
        write!(f, "{}.{}", &digits[..point], &digits[point..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn numbers_print_as_they_do_in_the_field() {
        for (text, printed) in [
            ("007", "7"),
            ("-0", "0"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("123456789012345678", "123456789012345678"),
            ("1234567890123456789", "1.23456789012345679e+18"),
            ("1e20", "1e+20"),
            ("99999999999999999999999999999999999999999", "1e+41"),
        ] {
            assert_eq!(number(text).to_string(), printed, "{text}");
        }
        for text in ["", "-", ".", "1x", "1e", "0x10", "1e99999", "--1", "inf", "nan", "1e4999"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn sums_are_exact_decimals() {
        let sum = |a: &str, b: &str| number(a).add(number(b)).map(|sum| sum.to_string());
        assert_eq!(sum("0.1", "0.2").as_deref(), Some("0.3"));
        assert_eq!(sum("1e30", "1").as_deref(), Some("1e+30"));
        assert_eq!(sum("1", "-1").as_deref(), Some("0"));
        let of =
            |f: fn(Number, Number) -> Option<Number>, a, b| f(number(a), number(b)).map(|n| n.to_string());
        assert_eq!(of(Number::div, "1", "3").as_deref(), Some("0.333333333333333333"));
        assert_eq!(of(Number::div, "2", "3").as_deref(), Some("0.666666666666666667"));
        assert_eq!(of(Number::div, "1", "0"), None);
        assert_eq!(of(Number::rem, "-7", "3").as_deref(), Some("-1"));
        assert_eq!(of(Number::rem, "7.5", "2").as_deref(), Some("1.5"));
        assert_eq!(of(Number::rem, "1e30", "7").as_deref(), Some("1"));
        assert_eq!(of(Number::rem, "1", "1e60").as_deref(), Some("1"));
        assert_eq!(of(Number::mul, "1e4800", "1e4800"), None);
    }

    #[test]
    fn rounding_goes_where_its_name_says() {
        let all = |text: &str| {
            let n = number(text);
            [n.floor(), n.ceil(), n.round(), Some(n.trunc())]
                .map(|n| n.map_or(String::new(), |n| n.to_string()))
                .join(" ")
        };
        assert_eq!(all("2.5"), "2 3 3 2");
        assert_eq!(all("-2.5"), "-3 -2 -3 -2");
        assert_eq!(all("-0.2"), "-1 0 0 0");
        assert_eq!(all("1e-40"), "0 1 0 0");
        assert_eq!(number("2").pow(-2).map(|n| n.to_string()).as_deref(), Some("0.25"));
        assert_eq!(number("9.2e18").to_int(), Some(9_200_000_000_000_000_000));
        assert_eq!(number("1e19").to_int(), None);
    }
}
