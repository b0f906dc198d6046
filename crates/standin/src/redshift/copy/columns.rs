//! The columns that COPY fills, with their Redshift types, read from PostgreSQL's catalog.
//!
//! Never reads a row of a table.

use tokio_postgres::SimpleQueryMessage;

use super::super::databases::call;
use super::super::error::SqlError;
use super::super::session::Session;
use super::super::tokens::quoted_name;
use super::parse::Copy;

/// A table to load.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The name in PostgreSQL's SQL.
    pub(crate) sql_name: String,
    /// The name in Redshift's messages.
    pub(crate) name: String,
    pub(crate) oid: u32,
    /// The columns that the files fill, in the order of the files.
    pub(crate) columns: Vec<Column>,
}

/// One column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) not_null: bool,
    pub(crate) identity: bool,
}

/// A type, as far as COPY distinguishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Short,
    Integer,
    Long,
    Decimal {
        precision: u32,
        scale: u32,
    },
    Real,
    Double,
    Boolean,
    Char(usize),
    Varchar(usize),
    Date,
    Timestamp,
    TimestampTz,
    Time,
    TimeTz,
    Super,
    /// A type that Redshift does not have: only PostgreSQL checks its values.
    Other,
}

impl Kind {
    /// The name in `sys_load_error_detail`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Short => "int2",
            Self::Integer => "int4",
            Self::Long => "int8",
            Self::Decimal { .. } => "numeric",
            Self::Real => "float4",
            Self::Double => "float8",
            Self::Boolean => "bool",
            Self::Char(_) => "char",
            Self::Varchar(_) => "varchar",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestampt",
            Self::Time => "time",
            Self::TimeTz => "timetz",
            Self::Super => "super",
            Self::Other => "unknown",
        }
    }

    /// The length in `sys_load_error_detail`.
    pub(crate) fn length(self) -> String {
        match self {
            Self::Char(length) | Self::Varchar(length) => length.to_string(),
            Self::Decimal { precision, scale } => format!("{precision}, {scale}"),
            _ => "0".to_owned(),
        }
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Char(_) | Self::Varchar(_))
    }

    pub(crate) fn is_time(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::TimestampTz | Self::Time | Self::TimeTz)
    }

    fn from_catalog(name: &str, modifier: i64) -> Self {
        // PostgreSQL adds 4 to the declared length; -1 means that none was declared.
        let length = usize::try_from(modifier - 4).ok();
        match name {
            "int2" => Self::Short,
            "int4" => Self::Integer,
            "int8" => Self::Long,
            "numeric" => numeric(modifier),
            "float4" => Self::Real,
            "float8" => Self::Double,
            "bool" => Self::Boolean,
            "bpchar" => Self::Char(length.unwrap_or(1)),
            "varchar" | "text" => Self::Varchar(length.unwrap_or(65535)),
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::TimestampTz,
            "time" => Self::Time,
            "timetz" => Self::TimeTz,
            "jsonb" | "json" => Self::Super,
            _ => Self::Other,
        }
    }
}

fn numeric(modifier: i64) -> Kind {
    let declared = u32::try_from(modifier - 4).ok();
    declared.map_or(Kind::Decimal { precision: 18, scale: 0 }, |both| Kind::Decimal {
        precision: both >> 16,
        scale: both & 0x7ff,
    })
}

/// The table and the columns that `copy` names.
pub(crate) async fn target(session: &Session, copy: &Copy, query_id: i64) -> Result<Target, SqlError> {
    let sql_name = copy.table.iter().map(|part| quoted_name(part)).collect::<Vec<_>>().join(".");
    let name = copy.table.last().cloned().unwrap_or_default();
    let missing = || SqlError::new(format!("Cannot COPY into nonexistent table {name}"));
    let query = async |sql: String| -> Result<Vec<Vec<String>>, SqlError> {
        let messages =
            session.client.simple_query(&sql).await.map_err(|error| SqlError::from_postgres(&error, query_id))?;
        Ok(messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    Some((0..row.len()).map(|index| row.get(index).unwrap_or_default().to_owned()).collect())
                }
                _ => None,
            })
            .collect())
    };
    let oid = query(format!("{}::oid", call("to_regclass", &[&sql_name]))).await?;
    let oid: u32 = oid.into_iter().flatten().next().and_then(|oid| oid.parse().ok()).ok_or_else(missing)?;
    let rows = query(catalog(oid)).await?;
    let all: Vec<Column> = rows.iter().filter_map(|row| column(row)).collect();
    let columns = chosen(all, copy, &name)?;
    Ok(Target { sql_name, name, oid, columns })
}

fn catalog(oid: u32) -> String {
    format!(
        "SELECT a.attname, b.typname, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END, \
         a.attnotnull, a.attidentity <> '' FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
         JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END \
         WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    )
}

fn column(row: &[String]) -> Option<Column> {
    let [name, kind, modifier, not_null, identity] = row else {
        return None;
    };
    let kind = Kind::from_catalog(kind, modifier.parse().ok()?);
    Some(Column { name: name.clone(), kind, not_null: not_null == "t", identity: identity == "t" })
}

/// Without a column list: all columns in order, but IDENTITY columns only with `EXPLICIT_IDS`.
fn chosen(all: Vec<Column>, copy: &Copy, table: &str) -> Result<Vec<Column>, SqlError> {
    let explicit = copy.options.explicit_ids;
    let Some(names) = &copy.columns else {
        return Ok(all.into_iter().filter(|column| explicit || !column.identity).collect());
    };
    let find = |name: &String| {
        all.iter()
            .find(|column| column.name == *name)
            .cloned()
            .ok_or_else(|| SqlError::new(format!("column \"{name}\" of relation \"{table}\" does not exist")))
    };
    let columns: Vec<Column> = names.iter().map(find).collect::<Result<_, _>>()?;
    if let Some(repeated) = names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name)) {
        return Err(SqlError::new(format!("column \"{repeated}\" specified more than once")));
    }
    match (columns.iter().any(|column| column.identity), explicit) {
        (true, false) => Err(SqlError::new("cannot set an identity column to a value: use EXPLICIT_IDS")),
        (false, true) => Err(SqlError::new("EXPLICIT_IDS needs the identity column in the column list")),
        _ => Ok(columns),
    }
}
