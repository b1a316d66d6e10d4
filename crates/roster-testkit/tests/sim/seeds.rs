//! Runs the seeds that found defects by themselves before these were fixed.

use roster_testkit::sim::{Features, people, play};

/// Seeds that found defects by themselves before these were fixed.
#[test]
fn seeds_that_found_defects_keep_the_promises() {
    let found = [
        // (g) A backoff of up to 30 s went on after the store was back; p8 was suspended meanwhile.
        1,  // (b), (h) The guard held p0, who was blocked then.
        6,  // (i) An override was deleted: what it had lowered rose without a fresh read.
        12, // (k) An override that became invalid no longer lowered.
        17, // (b) The guard held p3, and the account was suspended then.
        28, // The guard held somebody whose time was put off, and who kept access until then.
        34, // A shard was taken while the list for another went on, and waited for the list after that.
        5_179,
        // The guard held a member whose new access begins after the old one expires; the old one continued until then.
        20_452,
    ];
    for seed in found {
        // As they were found.
        let features = Features { rushes: false, ..Features::of(seed) };
        let (config, actions) = people::generate(seed, &features);
        let violation = play(config, actions).violation;
        assert!(violation.is_none(), "seed {seed}: {}", violation.unwrap());
    }
}

/// Like the seeds above, but with bursts of edits.
#[test]
fn seeds_with_bursts_that_found_defects_keep_the_promises() {
    let found = [
        // An old list of IdentityStores, from before the store was created, let an Account be deleted without emptying its
        // store.
        10_000_226,
        // The invariant was wrong: a Membership expired while its pass ran, and the invariant blamed objects that
        // vanished elsewhere in the namespace.
        13_000_081,
        // The invariant was wrong: a namespace was deleted while another store answered than the known one, which the
        // Account's status reported.
        15_000_009,
    ];
    for seed in found {
        let (config, actions) = people::generate(seed, &Features::of(seed));
        let violation = play(config, actions).violation;
        assert!(violation.is_none(), "seed {seed}: {}", violation.unwrap());
    }
}
