//! COPY, as it is written: table, columns, source, and every option by its own name.
//!
//! Never skips an option: what is not known here fails the statement by name.

use super::super::error::SqlError;
use super::super::tokens::{Kind, Token};

/// One COPY statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    /// The table, schema first where there is one.
    pub(crate) table: Vec<String>,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) options: Options,
}

/// How the files are read. What is not said is as Redshift has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of COPY")]
pub(crate) struct Options {
    pub(crate) manifest: bool,
    pub(crate) format: Format,
    pub(crate) compression: Compression,
    pub(crate) region: Option<String>,
    pub(crate) delimiter: Option<u8>,
    pub(crate) quote: u8,
    pub(crate) ignore_header: u64,
    pub(crate) null_as: Vec<u8>,
    pub(crate) empty_as_null: bool,
    pub(crate) blanks_as_null: bool,
    pub(crate) date_format: Option<String>,
    pub(crate) time_format: Option<String>,
    pub(crate) max_error: u64,
    pub(crate) ignore_all_errors: bool,
    pub(crate) no_load: bool,
    pub(crate) accept_inv_chars: Option<u8>,
    pub(crate) accept_any_date: bool,
    pub(crate) truncate_columns: bool,
    pub(crate) fill_record: bool,
    pub(crate) ignore_blank_lines: bool,
    pub(crate) trim_blanks: bool,
    pub(crate) round_dec: bool,
    pub(crate) explicit_ids: bool,
    pub(crate) escape: bool,
    pub(crate) remove_quotes: bool,
}

/// What the files contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Delimited,
    Csv,
    Json(JsonPaths),
}

/// How objects become columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JsonPaths {
    Auto,
    AutoIgnoreCase,
    NoShred,
    /// An object that holds the paths.
    File {
        bucket: String,
        key: String,
    },
}

/// How the files are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            manifest: false,
            format: Format::Delimited,
            compression: Compression::None,
            region: None,
            delimiter: None,
            quote: b'"',
            ignore_header: 0,
            null_as: b"\\N".to_vec(),
            empty_as_null: false,
            blanks_as_null: false,
            date_format: None,
            time_format: None,
            max_error: 0,
            ignore_all_errors: false,
            no_load: false,
            accept_inv_chars: None,
            accept_any_date: false,
            truncate_columns: false,
            fill_record: false,
            ignore_blank_lines: false,
            trim_blanks: false,
            round_dec: false,
            explicit_ids: false,
            escape: false,
            remove_quotes: false,
        }
    }
}

/// Reads a COPY statement.
pub(crate) fn parse(tokens: &[Token<'_>]) -> Result<Copy, SqlError> {
    let tokens: Vec<&Token<'_>> = tokens
        .iter()
        .filter(|token| token.kind != Kind::Space && !token.symbol(";"))
        .collect();
    let mut reader = Reader { tokens, at: 0 };
    reader.expect_word("copy")?;
    let table = reader.table()?;
    let columns = reader.columns()?;
    reader.expect_word("from")?;
    let source = reader.string("FROM")?;
    let (bucket, key) = s3_url(&source).ok_or_else(|| {
        SqlError::new(format!(
            "COPY from {source} is not supported by this stand-in: only s3://bucket/key is"
        ))
    })?;
    let mut options = Options::default();
    while !reader.ended() {
        reader.option(&mut options)?;
    }
    check(&options)?;
    Ok(Copy {
        table,
        columns,
        bucket,
        key,
        options,
    })
}

/// The bucket and the key of `s3://bucket/key`.
pub(crate) fn s3_url(url: &str) -> Option<(String, String)> {
    let (bucket, key) = url.strip_prefix("s3://")?.split_once('/')?;
    (!bucket.is_empty()).then(|| (bucket.to_owned(), key.to_owned()))
}

/// Options that contradict one another.
fn check(options: &Options) -> Result<(), SqlError> {
    let csv = options.format == Format::Csv;
    let json = matches!(options.format, Format::Json(_));
    let refused = [
        (csv && options.escape, "CSV is not compatible with ESCAPE"),
        (
            csv && options.remove_quotes,
            "CSV is not compatible with REMOVEQUOTES",
        ),
        (json && options.escape, "JSON is not compatible with ESCAPE"),
        (
            json && options.remove_quotes,
            "JSON is not compatible with REMOVEQUOTES",
        ),
        (
            json && options.delimiter.is_some(),
            "JSON is not compatible with DELIMITER",
        ),
        (
            json && options.ignore_header > 0,
            "IGNOREHEADER is not supported for JSON",
        ),
        (
            json && options.fill_record,
            "JSON is not compatible with FILLRECORD",
        ),
        (
            csv && options.delimiter == Some(options.quote),
            "the delimiter and the quote character must differ",
        ),
        (
            options.ignore_all_errors && options.max_error > 0,
            "IGNOREALLERRORS is not compatible with MAXERROR",
        ),
        (
            options.max_error > 100_000,
            "MAXERROR must be between 0 and 100000",
        ),
    ];
    refused
        .iter()
        .find(|(wrong, _)| *wrong)
        .map_or(Ok(()), |(_, text)| Err(SqlError::new(*text)))
}

struct Reader<'a> {
    tokens: Vec<&'a Token<'a>>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn ended(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn wrong(&self) -> SqlError {
        self.peek().map_or_else(
            || SqlError::new("syntax error at end of input"),
            |token| SqlError::syntax(token.text),
        )
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(word));
        self.at += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), SqlError> {
        if self.take_word(word) {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.symbol(symbol));
        self.at += usize::from(found);
        found
    }

    fn name(&mut self) -> Result<String, SqlError> {
        let name = self
            .peek()
            .and_then(Token::name)
            .ok_or_else(|| self.wrong())?;
        self.at += 1;
        Ok(name)
    }

    fn table(&mut self) -> Result<Vec<String>, SqlError> {
        let mut parts = vec![self.name()?];
        while self.take_symbol(".") {
            parts.push(self.name()?);
        }
        Ok(parts)
    }

    fn columns(&mut self) -> Result<Option<Vec<String>>, SqlError> {
        if !self.take_symbol("(") {
            return Ok(None);
        }
        let mut columns = vec![self.name()?];
        while self.take_symbol(",") {
            columns.push(self.name()?);
        }
        if self.take_symbol(")") {
            Ok(Some(columns))
        } else {
            Err(self.wrong())
        }
    }

    fn maybe_bytes(&mut self) -> Option<Vec<u8>> {
        let token = self.peek()?;
        let Kind::Literal(value) = &token.kind else {
            return None;
        };
        self.at += 1;
        Some(value.clone())
    }

    fn maybe_string(&mut self, option: &str) -> Result<Option<String>, SqlError> {
        let Some(bytes) = self.maybe_bytes() else {
            return Ok(None);
        };
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| SqlError::new(format!("the value of {option} is not valid UTF-8")))
    }

    fn string(&mut self, option: &str) -> Result<String, SqlError> {
        self.maybe_string(option)?.ok_or_else(|| self.wrong())
    }

    /// A value after an optional AS.
    fn string_as(&mut self, option: &str) -> Result<String, SqlError> {
        self.take_word("as");
        self.string(option)
    }

    fn number(&mut self) -> Result<u64, SqlError> {
        self.take_word("as");
        let text = self
            .peek()
            .filter(|token| token.kind == Kind::Number)
            .map(|token| token.text)
            .ok_or_else(|| self.wrong())?;
        let number = text.parse().map_err(|_| self.wrong())?;
        self.at += 1;
        Ok(number)
    }

    fn switch(&mut self, words: &[&str]) {
        let _ = words.iter().any(|word| self.take_word(word));
    }

    fn character(&mut self, option: &str) -> Result<u8, SqlError> {
        self.take_word("as");
        let value = self.maybe_bytes().ok_or_else(|| self.wrong())?;
        match value.as_slice() {
            [one] if one.is_ascii() => Ok(*one),
            // As Redshift's own examples write it where a shell or a program has doubled the backslash.
            b"\\t" => Ok(b'\t'),
            _ => Err(SqlError::new(format!(
                "COPY {option} must be a single ASCII character"
            ))),
        }
    }

    fn option(&mut self, options: &mut Options) -> Result<(), SqlError> {
        let word = self.name()?.to_ascii_uppercase();
        if self.source_option(&word, options)?
            || self.format_option(&word, options)?
            || self.conversion_option(&word, options)?
        {
            return Ok(());
        }
        match word.as_str() {
            "PARQUET"
            | "ORC"
            | "AVRO"
            | "FIXEDWIDTH"
            | "SHAPEFILE"
            | "BZIP2"
            | "LZOP"
            | "ENCRYPTED"
            | "SSH"
            | "READRATIO"
            | "SERIALIZETOJSON"
            | "MASTER_SYMMETRIC_KEY"
            | "SIMPLIFY" => Err(SqlError::new(format!(
                "COPY option {word} is not supported by this stand-in"
            ))),
            _ => {
                self.at -= 1;
                Err(self.wrong())
            }
        }
    }

    /// From where, as whom, and how the load is done.
    fn source_option(&mut self, word: &str, options: &mut Options) -> Result<bool, SqlError> {
        match word {
            "IAM_ROLE" => {
                if !self.take_word("default") {
                    self.string(word)?;
                }
            }
            "CREDENTIALS" | "ACCESS_KEY_ID" | "SECRET_ACCESS_KEY" | "SESSION_TOKEN" => {
                self.string_as(word)?;
            }
            "WITH" => {}
            "REGION" => options.region = Some(self.string_as(word)?),
            "MANIFEST" => options.manifest = true,
            "MAXERROR" => options.max_error = self.number()?,
            "IGNOREALLERRORS" => options.ignore_all_errors = true,
            "NOLOAD" => options.no_load = true,
            "COMPROWS" => {
                self.number()?;
            }
            "COMPUPDATE" => self.switch(&["preset", "on", "off", "true", "false"]),
            "STATUPDATE" => self.switch(&["on", "off", "true", "false"]),
            "EXPLICIT_IDS" => options.explicit_ids = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn format_option(&mut self, word: &str, options: &mut Options) -> Result<bool, SqlError> {
        match word {
            "FORMAT" => {
                self.take_word("as");
                let format = self.name()?.to_ascii_uppercase();
                if !matches!(format.as_str(), "CSV" | "JSON" | "DELIMITED") {
                    return match format.as_str() {
                        "PARQUET" | "ORC" | "AVRO" | "FIXEDWIDTH" | "SHAPEFILE" => {
                            Err(SqlError::new(format!(
                                "COPY format {format} is not supported by this stand-in"
                            )))
                        }
                        _ => {
                            self.at -= 1;
                            Err(self.wrong())
                        }
                    };
                }
                return if format == "DELIMITED" {
                    Ok(true)
                } else {
                    self.format_option(&format, options)
                };
            }
            "CSV" => {
                options.format = Format::Csv;
                if self.take_word("quote") {
                    options.quote = self.character("QUOTE")?;
                }
            }
            "JSON" => {
                self.take_word("as");
                let paths = self
                    .maybe_string(word)?
                    .unwrap_or_else(|| "auto".to_owned());
                options.format = Format::Json(json_paths(&paths)?);
            }
            "QUOTE" => options.quote = self.character(word)?,
            "DELIMITER" => options.delimiter = Some(self.character(word)?),
            "GZIP" => options.compression = Compression::Gzip,
            "ZSTD" => options.compression = Compression::Zstd,
            "ESCAPE" => options.escape = true,
            "REMOVEQUOTES" => options.remove_quotes = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn conversion_option(&mut self, word: &str, options: &mut Options) -> Result<bool, SqlError> {
        match word {
            "IGNOREHEADER" => options.ignore_header = self.number()?,
            "NULL" => options.null_as = self.null_as()?,
            "EMPTYASNULL" => options.empty_as_null = true,
            "BLANKSASNULL" => options.blanks_as_null = true,
            "DATEFORMAT" => options.date_format = Some(self.string_as(word)?),
            "TIMEFORMAT" => options.time_format = Some(self.string_as(word)?),
            "ACCEPTINVCHARS" => {
                let given = self
                    .peek()
                    .is_some_and(|token| token.is("as") || matches!(token.kind, Kind::Literal(_)));
                options.accept_inv_chars = Some(if given { self.character(word)? } else { b'?' });
            }
            "ACCEPTANYDATE" => options.accept_any_date = true,
            "TRUNCATECOLUMNS" => options.truncate_columns = true,
            "FILLRECORD" => options.fill_record = true,
            "IGNOREBLANKLINES" => options.ignore_blank_lines = true,
            "TRIMBLANKS" => options.trim_blanks = true,
            "ROUNDEC" => options.round_dec = true,
            "ENCODING" => self.encoding()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `NULL AS '\N'` is what Redshift's own documentation writes, and it means those two characters,
    /// although a backslash escapes everywhere else.
    fn null_as(&mut self) -> Result<Vec<u8>, SqlError> {
        self.take_word("as");
        let written = self.peek().map(|token| token.text).unwrap_or_default();
        let value = self.maybe_bytes().ok_or_else(|| self.wrong())?;
        Ok(if written == r"'\N'" {
            b"\\N".to_vec()
        } else {
            value
        })
    }

    fn encoding(&mut self) -> Result<(), SqlError> {
        self.take_word("as");
        let encoding = match self.maybe_string("ENCODING")? {
            Some(encoding) => encoding,
            None => self.name()?.to_ascii_uppercase(),
        };
        if matches!(encoding.to_ascii_uppercase().as_str(), "UTF8" | "UTF-8") {
            return Ok(());
        }
        Err(SqlError::new(format!(
            "COPY option ENCODING {encoding} is not supported by this stand-in: only UTF8 is"
        )))
    }
}

fn json_paths(paths: &str) -> Result<JsonPaths, SqlError> {
    match paths {
        "auto" => Ok(JsonPaths::Auto),
        "auto ignorecase" => Ok(JsonPaths::AutoIgnoreCase),
        "noshred" => Ok(JsonPaths::NoShred),
        url => {
            let (bucket, key) = s3_url(url).ok_or_else(|| SqlError::new(format!("JSON '{url}' is not supported by this stand-in: 'auto', 'auto ignorecase', 'noshred' or 's3://…' is")))?;
            Ok(JsonPaths::File { bucket, key })
        }
    }
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

    #[test]
    fn the_statement_that_sluice_writes() {
        let copy = read(
            "COPY \"public\".\"Flights\" (year, \"Month\") FROM 's3://b/sluice/manifests/flights/x.manifest' IAM_ROLE default \
             FORMAT AS CSV GZIP IGNOREHEADER AS 1 NULL AS 'NA' TIMEFORMAT 'auto' MAXERROR 5 REGION 'us-east-1' MANIFEST;",
        )
        .unwrap();
        assert_eq!(copy.table, ["public", "Flights"]);
        assert_eq!(
            copy.columns,
            Some(vec!["year".to_owned(), "Month".to_owned()])
        );
        assert_eq!(
            (copy.bucket.as_str(), copy.key.as_str()),
            ("b", "sluice/manifests/flights/x.manifest")
        );
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

    #[test_case(r"NULL AS '\N'", b"\\N"; "as documented")]
    #[test_case(r"NULL '\\N'", b"\\N"; "escaped")]
    #[test_case(r"NULL AS '\0'", b"\0"; "nul")]
    #[test_case(r"NULL AS ''", b""; "empty")]
    fn null_strings(option: &str, expected: &[u8]) {
        assert_eq!(
            read(&format!("COPY t FROM 's3://b/k' {option}"))
                .unwrap()
                .options
                .null_as,
            expected
        );
    }

    #[test_case(r"DELIMITER '\t'", b'\t'; "tab")]
    #[test_case(r"DELIMITER AS '\\t'", b'\t'; "tab, doubled")]
    #[test_case(r"DELIMITER ';'", b';'; "semicolon")]
    #[test_case(r"DELIMITER '\001'", 1; "octal")]
    fn delimiters(option: &str, expected: u8) {
        assert_eq!(
            read(&format!("COPY t FROM 's3://b/k' {option}"))
                .unwrap()
                .options
                .delimiter,
            Some(expected)
        );
    }

    #[test_case("FORMAT AS PARQUET", "COPY format PARQUET is not supported by this stand-in"; "format")]
    #[test_case("BZIP2", "COPY option BZIP2 is not supported by this stand-in"; "compression")]
    #[test_case("CSV NONSENSE 1", "syntax error at or near \"NONSENSE\""; "unknown")]
    #[test_case("CSV ESCAPE", "CSV is not compatible with ESCAPE"; "contradiction")]
    #[test_case("MAXERROR 100001", "MAXERROR must be between 0 and 100000"; "range")]
    #[test_case("ENCODING AS UTF16", "COPY option ENCODING UTF16 is not supported by this stand-in: only UTF8 is"; "encoding")]
    #[test_case("DELIMITER ',,'", "COPY DELIMITER must be a single ASCII character"; "long delimiter")]
    #[test_case("MAXERROR", "syntax error at end of input"; "no value")]
    fn what_is_not_known_fails_by_name(options: &str, error: &str) {
        assert_eq!(
            read(&format!("COPY t FROM 's3://b/k' {options}")),
            Err(SqlError::new(error))
        );
    }
}
