//! Money in JSON: a number with the amount's exact decimal text.

use std::str::FromStr;

use keyway_core::money::Nanos;
use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

/// An amount in USD, written as a JSON number and never through floating point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usd(pub Nanos);

impl Usd {
    fn number(self) -> Number {
        Number::from_str(&self.0.to_string()).expect("a decimal text is a JSON number")
    }

    pub fn to_json(self) -> Value {
        Value::Number(self.number())
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.number().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_every_digit() {
        for (nanos, text) in
            [(0, "0"), (1, "0.000000001"), (10_000_000_000, "10"), (140_000, "0.00014")]
        {
            let json = serde_json::to_string(&Usd(Nanos::new(nanos))).expect("serializable");
            assert_eq!(json, text);
        }
    }
}
