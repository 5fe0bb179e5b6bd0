//! What a request costs that presents a credential of the operator's own (contract, B.5): a part of what
//! the provider bills, which goes by its own list price. Nothing, unless the configuration says so.

use crate::money::Nanos;

/// Decimals of a percentage.
const DECIMALS: usize = 4;
/// A fee in these is the whole price.
const WHOLE: i128 = 1_000_000;

/// A part of the list price, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fee(u32);

impl Fee {
    /// A percentage from 0 to 100 as decimal text, with four decimals at most.
    pub fn parse(percent: &str) -> Option<Self> {
        let (whole, decimals) = percent.split_once('.').unwrap_or((percent, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || whole.len() > 3 || decimals.len() > DECIMALS {
            return None;
        }
        let millionths: u32 = format!("{whole}{decimals:0<DECIMALS$}").parse().ok()?;
        (i128::from(millionths) <= WHOLE).then_some(Self(millionths))
    }

    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The fee on `list`, rounded up to a nano-dollar.
    pub fn of(self, list: Nanos) -> Nanos {
        let millionths = i128::from(list.get()) * i128::from(self.0);
        let fee = i64::try_from(millionths.max(0).unsigned_abs().div_ceil(WHOLE.unsigned_abs()));
        // A part of an amount is an amount.
        fee.map_or(list, Nanos::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_is_a_part_rounded_up() {
        let of = |percent: &str, list: i64| {
            Fee::parse(percent).expect(percent).of(Nanos::new(list)).get()
        };
        for (percent, list, fee) in [
            ("0", i64::MAX, 0),
            ("5", 19_000_000_000, 950_000_000),
            ("5", 1, 1),
            ("5.5", 1_000, 55),
            ("0.0001", 1_000_000, 1),
            ("0.0001", 1_000_001, 2),
            ("100", i64::MAX, i64::MAX),
            ("100.0000", 7, 7),
            ("5", 0, 0),
        ] {
            assert_eq!(of(percent, list), fee, "{percent} % of {list}");
        }
        for wrong in ["", "5%", "-1", "100.0001", "101", "1e1", "5.00001", ".5", "5.", "+5", "0005"]
        {
            assert_eq!(Fee::parse(wrong), None, "{wrong}");
        }
    }
}
