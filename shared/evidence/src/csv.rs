//! Comma-separated lines (RFC 4180 with LF), safe to open in a spreadsheet.

use std::io;

/// Characters with which a spreadsheet takes a cell for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Appends one cell: with a leading `'` where a spreadsheet would run it, in quotation marks where it needs them.
pub fn push_cell(line: &mut String, cell: &str) {
    let guard = if cell.starts_with(FORMULA) { "'" } else { "" };
    if cell.contains([',', '"', '\n', '\r']) {
        line.push('"');
        line.push_str(guard);
        line.push_str(&cell.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(guard);
        line.push_str(cell);
    }
}

/// One line, its line end included.
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        push_cell(&mut line, cell);
    }
    line.push('\n');
    line
}

/// Writes one line.
///
/// # Errors
/// Those of the writer.
pub fn write<'a>(to: &mut impl io::Write, cells: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    to.write_all(line(cells).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_cannot_leave_its_place_or_become_a_formula() {
        assert_eq!(line(["a", "", "b c"]), "a,,b c\n");
        assert_eq!(line(["a,b", "say \"no\"", "two\nlines"]), "\"a,b\",\"say \"\"no\"\"\",\"two\nlines\"\n");
        assert_eq!(line(["=1+1", "+4", "-x", "@s", "\tt"]), "'=1+1,'+4,'-x,'@s,'\tt\n");
        assert_eq!(line(["=HYPERLINK(\"x\",\"y\")"]), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"\n");
        assert_eq!(line(["\rx"]), "\"'\rx\"\n");
    }
}
