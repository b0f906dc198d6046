//! Parses COPY: table, columns, source, and every option by name.
//!
//! Never skips an option: an unknown one fails the statement and is named in the error.

mod clauses;
mod options;
mod reader;

use super::super::error::SqlError;
use super::super::tokens::{Kind, Token};

pub(crate) use options::{Compression, Encoding, Format, JsonPaths, Options};
use reader::Reader;

/// One COPY statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    /// The table, with its schema first if it has one.
    pub(crate) table: Vec<String>,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) options: Options,
}

pub(crate) fn parse(tokens: &[Token<'_>]) -> Result<Copy, SqlError> {
    let tokens: Vec<&Token<'_>> =
        tokens.iter().filter(|token| token.kind != Kind::Space && !token.symbol(";")).collect();
    let mut reader = Reader::new(tokens);
    reader.expect_word("copy")?;
    let table = reader.table()?;
    let columns = reader.columns()?;
    reader.expect_word("from")?;
    let source = reader.string("FROM")?;
    let (bucket, key) = s3_url(&source)
        .ok_or_else(|| SqlError::not_done(format_args!("COPY from {source}, only from s3://bucket/key")))?;
    let mut options = Options::default();
    let mut words = Vec::new();
    while !reader.ended() {
        words.push(reader.option(&mut options)?);
    }
    check(&options)?;
    check_words(&options, &words)?;
    if options.format == Format::Parquet {
        check_columnar(&words)?;
    }
    Ok(Copy { table, columns, bucket, key, options })
}

/// The bucket and the key of `s3://bucket/key`.
pub(crate) fn s3_url(url: &str) -> Option<(String, String)> {
    let (bucket, key) = url.strip_prefix("s3://")?.split_once('/')?;
    (!bucket.is_empty()).then(|| (bucket.to_owned(), key.to_owned()))
}

/// Checks for options that contradict each other.
fn check(options: &Options) -> Result<(), SqlError> {
    let csv = options.format == Format::Csv;
    let json = matches!(options.format, Format::Json(_));
    let fixed = matches!(options.format, Format::FixedWidth(_));
    let refused = [
        (csv && options.escape, "CSV is not compatible with ESCAPE"),
        (csv && options.remove_quotes, "CSV is not compatible with REMOVEQUOTES"),
        (json && options.escape, "JSON is not compatible with ESCAPE"),
        (json && options.remove_quotes, "JSON is not compatible with REMOVEQUOTES"),
        (json && options.delimiter.is_some(), "JSON is not compatible with DELIMITER"),
        (json && options.fill_record, "JSON is not compatible with FILLRECORD"),
        (csv && options.delimiter == Some(options.quote), "the delimiter and the quote character must differ"),
        (fixed && options.escape, "FIXEDWIDTH is not compatible with ESCAPE"),
        (fixed && options.delimiter.is_some(), "FIXEDWIDTH is not compatible with DELIMITER"),
        (fixed && options.encoding != Encoding::Utf8, "FIXEDWIDTH is only compatible with ENCODING UTF8"),
        (options.ignore_all_errors && options.max_error > 0, "IGNOREALLERRORS is not compatible with MAXERROR"),
        (options.max_error > 100_000, "MAXERROR must be between 0 and 100000"),
    ];
    refused.iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, text)| Err(SqlError::new(*text)))
}

/// Checks what the values do not show: options that equal their defaults, and two formats.
fn check_words(options: &Options, words: &[String]) -> Result<(), SqlError> {
    let said = |word: &str| words.iter().any(|said| said == word);
    if options.serialize_to_json && options.format != Format::Parquet {
        return Err(SqlError::not_done("COPY with SERIALIZETOJSON without PARQUET"));
    }
    // Documented: "The following options aren't supported with JSON".
    let not_json = ["NULL", "IGNOREBLANKLINES", "CSV", "FIXEDWIDTH"];
    let wrong = not_json.iter().find(|word| matches!(options.format, Format::Json(_)) && said(word));
    if let Some(word) = wrong {
        return Err(SqlError::new(format!("JSON is not compatible with {word}")));
    }
    if said("CSV") && said("FIXEDWIDTH") {
        return Err(SqlError::new("CSV is not compatible with FIXEDWIDTH"));
    }
    Ok(())
}

/// Documented: only these. For REGION and TRUNCATECOLUMNS, third parties have published how any other option is
/// refused.
fn check_columnar(words: &[String]) -> Result<(), SqlError> {
    const KNOWN: [&str; 14] = [
        "ACCEPTINVCHARS",
        "ACCESS_KEY_ID",
        "CREDENTIALS",
        "EXPLICIT_IDS",
        "FILLRECORD",
        "FORMAT",
        "IAM_ROLE",
        "MANIFEST",
        "PARQUET",
        "SECRET_ACCESS_KEY",
        "SERIALIZETOJSON",
        "SESSION_TOKEN",
        "STATUPDATE",
        "WITH",
    ];
    let other = words.iter().find(|word| !KNOWN.contains(&word.as_str()));
    other.map_or(Ok(()), |word| Err(SqlError::new(format!("{word} argument is not supported for PARQUET based COPY"))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::super::super::tokens::tokens;
    use super::*;

    fn read(sql: &str) -> Result<Copy, SqlError> {
        parse(&tokens(sql).unwrap())
    }

    #[test_case("FORMAT AS ORC", "COPY with ORC"; "format")]
    #[test_case("FORMAT AVRO 'auto'", "COPY with AVRO"; "another format")]
    #[test_case("BZIP2", "COPY with BZIP2"; "compression")]
    #[test_case("LZOP", "COPY with LZOP"; "another compression")]
    #[test_case("ENCRYPTED", "COPY with ENCRYPTED"; "encryption by the client")]
    #[test_case("DELIMITER '|~|'", "COPY with a DELIMITER of several characters, or of one that is not ASCII"; "long delimiter")]
    #[test_case("CSV SERIALIZETOJSON", "COPY with SERIALIZETOJSON without PARQUET"; "json without parquet")]
    fn what_redshift_has_and_this_has_not_says_so(options: &str, what: &str) {
        let said = read(&format!("COPY t FROM 's3://b/k' {options}")).unwrap_err().0;
        assert_eq!(
            said,
            format!("this stand-in does not do {what}: it is not supported here, although Redshift has it")
        );
    }

    #[test_case("ENCODING UTF8", Encoding::Utf8)]
    #[test_case("ENCODING AS utf16", Encoding::Utf16)]
    #[test_case("CSV ENCODING UTF16LE", Encoding::Utf16Le)]
    #[test_case("JSON 'auto' ENCODING UTF16BE", Encoding::Utf16Be)]
    #[test_case("ENCODING 'ISO88591'", Encoding::Latin1)]
    fn encodings(options: &str, expected: Encoding) {
        assert_eq!(read(&format!("COPY t FROM 's3://b/k' {options}")).unwrap().options.encoding, expected);
    }

    #[test_case("FIXEDWIDTH 'venueid:3,1:25, x:12'"; "as documented")]
    #[test_case("FORMAT AS FIXEDWIDTH 'a:3,b:25,c:12'"; "as a format")]
    fn fixed_widths(options: &str) {
        let format = read(&format!("COPY t FROM 's3://b/k' {options}")).unwrap().options.format;
        assert_eq!(format, Format::FixedWidth(vec![3, 25, 12]));
    }

    #[test]
    fn the_statement_that_sluice_writes() {
        let copy = read(
            "COPY \"public\".\"Flights\" (year, \"Month\") FROM 's3://b/sluice/manifests/flights/x.manifest' IAM_ROLE default \
             FORMAT AS CSV GZIP IGNOREHEADER AS 1 NULL AS 'NA' TIMEFORMAT 'auto' MAXERROR 5 REGION 'us-east-1' MANIFEST;",
        )
        .unwrap();
        assert_eq!(copy.table, ["public", "Flights"]);
        assert_eq!(copy.columns, Some(vec!["year".to_owned(), "Month".to_owned()]));
        assert_eq!((copy.bucket.as_str(), copy.key.as_str()), ("b", "sluice/manifests/flights/x.manifest"));
        let expected = Options {
            manifest: true,
            format: Format::Csv,
            compression: Compression::Gzip,
            region: Some("us-east-1".to_owned()),
            ignore_header: 1,
            null_as: b"NA".to_vec(),
            time_format: Some("auto".to_owned()),
            max_error: 5,
            ..Options::default()
        };
        assert_eq!(copy.options, expected);
    }

    #[test]
    fn everything_that_a_columnar_copy_may_say() {
        let columnar = "IAM_ROLE default MANIFEST FORMAT AS PARQUET ACCEPTINVCHARS '^' FILLRECORD EXPLICIT_IDS STATUPDATE OFF SERIALIZETOJSON";
        let expected = Options {
            manifest: true,
            format: Format::Parquet,
            accept_inv_chars: Some(b'^'),
            fill_record: true,
            explicit_ids: true,
            serialize_to_json: true,
            ..Options::default()
        };
        assert_eq!(read(&format!("COPY t FROM 's3://b/k' {columnar}")).unwrap().options, expected);
        assert!(read("COPY t FROM 's3://b/k' CREDENTIALS 'x' PARQUET").is_ok());
    }

    #[test_case(r"NULL AS '\N'", b"\\N"; "as documented")]
    #[test_case(r"NULL '\\N'", b"\\N"; "escaped")]
    #[test_case(r"NULL AS '\0'", b"\0"; "nul")]
    #[test_case(r"NULL AS '\000'", b"\0"; "nul in octal")]
    #[test_case(r"NULL AS '\\0'", b"\0"; "nul, doubled")]
    #[test_case(r"NULL AS '\\000'", b"\0"; "nul in octal, doubled")]
    #[test_case(r"NULL AS ''", b""; "empty")]
    fn null_strings(option: &str, expected: &[u8]) {
        assert_eq!(read(&format!("COPY t FROM 's3://b/k' {option}")).unwrap().options.null_as, expected);
    }

    #[test_case(r"DELIMITER '\t'", b'\t'; "tab")]
    #[test_case(r"DELIMITER AS '\\t'", b'\t'; "tab, doubled")]
    #[test_case(r"DELIMITER ';'", b';'; "semicolon")]
    #[test_case(r"DELIMITER '\001'", 1; "octal")]
    #[test_case(r"DELIMITER '\\001'", 1; "octal, doubled")]
    fn delimiters(option: &str, expected: u8) {
        assert_eq!(read(&format!("COPY t FROM 's3://b/k' {option}")).unwrap().options.delimiter, Some(expected));
    }

    #[test_case("CSV NONSENSE 1", "syntax error at or near \"NONSENSE\""; "unknown")]
    #[test_case("CSV ESCAPE", "CSV is not compatible with ESCAPE"; "contradiction")]
    #[test_case("MAXERROR 100001", "MAXERROR must be between 0 and 100000"; "range")]
    #[test_case("ENCODING AS UTF32", "stand-in: COPY ENCODING UTF32 is none of UTF8, UTF16, UTF16LE, UTF16BE, ISO88591"; "encoding")]
    #[test_case("CSV QUOTE ',,'", "stand-in: COPY QUOTE must be a single ASCII character"; "long quote")]
    #[test_case("JSON 'auto' NULL AS 'x'", "JSON is not compatible with NULL"; "null strings in json")]
    #[test_case("JSON IGNOREBLANKLINES", "JSON is not compatible with IGNOREBLANKLINES"; "blank lines in json")]
    #[test_case("FIXEDWIDTH 'a:1' DELIMITER ','", "FIXEDWIDTH is not compatible with DELIMITER"; "delimiter in fixed width")]
    #[test_case("FIXEDWIDTH 'a:1' CSV", "CSV is not compatible with FIXEDWIDTH"; "two formats")]
    #[test_case("FIXEDWIDTH 'a:1' ENCODING UTF16", "FIXEDWIDTH is only compatible with ENCODING UTF8"; "encoding of fixed width")]
    #[test_case("FIXEDWIDTH 'a:x'", "stand-in: 'a:x' is no specification for FIXEDWIDTH: 'label:width, …' is"; "width")]
    #[test_case("JSON 'automatic'", "stand-in: JSON 'automatic' is none of 'auto', 'auto ignorecase', 'noshred' and 's3://bucket/key'"; "json option")]
    #[test_case(r"ACCEPTINVCHARS AS '\000'", "stand-in: COPY ACCEPTINVCHARS takes any ASCII character except NUL"; "replacement")]
    #[test_case("FORMAT PARQUET TRUNCATECOLUMNS", "TRUNCATECOLUMNS argument is not supported for PARQUET based COPY"; "columnar truncation")]
    #[test_case("REGION 'us-east-1' PARQUET", "REGION argument is not supported for PARQUET based COPY"; "columnar region")]
    #[test_case("PARQUET GZIP", "GZIP argument is not supported for PARQUET based COPY"; "columnar compression")]
    #[test_case("PARQUET NOLOAD", "NOLOAD argument is not supported for PARQUET based COPY"; "columnar dry run")]
    #[test_case("PARQUET MAXERROR 1", "MAXERROR argument is not supported for PARQUET based COPY"; "columnar errors")]
    #[test_case("MAXERROR", "syntax error at end of input"; "no value")]
    fn what_is_not_known_fails_by_name(options: &str, error: &str) {
        assert_eq!(read(&format!("COPY t FROM 's3://b/k' {options}")), Err(SqlError::new(error)));
    }
}
