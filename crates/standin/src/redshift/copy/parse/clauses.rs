//! What each option of COPY says, by its own name.
//!
//! Never skips one: what is not known here fails the statement by name.

use super::super::super::error::SqlError;
use super::super::super::tokens::Kind;
use super::options::{Compression, Format, JsonPaths, Options};
use super::reader::Reader;
use super::s3_url;

impl Reader<'_> {
    /// Reads one option, and says which.
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
            | "FIXEDWIDTH"
            | "SHAPEFILE"
            | "BZIP2"
            | "LZOP"
            | "ENCRYPTED"
            | "SSH"
            | "READRATIO"
            | "MASTER_SYMMETRIC_KEY"
            | "SIMPLIFY" => Err(SqlError::new(format!("COPY option {word} is not supported by this stand-in"))),
            _ => {
                self.back();
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
                if !matches!(format.as_str(), "CSV" | "JSON" | "PARQUET" | "DELIMITED") {
                    return match format.as_str() {
                        "ORC" | "AVRO" | "FIXEDWIDTH" | "SHAPEFILE" => {
                            Err(SqlError::new(format!("COPY format {format} is not supported by this stand-in")))
                        }
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
            "PARQUET" => options.format = Format::Parquet,
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
                let given = self.peek().is_some_and(|token| token.is("as") || matches!(token.kind, Kind::Literal(_)));
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
        Ok(if written == r"'\N'" { b"\\N".to_vec() } else { value })
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
        Err(SqlError::new(format!("COPY option ENCODING {encoding} is not supported by this stand-in: only UTF8 is")))
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
