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
    pub(super) cache_write_1h: Option<i128>,
    pub(super) reasoning: Option<i128>,
    pub(super) request: i128,
    /// Prompt and completion at every hour of the day, in the place of the ones above.
    pub(super) hours: Option<(i128, i128)>,
}

impl Price {
    /// Nothing for anything.
    pub(super) const FREE: Self = Self {
        prompt: 0,
        completion: 0,
        tier: None,
        cache_read: None,
        cache_write: None,
        cache_write_1h: None,
        reasoning: None,
        request: 0,
        hours: None,
    };
}

/// What a provider counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) prompt: u64,
    pub(super) completion: u64,
    pub(super) cached: u64,
    /// To a cache, for however long;
    pub(super) written: u64,
    /// of them for an hour.
    pub(super) written_1h: u64,
    pub(super) reasoning: u64,
    /// Requests, or searches.
    pub(super) units: u64,
}

impl Default for Count {
    fn default() -> Self {
        let (prompt, completion, cached, written, written_1h, reasoning) = (0, 0, 0, 0, 0, 0);
        Self { prompt, completion, cached, written, written_1h, reasoning, units: 1 }
    }
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
            ("input_cache_write_1h", self.cache_write_1h),
            ("internal_reasoning", self.reasoning),
        ] {
            fields.extend(price.map(|price| format!("{name} = \"{}\"", usd(price))));
        }
        let sides = |prompt, completion| {
            format!("prompt = \"{}\", completion = \"{}\"", usd(prompt), usd(completion))
        };
        let mut overrides = Vec::new();
        if let Some((prompt, completion)) = self.hours {
            // Two halves of the day, so that no test depends on the time of day.
            for (start, end) in [("06:00", "18:00"), ("18:00", "06:00")] {
                let hours = format!("utc_start = \"{start}\", utc_end = \"{end}\"");
                overrides.push(format!("{{ {hours}, {} }}", sides(prompt, completion)));
            }
        }
        if let Some((above, prompt, completion)) = self.tier {
            overrides
                .push(format!("{{ min_prompt_tokens = {above}, {} }}", sides(prompt, completion)));
        }
        if !overrides.is_empty() {
            fields.push(format!("overrides = [{}]", overrides.join(", ")));
        }
        format!("pricing = {{ {} }}", fields.join(", "))
    }

    /// What `count` costs, in nano-dollars: rounded up once.
    pub(super) fn of(&self, count: Count) -> i64 {
        let (prompt, completion) = match self.tier {
            Some((above, prompt, completion)) if count.prompt > above => (prompt, completion),
            _ => self.hours.unwrap_or((self.prompt, self.completion)),
        };
        let plain = count.prompt - count.cached - count.written;
        let said = count.completion - count.reasoning;
        let femtos = i128::from(plain) * prompt
            + i128::from(count.cached) * self.cache_read.unwrap_or(prompt)
            + i128::from(count.written - count.written_1h) * self.cache_write.unwrap_or(prompt)
            + i128::from(count.written_1h) * self.cache_write_1h.unwrap_or(prompt)
            + i128::from(said) * completion
            + i128::from(count.reasoning) * self.reasoning.unwrap_or(completion)
            + i128::from(count.units) * self.request;
        let nanos = (femtos + FEMTOS_PER_NANO - 1) / FEMTOS_PER_NANO;
        i64::try_from(nanos).expect("a few dollars")
    }
}

fn usd(femtos: i128) -> String {
    format!("0.{femtos:015}")
}
