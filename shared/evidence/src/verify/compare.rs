//! The files that a pack should have, compared with those that it has, as they are written.

use crate::{
    files::{Files, Sum, Summing},
    layout,
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Write},
    path::{Path, PathBuf},
    rc::Rc,
};

/// How a file differs from what it should say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    /// It is not there, or cannot be read.
    Unreadable,
    /// At this part of it, from 0; each part is what was written at a time: a table's line.
    Part(u64),
    /// It goes on where it should end.
    Longer,
}

/// Where one file differs, shared between whoever compares and whoever asks.
type Shared = Rc<Cell<Option<Difference>>>;

/// Differences by the files' paths.
#[derive(Debug, Clone, Default)]
pub(super) struct Differences(Rc<RefCell<BTreeMap<String, Shared>>>);

impl Differences {
    /// Where a file differs; `None` where it does not, as far as it was written.
    pub(super) fn of(&self, path: &str) -> Option<Difference> {
        self.0.borrow().get(path).and_then(|difference| difference.get())
    }

    /// All files that were written, by path.
    pub(super) fn all(&self) -> Vec<(String, Option<Difference>)> {
        self.0.borrow().iter().map(|(path, difference)| (path.clone(), difference.get())).collect()
    }
}

/// The pack's directory. What is "written" to it is compared; the rows' lines are handed back instead.
#[derive(Debug)]
pub(super) struct Given {
    dir: PathBuf,
    pub(super) differences: Differences,
    pub(super) line: Rc<RefCell<Vec<u8>>>,
}

impl Given {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), differences: Differences::default(), line: Rc::default() }
    }
}

/// One file under comparison.
#[derive(Debug)]
pub(super) struct Comparing(Summing<Against>);

#[derive(Debug)]
enum Against {
    /// The bytes are handed back.
    Line(Rc<RefCell<Vec<u8>>>),
    /// The bytes must be those of this file.
    File { file: Option<BufReader<File>>, part: u64, difference: Shared },
}

impl Against {
    fn same(file: &mut BufReader<File>, mut expected: &[u8]) -> bool {
        while !expected.is_empty() {
            let Ok(there) = file.fill_buf() else { return false };
            let count = there.len().min(expected.len());
            let (head, rest) = expected.split_at(count);
            if count == 0 || there.get(..count) != Some(head) {
                return false;
            }
            file.consume(count);
            expected = rest;
        }
        true
    }
}

impl Write for Against {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Line(line) => line.borrow_mut().extend(bytes),
            Self::File { file, part, difference } => {
                if let Some(reader) = file
                    && !Self::same(reader, bytes)
                {
                    difference.set(Some(Difference::Part(*part)));
                    *file = None;
                }
                *part = part.saturating_add(1);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Comparing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Files for Given {
    type File = Comparing;

    fn create(&mut self, path: &str) -> io::Result<Comparing> {
        if path == layout::ROWS_JSONL {
            return Ok(Comparing(Summing::new(Against::Line(self.line.clone()))));
        }
        let file = super::directory::open(&self.dir, path).ok().map(BufReader::new);
        let difference = Rc::new(Cell::new(file.is_none().then_some(Difference::Unreadable)));
        self.differences.0.borrow_mut().insert(path.to_owned(), difference.clone());
        Ok(Comparing(Summing::new(Against::File { file, part: 0, difference })))
    }

    fn close(&mut self, _: &str, file: Comparing) -> io::Result<Sum> {
        let (against, sum) = file.0.finish();
        if let Against::File { file: Some(mut file), difference, .. } = against
            && !matches!(file.read(&mut [0]), Ok(0))
        {
            difference.set(Some(Difference::Longer));
        }
        Ok(sum)
    }
}
