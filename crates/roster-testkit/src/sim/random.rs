//! Randomness by key. Used by all modules of the simulator: no draw depends on the number of earlier draws, so that
//! removing an action from a run changes nothing else.

/// Hashes numbers to one number.
#[must_use]
pub fn mix(parts: &[u64]) -> u64 {
    parts
        .iter()
        .fold(0x9e37_79b9_7f4a_7c15, |state, part| scramble(state ^ scramble(part.wrapping_add(0x632b_e59b_d9b4_e019))))
}

fn scramble(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Hashes a text to a key.
#[must_use]
pub fn key(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Numbers drawn for one key.
#[derive(Clone, Debug)]
pub struct Random {
    key: u64,
    drawn: u64,
}

impl Random {
    /// Returns the numbers for an id under a seed.
    #[must_use]
    pub fn of(seed: u64, id: u64) -> Self {
        Self { key: mix(&[seed, id]), drawn: 0 }
    }

    /// Draws a number.
    pub fn draw(&mut self) -> u64 {
        self.drawn += 1;
        mix(&[self.key, self.drawn])
    }

    /// Draws a number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// Draws a number from `low` to `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// Returns true in `percent` of 100 draws.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Picks one of several items, at least one.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        &from[index]
    }
}
