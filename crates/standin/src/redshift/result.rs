//! PostgreSQL's rows in the Data API's notation.
//!
//! Never changes a value: a value without a JSON type of its own is a string, as in Redshift.

use serde_json::{Value, json};
use tokio_postgres::types::Type;
use tokio_postgres::{Column, SimpleQueryRow};

use super::statements::Table;

/// The result table of a query.
pub(crate) fn table(columns: &[Column], rows: &[SimpleQueryRow]) -> Table {
    let mut bytes = 0;
    let field = |row: &SimpleQueryRow, index: usize, bytes: &mut usize| {
        let text = row.get(index);
        *bytes += text.map_or(0, str::len);
        field(columns[index].type_(), text)
    };
    let rows = rows.iter().map(|row| (0..columns.len()).map(|index| field(row, index, &mut bytes)).collect()).collect();
    Table { columns: columns.iter().map(metadata).collect(), rows, bytes }
}

fn field(kind: &Type, text: Option<&str>) -> Value {
    let Some(text) = text else {
        return json!({ "isNull": true });
    };
    let long = || text.parse::<i64>().ok().map(|value| json!({ "longValue": value }));
    let double =
        || text.parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| json!({ "doubleValue": value }));
    let typed = match *kind {
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => long(),
        Type::FLOAT4 | Type::FLOAT8 => double(),
        Type::BOOL => Some(json!({ "booleanValue": text == "t" })),
        _ => None,
    };
    typed.unwrap_or_else(|| json!({ "stringValue": text }))
}

fn metadata(column: &Column) -> Value {
    let kind = column.type_();
    let signed = matches!(*kind, Type::INT2 | Type::INT4 | Type::INT8 | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC);
    json!({
        "name": column.name(),
        "label": column.name(),
        "typeName": if matches!(*kind, Type::JSON | Type::JSONB) { "super" } else { kind.name() },
        "isSigned": signed,
        "isCaseSensitive": matches!(*kind, Type::VARCHAR | Type::BPCHAR | Type::TEXT),
        "isCurrency": false,
        "nullable": 1,
        "precision": 0,
        "scale": 0,
        "length": 0,
        "schemaName": "",
        "tableName": "",
    })
}
