//! The fuzz targets over their seeds, over truncations of them and flipped bits, and over mixtures.

use leaver_tests::fuzz::TARGETS;
use proptest::{collection::vec, prelude::*, sample::Index};

#[test]
fn seeds_their_truncations_and_their_flipped_bits_are_read_or_refused() {
    for (name, target, seeds) in TARGETS {
        let seeds = seeds();
        assert!(seeds.len() > 5, "{name}");
        for seed in seeds {
            target(&seed);
            (0..seed.len()).step_by(seed.len() / 50 + 1).for_each(|end| target(&seed[..end]));
            // Odd, so that every place in a byte has its turn.
            for bit in (0..seed.len() * 8).step_by((seed.len() / 10) | 1) {
                let mut changed = seed.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                target(&changed);
            }
        }
    }
}

/// What a mutation does to the bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Number(Index, u64),
    Splice(Index, Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    let interesting =
        prop_oneof![Just(0), Just(u64::MAX), Just(1 << 32), Just(u64::from(u32::MAX)), any::<u64>()];
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at(), vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at(), 1_usize..40).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (at(), interesting).prop_map(|(at, number)| Mutation::Number(at, number)),
        (at(), any::<Index>(), any::<Index>()).prop_map(|(at, seed, from)| Mutation::Splice(at, seed, from)),
    ]
}

fn mutated(bytes: &mut Vec<u8>, mutation: &Mutation, seeds: &[Vec<u8>]) {
    let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
    match mutation {
        Mutation::Set(at, byte) => {
            let at = at.index(bytes.len().max(1));
            if let Some(there) = bytes.get_mut(at) {
                *there = *byte;
            }
        }
        Mutation::Insert(at, new) => {
            let at = place(at, bytes);
            bytes.splice(at..at, new.iter().copied());
        }
        Mutation::Remove(at, count) => {
            let at = place(at, bytes);
            bytes.drain(at..(at + count).min(bytes.len()));
        }
        Mutation::Number(at, number) => {
            let at = place(at, bytes);
            let new = number.to_be_bytes();
            new.into_iter().zip(&mut bytes[at..]).for_each(|(new, there)| *there = new);
        }
        Mutation::Splice(at, seed, from) => {
            let other = &seeds[seed.index(seeds.len())];
            bytes.truncate(place(at, bytes));
            bytes.extend(&other[from.index(other.len())..]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn mixtures_of_seeds_are_read_or_refused(seed: Index, mutations in vec(mutation(), 1..5)) {
        for (_, target, seeds) in TARGETS {
            let seeds = seeds();
            let mut bytes = seeds[seed.index(seeds.len())].clone();
            mutations.iter().for_each(|one| mutated(&mut bytes, one, &seeds));
            target(&bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..400)) {
        TARGETS.iter().for_each(|(_, target, _)| target(&bytes));
    }
}
