//! Checks a row before its values: its length, and that it has one field per column.
//!
//! Never reads a value.

use super::super::error::SqlError;
use super::parse::{Copy, Format};
use super::record::{Fault, Record};

/// "The maximum size of a single input row from any source is 4 MB" (Database Developer Guide, COPY), and the same for
/// a JSON object. The Management Guide's page of limits says 64 MB since 2026. The stand-in uses the stricter limit.
const LONGEST: usize = 4 * 1024 * 1024;
/// The system tables cut "data that does not fit" at this length.
const RAW_LENGTH: usize = 1024;

/// What is wrong with a row, and in which column.
pub(super) type Wrong = (Option<usize>, Fault);

/// "The order of the label/width pairs must match the order of the table columns exactly."
pub(super) fn check_widths(copy: &Copy, columns: usize) -> Result<(), SqlError> {
    match &copy.options.format {
        Format::FixedWidth(widths) if widths.len() != columns => {
            Err(SqlError::own(format_args!("FIXEDWIDTH has {} widths for {columns} columns", widths.len())))
        }
        _ => Ok(()),
    }
}

/// Checks that the row can fill this many columns.
pub(super) fn check(record: &Record<'_>, copy: &Copy, columns: usize) -> Result<(), Wrong> {
    if let Some(fault) = &record.fault {
        return Err((record.fields.len().checked_sub(1).filter(|column| *column < columns), fault.clone()));
    }
    if size(record.raw, &copy.options.format) > LONGEST {
        return Err((None, Fault::new(1204, format!("Input row exceeds the max size of {LONGEST} bytes"))));
    }
    let (found, fill) = (record.fields.len(), copy.options.fill_record);
    if record.raw.is_empty() && columns > 1 && !fill {
        return Err((None, Fault::new(1211, "Input line contains no data")));
    }
    if found > columns {
        return Err((None, Fault::new(1202, "Extra column(s) found")));
    }
    if found < columns && !fill {
        return Err((found.checked_sub(1), Fault::new(1201, "Delimiter not found")));
    }
    Ok(())
}

/// "In calculating row size, Amazon Redshift internally counts pipe characters twice", for JSON.
fn size(raw: &[u8], format: &Format) -> usize {
    let pipes = || raw.split(|byte| *byte == b'|').skip(1).count();
    match format {
        Format::Json(_) if raw.len() > LONGEST / 2 => raw.len() + pipes(),
        _ => raw.len(),
    }
}

/// As much as the system tables hold, without the characters that they cannot hold.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(RAW_LENGTH)]).replace('\0', "");
    text[..text.floor_char_boundary(RAW_LENGTH)].to_owned()
}
