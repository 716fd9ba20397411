//! The pack reader's fuzz target over its seeds, over cuts and changes of them, and over any bytes.

use leaver_tests::fuzz_pack::{pack, seeds};
use proptest::{collection::vec, prelude::*, sample::Index};

#[test]
fn good_packs_are_verified_and_cut_ones_are_not() {
    let seeds = seeds();
    assert!(seeds.len() > 4 && seeds.iter().any(|seed| seed.len() > 10_000));
    for seed in &seeds {
        pack(seed);
        (0..seed.len()).step_by(seed.len() / 25 + 1).for_each(|end| pack(&seed[..end]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn changed_packs_are_refused_and_never_a_panic(
        seed: Index,
        changes in vec((any::<Index>(), vec(any::<u8>(), 0..8), 0_usize..8), 1..4),
    ) {
        let seeds = seeds();
        let mut bytes = seed.get(&seeds).clone();
        for (at, new, removed) in changes {
            let at = at.index(bytes.len() + 1);
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, new);
        }
        pack(&bytes);
    }

    #[test]
    fn any_bytes_are_refused(bytes in vec(any::<u8>(), 0..300)) {
        pack(&bytes);
    }
}
