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
    // The crate checks little of what a damaged file claims, and panics on some of it (parquet 60.1).
    let columns = std::panic::catch_unwind(|| apache::columns(file))
        .unwrap_or_else(|_| Err("is damaged, or no Parquet file".into()));
    let (names, columns) = columns.map_err(|reason| Error::file(path, reason))?;
    super::columns::collect(path, &names, &columns, options)
}

#[cfg(feature = "parquet")]
mod apache {
    use super::super::columns::Column;
    use crate::text::unwrapped;
    use half::f16;
    use parquet::basic::{ConvertedType, LogicalType};
    use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
    use parquet::data_type::DataType;
    use parquet::errors::ParquetError;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::schema::types::ColumnDescriptor;
    use std::fs::File;

    /// Rows that are read at once.
    const AT_ONCE: usize = 1 << 13;

    /// The names and values of all columns.
    pub fn columns(file: File) -> Result<(Vec<String>, Vec<Column>), String> {
        let damaged = |e: ParquetError| format!("is damaged, or no Parquet file: {}", unwrapped(e));
        let reader = SerializedFileReader::new(file).map_err(damaged)?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let rows: Vec<usize> =
            reader.metadata().row_groups().iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(0)).collect();
        let (mut names, mut columns) = (vec![], vec![]);
        for (place, column) in schema.columns().iter().enumerate() {
            let name = column.path().string();
            let of = |reason: String| format!("column {name}: {reason}");
            if column.path().parts().len() != 1 || column.max_rep_level() > 0 || column.max_def_level() > 1 {
                return Err(of("is nested; a column has one value per row".into()));
            }
            let mut values = empty(column).map_err(of)?;
            for (group, &rows) in rows.iter().enumerate() {
                let reader = reader.get_row_group(group).and_then(|group| group.get_column_reader(place));
                let reader = reader.map_err(|e| of(damaged(e)))?;
                append(&mut values, reader, column, rows).map_err(|e| of(unwrapped(e)))?;
            }
            names.push(name);
            columns.push(values);
        }
        Ok((names, columns))
    }

    /// A column without values, of the type that `column` describes.
    fn empty(column: &ColumnDescriptor) -> Result<Column, String> {
        use parquet::basic::Type;
        let is_half = matches!(column.logical_type_ref(), Some(LogicalType::Float16));
        let is_decimal = column.converted_type() == ConvertedType::DECIMAL;
        match column.physical_type() {
            Type::BOOLEAN => Ok(Column::Integer(vec![])),
            Type::INT32 | Type::INT64 if is_decimal => Ok(Column::Real(vec![])),
            Type::INT32 | Type::INT64 => Ok(Column::Integer(vec![])),
            Type::FLOAT | Type::DOUBLE => Ok(Column::Real(vec![])),
            Type::BYTE_ARRAY if !is_decimal => Ok(Column::Text(vec![])),
            Type::FIXED_LEN_BYTE_ARRAY if is_half => Ok(Column::Real(vec![])),
            other => Err(format!("has the type {other}, which is not read; save numbers or text")),
        }
    }

    /// Appends the `rows` values of a row group.
    fn append(all: &mut Column, reader: ColumnReader, column: &ColumnDescriptor, rows: usize) -> Result<(), String> {
        let unsigned = matches!(
            column.converted_type(),
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
        );
        let scale = 10f64.powi(column.type_scale());
        let real = |value: Option<f64>| value.unwrap_or(f64::NAN);
        match (reader, all) {
            (ColumnReader::BoolColumnReader(reader), Column::Integer(all)) => {
                values(reader, column, rows, all, |value| Ok(value.map(|&value| i128::from(value))))
            }
            (ColumnReader::Int32ColumnReader(reader), Column::Integer(all)) => {
                values(reader, column, rows, all, |value| {
                    Ok(value.map(|&value| if unsigned { i128::from(value.cast_unsigned()) } else { i128::from(value) }))
                })
            }
            (ColumnReader::Int64ColumnReader(reader), Column::Integer(all)) => {
                values(reader, column, rows, all, |value| {
                    Ok(value.map(|&value| if unsigned { i128::from(value.cast_unsigned()) } else { i128::from(value) }))
                })
            }
            (ColumnReader::Int32ColumnReader(reader), Column::Real(all)) => {
                values(reader, column, rows, all, |value| Ok(real(value.map(|&value| f64::from(value) / scale))))
            }
            (ColumnReader::Int64ColumnReader(reader), Column::Real(all)) => {
                values(reader, column, rows, all, |value| Ok(real(value.map(|&value| value as f64 / scale))))
            }
            (ColumnReader::FloatColumnReader(reader), Column::Real(all)) => {
                values(reader, column, rows, all, |value| Ok(real(value.map(|&value| f64::from(value)))))
            }
            (ColumnReader::DoubleColumnReader(reader), Column::Real(all)) => {
                values(reader, column, rows, all, |value| Ok(real(value.copied())))
            }
            (ColumnReader::FixedLenByteArrayColumnReader(reader), Column::Real(all)) => {
                values(reader, column, rows, all, |value| match value.map(|value| value.data()) {
                    None => Ok(f64::NAN),
                    Some(&[low, high]) => Ok(f16::from_le_bytes([low, high]).to_f64()),
                    Some(_) => Err("is no half".to_owned()),
                })
            }
            (ColumnReader::ByteArrayColumnReader(reader), Column::Text(all)) => {
                values(reader, column, rows, all, |value| match value.map(|value| std::str::from_utf8(value.data())) {
                    None | Some(Ok("")) => Ok(None),
                    Some(Ok(text)) => Ok(Some(text.to_owned())),
                    Some(Err(_)) => Err("is no text in UTF-8".to_owned()),
                })
            }
            _ => Err("has another type than the schema says".into()),
        }
    }

    /// Reads `rows` values and converts each; `None` where one is missing.
    fn values<T: DataType, V>(
        mut reader: ColumnReaderImpl<T>,
        column: &ColumnDescriptor,
        rows: usize,
        all: &mut Vec<V>,
        convert: impl Fn(Option<&T::T>) -> Result<V, String>,
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
                all.push(convert(value).map_err(|reason| format!("row {} {reason}", all.len() + 1))?);
            }
            left -= records;
        }
        Ok(())
    }
}
