//! The tree as files: tiles of up to 256 hashes, named and filled as C2SP tlog-tiles says.

use super::{
    proof::{Node, ProofError, compact_nodes},
    tree::{Compact, node_hash},
};
use crate::digest::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// How many hashes a full tile has.
pub const MAX_WIDTH: u16 = 256;
/// Levels of the tree between two levels of tiles.
const HEIGHT: u8 = 8;
/// Levels of tiles that a tree of at most 2^64 leaves can have.
const LEVELS: u8 = 8;

/// What is wrong with a tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// No tree has such a tile.
    #[error("there is no tile at level {level}, index {index} with {width} hashes")]
    Place {
        /// Level of tiles, 0 for the one over the leaves.
        level: u8,
        /// Place in the level.
        index: u64,
        /// Number of hashes.
        width: u16,
    },
    /// Another number of bytes than its width asks for.
    #[error("the tile has {found} bytes instead of {expected}")]
    Length {
        /// 32 for each hash.
        expected: usize,
        /// What there is.
        found: usize,
    },
    /// It contradicts a tile at the same place.
    #[error("`{0}` has other hashes than a tile read before")]
    Conflict(String),
    /// The right edge of the tree is not known.
    #[error("the tiles do not hold the edge of a tree with {0} leaves")]
    Edge(u64),
}

/// The name of one tile, or of the bundle beside a tile of level 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// Level of tiles: 0 holds hashes of leaves, each one above the hashes of full tiles.
    pub level: u8,
    /// Place in the level.
    pub index: u64,
    /// How many hashes it has, from 1 to 256; fewer than 256 make it a partial one.
    pub width: u16,
}

impl Tile {
    /// A tile of the tree of this size: its width is what the tree has of it.
    fn of_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(u32::from(level) * u32::from(HEIGHT))?;
        let width = hashes.checked_sub(index.checked_mul(MAX_WIDTH.into())?)?.min(MAX_WIDTH.into());
        let tile = Self { level, index, width: u16::try_from(width).ok()? };
        tile.check().is_ok().then_some(tile)
    }

    /// Whether some tree has it.
    fn check(&self) -> Result<(), TileError> {
        let Self { level, index, width } = *self;
        let bits = u32::from(HEIGHT) * (u32::from(level) + 1);
        let place = level < LEVELS && index <= u64::MAX.checked_shr(bits).unwrap_or(0);
        if place && (1..=MAX_WIDTH).contains(&width) {
            Ok(())
        } else {
            Err(TileError::Place { level, index, width })
        }
    }

    /// Whether it has all its hashes and will never change.
    pub fn is_full(&self) -> bool {
        self.width == MAX_WIDTH
    }

    /// The leaves below it.
    pub fn leaves(&self) -> std::ops::Range<u64> {
        let bits = u32::from(HEIGHT) * u32::from(self.level);
        let leaf = |hash: u128| {
            let leaf = if bits < 64 { hash << bits } else { u128::MAX };
            u64::try_from(leaf).unwrap_or(u64::MAX)
        };
        let first = u128::from(self.index) * u128::from(MAX_WIDTH);
        leaf(first)..leaf(first + u128::from(self.width))
    }

    /// Where its hashes lie, such as `tile/0/x001/234.p/5`.
    pub fn path(&self) -> String {
        self.path_in(&self.level.to_string())
    }

    /// Where the entries lie whose hashes a tile of level 0 has, such as `tile/entries/x001/234.p/5`.
    pub fn entries_path(&self) -> String {
        self.path_in("entries")
    }

    fn path_in(&self, folder: &str) -> String {
        let mut place = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            place = format!("x{:03}/{place}", rest % 1000);
            rest /= 1000;
        }
        match self.is_full() {
            true => format!("tile/{folder}/{place}"),
            false => format!("tile/{folder}/{place}.p/{}", self.width),
        }
    }

    /// The tile whose `path` this is; there is one path for each tile.
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let tile = Self::parse_place(level.parse().ok()?, rest)?;
        (tile.path() == path).then_some(tile)
    }

    /// The tile of level 0 whose `entries_path` this is.
    pub fn parse_entries(path: &str) -> Option<Self> {
        let tile = Self::parse_place(0, path.strip_prefix("tile/entries/")?)?;
        (tile.entries_path() == path).then_some(tile)
    }

    fn parse_place(level: u8, rest: &str) -> Option<Self> {
        let (place, width) = match rest.split_once(".p/") {
            Some((place, width)) => (place, width.parse().ok()?),
            None => (rest, MAX_WIDTH),
        };
        let mut index = 0_u64;
        for part in place.split('/') {
            let part: u16 = part.strip_prefix('x').unwrap_or(part).parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(part.into())?;
        }
        let tile = Self { level, index, width };
        tile.check().is_ok().then_some(tile)
    }
}

/// The tiles that appear or widen when the tree grows, level by level, each in the width that the larger tree has of it.
pub fn new_tiles(from: u64, to: u64) -> impl Iterator<Item = Tile> {
    grown(HEIGHT.into(), from, to)
        .filter_map(|(level, index, width)| Some(Tile { level, index, width: u16::try_from(width).ok()? }))
}

/// The same for tiles of any height below 64, as (level, index, width).
fn grown(height: u32, from: u64, to: u64) -> impl Iterator<Item = (u8, u64, u64)> {
    let full = 1_u64 << height;
    (0..u8::MAX)
        .map_while(move |level| {
            let at = |size: u64| size.checked_shr(height * u32::from(level)).unwrap_or(0);
            (at(to) > at(from)).then(|| (level, at(from), at(to)))
        })
        .flat_map(move |(level, from, to)| {
            (from / full..to.div_ceil(full)).map(move |index| (level, index, full.min(to - index * full)))
        })
}

/// The tiles that hold these nodes, in the widths that a tree of this size has of them.
///
/// # Errors
/// A node that is not in that tree, or that is not yet complete.
pub fn tiles_of(size: u64, nodes: &[Node]) -> Result<BTreeSet<Tile>, ProofError> {
    nodes
        .iter()
        .map(|&(level, index)| {
            let hashes = size.checked_shr(level.into()).unwrap_or(0);
            let tile = Tile::of_tree(level / HEIGHT, index >> (HEIGHT - level % HEIGHT), size);
            tile.filter(|_| index < hashes).ok_or(ProofError::Missing(level, index))
        })
        .collect()
}

/// The partial tiles at the right edge of a tree: what is needed to know its root and to grow it.
pub fn edge_tiles(size: u64) -> BTreeSet<Tile> {
    tiles_of(size, &compact_nodes(size)).unwrap_or_default()
}

/// Tiles that were read or grown. It is not said that they belong to one tree: compare a root computed from them with
/// that of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tiles(BTreeMap<(u8, u64), Vec<Digest>>);

impl Tiles {
    /// Adds a tile's bytes; of two widths of a tile the larger is kept.
    ///
    /// # Errors
    /// There is no such tile, its bytes have the wrong length, or they contradict what was added before.
    pub fn insert(&mut self, tile: Tile, bytes: &[u8]) -> Result<(), TileError> {
        tile.check()?;
        let expected = usize::from(tile.width) * 32;
        let (chunks, rest) = bytes.as_chunks::<32>();
        if bytes.len() != expected || !rest.is_empty() {
            return Err(TileError::Length { expected, found: bytes.len() });
        }
        let known = self.0.entry((tile.level, tile.index)).or_default();
        if known.iter().zip(chunks).any(|(known, new)| known.0 != *new) {
            return Err(TileError::Conflict(tile.path()));
        }
        known.extend(chunks.iter().skip(known.len()).copied().map(Digest));
        Ok(())
    }

    /// The bytes of a tile, if so many of its hashes are known.
    pub fn bytes(&self, tile: &Tile) -> Option<Vec<u8>> {
        let hashes = self.0.get(&(tile.level, tile.index))?.get(..usize::from(tile.width))?;
        Some(hashes.iter().flat_map(|hash| hash.0).collect())
    }

    /// The hash of a perfect subtree, if the tile that holds it is known.
    pub fn node(&self, level: u8, index: u64) -> Option<Digest> {
        let inside = level % HEIGHT;
        let tile = self.0.get(&(level / HEIGHT, index >> (HEIGHT - inside)))?;
        let first = usize::try_from((index << inside) % u64::from(MAX_WIDTH)).ok()?;
        let mut hashes = tile.get(first..first + (1 << inside))?.to_vec();
        while hashes.len() > 1 {
            hashes = hashes.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(*left, *right)).collect();
        }
        hashes.pop()
    }

    /// The tree of this size, if its right edge is known.
    pub fn compact(&self, size: u64) -> Option<Compact> {
        let range = compact_nodes(size)
            .into_iter()
            .map(|(level, index)| self.node(level, index))
            .collect::<Option<_>>()?;
        Some(Compact { size, range })
    }

    /// Adds leaves behind a tree of size `from` whose `edge_tiles` are known, and fills the tiles above. Gives the new
    /// size; all `new_tiles` are known then.
    ///
    /// # Errors
    /// The tiles do not end where a tree of that size does. What was added before the error stays.
    pub fn grow(&mut self, from: u64, leaves: impl IntoIterator<Item = Digest>) -> Result<u64, TileError> {
        let mut size = from;
        for leaf in leaves {
            let (mut hash, mut place, mut level) = (leaf, size, 0);
            while let Some(full) = self.push(level, place, hash).ok_or(TileError::Edge(size))? {
                (hash, place, level) = (full, place / u64::from(MAX_WIDTH), level + 1);
            }
            size = size.checked_add(1).ok_or(TileError::Edge(size))?;
        }
        Ok(size)
    }

    /// Puts a hash at its place in a level; gives the tile's hash if that fills it. `None`: its tile ends elsewhere.
    fn push(&mut self, level: u8, place: u64, hash: Digest) -> Option<Option<Digest>> {
        let index = place / u64::from(MAX_WIDTH);
        let tile = self.0.entry((level, index)).or_default();
        if u64::try_from(tile.len()).ok()? != place % u64::from(MAX_WIDTH) {
            return None;
        }
        tile.push(hash);
        if tile.len() < usize::from(MAX_WIDTH) || level + 1 >= LEVELS {
            return Some(None);
        }
        // The node over a full tile, made from its two halves.
        let half = |n: u64| self.node(level * HEIGHT + HEIGHT - 1, index * 2 + n);
        Some(Some(node_hash(half(0)?, half(1)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{consistency, inclusion, tree::leaf_hash, verify_consistency, verify_inclusion};

    fn leaf(index: u64) -> Digest {
        leaf_hash(&index.to_be_bytes())
    }

    fn root(size: u64) -> Digest {
        let mut tree = Compact::default();
        (0..size).for_each(|index| tree.push(leaf(index)));
        tree.root()
    }

    fn tile(level: u8, index: u64, width: u16) -> Tile {
        Tile { level, index, width }
    }

    /// Published files, and a reader that sees nothing but them.
    #[derive(Default)]
    struct Files(BTreeMap<String, Vec<u8>>);

    impl Files {
        fn read(&self, tiles: impl IntoIterator<Item = Tile>) -> Tiles {
            let mut read = Tiles::default();
            for tile in tiles {
                read.insert(tile, &self.0[&tile.path()]).unwrap();
            }
            read
        }
        fn grow(&mut self, from: u64, to: u64) {
            let mut tiles = self.read(edge_tiles(from));
            assert_eq!(tiles.compact(from).unwrap().root(), root(from));
            assert_eq!(tiles.grow(from, (from..to).map(leaf)), Ok(to));
            for tile in new_tiles(from, to) {
                let before = self.0.insert(tile.path(), tiles.bytes(&tile).unwrap());
                assert_eq!(before, None, "a published file is written over");
            }
            assert_eq!(tiles.compact(to).unwrap().root(), root(to));
        }
    }

    #[test]
    fn a_log_grown_in_steps_publishes_each_tile_once_and_proves_everything_from_files() {
        let mut files = Files::default();
        let sizes = [0, 1, 2, 255, 256, 257, 300, 511, 512, 700, 1100];
        sizes.windows(2).for_each(|pair| files.grow(pair[0], pair[1]));
        for size in sizes.into_iter().skip(1) {
            assert_eq!(files.read(edge_tiles(size)).compact(size).unwrap().root(), root(size));
            for index in [0, size / 3, size / 2, size - 1] {
                let needed = crate::ledger::inclusion_nodes(index, size).unwrap();
                let tiles = files.read(tiles_of(size, &needed).unwrap());
                let proof = inclusion(index, size, &|level, index| tiles.node(level, index)).unwrap();
                assert_eq!(verify_inclusion(leaf(index), index, size, &proof, root(size)), Ok(()));
            }
            for from in sizes.into_iter().filter(|from| (1..=size).contains(from)) {
                let needed = crate::ledger::consistency_nodes(from, size).unwrap();
                let tiles = files.read(tiles_of(size, &needed).unwrap());
                let proof = consistency(from, size, &|level, index| tiles.node(level, index)).unwrap();
                assert_eq!(verify_consistency(from, size, &proof, root(from), root(size)), Ok(()));
            }
        }
    }

    /// The example of the specification: a tree of 70,000 leaves.
    #[test]
    fn a_tree_of_seventy_thousand_has_the_specified_tiles() {
        let all: Vec<Tile> = new_tiles(0, 70_000).collect();
        let full = |level| all.iter().filter(|tile| tile.level == level && tile.is_full()).count();
        assert_eq!((full(0), full(1), full(2)), (273, 1, 0));
        let partial: Vec<Tile> = all.iter().copied().filter(|tile| !tile.is_full()).collect();
        assert_eq!(partial, [tile(0, 273, 112), tile(1, 1, 17), tile(2, 0, 1)]);
        assert_eq!(edge_tiles(70_000).into_iter().collect::<Vec<_>>(), partial);
        assert_eq!(new_tiles(0, 256).collect::<Vec<_>>(), [tile(0, 0, 256), tile(1, 0, 1)]);
        assert_eq!(tile(1, 1, 17).leaves(), 65_536..69_888);
        assert_eq!(tile(0, 273, 112).leaves(), 69_888..70_000);
    }

    /// The figures of Go's own test of the same rule, for tiles of height 10.
    #[test]
    fn as_many_tiles_grow_as_gos_rule_says() {
        let cases = [
            (1, 1, 0),
            (100, 101, 1),
            (1023, 1025, 3),
            (1024, 1030, 1),
            (1030, 2000, 1),
            (1030, 10_000, 10),
            (49_516_517, 49_516_586, 3),
        ];
        for (from, to, count) in cases {
            assert_eq!(grown(10, from, to).count(), count, "{from} to {to}");
        }
    }

    #[test]
    fn a_path_names_one_tile_and_a_tile_has_one_path() {
        for (path, tile) in [
            ("tile/0/000", tile(0, 0, 256)),
            ("tile/0/x001/234.p/5", tile(0, 1234, 5)),
            ("tile/5/x123/x456/078", tile(5, 123_456_078, 256)),
            ("tile/1/x003/x057/500.p/255", tile(1, 3_057_500, 255)),
        ] {
            let small = tile.level < 5;
            assert_eq!(tile.path(), path);
            assert_eq!(Tile::parse(path), small.then_some(tile), "level 5 has no such index");
        }
        assert_eq!(Tile::parse_entries("tile/entries/x001/234.p/5"), Some(tile(0, 1234, 5)));
        assert_eq!(tile(0, 1234, 5).entries_path(), "tile/entries/x001/234.p/5");
        for bad in [
            "",
            "tile/0",
            "tile/0/",
            "tile/00/000",
            "tile/+0/000",
            "tile/8/000",
            "tile/-1/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/001",
            "tile/0/123/456",
            "tile/0/x001/x234",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/05",
            "tile/0/000.p/",
            "tile/0/000.p/1.p/1",
            "/tile/0/000",
            "tile/0/000/",
            "tile/0/+00",
            "tile/entries/000",
            "tile/0/x018/x446/x744/x073/x709/x551/615",
            "tile/0/x072/x057/x594/x037/x927/936",
        ] {
            assert_eq!(Tile::parse(bad), None, "{bad}");
        }
        let last = tile(0, u64::MAX >> 8, 256);
        assert_eq!(Tile::parse(&last.path()), Some(last));
        assert_eq!(Tile::parse_entries("tile/0/000"), None);
    }

    #[test]
    fn tiles_that_disagree_or_do_not_fit_are_refused() {
        let mut tiles = Tiles::default();
        let bytes: Vec<u8> = (0..5).flat_map(|index| leaf(index).0).collect();
        tiles.insert(tile(0, 0, 5), &bytes).unwrap();
        tiles.insert(tile(0, 0, 3), &bytes[..96]).unwrap();
        assert_eq!(tiles.bytes(&tile(0, 0, 5)), Some(bytes.clone()));
        assert_eq!(tiles.bytes(&tile(0, 0, 6)), None);
        assert!(matches!(tiles.insert(tile(0, 0, 4), &bytes), Err(TileError::Length { .. })));
        assert!(matches!(tiles.insert(tile(0, 0, 0), &[]), Err(TileError::Place { .. })));
        assert!(matches!(tiles.insert(tile(9, 0, 5), &bytes), Err(TileError::Place { .. })));
        let mut other = bytes;
        other[40] ^= 1;
        assert_eq!(tiles.insert(tile(0, 0, 5), &other), Err(TileError::Conflict("tile/0/000.p/5".into())));
        assert_eq!(tiles.grow(6, [leaf(6)]), Err(TileError::Edge(6)));
        assert_eq!(tiles.grow(5, [leaf(5)]), Ok(6));
        assert_eq!(tiles.compact(6).unwrap().root(), root(6));
        assert_eq!(tiles.compact(7), None);
        assert_eq!(tiles_of(6, &[(1, 3)]), Err(ProofError::Missing(1, 3)));
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(12))]
        #[test]
        fn growing_in_any_steps_publishes_the_same_tree(steps in proptest::collection::vec(0_u64..400, 1..6)) {
            let mut files = Files::default();
            let size = steps.iter().fold(0, |from, step| { files.grow(from, from + step); from + step });
            let mut once = Files::default();
            once.grow(0, size);
            for (path, bytes) in once.0 {
                proptest::prop_assert_eq!(files.0.get(&path), Some(&bytes));
            }
        }

    }

    proptest::proptest! {
        #[test]
        fn any_path_is_taken(path in "(tile/)?(entries|[0-9]{1,3})/(x?[0-9+]{0,4}/){0,9}[0-9]{0,4}(\\.p/[0-9]{0,6})?", any: String) {
            for path in [&path, &any] {
                if let Some(tile) = Tile::parse(path) {
                    proptest::prop_assert_eq!(&tile.path(), path);
                }
                if let Some(tile) = Tile::parse_entries(path) {
                    proptest::prop_assert_eq!(&tile.entries_path(), path);
                }
            }
        }

        #[test]
        fn any_tile_is_taken(level: u8, index: u64, width: u16, bytes: Vec<u8>, size: u64) {
            let one = tile(level, index, width);
            let mut tiles = Tiles::default();
            let _ = (one.leaves(), one.entries_path(), tiles.bytes(&one), tiles.insert(one, &bytes));
            let _ = (tiles.node(level, index), tiles.compact(size), tiles_of(size, &[(level, index)]));
            let _ = tiles.grow(size, [Digest::ZERO]);
            proptest::prop_assert!(edge_tiles(size).len() <= 8);
            proptest::prop_assert!(new_tiles(size, u64::MAX).take(3).count() <= 3);
            if let Some(same) = Tile::parse(&one.path()) {
                proptest::prop_assert_eq!(same, one);
            }
        }
    }
}
