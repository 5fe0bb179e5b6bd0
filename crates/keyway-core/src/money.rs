//! Money: integer nano-dollars in every account, integer femto-dollars in every rate.
//!
//! One rounding per request, upward, from femto- to nano-dollars. Text goes in and out as decimal
//! text and never through floating point, so that sums agree to the last digit.

mod text;

use std::fmt;

use thiserror::Error;

pub use self::text::NanosText;

/// Decimal places of a nano-dollar.
const NANO_DECIMALS: usize = 9;
/// Decimal places of a femto-dollar.
const FEMTO_DECIMALS: usize = 15;
/// Decimal places of a discount.
const DISCOUNT_DECIMALS: usize = 6;
/// Femto-dollars in a nano-dollar.
const FEMTOS_PER_NANO: i128 = 1_000_000;
/// Exponents beyond this are refused before they can cost any work (`1e400` is no amount of money).
const EXPONENT_MAX: i64 = 64;
/// Longest number that is read as money, in characters.
const TEXT_MAX: usize = 128;

/// An amount in nano-dollars (10⁻⁹ USD).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(i64);

impl Nanos {
    pub const ZERO: Self = Self(0);
    /// The largest limit that a key may have: $1,000,000,000.
    pub const LIMIT_MAX: Self = Self(1_000_000_000_000_000_000);

    pub const fn new(nanos: i64) -> Self {
        Self(nanos)
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Reads a spending limit in USD from decimal text as it stood in the JSON.
    ///
    /// More than nine decimals are rounded down: 0.1 + 0.2 arrives from JavaScript as
    /// 0.30000000000000004 and means 0.3.
    pub fn parse_limit(text: &str) -> Result<Self, MoneyError> {
        let decimal = Decimal::parse(text)?;
        if decimal.negative && decimal.digits.bytes().any(|digit| digit != b'0') {
            return Err(MoneyError::Negative);
        }
        let nanos = decimal.scaled(NANO_DECIMALS, Excess::RoundDown)?;
        match i64::try_from(nanos) {
            Ok(nanos) if nanos <= Self::LIMIT_MAX.0 => Ok(Self(nanos)),
            _ => Err(MoneyError::TooLarge),
        }
    }

    /// Reads what a provider charged in USD from decimal text as it stood in the JSON, rounded up.
    ///
    /// Decimals beyond a femto-dollar are what a floating-point number has left over.
    pub fn parse_cost(text: &str) -> Result<Self, MoneyError> {
        let decimal = Decimal::parse(text)?;
        let femtos = decimal.scaled(FEMTO_DECIMALS, Excess::RoundDown)?;
        if decimal.negative && femtos > 0 {
            return Err(MoneyError::Negative);
        }
        let cost = Femtos(femtos).round_up();
        if cost > Self::LIMIT_MAX { Err(MoneyError::TooLarge) } else { Ok(cost) }
    }
}

/// A price in femto-dollars (10⁻¹⁵ USD) per token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i128);

impl Rate {
    pub const ZERO: Self = Self(0);
    /// The largest price of one token: $1.
    pub const MAX: Self = Self(1_000_000_000_000_000);

    pub const fn from_femtos(femtos: i128) -> Self {
        Self(femtos)
    }

    pub const fn femtos(self) -> i128 {
        self.0
    }

    /// Reads a price in USD per token. More than 15 decimals, a negative price and one above $1 are
    /// errors: rounding a price would be a silent change of every charge.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let decimal = Decimal::parse(text)?;
        if decimal.negative {
            return Err(MoneyError::Negative);
        }
        let femtos = decimal.scaled(FEMTO_DECIMALS, Excess::Refuse)?;
        if femtos > Self::MAX.0 {
            return Err(MoneyError::TooLarge);
        }
        Ok(Self(femtos))
    }

    /// What `tokens` cost at this rate. It cannot overflow: 2⁶⁴ tokens at the largest rate are 10³⁴.
    pub const fn times(self, tokens: u64) -> Femtos {
        Femtos(self.0 * tokens as i128)
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// How many tokens `budget` buys at this rate; `None` when they are free.
    pub fn affordable(self, budget: Nanos) -> Option<u64> {
        self.affordable_beside(Femtos::default(), budget)
    }

    /// How many tokens `budget` buys at this rate beside what costs `other`, rounded up together;
    /// `None` when they are free.
    pub fn affordable_beside(self, other: Femtos, budget: Nanos) -> Option<u64> {
        if self.0 == 0 {
            return None;
        }
        let femtos = (i128::from(budget.0.max(0)) * FEMTOS_PER_NANO).saturating_sub(other.0).max(0);
        Some(u64::try_from(femtos / self.0).unwrap_or(u64::MAX))
    }

    /// The rate that `discount` leaves, rounded up: a bound is at least what it stands for.
    #[must_use]
    pub const fn less(self, discount: Discount) -> Self {
        // Most prices have none, and dividing so large a number takes long.
        if discount.is_none() {
            return self;
        }
        let kept = self.0 * discount.kept();
        Self(kept / Discount::WHOLE + if kept % Discount::WHOLE > 0 { 1 } else { 0 })
    }
}

impl fmt::Display for Rate {
    /// The shortest decimal text in USD per token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = Self::MAX.0;
        let (whole, fraction) = (self.0 / one, self.0 % one);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{fraction:015}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// A part that is taken off a price, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discount(u32);

impl Discount {
    pub const NONE: Self = Self(0);
    const WHOLE: i128 = 1_000_000;

    /// Reads `0.25`, a quarter off. `1` is free. More than six decimals are an error.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let decimal = Decimal::parse(text)?;
        if decimal.negative {
            return Err(MoneyError::Negative);
        }
        let parts = decimal.scaled(DISCOUNT_DECIMALS, Excess::Refuse)?;
        match u32::try_from(parts) {
            Ok(parts) if i128::from(parts) <= Self::WHOLE => Ok(Self(parts)),
            _ => Err(MoneyError::TooLarge),
        }
    }

    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// What is left of a whole, in millionths.
    const fn kept(self) -> i128 {
        Self::WHOLE - self.0 as i128
    }
}

impl fmt::Display for Discount {
    /// The shortest decimal text: `0.25`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Nanos(i64::from(self.0) * 1_000))
    }
}

/// A sum on its way to a charge, in femto-dollars; not yet rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Femtos(i128);

/// A sum of which a discount was taken off, exact: in millionths of femto-dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Discounted(i128);

impl Discounted {
    /// The one rounding of a request: up, to a whole nano-dollar.
    pub fn round_up(self) -> Nanos {
        rounded_up(self.0, FEMTOS_PER_NANO * Discount::WHOLE)
    }
}

fn rounded_up(amount: i128, unit: i128) -> Nanos {
    let nanos = amount / unit + i128::from(amount % unit > 0);
    Nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

impl Femtos {
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What `discount` leaves. Sums beyond all money stay beyond it.
    pub const fn less(self, discount: Discount) -> Discounted {
        Discounted(self.0.saturating_mul(discount.kept()))
    }

    /// The one rounding of a request: up, to a whole nano-dollar.
    pub fn round_up(self) -> Nanos {
        rounded_up(self.0, FEMTOS_PER_NANO)
    }
}

/// Why a text is not an amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    #[error("is not a decimal number")]
    NotANumber,
    #[error("must not be negative")]
    Negative,
    #[error("is too large")]
    TooLarge,
    #[error("has more than 15 decimals")]
    TooPrecise,
}

/// What happens to decimals beyond the unit.
#[derive(Clone, Copy, PartialEq)]
enum Excess {
    RoundDown,
    Refuse,
}

/// A JSON number, taken apart as text.
struct Decimal {
    negative: bool,
    /// All digits, whole part first.
    digits: String,
    /// Where the decimal point stands, counted from the left of `digits`; may lie outside of it.
    point: i64,
}

impl Decimal {
    fn parse(text: &str) -> Result<Self, MoneyError> {
        if text.len() > TEXT_MAX {
            return Err(MoneyError::NotANumber);
        }
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return Err(MoneyError::NotANumber),
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let digits = format!("{whole}{fraction}");
        if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(MoneyError::NotANumber);
        }
        let point = i64::try_from(whole.len()).map_err(|_| MoneyError::NotANumber)? + exponent;
        Ok(Self { negative, digits, point })
    }

    /// The magnitude as an integer of units with `decimals` places.
    fn scaled(&self, decimals: usize, excess: Excess) -> Result<i128, MoneyError> {
        let units = self.point + i64::try_from(decimals).map_err(|_| MoneyError::TooLarge)?;
        let mut value: i128 = 0;
        for (position, digit) in (0_i64..).zip(self.digits.bytes()) {
            let digit = i128::from(digit - b'0');
            if position < units {
                value = value
                    .checked_mul(10)
                    .and_then(|v| v.checked_add(digit))
                    .ok_or(MoneyError::TooLarge)?;
            } else if digit != 0 && excess == Excess::Refuse {
                return Err(MoneyError::TooPrecise);
            }
        }
        let length = i64::try_from(self.digits.len()).map_err(|_| MoneyError::TooLarge)?;
        if value == 0 {
            return Ok(0);
        }
        for _ in length..units {
            value = value.checked_mul(10).ok_or(MoneyError::TooLarge)?;
        }
        Ok(value)
    }
}

fn parse_exponent(text: &str) -> Result<i64, MoneyError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MoneyError::NotANumber);
    }
    match text.parse::<i64>() {
        Ok(exponent) if exponent > EXPONENT_MAX => Err(MoneyError::TooLarge),
        Ok(exponent) => Ok(exponent.max(-EXPONENT_MAX - i64::try_from(TEXT_MAX).unwrap_or(0))),
        Err(_) if text.starts_with('-') => Ok(-EXPONENT_MAX - i64::try_from(TEXT_MAX).unwrap_or(0)),
        Err(_) => Err(MoneyError::TooLarge),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits_are_read_from_their_text() {
        let cases = [
            ("0", Ok(0)),
            ("10", Ok(10_000_000_000)),
            ("10.0", Ok(10_000_000_000)),
            ("0.30000000000000004", Ok(300_000_000)),
            ("0.0000000019", Ok(1)),
            ("1e-9", Ok(1)),
            ("1E+2", Ok(100_000_000_000)),
            ("1e-400", Ok(0)),
            ("-0", Ok(0)),
            ("-0.0", Ok(0)),
            ("1000000000", Ok(1_000_000_000_000_000_000)),
            ("1000000000.000000001", Err(MoneyError::TooLarge)),
            ("1e400", Err(MoneyError::TooLarge)),
            ("-1", Err(MoneyError::Negative)),
            ("-1e-30", Err(MoneyError::Negative)),
            ("NaN", Err(MoneyError::NotANumber)),
            ("Infinity", Err(MoneyError::NotANumber)),
            ("", Err(MoneyError::NotANumber)),
            (".5", Err(MoneyError::NotANumber)),
            ("5.", Err(MoneyError::NotANumber)),
            ("1e", Err(MoneyError::NotANumber)),
        ];
        for (text, expected) in cases {
            assert_eq!(Nanos::parse_limit(text).map(Nanos::get), expected, "{text}");
        }
    }

    #[test]
    fn rates_refuse_what_they_cannot_hold() {
        assert_eq!(Rate::parse("0.000001"), Ok(Rate::from_femtos(1_000_000_000)));
        assert_eq!(Rate::parse("0.000000000000001"), Ok(Rate::from_femtos(1)));
        assert_eq!(Rate::parse("0.0000000000000001"), Err(MoneyError::TooPrecise));
        assert_eq!(Rate::parse("-0.1"), Err(MoneyError::Negative));
        assert_eq!(Rate::parse("1.000001"), Err(MoneyError::TooLarge));
        assert_eq!(
            Rate::parse("0.0000000375").map(|rate| rate.to_string()),
            Ok("0.0000000375".into())
        );
    }

    #[test]
    fn a_cost_is_rounded_once_and_up() {
        let rate = Rate::from_femtos(1);
        assert_eq!(rate.times(0).round_up(), Nanos::ZERO);
        assert_eq!(rate.times(1).round_up(), Nanos::new(1));
        assert_eq!(rate.times(1_000_000).round_up(), Nanos::new(1));
        assert_eq!(rate.times(1_000_001).round_up(), Nanos::new(2));
    }

    proptest! {
        #[test]
        fn printed_amounts_read_back(nanos in 0..=Nanos::LIMIT_MAX.get()) {
            let amount = Nanos::new(nanos);
            prop_assert_eq!(Nanos::parse_limit(&amount.to_string()), Ok(amount));
        }

        #[test]
        fn what_is_affordable_fits_and_one_more_does_not(femtos in 1..10_i128.pow(15), budget in 0..10_i64.pow(15)) {
            let (rate, budget) = (Rate::from_femtos(femtos), Nanos::new(budget));
            let tokens = rate.affordable(budget).expect("the rate is not zero");
            prop_assert!(rate.times(tokens).round_up() <= budget);
            prop_assert!(rate.times(tokens + 1).round_up() > budget);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = Nanos::parse_limit(&text);
            let _ = Rate::parse(&text);
        }
    }
}
