//! Reader of Parquet files whose columns are numbers, booleans and text.

use crate::data::raw::{Raw, ReadOptions};
use crate::error::{Error, Result};
use std::path::Path;

/// Reads the file at `path`.
///
/// # Errors
/// Always, because this build has no reader.
#[cfg(not(feature = "parquet"))]
pub fn read(path: &Path, _: &ReadOptions) -> Result<Raw> {
    Err(Error::file(path, "cannot be read: this build of homeostat lacks the Cargo feature `parquet`"))
}

/// Reads the file at `path`.
///
/// # Errors
/// If the file is missing or damaged, a column has another type, or a setting names no column; the message names the
/// column and the row, from 1.
#[cfg(feature = "parquet")]
pub fn read(path: &Path, options: &ReadOptions) -> Result<Raw> {
    let file = crate::data::read::open_file(path)?.into_inner();
    let mut table = apache::Table::open(file).map_err(|reason| Error::file(path, reason))?;
    super::columns::collect(path, &mut table, options)
}

#[cfg(feature = "parquet")]
mod apache {
    use super::super::columns::{Column, Columns, Integers};
    use super::super::shared::Interner;
    use crate::data::numbers::room;
    use crate::text::unwrapped;
    use half::f16;
    use parquet::basic::{ConvertedType, LogicalType};
    use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
    use parquet::data_type::DataType;
    use parquet::errors::ParquetError;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::schema::types::ColumnDescriptor;
    use std::collections::TryReserveError;
    use std::fs::File;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// Rows that are read at once.
    const AT_ONCE: usize = 1 << 13;

    /// A file whose schema has been read.
    pub struct Table {
        reader: SerializedFileReader<File>,
        names: Vec<String>,
        /// Rows of each row group.
        rows: Vec<usize>,
    }

    /// The crate checks little of what a damaged file claims, and panics on some of it (parquet 60.1).
    fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        let outcome = catch_unwind(AssertUnwindSafe(work));
        outcome.unwrap_or_else(|_| Err("is damaged, or no Parquet file".into()))
    }

    fn damaged(e: ParquetError) -> String {
        format!("is damaged, or no Parquet file: {}", unwrapped(e))
    }

    impl Table {
        /// Reads the schema, and refuses columns that are nested or of a type that is not read.
        pub fn open(file: File) -> Result<Self, String> {
            caught(|| {
                let reader = SerializedFileReader::new(file).map_err(damaged)?;
                let groups = reader.metadata().row_groups();
                let rows = groups.iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(0)).collect();
                let mut names = vec![];
                for column in reader.metadata().file_metadata().schema_descr().columns() {
                    let name = column.path().string();
                    if column.path().parts().len() != 1 || column.max_rep_level() > 0 || column.max_def_level() > 1 {
                        return Err(format!("column {name}: is nested; a column has one value per row"));
                    }
                    empty(column).map_err(|reason| format!("column {name}: {reason}"))?;
                    names.push(name);
                }
                Ok(Self { reader, names, rows })
            })
        }
    }

    impl Columns for Table {
        fn names(&self) -> &[String] {
            &self.names
        }

        fn rows(&self) -> usize {
            self.rows.iter().fold(0, |all, &rows| all.saturating_add(rows))
        }

        fn is_text(&self, place: usize) -> bool {
            let column = &self.reader.metadata().file_metadata().schema_descr().columns()[place];
            matches!(empty(column), Ok(Column::Text(_)))
        }

        fn read(&mut self, place: usize) -> Result<Column, String> {
            let of = |reason: String| format!("column {}: {reason}", self.names[place]);
            caught(|| {
                let column = &self.reader.metadata().file_metadata().schema_descr().columns()[place];
                let mut values = empty(column).map_err(of)?;
                for (group, &rows) in self.rows.iter().enumerate() {
                    let reader = self.reader.get_row_group(group).and_then(|group| group.get_column_reader(place));
                    let reader = reader.map_err(|e| of(damaged(e)))?;
                    append(&mut values, reader, column, rows).map_err(|e| of(unwrapped(e)))?;
                }
                Ok(values)
            })
        }
    }

    /// A column without values, of the type that `column` describes.
    fn empty(column: &ColumnDescriptor) -> Result<Column, String> {
        use parquet::basic::Type;
        let is_half = matches!(column.logical_type_ref(), Some(LogicalType::Float16));
        let is_decimal = column.converted_type() == ConvertedType::DECIMAL;
        match column.physical_type() {
            Type::BOOLEAN => Ok(Column::Integer(Integers::new(false))),
            Type::INT32 | Type::INT64 if is_decimal => Ok(Column::Real(vec![])),
            Type::INT32 | Type::INT64 => Ok(Column::Integer(Integers::new(is_unsigned(column)))),
            Type::FLOAT | Type::DOUBLE => Ok(Column::Real(vec![])),
            Type::BYTE_ARRAY if !is_decimal => Ok(Column::Text(Interner::default())),
            Type::FIXED_LEN_BYTE_ARRAY if is_half => Ok(Column::Real(vec![])),
            other => Err(format!("has the type {other}, which is not read; save numbers or text")),
        }
    }

    fn is_unsigned(column: &ColumnDescriptor) -> bool {
        use ConvertedType::{UINT_8, UINT_16, UINT_32, UINT_64};
        matches!(column.converted_type(), UINT_8 | UINT_16 | UINT_32 | UINT_64)
    }

    /// Appends a number; NaN is a missing one.
    fn push(all: &mut Vec<f64>, value: Option<f64>) -> Result<(), TryReserveError> {
        room(all, 1)?;
        all.push(value.unwrap_or(f64::NAN));
        Ok(())
    }

    /// Appends the `rows` values of a row group.
    fn append(all: &mut Column, reader: ColumnReader, column: &ColumnDescriptor, rows: usize) -> Result<(), String> {
        use ColumnReader as Reader;
        let (unsigned, place) = (is_unsigned(column), (all.rows(), rows));
        let scale = 10f64.powi(column.type_scale());
        let full = |_: TryReserveError| "does not fit into memory".to_owned();
        match (reader, all) {
            (Reader::BoolColumnReader(reader), Column::Integer(all)) => {
                values(reader, column, place, |value| all.push(value.map(|&value| i64::from(value))).map_err(full))
            }
            (Reader::Int32ColumnReader(reader), Column::Integer(all)) => values(reader, column, place, |value| {
                let wide = |&value: &i32| if unsigned { i64::from(value.cast_unsigned()) } else { i64::from(value) };
                all.push(value.map(wide)).map_err(full)
            }),
            (Reader::Int64ColumnReader(reader), Column::Integer(all)) => {
                values(reader, column, place, |value| all.push(value.copied()).map_err(full))
            }
            (Reader::Int32ColumnReader(reader), Column::Real(all)) => values(reader, column, place, |value| {
                push(all, value.map(|&value| f64::from(value) / scale)).map_err(full)
            }),
            (Reader::Int64ColumnReader(reader), Column::Real(all)) => {
                values(reader, column, place, |value| push(all, value.map(|&value| value as f64 / scale)).map_err(full))
            }
            (Reader::FloatColumnReader(reader), Column::Real(all)) => {
                values(reader, column, place, |value| push(all, value.map(|&value| f64::from(value))).map_err(full))
            }
            (Reader::DoubleColumnReader(reader), Column::Real(all)) => {
                values(reader, column, place, |value| push(all, value.copied()).map_err(full))
            }
            (Reader::FixedLenByteArrayColumnReader(reader), Column::Real(all)) => {
                values(reader, column, place, |value| match value.map(|value| value.data()) {
                    None => push(all, None).map_err(full),
                    Some(&[low, high]) => push(all, Some(f16::from_le_bytes([low, high]).to_f64())).map_err(full),
                    Some(_) => Err("is no half".to_owned()),
                })
            }
            (Reader::ByteArrayColumnReader(reader), Column::Text(all)) => values(reader, column, place, |value| {
                let text = value.map(|value| std::str::from_utf8(value.data())).transpose();
                let text = text.map_err(|_| "is no text in UTF-8")?.filter(|text| !text.is_empty());
                all.push(text).map_err(full)
            }),
            _ => Err("has another type than the schema says".into()),
        }
    }

    /// Reads `rows` values, before which there are `before`, and gives each to `push`; `None` where one is missing.
    fn values<T: DataType>(
        mut reader: ColumnReaderImpl<T>,
        column: &ColumnDescriptor,
        (before, rows): (usize, usize),
        mut push: impl FnMut(Option<&T::T>) -> Result<(), String>,
    ) -> Result<(), String> {
        let is_optional = column.max_def_level() == 1;
        let mut left = rows;
        while left > 0 {
            let (mut values, mut levels) = (vec![], vec![]);
            let some = left.min(AT_ONCE);
            let outcome = reader.read_records(some, is_optional.then_some(&mut levels), None, &mut values);
            let (records, ..) = outcome.map_err(|e| format!("is damaged: {e}"))?;
            if records == 0 || records > left {
                return Err(format!("is damaged: a row group has {} of its {rows} values", rows - left));
            }
            let mut values = values.iter();
            for record in 0..records {
                let is_there = !is_optional || levels.get(record).is_some_and(|&level| level == 1);
                let value = if is_there { Some(values.next().ok_or("is damaged: a value is missing")?) } else { None };
                push(value).map_err(|reason| format!("row {} {reason}", before + rows - left + record + 1))?;
            }
            left -= records;
        }
        Ok(())
    }
}
