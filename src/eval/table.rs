//! Tables of labels: comma-separated text (RFC 4180) with a header, read strictly.
//!
//! A table that could be read in two ways is refused with its line: text that is not UTF-8, a quote that does not stand around a
//! whole cell, a column or a row that is there twice. What a spreadsheet adds (a byte order mark, CR LF, quotes) is read.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use icu_normalizer::ComposingNormalizerBorrowed;

/// Why a table was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Bytes of another encoding: names would run together.
    #[error("line {line} is not UTF-8: save the table as UTF-8")]
    Encoding {
        /// From 1, with the header as the first.
        line: usize,
    },
    /// A quote within a cell, after one, or without its other half.
    #[error("line {line}: a quote must stand around a whole cell, and be doubled within one")]
    Quote {
        /// Where the cell begins, from 1.
        line: usize,
    },
    /// There is not even a header.
    #[error("the table is empty")]
    Empty,
    /// The header's cells are not parted by commas.
    #[error("there are no commas in the header: save the table with commas between its columns")]
    Commas,
    /// The header lacks a column.
    #[error("there is no column `{0}` in the header")]
    Column(&'static str),
    /// The header has a column twice.
    #[error("there are two columns `{0}` in the header")]
    Columns(&'static str),
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
    /// A person who stands in another group than before.
    #[error("line {line}: the same person has another `group` in an earlier line")]
    Group {
        /// From 1, with the header as the first.
        line: usize,
    },
}

/// Cells by line and column.
#[derive(Debug)]
struct Table {
    header: Vec<String>,
    lines: Vec<Line>,
}

/// A line's number, from 1, and its cells.
#[derive(Debug)]
struct Line {
    number: usize,
    cells: Vec<String>,
}

impl Table {
    fn parse(bytes: &[u8]) -> Result<Self, TableError> {
        let text = utf8(bytes)?;
        if let Some(place) = misquoted(text) {
            return Err(TableError::Quote { line: line_of(text.as_bytes(), place) });
        }
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        // A record's position is that of the empty lines before it.
        let (mut at, mut number) = (0, 1);
        let mut lines = reader.records().filter_map(|record| {
            let record = record.expect("UTF-8 in memory, with lines of any length");
            let start = record.position().map_or(0, csv::Position::byte);
            let start = usize::try_from(start).expect("a place of a text in memory");
            let rest = text[start..].trim_start_matches(['\r', '\n']);
            let start = text.len() - rest.len();
            number += line_of(&text.as_bytes()[at..start], start - at) - 1;
            at = start;
            let blank = record.len() == 1 && record.get(0) == Some("");
            (!blank).then(|| Line { number, cells: record.iter().map(str::to_owned).collect() })
        });
        let header = lines.next().ok_or(TableError::Empty)?.cells;
        let expected = header.len();
        let lines = lines.map(|line| match line.cells.len() {
            found if found == expected => Ok(line.composed(&header)),
            found => Err(TableError::Cells { line: line.number, expected, found }),
        });
        let lines = lines.collect::<Result<_, _>>()?;
        Ok(Self { header, lines })
    }

    /// Where a column stands, if the table has it.
    fn optional(&self, name: &'static str) -> Result<Option<usize>, TableError> {
        let mut found = self.header.iter().enumerate().filter(|(_, cell)| *cell == name).map(|(place, _)| place);
        let first = found.next();
        if found.next().is_some() { Err(TableError::Columns(name)) } else { Ok(first) }
    }

    fn column(&self, name: &'static str) -> Result<usize, TableError> {
        let absent = if self.header.len() == 1 { TableError::Commas } else { TableError::Column(name) };
        self.optional(name)?.ok_or(absent)
    }
}

/// The text, without the mark that some programs begin UTF-8 with.
fn utf8(bytes: &[u8]) -> Result<&str, TableError> {
    let refused = |place: usize| TableError::Encoding { line: line_of(bytes, place) };
    let text = str::from_utf8(bytes).map_err(|error| refused(error.valid_up_to()))?;
    // UTF-16 of Latin letters is UTF-8 too, with a zero after each.
    match text.find('\0') {
        Some(zero) => Err(refused(zero)),
        None => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
    }
}

/// The line of a place, from 1. Lines end in LF, CR LF, or CR alone.
fn line_of(bytes: &[u8], place: usize) -> usize {
    let ends = |at: &usize| bytes[*at] == b'\n' || (bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    1 + (0..place).filter(ends).count()
}

/// Where the first quote is, or the cell that it opens, that does not belong to a pair around a whole cell. The reader would take such
/// a cell in one way or another, and the lines after it with it.
fn misquoted(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate().peekable();
    let mut starts = true;
    while let Some((place, byte)) = bytes.next() {
        if byte == b'"' {
            if !starts {
                return Some(place);
            }
            loop {
                match bytes.next() {
                    None => return Some(place),
                    Some((_, b'"')) if bytes.next_if(|(_, next)| *next == b'"').is_none() => break,
                    Some(_) => {}
                }
            }
            if !matches!(bytes.peek(), None | Some((_, b',' | b'\r' | b'\n'))) {
                return Some(place);
            }
        }
        starts = matches!(byte, b',' | b'\r' | b'\n');
    }
    None
}

impl Line {
    /// One name of a person in two forms of Unicode is one person: cells are in its form NFC. A file's name is as it is on the disk.
    fn composed(mut self, header: &[String]) -> Self {
        let nfc = ComposingNormalizerBorrowed::new_nfc();
        for (cell, column) in self.cells.iter_mut().zip(header) {
            if column != "file"
                && let Cow::Owned(composed) = nfc.normalize(cell)
            {
                *cell = composed;
            }
        }
        self
    }

    fn text(&self, column: &'static str, place: usize) -> Result<&str, TableError> {
        match self.cells[place].as_str() {
            "" => Err(TableError::Blank { line: self.number, column }),
            text => Ok(text),
        }
    }
}

/// Which group everybody is of, where there is a column that says it.
#[derive(Default)]
struct Groups<'a> {
    of: HashMap<(&'a str, &'a str), &'a str>,
}

impl<'a> Groups<'a> {
    /// The group of a line, which must be that of the person's other lines.
    fn of(
        &mut self,
        line: &'a Line,
        place: Option<usize>,
        person: (&'a str, &'a str),
    ) -> Result<Option<String>, TableError> {
        let Some(place) = place else { return Ok(None) };
        let group = line.text("group", place)?;
        if *self.of.entry(person).or_insert(group) == group {
            Ok(Some(group.to_owned()))
        } else {
            Err(TableError::Group { line: line.number })
        }
    }
}

/// One line of a face set's labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaceLabel {
    /// Row of the array of embeddings.
    pub row: usize,
    /// Whose it is.
    pub identity: String,
    /// The demographic group that the person is of, where the table says it.
    pub group: Option<String>,
}

/// Reads labels of an array with so many rows: columns `row` and `identity`, `group` where there is one, whatever else there is.
///
/// Rows that no line names are not evaluated.
///
/// # Errors
/// [`TableError`] for the first line that is wrong.
pub fn face_labels(csv: &[u8], rows: usize) -> Result<Vec<FaceLabel>, TableError> {
    let table = Table::parse(csv)?;
    let (row, identity, group) = (table.column("row")?, table.column("identity")?, table.optional("group")?);
    let (mut seen, mut groups) = (vec![false; rows], Groups::default());
    let mut labels = Vec::with_capacity(table.lines.len());
    for line in &table.lines {
        let number = line.number;
        let identity = line.text("identity", identity)?;
        let row: usize = line.cells[row].parse().map_err(|_| TableError::Number { line: number, column: "row" })?;
        match seen.get_mut(row) {
            None => return Err(TableError::Row { line: number, row, rows }),
            Some(true) => return Err(TableError::Twice { line: number, column: "row" }),
            Some(new) => *new = true,
        }
        let group = groups.of(line, group, ("", identity))?;
        labels.push(FaceLabel { row, identity: identity.to_owned(), group });
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
    /// The demographic group that the person is of, where the table says it.
    pub group: Option<String>,
}

/// Reads an index of finger records: columns `file`, `db` and `finger`, `group` where there is one, whatever else there is.
///
/// # Errors
/// [`TableError`] for the first line that is wrong.
pub fn finger_labels(csv: &[u8]) -> Result<Vec<FingerLabel>, TableError> {
    let table = Table::parse(csv)?;
    let [file, db, finger] = [table.column("file")?, table.column("db")?, table.column("finger")?];
    let group = table.optional("group")?;
    let (mut seen, mut groups) = (HashSet::new(), Groups::default());
    let mut labels = Vec::with_capacity(table.lines.len());
    for line in &table.lines {
        let [file, db, finger] = [("file", file), ("db", db), ("finger", finger)].map(|(name, at)| line.text(name, at));
        let (file, db, finger) = (file?, db?, finger?);
        // One file by two names is one file.
        if !seen.insert(Path::new(file).components().filter(|part| *part != Component::CurDir).collect::<PathBuf>()) {
            return Err(TableError::Twice { line: line.number, column: "file" });
        }
        let group = groups.of(line, group, (db, finger))?;
        let [file, db, finger] = [file, db, finger].map(str::to_owned);
        labels.push(FingerLabel { file, db, finger, group });
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(row: usize, identity: &str) -> FaceLabel {
        FaceLabel { row, identity: identity.to_owned(), group: None }
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let labels = face_labels(b"view,identity,row\r\nfrontal,7,1\r\n\nprofile, 8 ,0\r\n \n", 2).unwrap();
        assert_eq!(labels, [face(1, "7"), face(0, "8")]);
        let fingers = finger_labels(b"file,db,finger,dpi\na.fmr,x,101,500\n").unwrap();
        let expected =
            FingerLabel { file: "a.fmr".to_owned(), db: "x".to_owned(), finger: "101".to_owned(), group: None };
        assert_eq!(fingers, [expected]);
    }

    #[test]
    fn what_a_spreadsheet_writes_is_read_as_it_is_meant() {
        let plain = [face(0, "\u{4d8}\u{43b}\u{438}\u{44f}"), face(1, "Jos\u{e9}")];
        let text = "row,identity\n0,\u{4d8}\u{43b}\u{438}\u{44f}\n1,Jos\u{e9}\n";
        for text in [text.to_owned(), format!("\u{feff}{text}"), text.replace('\n', "\r\n"), text.replace('\n', "\r")] {
            assert_eq!(face_labels(text.as_bytes(), 2).unwrap(), plain, "{text:?}");
        }
        let quoted = "\"row\",identity,group\n0,\"a, \"\"b\"\"\",\"x\ny\"\n1,c,x\n\"2\",,y\n";
        assert_eq!(face_labels(quoted.as_bytes(), 3).unwrap_err(), TableError::Blank { line: 5, column: "identity" });
        let labels = face_labels(quoted.replace(",,y", ",c,x").as_bytes(), 3).unwrap();
        assert_eq!((labels[0].identity.as_str(), labels[0].group.as_deref()), ("a, \"b\"", Some("x\ny")));
        assert_eq!(labels[2].row, 2);
    }

    #[test]
    fn one_name_in_two_forms_of_unicode_is_one_person() {
        let labels = face_labels("row,identity\n0,Jos\u{e9}\n1,Jose\u{301}\n".as_bytes(), 2).unwrap();
        assert_eq!(labels[0].identity, labels[1].identity);
        let files = finger_labels("file,db,finger\nJose\u{301}.fmr,x,\u{439}\n".as_bytes()).unwrap();
        assert_eq!((files[0].file.as_str(), files[0].finger.as_str()), ("Jose\u{301}.fmr", "\u{439}"));
        let two = finger_labels("file,db,finger\na.fmr,x,\u{438}\u{306}\n".as_bytes()).unwrap();
        assert_eq!(two[0].finger, files[0].finger);
    }

    #[test]
    fn text_that_is_not_utf_8_is_refused_with_its_line() {
        // Two names of four letters in Windows-1251, which a lenient reader makes one.
        let windows = b"row,identity\n0,aida\n1,\xc0\xeb\xe8\xff\n2,\xd5\xee\xf1\xe5\n";
        assert_eq!(face_labels(windows, 3).unwrap_err(), TableError::Encoding { line: 3 });
        for big in [false, true] {
            for mark in ["", "\u{feff}"] {
                let units = format!("{mark}row,identity\n0,a\n").encode_utf16().collect::<Vec<_>>();
                let bytes: Vec<u8> =
                    units.iter().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect();
                assert_eq!(face_labels(&bytes, 1).unwrap_err(), TableError::Encoding { line: 1 });
            }
        }
        assert_eq!(finger_labels(b"file,db,finger\na,\xff,1\n").unwrap_err(), TableError::Encoding { line: 2 });
    }

    #[test]
    fn a_quote_that_is_not_around_a_whole_cell_is_refused_with_its_line() {
        let faces = |rest: &str| face_labels(format!("row,identity\n0,a\n{rest}").as_bytes(), 9);
        let at = |line| TableError::Quote { line };
        // A cell that never ends would take all lines after it.
        assert_eq!(faces("1,\"b\n2,c\n3,d\n").unwrap_err(), at(3));
        assert_eq!(faces("1,\"b\n2,\"c\n3,d\n").unwrap_err(), at(3));
        assert_eq!(faces("1,b\"\n").unwrap_err(), at(3));
        assert_eq!(faces("1,b\n2,b\"c\"d\n").unwrap_err(), at(4));
        assert_eq!(faces("1,\"b\"c\n").unwrap_err(), at(3));
        assert_eq!(faces("1, \"b\"\n").unwrap_err(), at(3));
        assert_eq!(faces("1,\"b\"\r\n2,\"\"\"\"\n3,\"d\"").unwrap()[2], face(2, "\""));
    }

    #[test]
    fn each_fault_of_a_table_has_its_line_and_its_column() {
        let faces = |csv: &str| face_labels(csv.as_bytes(), 3).unwrap_err();
        assert_eq!(faces(""), TableError::Empty);
        assert_eq!(faces("\u{feff}\n\n"), TableError::Empty);
        assert_eq!(faces("row,person\n0,1\n"), TableError::Column("identity"));
        assert_eq!(faces("row;identity\n0;1\n"), TableError::Commas);
        assert_eq!(faces("row,identity,identity\n0,1,2\n"), TableError::Columns("identity"));
        assert_eq!(faces("row,identity\n0,1\n1\n"), TableError::Cells { line: 3, expected: 2, found: 1 });
        assert_eq!(faces("row,identity\n0,1\n-1,1\n"), TableError::Number { line: 3, column: "row" });
        assert_eq!(faces("row,identity\n0,1\n\n3,1\n"), TableError::Row { line: 4, row: 3, rows: 3 });
        assert_eq!(faces("row,identity\n0,1\n0,2\n"), TableError::Twice { line: 3, column: "row" });
        assert_eq!(faces("row,identity\n0,\n"), TableError::Blank { line: 2, column: "identity" });
        let fingers = |csv: &str| finger_labels(csv.as_bytes()).unwrap_err();
        assert_eq!(fingers("file,db\n"), TableError::Column("finger"));
        let twice = "file,db,finger\na,x,1\nb,x,1\n./a,x,2\n";
        assert_eq!(fingers(twice), TableError::Twice { line: 4, column: "file" });
    }

    #[test]
    fn a_person_is_of_one_group() {
        let faces = "row,identity,group\n0,1,a\n1,2,b\n2,1,b\n";
        assert_eq!(face_labels(faces.as_bytes(), 3).unwrap_err(), TableError::Group { line: 4 });
        let blank = faces.replace("2,b", "2,");
        assert_eq!(face_labels(blank.as_bytes(), 3).unwrap_err(), TableError::Blank { line: 3, column: "group" });
        let fingers = "file,db,finger,group\np,x,1,a\nq,y,1,b\n";
        let groups: Vec<_> = finger_labels(fingers.as_bytes()).unwrap().into_iter().map(|label| label.group).collect();
        assert_eq!(groups, [Some("a".to_owned()), Some("b".to_owned())]);
        assert_eq!(finger_labels(fingers.replace(",y", ",x").as_bytes()).unwrap_err(), TableError::Group { line: 3 });
    }
}
