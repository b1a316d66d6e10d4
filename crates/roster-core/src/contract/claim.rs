//! Claims of writers: a leader's epoch, and the slots of accounts that it covers. The loop makes them, and stores
//! enforce them.

use crate::model::AccountKey;

/// Epoch of a leader: the time at which it took the lease, in microseconds since 1970, and always more than that of
/// the former leader (docs/decisions/0007). A store with fencing refuses writes with a lower epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i64);

/// One of 65,536 slots over which accounts are distributed.
pub type Slot = u16;

/// Number of slots.
const ALL_SLOTS: u32 = Slot::MAX as u32 + 1;

/// Returns the slot of an account. It is equal in every process and every release: otherwise two replicas would write
/// one account.
#[must_use]
pub fn slot(key: &AccountKey) -> Slot {
    slot_of(&format!("{}/{}", key.namespace, key.name))
}

/// Returns the slot of a name.
#[must_use]
pub fn slot_of(name: &str) -> Slot {
    // 32-bit FNV-1a, followed by the final steps of MurmurHash3; without these, names that differ only at the end get
    // neighbouring slots.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    let [first, second, ..] = (hash ^ (hash >> 16)).to_be_bytes();
    u16::from_be_bytes([first, second])
}

/// Range of slots, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slots {
    /// First slot.
    pub first: Slot,
    /// Last slot.
    pub last: Slot,
}

impl Slots {
    /// All slots.
    pub const ALL: Self = Self { first: 0, last: Slot::MAX };

    /// Returns one of `of` parts of about equal size; `part` counts from 0 and is less than `of`, which is at least
    /// 1.
    #[must_use]
    pub fn part(part: u16, of: u16) -> Self {
        let start = |part: u32| (part * ALL_SLOTS).div_ceil(u32::from(of.max(1)));
        let narrow = |slot: u32| Slot::try_from(slot).unwrap_or(Slot::MAX);
        let part = u32::from(part);
        Self { first: narrow(start(part)), last: narrow(start(part + 1).saturating_sub(1)) }
    }

    /// Returns the number of the part, of `of` parts, that a slot is in.
    #[must_use]
    pub fn part_of(slot: Slot, of: u16) -> u16 {
        // Less than `of`, so it always fits.
        u16::try_from(u32::from(slot) * u32::from(of.max(1)) / ALL_SLOTS).unwrap_or(0)
    }

    /// Returns whether a slot is in the range.
    #[must_use]
    pub fn contains(&self, slot: Slot) -> bool {
        (self.first..=self.last).contains(&slot)
    }
}

/// Claim of a leader: fences out writers with an earlier epoch in its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// Epoch of the leader.
    pub epoch: Epoch,
    /// Slots that the claim covers.
    pub slots: Slots,
}

impl Claim {
    /// Returns a claim to all slots.
    #[must_use]
    pub fn whole(epoch: Epoch) -> Self {
        Self { epoch, slots: Slots::ALL }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_every_slot_once() {
        for of in [1, 2, 3, 7, 64, 256] {
            let parts: Vec<Slots> = (0..of).map(|part| Slots::part(part, of)).collect();
            assert_eq!((parts[0].first, parts[parts.len() - 1].last), (0, Slot::MAX), "{of}");
            let meet = |pair: &[Slots]| u32::from(pair[0].last) + 1 == u32::from(pair[1].first);
            assert!(parts.windows(2).all(meet), "{of}: {parts:?}");
            for slot in 0..=Slot::MAX {
                assert!(parts[usize::from(Slots::part_of(slot, of))].contains(slot), "{slot} of {of}");
            }
        }
    }

    #[test]
    fn the_slot_of_an_account_never_changes() {
        // With another result, replicas of two releases would write the same accounts.
        assert_eq!(slot(&AccountKey::new("acme", "acme")), 41_097);
        assert_eq!(slot_of(""), 43838);
    }

    #[test]
    fn accounts_are_distributed_over_all_shards() {
        for (name, total) in [("customer-", 800), ("c", 8_000)] {
            let mut counts = [0; 8];
            for number in 0..total {
                let slot = slot(&AccountKey::new("portal", &format!("{name}{number}")));
                counts[usize::from(slot) / 8_192] += 1;
            }
            let even = total / 8;
            assert!(counts.iter().all(|count| (even * 3 / 4..even * 5 / 4).contains(count)), "{counts:?}");
        }
    }
}
