//! A file of which some is on the disk, and some only in memory.

use std::collections::BTreeMap;

use crate::Random;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
/// Sectors that a file system writes together, as a rule.
const SECTORS_A_PAGE: usize = 8;

type Sector = [u8; SECTOR];

#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// As processes see it.
    now: Vec<u8>,
    /// As it was at the last sync.
    synced: Vec<u8>,
    /// What each sector was since the last sync, by its number.
    since: BTreeMap<usize, Vec<Sector>>,
    sizes: Vec<usize>,
}

impl File {
    /// One that lies on the disk, all of it.
    pub(super) fn synced(content: Vec<u8>) -> Self {
        Self { synced: content.clone(), now: content, ..Self::default() }
    }

    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        let start = usize::try_from(offset).expect("a small file");
        let end = start + data.len();
        if end > self.now.len() {
            self.resize(end);
        }
        self.now[start..end].copy_from_slice(data);
        self.touched(start, end);
    }

    pub(super) fn resize(&mut self, size: usize) {
        let old = self.now.len();
        self.now.resize(size, 0);
        self.sizes.push(size);
        // Cut off and grown again, it reads as zeros there.
        self.touched(size.min(old), old);
    }

    pub(super) fn sync(&mut self) {
        self.synced.resize(self.now.len(), 0);
        for &sector in self.since.keys() {
            let (start, end) = (sector * SECTOR, (sector + 1) * SECTOR);
            let end = end.min(self.now.len());
            if start < end {
                self.synced[start..end].copy_from_slice(&self.now[start..end]);
            }
        }
        self.since.clear();
        self.sizes.clear();
    }

    pub(super) fn is_synced(&self) -> bool {
        self.since.is_empty() && self.sizes.is_empty()
    }

    pub(super) fn now(&self) -> &[u8] {
        &self.now
    }

    /// What may be found of it after a power cut.
    pub(super) fn cut(&self, random: &mut Random) -> Vec<u8> {
        let size = match random.index(self.sizes.len() + 1) {
            0 => self.synced.len(),
            nth => self.sizes[nth - 1],
        };
        let mut found = self.synced.clone();
        found.resize(size, 0);
        // How much was written: seldom a half of it, but nothing, a little, most or all.
        let written = [0, 1, 50, 99, 100][random.index(5)];
        let grain = [1, SECTORS_A_PAGE][random.index(2)];
        let mut chosen = None;
        for (&sector, states) in &self.since {
            let (page, draw) = match chosen {
                Some((page, draw)) if page == sector / grain => (page, draw),
                _ => (sector / grain, (random.below(100) < written, random.next())),
            };
            chosen = Some((page, draw));
            if let (true, which) = draw {
                let state = &states[Random::new(which).index(states.len())];
                put(&mut found, sector * SECTOR, state);
            }
        }
        found
    }

    fn touched(&mut self, start: usize, end: usize) {
        for sector in start / SECTOR..end.div_ceil(SECTOR) {
            let mut state = [0; SECTOR];
            let (from, to) = (sector * SECTOR, (sector + 1) * SECTOR);
            let to = to.min(self.now.len());
            if from < to {
                state[..to - from].copy_from_slice(&self.now[from..to]);
            }
            self.since.entry(sector).or_default().push(state);
        }
    }
}

fn put(found: &mut [u8], start: usize, state: &Sector) {
    let end = (start + SECTOR).min(found.len());
    if start < end {
        found[start..end].copy_from_slice(&state[..end - start]);
    }
}
