//! Reads in the order in which it was packed, so what is read is there.

use std::sync::Arc;

use super::counts;
use crate::budget::Windows;
use crate::clock::Timestamp;
use crate::id::{AccountId, Epoch, GenerationId, KeyId};
use crate::ledger::course::{ApiType, Course, Origin, Tried};
use crate::ledger::record::{Ending, Metered, Settlement};
use crate::money::Nanos;
use crate::pricing::Usage;

pub(super) struct Unpacker<'p>(pub(super) &'p [u8]);

impl Unpacker<'_> {
    fn take(&mut self, length: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn whole(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    fn signed(&mut self) -> i64 {
        let number = self.whole();
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    fn length(&mut self) -> usize {
        usize::try_from(self.whole()).expect("it was one")
    }

    fn flag(&mut self) -> bool {
        self.take(1) == [1]
    }

    fn text(&mut self) -> String {
        let length = self.length();
        String::from_utf8(self.take(length).to_vec()).expect("it was a text")
    }

    fn maybe<T>(&mut self, unpack: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| unpack(self))
    }

    fn list<T>(&mut self, unpack: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.length()).map(|_| unpack(self)).collect()
    }

    fn nanos(&mut self) -> Nanos {
        Nanos::new(self.signed())
    }

    fn moment(&mut self) -> Timestamp {
        Timestamp::from_micros(self.signed())
    }

    pub(super) fn settlement(&mut self) -> Settlement {
        Settlement {
            request: Arc::new(self.request()),
            charge: self.nanos(),
            draws: Vec::new(),
            byok: self.nanos(),
            overrun: self.nanos(),
            absorbed: self.nanos(),
            usage: self.usage(),
            ending: Ending::ALL[self.length()],
            estimated: self.flag(),
            settled_at: self.moment(),
            course: Arc::new(self.course()),
        }
    }

    fn request(&mut self) -> Metered {
        Metered {
            id: GenerationId::from_bytes(self.take(16).try_into().expect("sixteen")),
            epoch: Epoch(self.signed()),
            key: KeyId(self.signed()),
            accounts: self.list(|unpacker| AccountId(unpacker.signed())),
            windows: Windows([(); 4].map(|()| self.moment())),
            reserved: self.nanos(),
            model: self.text(),
            provider: self.text(),
            is_byok: self.flag(),
            streamed: self.flag(),
            admitted_at: self.moment(),
            origin: Arc::new(self.origin()),
        }
    }

    fn origin(&mut self) -> Origin {
        Origin {
            catalogue_version: self.maybe(Self::text).map(Arc::from),
            api_type: self.maybe(|unpacker| ApiType::ALL[unpacker.length()]),
            http_referer: self.maybe(Self::text),
            user_agent: self.maybe(Self::text),
            external_user: self.maybe(Self::text),
            session_id: self.maybe(Self::text),
            media_prompt: self.maybe(Self::whole),
            audio_prompt: self.maybe(Self::whole),
        }
    }

    fn usage(&mut self) -> Usage {
        let mut usage = Usage::default();
        for count in counts(&mut usage) {
            *count = self.whole();
        }
        usage
    }

    fn course(&mut self) -> Course {
        Course {
            endpoint: self.maybe(Self::text),
            upstream_id: self.maybe(Self::text),
            finish_reason: self.maybe(Self::text),
            native_finish_reason: self.maybe(Self::text),
            service_tier: self.maybe(Self::text),
            first_ms: self.maybe(Self::whole),
            generation_ms: self.maybe(Self::whole),
            media_completion: self.maybe(Self::whole),
            cache_discount: self.maybe(Self::nanos),
            tried: self.list(Self::tried),
        }
    }

    fn tried(&mut self) -> Tried {
        Tried {
            provider: self.text(),
            model: self.text(),
            endpoint: self.text(),
            status: self.maybe(|it| u16::try_from(it.whole()).expect("it was one")),
            is_byok: self.flag(),
            ms: self.whole(),
        }
    }
}
