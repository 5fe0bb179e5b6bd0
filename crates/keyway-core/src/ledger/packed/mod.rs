//! Settlements in as few bytes as they need, for the journal, which keeps very many.
//!
//! An integer takes a byte for each seven of its bits, a text itself and its length; what is absent takes
//! a byte. It is for this process alone: nobody else ever reads it.

mod unpack;

use unpack::Unpacker;

use super::course::{ApiType, Course, Origin, Tried};
use super::record::{Ending, Metered, Settlement};
use crate::money::Nanos;
use crate::pricing::Usage;

/// Bytes that a settlement mostly does not need more of.
const MOSTLY: usize = 512;

/// A settlement without its draws.
#[derive(Debug)]
pub(super) struct Packed(Box<[u8]>);

impl Packed {
    pub(super) fn of(settlement: &Settlement) -> Self {
        let mut packer = Packer(Vec::with_capacity(MOSTLY));
        packer.settlement(settlement);
        // A vector that is made shorter keeps its place on the heap, and up to half of it empty.
        Self(Box::from(packer.0.as_slice()))
    }

    pub(super) fn unpack(&self) -> Settlement {
        Unpacker(&self.0).settlement()
    }
}

struct Packer(Vec<u8>);

impl Packer {
    fn whole(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    /// Numbers around zero take few bytes, whatever their sign.
    fn signed(&mut self, number: i64) {
        self.whole(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    fn text(&mut self, text: &str) {
        self.whole(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn maybe<T>(&mut self, value: Option<T>, pack: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            pack(self, value);
        }
    }

    fn list<T>(&mut self, values: &[T], pack: impl Fn(&mut Self, &T)) {
        self.whole(values.len() as u64);
        for value in values {
            pack(self, value);
        }
    }

    fn settlement(&mut self, settlement: &Settlement) {
        let Settlement { request, charge, draws: _, byok, overrun, absorbed, .. } = settlement;
        let Settlement { usage, ending, estimated, settled_at, course, .. } = settlement;
        self.request(request);
        for amount in [charge, byok, overrun, absorbed] {
            self.signed(amount.get());
        }
        self.usage(usage);
        self.whole(Ending::ALL.iter().take_while(|known| *known != ending).count() as u64);
        self.flag(*estimated);
        self.signed(settled_at.as_micros());
        self.course(course);
    }

    fn request(&mut self, request: &Metered) {
        let Metered { id, epoch, key, accounts, windows, reserved, model, provider, .. } = request;
        let Metered { is_byok, streamed, admitted_at, origin, .. } = request;
        self.0.extend_from_slice(id.as_bytes());
        self.signed(epoch.0);
        self.signed(key.0);
        self.list(accounts, |packer, account| packer.signed(account.0));
        for start in windows.0 {
            self.signed(start.as_micros());
        }
        self.signed(reserved.get());
        self.text(model);
        self.text(provider);
        self.flag(*is_byok);
        self.flag(*streamed);
        self.signed(admitted_at.as_micros());
        self.origin(origin);
    }

    fn origin(&mut self, origin: &Origin) {
        let Origin { catalogue_version, api_type, http_referer, user_agent, .. } = origin;
        let Origin { external_user, session_id, media_prompt, audio_prompt, .. } = origin;
        self.maybe(catalogue_version.as_deref(), Self::text);
        self.maybe(*api_type, |packer, of| {
            packer.whole(ApiType::ALL.iter().take_while(|known| **known != of).count() as u64);
        });
        for text in [http_referer, user_agent, external_user, session_id] {
            self.maybe(text.as_deref(), Self::text);
        }
        self.maybe(*media_prompt, Self::whole);
        self.maybe(*audio_prompt, Self::whole);
    }

    fn usage(&mut self, usage: &Usage) {
        for count in counts(&mut usage.clone()) {
            self.whole(*count);
        }
    }

    fn course(&mut self, course: &Course) {
        let Course { endpoint, upstream_id, finish_reason, native_finish_reason, .. } = course;
        let Course { service_tier, first_ms, generation_ms, media_completion, .. } = course;
        let Course { cache_discount, tried, .. } = course;
        for text in [endpoint, upstream_id, finish_reason, native_finish_reason, service_tier] {
            self.maybe(text.as_deref(), Self::text);
        }
        for count in [first_ms, generation_ms, media_completion] {
            self.maybe(*count, Self::whole);
        }
        self.maybe(cache_discount.map(Nanos::get), Self::signed);
        self.list(tried, Self::tried);
    }

    fn tried(&mut self, tried: &Tried) {
        let Tried { provider, model, endpoint, status, is_byok, ms } = tried;
        for text in [provider, model, endpoint] {
            self.text(text);
        }
        self.maybe(status.map(u64::from), Self::whole);
        self.flag(*is_byok);
        self.whole(*ms);
    }
}

/// All that usage counts, in one order for who packs and who unpacks it.
fn counts(usage: &mut Usage) -> [&mut u64; 12] {
    let Usage {
        prompt_tokens,
        completion_tokens,
        cached_tokens,
        cache_write_tokens,
        cache_write_1h_tokens,
        image_tokens,
        audio_tokens,
        reasoning_tokens,
        image_output_tokens,
        audio_output_tokens,
        images,
        search_units,
    } = usage;
    [
        prompt_tokens,
        completion_tokens,
        cached_tokens,
        cache_write_tokens,
        cache_write_1h_tokens,
        image_tokens,
        audio_tokens,
        reasoning_tokens,
        image_output_tokens,
        audio_output_tokens,
        images,
        search_units,
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::budget::Windows;
    use crate::clock::Timestamp;
    use crate::id::{AccountId, Epoch, GenerationId, KeyId};

    /// One with these numbers, texts and absent ones in its fields, in turn.
    fn settlement(numbers: &[u64], texts: &[Option<String>]) -> Settlement {
        let (mut numbers, mut texts) = (numbers.iter().cycle(), texts.iter().cycle());
        let (whole, mut text) =
            (&mut || *numbers.next().expect("some"), || texts.next().expect("some").clone());
        let origin = Origin {
            catalogue_version: text().map(Arc::from),
            api_type: text().map(|it| ApiType::ALL[it.len() % 3]),
            http_referer: text(),
            user_agent: text(),
            external_user: text(),
            session_id: text(),
            media_prompt: text().map(|_| whole()),
            audio_prompt: text().map(|_| whole()),
        };
        let tried =
            |text: &mut dyn FnMut() -> Option<String>, whole: &mut dyn FnMut() -> u64| Tried {
                provider: text().unwrap_or_default(),
                model: text().unwrap_or_default(),
                endpoint: text().unwrap_or_default(),
                status: text().map(|_| u16::try_from(whole() >> 48).expect("the upper ones")),
                is_byok: whole().is_multiple_of(2),
                ms: whole(),
            };
        let tried = (0..whole() % 3).map(|_| tried(&mut text, whole)).collect();
        let course = Course {
            endpoint: text(),
            upstream_id: text(),
            finish_reason: text(),
            native_finish_reason: text(),
            service_tier: text(),
            first_ms: text().map(|_| whole()),
            generation_ms: text().map(|_| whole()),
            media_completion: text().map(|_| whole()),
            cache_discount: text().map(|_| Nanos::new(whole().cast_signed())),
            tried,
        };
        let mut usage = Usage::default();
        for count in counts(&mut usage) {
            *count = whole();
        }
        let signed = &mut || whole().cast_signed();
        let moments = [(); 6].map(|()| Timestamp::from_micros(signed()));
        let request = Metered {
            id: GenerationId::from_bytes(u128::from(signed().cast_unsigned()).to_le_bytes()),
            epoch: Epoch(signed()),
            key: KeyId(signed()),
            accounts: (0..signed() & 3).map(|_| AccountId(signed())).collect(),
            windows: Windows([moments[0], moments[1], moments[2], moments[3]]),
            reserved: Nanos::new(signed()),
            model: text().unwrap_or_default(),
            provider: text().unwrap_or_default(),
            is_byok: signed() > 0,
            streamed: signed() > 0,
            admitted_at: moments[4],
            origin: Arc::new(origin),
        };
        Settlement {
            request: Arc::new(request),
            charge: Nanos::new(signed()),
            draws: Vec::new(),
            byok: Nanos::new(signed()),
            overrun: Nanos::new(signed()),
            absorbed: Nanos::new(signed()),
            usage,
            ending: Ending::ALL[usize::from(signed().to_le_bytes()[0]) % Ending::ALL.len()],
            estimated: signed() > 0,
            settled_at: moments[5],
            course: Arc::new(course),
        }
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(
            numbers in vec(prop_oneof![any::<u64>(), 0..300_u64], 1..60),
            texts in vec(option::of(any::<String>()), 1..20),
        ) {
            let settlement = settlement(&numbers, &texts);
            prop_assert_eq!(Packed::of(&settlement).unpack(), settlement);
        }
    }
}
