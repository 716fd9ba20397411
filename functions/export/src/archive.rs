//! The pack as one file: a tar archive, compressed. The same pack gives the same bytes.

use flate2::{Compression, write::GzEncoder};
use leaver_domain::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// Writes what lies in a directory; SHA-256 and length of the archive.
pub(crate) fn write(dir: &Path, to: &Path) -> io::Result<(Digest, u64)> {
    let sink = Hashing { file: BufWriter::new(File::create(to)?), hash: Sha256::new(), bytes: 0 };
    let mut archive = tar::Builder::new(GzEncoder::new(sink, Compression::fast()));
    for path in files(dir)? {
        let name = path.strip_prefix(dir).map_err(io::Error::other)?;
        let mut file = File::open(&path)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(file.metadata()?.len());
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        archive.append_data(&mut header, name, &mut file)?;
    }
    let mut sink = archive.into_inner()?.finish()?;
    sink.file.flush()?;
    Ok((Digest(sink.hash.finalize().into()), sink.bytes))
}

/// Every file below a directory, in the order of their names.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() { dirs.push(path) } else { all.push(path) }
        }
    }
    all.sort();
    Ok(all)
}

/// Hashes what goes through it.
struct Hashing {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        let (done, _) = bytes.split_at(written);
        self.hash.update(done);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
