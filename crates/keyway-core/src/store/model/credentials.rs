//! Credentials, and what their data keys are wrapped under.

use super::state::State;
use crate::clock::Timestamp;
use crate::credential::envelope::{KekVersion, Sealed, WrappedKey};
use crate::credential::{
    AllowedKey, CREDENTIALS_MAX, CredentialPatch, CredentialRecord, NewCredential,
};
use crate::id::{AccountId, CredentialId, KeyHash};
use crate::key::KeyKind;
use crate::store::{CredentialWritten, KekRecord, StoreError};

impl State {
    pub(super) fn add_kek(
        &mut self,
        fingerprint: [u8; 32],
        after: Option<KekVersion>,
    ) -> Option<KekRecord> {
        let version = KekVersion(after.map_or(1, |after| after.0 + 1));
        let record = KekRecord { version, fingerprint };
        match self.keks.last() {
            Some(newest) if *newest == record => Some(record),
            newest if newest.map(|newest| newest.version) == after => {
                self.keks.push(record);
                Some(record)
            }
            _ => None,
        }
    }

    pub(super) fn retire_kek(&mut self, version: KekVersion) -> bool {
        let newest = self.keks.last().map(|newest| newest.version);
        let used = |credential: &CredentialRecord| credential.sealed.wrapped.version == version;
        if newest == Some(version) || self.credentials.iter().any(used) {
            return false;
        }
        self.keks.retain(|kek| kek.version != version);
        true
    }

    pub(super) fn add_credential(
        &mut self,
        new: NewCredential,
        now: Timestamp,
    ) -> Result<CredentialWritten, StoreError> {
        if !self.is_under_newest(&new.sealed) {
            return Ok(CredentialWritten::OtherKek);
        }
        if self.credentials.len() >= CREDENTIALS_MAX {
            return Ok(CredentialWritten::TooMany);
        }
        let allowed = match new.allowed_keys.as_deref().map(|keys| self.allowed(keys)).transpose() {
            Ok(allowed) => allowed,
            Err(unknown) => return Ok(CredentialWritten::NoSuchKey(unknown)),
        };
        if self.credentials.iter().any(|credential| credential.id == new.id) {
            return Err(StoreError::Broken(format!("{} is taken", new.id)));
        }
        let of_provider = self.credentials.iter().filter(|it| it.provider == new.provider);
        let last = of_provider.map(|credential| credential.conduct.sort_order).max();
        let record = new.record(allowed, last, now);
        self.credentials.push(record.clone());
        self.changed(AccountId::WORKSPACE, now);
        Ok(CredentialWritten::Written(record))
    }

    pub(super) fn list_credentials(&self) -> Vec<CredentialRecord> {
        let mut all: Vec<_> = self.credentials.iter().map(|it| self.with_hashes(it)).collect();
        let order = |credential: &CredentialRecord| {
            (credential.provider.clone(), credential.conduct.sort_order, credential.id)
        };
        all.sort_by_key(order);
        all
    }

    pub(super) fn change_credential(
        &mut self,
        id: CredentialId,
        mut patch: CredentialPatch,
        now: Timestamp,
    ) -> CredentialWritten {
        let Some(at) = self.credentials.iter().position(|credential| credential.id == id) else {
            return CredentialWritten::NotFound;
        };
        if patch.material.as_ref().is_some_and(|(_, sealed)| !self.is_under_newest(sealed)) {
            return CredentialWritten::OtherKek;
        }
        let mut record = self.with_hashes(&self.credentials[at]);
        if let Some(keys) = patch.allowed_keys.take() {
            match keys.as_deref().map(|keys| self.allowed(keys)).transpose() {
                Ok(allowed) => record.allowed_keys = allowed,
                Err(unknown) => return CredentialWritten::NoSuchKey(unknown),
            }
        }
        patch.apply(&mut record);
        self.credentials[at] = record.clone();
        self.changed(AccountId::WORKSPACE, now);
        CredentialWritten::Written(record)
    }

    pub(super) fn remove_credential(&mut self, id: CredentialId, now: Timestamp) -> bool {
        let before = self.credentials.len();
        self.credentials.retain(|credential| credential.id != id);
        let removed = self.credentials.len() < before;
        if removed {
            self.changed(AccountId::WORKSPACE, now);
        }
        removed
    }

    pub(super) fn rewrap(
        &mut self,
        id: CredentialId,
        from: KekVersion,
        wrapped: WrappedKey,
    ) -> bool {
        let newest = self.keks.last().map(|newest| newest.version);
        let is_it = |credential: &&mut CredentialRecord| {
            credential.id == id && credential.sealed.wrapped.version == from
        };
        let found = self.credentials.iter_mut().find(is_it);
        let found = found.filter(|_| newest == Some(wrapped.version));
        found.map(|credential| credential.sealed.wrapped = wrapped).is_some()
    }

    fn is_under_newest(&self, sealed: &Sealed) -> bool {
        self.keks.last().is_some_and(|newest| newest.version == sealed.wrapped.version)
    }

    /// The keys that these hashes are of, whichever of their secrets; or the first that is of none.
    fn allowed(&self, hashes: &[KeyHash]) -> Result<Vec<AllowedKey>, KeyHash> {
        let mut allowed = Vec::<AllowedKey>::new();
        for hash in hashes {
            let is_it = |key: &&super::state::Key| {
                key.record.kind == KeyKind::Inference && !key.deleted && key.has(*hash)
            };
            let key = self.keys.iter().find(is_it).ok_or(*hash)?;
            if allowed.iter().all(|known| known.id != key.record.id) {
                allowed.push(AllowedKey { id: key.record.id, hash: key.record.hash });
            }
        }
        Ok(allowed)
    }

    /// Keys may have been rotated since.
    fn with_hashes(&self, credential: &CredentialRecord) -> CredentialRecord {
        let mut record = credential.clone();
        for allowed in record.allowed_keys.iter_mut().flatten() {
            if let Some(key) = self.keys.iter().find(|key| key.record.id == allowed.id) {
                allowed.hash = key.record.hash;
            }
        }
        record
    }
}
