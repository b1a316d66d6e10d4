//! Fair shares of shards. Each round computes them from the Leases; every replica gets the same result by itself.

use std::collections::{BTreeMap, BTreeSet};

/// Shards that one replica should take or release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ShardMoves {
    /// Free shards that the replica should take.
    pub take: Vec<u16>,
    /// Shards that the replica should release, since another one has too few.
    pub give: Vec<u16>,
}

/// Returns the moves of `me`. `holders` has the holder of each shard, and `replicas` all running replicas. Each
/// replica gets the same number of shards, or one more; a shard stays where it is unless another replica has too few.
pub(super) fn moves(me: &str, holders: &[Option<String>], replicas: &BTreeSet<String>) -> ShardMoves {
    let mut counts: BTreeMap<&str, usize> = replicas.iter().map(|replica| (replica.as_str(), 0)).collect();
    counts.entry(me).or_default();
    for holder in holders.iter().flatten() {
        // A holder counts as running even without a presence Lease.
        *counts.entry(holder).or_default() += 1;
    }
    let least = holders.len() / counts.len();
    let most = holders.len().div_ceil(counts.len());
    let mine: Vec<u16> = shards(holders, |holder| holder.is_some_and(|holder| holder == me));
    let free: Vec<u16> = shards(holders, |holder| holder.is_none());
    let lacking = |count: usize| least.saturating_sub(count);
    let others_lack: usize = counts.iter().filter(|(who, _)| **who != me).map(|(_, count)| lacking(*count)).sum();
    let all_lack = others_lack + lacking(mine.len());

    let surplus = mine.len().saturating_sub(most);
    if surplus > 0 {
        return ShardMoves { give: mine.into_iter().rev().take(surplus).collect(), take: Vec::new() };
    }
    if mine.len() < least {
        return ShardMoves { take: free.into_iter().take(least - mine.len()).collect(), give: Vec::new() };
    }
    // Replicas with too few shards get first the free ones, then what others have above the maximum, then one each
    // from those with one more than the minimum.
    let too_many: usize = counts.values().map(|count| count.saturating_sub(most)).sum();
    let wanted = all_lack.saturating_sub(free.len() + too_many);
    if mine.len() > least {
        let before = counts.iter().take_while(|(who, _)| **who != me).filter(|(_, count)| **count == most).count();
        let give = mine.last().filter(|_| before < wanted).copied();
        return ShardMoves { give: give.into_iter().collect(), take: Vec::new() };
    }
    // Take one more than the minimum if no replica lacks that shard.
    let spare = if mine.len() < most { free.len().saturating_sub(others_lack) } else { 0 };
    ShardMoves { take: free.into_iter().rev().take(spare.min(1)).collect(), give: Vec::new() }
}

fn shards(holders: &[Option<String>], wanted: impl Fn(Option<&String>) -> bool) -> Vec<u16> {
    let wanted = holders.iter().enumerate().filter(|(_, holder)| wanted(holder.as_ref()));
    wanted.filter_map(|(shard, _)| u16::try_from(shard).ok()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(holders: &[Option<String>], replicas: &BTreeSet<String>) -> Vec<usize> {
        let held = |who: &String| holders.iter().flatten().filter(|holder| *holder == who).count();
        replicas.iter().map(held).collect()
    }

    /// Runs one round of one replica, as on a cluster; returns the number of moves.
    fn round(who: &str, holders: &mut [Option<String>], replicas: &BTreeSet<String>) -> usize {
        let moves = moves(who, holders, replicas);
        for shard in &moves.take {
            let holder = &mut holders[usize::from(*shard)];
            assert_eq!(*holder, None, "{who} takes {shard}");
            *holder = Some(who.to_owned());
        }
        for shard in &moves.give {
            let holder = &mut holders[usize::from(*shard)];
            assert_eq!(holder.as_deref(), Some(who), "{who} gives {shard}");
            *holder = None;
        }
        moves.take.len() + moves.give.len()
    }

    fn settle(holders: &mut [Option<String>], replicas: &BTreeSet<String>) -> usize {
        let mut moved = 0;
        for _ in 0..200 {
            let now: usize = replicas.iter().map(|who| round(who, holders, replicas)).sum();
            if now == 0 {
                return moved;
            }
            moved += now;
        }
        panic!("it never settles: {holders:?}");
    }

    fn replicas(count: usize) -> BTreeSet<String> {
        (0..count).map(|number| format!("replica-{number}")).collect()
    }

    proptest! {
        #[test]
        fn every_replica_gets_a_fair_share(
            shards in 1_usize..40,
            first in 1_usize..8,
            then in 1_usize..8,
            order in any::<bool>(),
        ) {
            let mut holders = vec![None; shards];
            settle(&mut holders, &replicas(first));
            // Some replicas start or stop; shards of stopped ones are free.
            let there = if order { replicas(then) } else { (0..then).map(|number| format!("a-{number}")).collect() };
            for holder in &mut holders {
                *holder = holder.take().filter(|holder| there.contains(holder));
            }
            settle(&mut holders, &there);
            prop_assert!(holders.iter().all(Option::is_some));
            let counts = counts(&holders, &there);
            prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
        }
    }

    #[test]
    fn a_new_replica_gets_its_share_and_no_other_shard_moves() {
        let mut holders = vec![None; 8];
        settle(&mut holders, &replicas(2));
        // Two of the eight shards move, each released once and taken once: 4 + 4 becomes 3 + 3 + 2.
        assert_eq!(settle(&mut holders, &replicas(3)), 4);
    }

    #[test]
    fn a_single_shard_does_not_move() {
        let holders = [Some("b".to_owned())];
        let there = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(moves("a", &holders, &there), ShardMoves::default());
        assert_eq!(moves("b", &holders, &there), ShardMoves::default());
        assert_eq!(moves("a", &[None], &there).take, [0]);
    }
}
