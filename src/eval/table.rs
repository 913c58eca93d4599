//! Tables of labels: comma-separated text with a header, read strictly. RFC 4180 without quoting: no label needs a comma.

/// Why a table was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// There is not even a header.
    #[error("the table is empty")]
    Empty,
    /// The header lacks a column.
    #[error("there is no column `{0}` in the header")]
    Column(&'static str),
    /// A line has more or fewer cells than the header.
    #[error("line {line} has {found} cells, the header has {expected}")]
    Cells {
        /// From 1, with the header as the first.
        line: usize,
        /// Cells of the header.
        expected: usize,
        /// Cells of the line.
        found: usize,
    },
    /// A cell is not a whole number.
    #[error("line {line}: `{column}` is not a whole number")]
    Number {
        /// From 1, with the header as the first.
        line: usize,
        /// Which column.
        column: &'static str,
    },
    /// A cell is empty.
    #[error("line {line}: `{column}` is empty")]
    Blank {
        /// From 1, with the header as the first.
        line: usize,
        /// Which column.
        column: &'static str,
    },
    /// A row that the array does not have.
    #[error("line {line}: there is no row {row}; the array has {rows}, from 0")]
    Row {
        /// From 1, with the header as the first.
        line: usize,
        /// What the table says.
        row: usize,
        /// What there is.
        rows: usize,
    },
    /// A row or a file that an earlier line has named.
    #[error("line {line} is about the same `{column}` as an earlier one")]
    Twice {
        /// From 1, with the header as the first.
        line: usize,
        /// Which column.
        column: &'static str,
    },
}

/// Cells by line and column.
#[derive(Debug)]
struct Table<'a> {
    header: Vec<&'a str>,
    /// The line's number, and its cells.
    lines: Vec<(usize, Vec<&'a str>)>,
}

impl<'a> Table<'a> {
    fn parse(text: &'a str) -> Result<Self, TableError> {
        let cells = |line: &'a str| line.split(',').map(str::trim).collect::<Vec<_>>();
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let header =
            lines.next().map(|(_, line)| cells(line.trim_start_matches('\u{feff}'))).ok_or(TableError::Empty)?;
        let expected = header.len();
        let lines = lines.map(|(number, line)| match cells(line) {
            cells if cells.len() == expected => Ok((number, cells)),
            cells => Err(TableError::Cells { line: number, expected, found: cells.len() }),
        });
        let lines = lines.collect::<Result<_, _>>()?;
        Ok(Self { header, lines })
    }

    fn column(&self, name: &'static str) -> Result<usize, TableError> {
        self.header.iter().position(|cell| *cell == name).ok_or(TableError::Column(name))
    }
}

fn text<'a>(line: usize, column: &'static str, cell: &'a str) -> Result<&'a str, TableError> {
    if cell.is_empty() { Err(TableError::Blank { line, column }) } else { Ok(cell) }
}

/// One line of a face set's labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaceLabel {
    /// Row of the array of embeddings.
    pub row: usize,
    /// Whose it is.
    pub identity: String,
}

/// Reads labels of an array with so many rows: columns `row` and `identity`, whatever else there is.
///
/// Rows that no line names are not evaluated.
///
/// # Errors
/// [`TableError`] for the first line that is wrong.
pub fn face_labels(csv: &str, rows: usize) -> Result<Vec<FaceLabel>, TableError> {
    let table = Table::parse(csv)?;
    let (row, identity) = (table.column("row")?, table.column("identity")?);
    let mut seen = vec![false; rows];
    let mut labels = Vec::with_capacity(table.lines.len());
    for (line, cells) in &table.lines {
        let line = *line;
        let row: usize = cells[row].parse().map_err(|_| TableError::Number { line, column: "row" })?;
        match seen.get_mut(row) {
            None => return Err(TableError::Row { line, row, rows }),
            Some(true) => return Err(TableError::Twice { line, column: "row" }),
            Some(new) => *new = true,
        }
        labels.push(FaceLabel { row, identity: text(line, "identity", cells[identity])?.to_owned() });
    }
    Ok(labels)
}

/// One line of an index of finger records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FingerLabel {
    /// Name of the record's file, in the folder of the records.
    pub file: String,
    /// The database: fingers of different ones are not compared.
    pub db: String,
    /// Which finger of it.
    pub finger: String,
}

/// Reads an index of finger records: columns `file`, `db` and `finger`, whatever else there is.
///
/// # Errors
/// [`TableError`] for the first line that is wrong.
pub fn finger_labels(csv: &str) -> Result<Vec<FingerLabel>, TableError> {
    let table = Table::parse(csv)?;
    let [file, db, finger] = [table.column("file")?, table.column("db")?, table.column("finger")?];
    let mut seen = std::collections::HashSet::new();
    let mut labels = Vec::with_capacity(table.lines.len());
    for (line, cells) in &table.lines {
        let label = FingerLabel {
            file: text(*line, "file", cells[file])?.to_owned(),
            db: text(*line, "db", cells[db])?.to_owned(),
            finger: text(*line, "finger", cells[finger])?.to_owned(),
        };
        if !seen.insert(cells[file]) {
            return Err(TableError::Twice { line: *line, column: "file" });
        }
        labels.push(label);
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let labels = face_labels("view,identity,row\r\nfrontal,7,1\r\n\nprofile,8,0\r\n", 2).unwrap();
        let label = |row, identity: &str| FaceLabel { row, identity: identity.to_owned() };
        assert_eq!(labels, [label(1, "7"), label(0, "8")]);
        let fingers = finger_labels("file,db,finger,dpi\na.fmr,x,101,500\n").unwrap();
        let expected = FingerLabel { file: "a.fmr".to_owned(), db: "x".to_owned(), finger: "101".to_owned() };
        assert_eq!(fingers, [expected]);
    }

    #[test]
    fn each_fault_of_a_table_has_its_line_and_its_column() {
        let faces = |csv: &str| face_labels(csv, 3).unwrap_err();
        assert_eq!(faces(""), TableError::Empty);
        assert_eq!(faces("row,person\n0,1\n"), TableError::Column("identity"));
        assert_eq!(faces("row,identity\n0,1\n1\n"), TableError::Cells { line: 3, expected: 2, found: 1 });
        assert_eq!(faces("row,identity\n0,1\n-1,1\n"), TableError::Number { line: 3, column: "row" });
        assert_eq!(faces("row,identity\n0,1\n\n3,1\n"), TableError::Row { line: 4, row: 3, rows: 3 });
        assert_eq!(faces("row,identity\n0,1\n0,2\n"), TableError::Twice { line: 3, column: "row" });
        assert_eq!(faces("row,identity\n0,\n"), TableError::Blank { line: 2, column: "identity" });
        let fingers = |csv: &str| finger_labels(csv).unwrap_err();
        assert_eq!(fingers("file,db\n"), TableError::Column("finger"));
        let twice = "file,db,finger\na,x,1\nb,x,1\na,x,2\n";
        assert_eq!(fingers(twice), TableError::Twice { line: 4, column: "file" });
    }
}
