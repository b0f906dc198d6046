//! How large the functions are.

use std::io::Write;

use flate2::{Compression, write::DeflateEncoder};

use crate::Bench;
use crate::figures::{FUNCTIONS, bytes, table};

pub(crate) fn measure(bench: &Bench) -> String {
    let rows = FUNCTIONS.map(|(name, _)| {
        let name = name.to_lowercase();
        let content = std::fs::read(bench.functions.join(&name)).expect("a function");
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&content).expect("memory");
        let zipped = encoder.finish().expect("memory").len() as u64;
        vec![format!("`{name}`"), bytes(content.len() as u64), bytes(zipped)]
    });
    format!(
        "## Size\n\n`make bench ARGS=sizes`. The executables for {}, stripped; those of other architectures differ \
         a little. Zipped: deflated, as in the archive that is uploaded.\n\n{}",
        std::env::consts::ARCH,
        table(&["function", "executable", "zipped"], &rows)
    )
}
