//! Reads decisions from random bytes. A zero is always the simplest choice, so that a failing case shrinks to a simple
//! one. Used by `catalogs` and `worlds`.

/// Bytes from which decisions are read.
#[derive(Clone, Debug)]
pub struct Dice<'a> {
    bytes: &'a [u8],
}

impl<'a> Dice<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Random numbers of one object, so that its choices do not change those of other objects.
    pub fn split(&mut self, count: usize) -> Self {
        let (own, rest) = self.bytes.split_at(count.min(self.bytes.len()));
        self.bytes = rest;
        Self { bytes: own }
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// A number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// One of some things.
    pub fn pick<T: Clone>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())].clone()
    }

    /// True in about so many of a hundred cases.
    pub fn percent(&mut self, percent: u32) -> bool {
        let threshold = 256 - percent * 256 / 100;
        u32::from(self.byte()) >= threshold
    }

    /// Something in about so many of a hundred cases.
    pub fn sometimes<T>(&mut self, percent: u32, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.percent(percent).then(|| make(self))
    }

    /// Up to `most` things.
    pub fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }
}
