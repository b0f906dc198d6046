//! The log: one line per event, whatever a key or a message of the warehouse contains.
//!
//! Others write keys and error texts. A character that would begin another line, control a terminal or reorder the text
//! is written as an escape. This happens in one place: a single log line forgotten elsewhere would be one too many.

use std::env;
use std::io::{self, Write};
use std::str::FromStr as _;

use lambda_runtime::tracing::subscriber::EnvFilter;
use lambda_runtime::tracing::subscriber::filter::LevelFilter;
use lambda_runtime::tracing::subscriber::fmt;
use sluice_core::text::escaped;

/// Writes events to standard output, as Lambda's logging controls say: `AWS_LAMBDA_LOG_LEVEL` (or `RUST_LOG`), and
/// `AWS_LAMBDA_LOG_FORMAT`, JSON or text.
/// Source: AWS Lambda Developer Guide, "Configuring advanced logging controls".
pub(crate) fn init() {
    let asked = env::var("AWS_LAMBDA_LOG_LEVEL").or_else(|_| env::var("RUST_LOG")).unwrap_or_default();
    let level = LevelFilter::from_str(&asked).unwrap_or(LevelFilter::INFO);
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let log = fmt().with_target(false).without_time().with_ansi(false).with_env_filter(filter);
    let log = log.with_writer(|| Lines(io::stdout()));
    if env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|format| format.eq_ignore_ascii_case("json")) {
        log.json().init();
    } else {
        log.init();
    }
}

/// Writes each event that it gets as one line.
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(one_line(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Turns the event into one line. In JSON, an escape still means the character that it stands for.
fn one_line(event: &str) -> String {
    match event.strip_suffix('\n') {
        Some(text) => escaped(text) + "\n",
        None => escaped(event),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use lambda_runtime::tracing::subscriber::fmt::MakeWriter;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Memory {
        type Writer = Lines<Memory>;

        fn make_writer(&self) -> Lines<Memory> {
            Lines(self.clone())
        }
    }

    /// The log line about a key, as JSON and as text.
    fn logged(key: &str) -> [String; 2] {
        [true, false].map(|json| {
            let memory = Memory::default();
            let log = fmt().with_target(false).without_time().with_ansi(false).with_writer(memory.clone());
            let event = || tracing::info!(%key, "a key: {key}");
            if json {
                tracing::subscriber::with_default(log.json().finish(), event);
            } else {
                tracing::subscriber::with_default(log.finish(), event);
            }
            let bytes = memory.0.lock().unwrap().clone();
            String::from_utf8(bytes).unwrap()
        })
    }

    #[test]
    fn a_key_that_forges_lines_stays_in_its_own() {
        let [_, text] = logged("a\n ERROR all is lost\r\u{1b}[2J\u{9b}2J\u{202e}gpj");
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(text.contains("\\u000a ERROR") && text.contains("\\u202egpj"), "{text}");
    }

    /// The negative control: a log without the escapes.
    #[test]
    fn the_log_alone_would_let_a_key_forge_a_line() {
        let memory = Memory::default();
        let writer = {
            let memory = memory.clone();
            move || memory.clone()
        };
        let log = fmt().with_target(false).without_time().with_ansi(false).with_writer(writer);
        tracing::subscriber::with_default(log.finish(), || tracing::info!(key = %"a\nERROR forged"));
        assert!(String::from_utf8(memory.0.lock().unwrap().clone()).unwrap().contains("\nERROR forged"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_key_is_one_line_and_json_says_it_again(key in any::<String>()) {
            let [json, text] = logged(&key);
            for line in [&json, &text] {
                prop_assert!(line.ends_with('\n'));
                let line = &line[..line.len() - 1];
                prop_assert!(!line.contains(|c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)), "{}", line);
            }
            let json: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(json["fields"]["key"].as_str(), Some(key.as_str()));
        }
    }
}
