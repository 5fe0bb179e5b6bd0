//! What is sold, and for how much: the test's own arithmetic, beside the gateway's.

/// Femto-dollars in a nano-dollar.
const FEMTOS_PER_NANO: i128 = 1_000_000;

/// Prices in femto-dollars, as the gateway is told them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Price {
    pub(super) prompt: i128,
    pub(super) completion: i128,
    /// Of a request that has more tokens of prompt than this.
    pub(super) tier: Option<(u64, i128, i128)>,
    pub(super) cache_read: Option<i128>,
    pub(super) cache_write: Option<i128>,
    pub(super) reasoning: Option<i128>,
    pub(super) request: i128,
}

/// What a provider counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) prompt: u64,
    pub(super) completion: u64,
    pub(super) cached: u64,
    pub(super) written: u64,
    pub(super) reasoning: u64,
}

impl Price {
    /// As a configuration says it.
    pub(super) fn toml(&self) -> String {
        let mut fields = vec![
            format!("prompt = \"{}\"", usd(self.prompt)),
            format!("completion = \"{}\"", usd(self.completion)),
            format!("request = \"{}\"", usd(self.request)),
        ];
        for (name, price) in [
            ("input_cache_read", self.cache_read),
            ("input_cache_write", self.cache_write),
            ("internal_reasoning", self.reasoning),
        ] {
            fields.extend(price.map(|price| format!("{name} = \"{}\"", usd(price))));
        }
        if let Some((above, prompt, completion)) = self.tier {
            fields.push(format!(
                "overrides = [{{ min_prompt_tokens = {above}, prompt = \"{}\", completion = \"{}\" }}]",
                usd(prompt),
                usd(completion)
            ));
        }
        format!("pricing = {{ {} }}", fields.join(", "))
    }

    /// What `count` costs, in nano-dollars: rounded up once.
    pub(super) fn of(&self, count: Count) -> i64 {
        let (prompt, completion) = match self.tier {
            Some((above, prompt, completion)) if count.prompt > above => (prompt, completion),
            _ => (self.prompt, self.completion),
        };
        let plain = count.prompt - count.cached - count.written;
        let said = count.completion - count.reasoning;
        let femtos = i128::from(plain) * prompt
            + i128::from(count.cached) * self.cache_read.unwrap_or(prompt)
            + i128::from(count.written) * self.cache_write.unwrap_or(prompt)
            + i128::from(said) * completion
            + i128::from(count.reasoning) * self.reasoning.unwrap_or(completion)
            + self.request;
        let nanos = (femtos + FEMTOS_PER_NANO - 1) / FEMTOS_PER_NANO;
        i64::try_from(nanos).expect("a few dollars")
    }
}

fn usd(femtos: i128) -> String {
    format!("0.{femtos:015}")
}
