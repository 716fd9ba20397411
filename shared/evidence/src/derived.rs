//! All files of a pack that follow from its rows: fed row by row, written one after another.

use crate::{
    cases::Fold,
    completeness::Completeness,
    context::Context,
    controls, csv,
    figures::Figures,
    files::{Files, Sums},
    layout,
    manifest::Manifest,
    oscal, readme, report, row, tables,
};
use leaver_domain::ledger::Entry;
use std::io::{self, Write as _};

/// The derived files of one pack.
pub struct Derived<F: Files> {
    context: Context,
    files: F,
    jsonl: F::File,
    csv: F::File,
    fold: Fold,
}

impl<F: Files> Derived<F> {
    /// Begins the files that grow with every row.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn new(context: Context, mut files: F) -> io::Result<Self> {
        let jsonl = files.create(layout::ROWS_JSONL)?;
        let mut table = files.create(layout::ROWS_CSV)?;
        csv::write(&mut table, layout::ROWS_COLUMNS.iter().copied())?;
        let fold = Fold::new(&context);
        Ok(Self { context, files, jsonl, csv: table, fold })
    }

    /// Takes the next row: its entry, the entry's bytes, and its evidence.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn row(&mut self, entry: &Entry, leaf: &[u8], evidence: &str) -> io::Result<()> {
        let facts = row::facts(evidence);
        let line = row::Line::new(entry, leaf, evidence, &facts);
        serde_json::to_writer(&mut self.jsonl, &line)?;
        self.jsonl.write_all(b"\n")?;
        self.csv.write_all(row::csv_line(entry, &line.leaf).as_bytes())?;
        self.fold.row(entry, &facts);
        Ok(())
    }

    /// What the pack is about.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The rows so far.
    pub fn fold(&self) -> &Fold {
        &self.fold
    }

    /// Where the files go.
    pub fn files(&mut self) -> &mut F {
        &mut self.files
    }

    /// Writes all other derived files, the manifest last. `given` are the files of the pack that do not follow from the
    /// rows: checkpoint, keys, policies, proofs, verifier. Gives back where the files went and the digest of each, `given`
    /// and the manifest included.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn finish(self, given: &Sums) -> io::Result<(F, Sums)> {
        let Self { context, mut files, jsonl, csv, fold } = self;
        let mut sums = given.clone();
        sums.insert(layout::ROWS_JSONL.into(), files.close(layout::ROWS_JSONL, jsonl)?);
        sums.insert(layout::ROWS_CSV.into(), files.close(layout::ROWS_CSV, csv)?);
        let look = tables::Look::new(&context, &fold);
        for table in tables::TABLES {
            let mut file = files.create(table.path)?;
            table.write(&look, &mut file)?;
            sums.insert(table.path.to_owned(), files.close(table.path, file)?);
        }
        let figures = Figures::of(&look);
        let mut put = |path: &str, text: String| -> io::Result<()> {
            sums.insert(path.to_owned(), files.put(path, text.as_bytes())?);
            Ok(())
        };
        put(layout::COMPLETENESS, Completeness::of(&look, &figures).text()?)?;
        put(layout::CONTROLS, controls::text(&figures))?;
        put(layout::OSCAL, oscal::text(&look, &figures)?)?;
        put(layout::README, readme::text(&look, &figures))?;
        let report = report::text(&look, &figures, &sums).map_err(io::Error::other)?;
        sums.insert(layout::REPORT.into(), files.put(layout::REPORT, report.as_bytes())?);
        let manifest = Manifest::of(&sums).text()?;
        sums.insert(layout::MANIFEST.into(), files.put(layout::MANIFEST, manifest.as_bytes())?);
        Ok((files, sums))
    }
}
