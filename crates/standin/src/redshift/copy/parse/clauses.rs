//! Parses each option of COPY by its own name.
//!
//! Never skips an option: an unknown one fails the statement and is named in the error.

use super::super::super::error::SqlError;
use super::super::super::tokens::Kind;
use super::options::{Compression, Encoding, Format, JsonPaths, Options};
use super::reader::Reader;
use super::s3_url;

impl Reader<'_> {
    /// Reads one option and returns its name.
    pub(super) fn option(&mut self, options: &mut Options) -> Result<String, SqlError> {
        let word = self.name()?.to_ascii_uppercase();
        if self.source_option(&word, options)?
            || self.format_option(&word, options)?
            || self.conversion_option(&word, options)?
        {
            return Ok(word);
        }
        match word.as_str() {
            "ORC"
            | "AVRO"
            | "SHAPEFILE"
            | "BZIP2"
            | "LZOP"
            | "ENCRYPTED"
            | "SSH"
            | "READRATIO"
            | "MASTER_SYMMETRIC_KEY"
            | "SIMPLIFY" => Err(SqlError::not_done(format_args!("COPY with {word}"))),
            _ => {
                self.back();
                Err(self.wrong())
            }
        }
    }

    /// Options about the source, the role and the load itself.
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
            "SERIALIZETOJSON" => options.serialize_to_json = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn format_option(&mut self, word: &str, options: &mut Options) -> Result<bool, SqlError> {
        match word {
            "FORMAT" => {
                self.take_word("as");
                let format = self.name()?.to_ascii_uppercase();
                if !matches!(format.as_str(), "CSV" | "JSON" | "PARQUET" | "DELIMITED" | "FIXEDWIDTH") {
                    return match format.as_str() {
                        "ORC" | "AVRO" | "SHAPEFILE" => Err(SqlError::not_done(format_args!("COPY with {format}"))),
                        _ => {
                            self.back();
                            Err(self.wrong())
                        }
                    };
                }
                return if format == "DELIMITED" { Ok(true) } else { self.format_option(&format, options) };
            }
            "CSV" => {
                options.format = Format::Csv;
                if self.take_word("quote") {
                    options.quote = self.character("QUOTE")?;
                }
            }
            "JSON" => {
                self.take_word("as");
                let paths = self.maybe_string(word)?.unwrap_or_else(|| "auto".to_owned());
                options.format = Format::Json(json_paths(&paths)?);
            }
            "FIXEDWIDTH" => {
                self.take_word("as");
                options.format = Format::FixedWidth(widths(&self.string(word)?)?);
            }
            "PARQUET" => options.format = Format::Parquet,
            "QUOTE" => options.quote = self.character(word)?,
            "DELIMITER" => options.delimiter = Some(self.delimiter()?),
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
                let given = self.peek().is_some_and(|token| token.is("as") || matches!(token.kind, Kind::Literal(_)));
                options.accept_inv_chars = Some(if given { self.replacement()? } else { b'?' });
            }
            "ACCEPTANYDATE" => options.accept_any_date = true,
            "TRUNCATECOLUMNS" => options.truncate_columns = true,
            "FILLRECORD" => options.fill_record = true,
            "IGNOREBLANKLINES" => options.ignore_blank_lines = true,
            "TRIMBLANKS" => options.trim_blanks = true,
            "ROUNDEC" => options.round_dec = true,
            "ENCODING" => options.encoding = self.encoding()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Redshift's own documentation writes `NULL AS '\N'` and means those two characters, although a backslash escapes
    /// everywhere else.
    fn null_as(&mut self) -> Result<Vec<u8>, SqlError> {
        self.take_word("as");
        let written = self.peek().map(|token| token.text).unwrap_or_default();
        let value = self.maybe_bytes().ok_or_else(|| self.wrong())?;
        Ok(match value.as_slice() {
            _ if written == r"'\N'" => b"\\N".to_vec(),
            // Documented: `'\0'` or `'\000'`. A program that doubles its backslashes means the same.
            b"\\0" | b"\\000" => vec![0],
            _ => value,
        })
    }

    /// Documented: several characters too, and any of UTF-8.
    fn delimiter(&mut self) -> Result<u8, SqlError> {
        self.take_word("as");
        let value = self.maybe_bytes().ok_or_else(|| self.wrong())?;
        match unescaped(&value) {
            Some(one) if one.is_ascii() => Ok(one),
            _ => Err(SqlError::not_done("COPY with a DELIMITER of several characters, or of one that is not ASCII")),
        }
    }

    /// Documented: "any ASCII character except NULL".
    fn replacement(&mut self) -> Result<u8, SqlError> {
        match self.character("ACCEPTINVCHARS")? {
            0 => Err(SqlError::own("COPY ACCEPTINVCHARS takes any ASCII character except NUL")),
            other => Ok(other),
        }
    }

    /// Source: Amazon Redshift Database Developer Guide, "Data conversion parameters", ENCODING.
    fn encoding(&mut self) -> Result<Encoding, SqlError> {
        self.take_word("as");
        let encoding = match self.maybe_string("ENCODING")? {
            Some(encoding) => encoding,
            None => self.name()?.to_ascii_uppercase(),
        };
        match encoding.to_ascii_uppercase().as_str() {
            "UTF8" => Ok(Encoding::Utf8),
            "UTF16" => Ok(Encoding::Utf16),
            "UTF16LE" => Ok(Encoding::Utf16Le),
            "UTF16BE" => Ok(Encoding::Utf16Be),
            "ISO88591" => Ok(Encoding::Latin1),
            _ => Err(SqlError::own(format_args!(
                "COPY ENCODING {encoding} is none of UTF8, UTF16, UTF16LE, UTF16BE, ISO88591"
            ))),
        }
    }
}

/// The one byte that an option's value means. A value that is escaped twice is unescaped twice, as in Redshift.
fn unescaped(value: &[u8]) -> Option<u8> {
    match value {
        [one] => Some(*one),
        b"\\t" => Some(b'\t'),
        [b'\\', digits @ ..] if (1..=3).contains(&digits.len()) && digits.iter().all(|b| (b'0'..=b'7').contains(b)) => {
            let number = digits.iter().fold(0_u32, |number, digit| number * 8 + u32::from(digit - b'0'));
            u8::try_from(number).ok()
        }
        _ => None,
    }
}

/// The widths in `label:width, …`; the labels are ignored.
fn widths(spec: &str) -> Result<Vec<usize>, SqlError> {
    let width = |part: &str| part.rsplit_once(':')?.1.trim().parse().ok().filter(|width| *width > 0);
    let wrong = || SqlError::own(format_args!("'{spec}' is no specification for FIXEDWIDTH: 'label:width, …' is"));
    spec.split(',').map(|part| width(part).ok_or_else(wrong)).collect()
}

fn json_paths(paths: &str) -> Result<JsonPaths, SqlError> {
    match paths {
        "auto" => Ok(JsonPaths::Auto),
        "auto ignorecase" => Ok(JsonPaths::AutoIgnoreCase),
        "noshred" => Ok(JsonPaths::NoShred),
        url => {
            let (bucket, key) = s3_url(url).ok_or_else(|| {
                SqlError::own(format_args!(
                    "JSON '{url}' is none of 'auto', 'auto ignorecase', 'noshred' and 's3://bucket/key'"
                ))
            })?;
            Ok(JsonPaths::File { bucket, key })
        }
    }
}
