//! Where the files of a pack go: into a directory, or against those that are there already.

use leaver_domain::digest::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// Digest and length of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// SHA-256 of the bytes.
    pub sha256: Digest,
    /// How many.
    pub bytes: u64,
}

impl Sum {
    /// Of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: Digest::of(bytes), bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX) }
    }
}

/// Files by their paths in the pack.
pub type Sums = BTreeMap<String, Sum>;

/// Takes the files of a pack. The builder's writes them, the verifier's compares them with those that it was given.
pub trait Files {
    /// A file that is being written.
    type File: Write;
    /// Begins a file.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn create(&mut self, path: &str) -> io::Result<Self::File>;
    /// Ends a file and says what was written to it.
    ///
    /// # Errors
    /// Where it could not be written to its end.
    fn close(&mut self, path: &str, file: Self::File) -> io::Result<Sum>;
    /// Writes a whole file.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn put(&mut self, path: &str, bytes: &[u8]) -> io::Result<Sum> {
        let mut file = self.create(path)?;
        file.write_all(bytes)?;
        self.close(path, file)
    }
}

/// A writer that keeps the digest of what goes through it.
#[derive(Debug)]
pub struct Summing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W> Summing<W> {
    /// In front of another writer.
    pub fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// The other writer, and what went through.
    pub fn finish(self) -> (W, Sum) {
        let sum = Sum { sha256: Digest(self.hash.finalize().into()), bytes: self.bytes };
        (self.inner, sum)
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        self.bytes += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A directory that a pack is written to.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Makes the directory, which must not exist or be empty.
    ///
    /// # Errors
    /// Where there is something in it, or it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        if std::fs::read_dir(path)?.next().is_some() {
            return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, "the directory is not empty"));
        }
        Ok(Self(path.to_owned()))
    }
}

impl Files for Directory {
    type File = BufWriter<Summing<File>>;

    fn create(&mut self, path: &str) -> io::Result<Self::File> {
        let path = self.0.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        // A name that is taken would mean two files of one pack with the same path.
        Ok(BufWriter::with_capacity(1 << 18, Summing::new(File::create_new(path)?)))
    }

    fn close(&mut self, _: &str, file: Self::File) -> io::Result<Sum> {
        let summing = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let (file, sum) = summing.finish();
        file.sync_all()?;
        Ok(sum)
    }
}

/// Files that stay in memory, for tests and small packs.
#[derive(Debug, Default)]
pub struct Memory(
    /// What was written, by path.
    pub BTreeMap<String, Vec<u8>>,
);

impl Files for Memory {
    type File = Vec<u8>;

    fn create(&mut self, _: &str) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn close(&mut self, path: &str, file: Vec<u8>) -> io::Result<Sum> {
        let sum = Sum::of(&file);
        match self.0.insert(path.to_owned(), file) {
            None => Ok(sum),
            Some(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "the pack has this file already")),
        }
    }
}
