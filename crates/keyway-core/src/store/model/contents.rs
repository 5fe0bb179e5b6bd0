//! What was said in requests.

use super::state::State;
use crate::content::Content;
use crate::id::{GenerationId, KeyId};
use crate::store::PRUNED_MAX;

impl State {
    pub(super) fn keep_contents(&mut self, contents: Vec<Content>) {
        for content in contents {
            if self.is_there(content.key) {
                self.contents.entry(content.generation).or_insert(content);
            }
        }
    }

    pub(super) fn content(&self, id: GenerationId) -> Option<Content> {
        self.contents.get(&id).filter(|content| self.is_there(content.key)).cloned()
    }

    /// The oldest first.
    pub(super) fn drop_contents(&mut self, goes: impl Fn(&Content) -> bool) -> u64 {
        let most = usize::try_from(PRUNED_MAX).unwrap_or(usize::MAX);
        let gone = self.contents.values().filter(|content| goes(content)).take(most);
        let gone: Vec<_> = gone.map(|content| content.generation).collect();
        for id in &gone {
            self.contents.remove(id);
        }
        gone.len() as u64
    }

    fn is_there(&self, key: KeyId) -> bool {
        self.keys.iter().any(|known| known.record.id == key && !known.deleted)
    }
}
