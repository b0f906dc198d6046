//! Loads: the files are read, and loaded in one transaction.
//!
//! Reads exactly the planned versions. A transaction is at its end when `start` returns, and its end is in the database,
//! where any other process finds it.

use std::time::Duration;

use rusqlite::Transaction;
use sluice_core::config::Feed;
use sluice_core::destination::{Begun, Load, Loads, Progress, Refusal, Started, StatementId};
use sluice_core::object::File;
use sluice_core::ports::{Objects, PortError};

use crate::config::Lines;
use crate::database::{self, Batch};
use crate::end::End;

/// How long a load waits for another one.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tables of lines, loaded from the bucket that `objects` reads.
#[derive(Debug)]
pub struct LinesDestination<O> {
    objects: O,
}

impl<O: Objects> LinesDestination<O> {
    /// A destination whose files are in the bucket of `objects`.
    pub fn new(objects: O) -> Self {
        Self { objects }
    }
}

impl<O: Objects> Loads for LinesDestination<O> {
    async fn start(&self, feed: &Feed, load: &Load<'_>) -> Result<Started, PortError> {
        let (batch, identity, token) = (self.read(load).await?, feed.identity, load.token.to_owned());
        let work =
            move |lines: &Lines, there: &mut Transaction<'_>| database::load(lines, there, identity, &token, batch);
        database::transaction(Lines::of(feed)?, PATIENCE, work).await?;
        Ok(Started::Detached(Begun { statement: StatementId(load.token.to_owned()), roles: None }))
    }

    async fn poll(&self, feed: &Feed, begun: &Begun, _: &[File], wait: Duration) -> Result<Progress, PortError> {
        let token = begun.statement.0.clone();
        let end = database::transaction(Lines::of(feed)?, wait, move |_, there| database::end(there, &token)).await?;
        Ok(end.map_or(Progress::Forgotten, |(end, at)| end.progress(at)))
    }
}

impl<O: Objects> LinesDestination<O> {
    /// Reads the files of a batch, or finds what is wrong with some.
    async fn read(&self, load: &Load<'_>) -> Result<Batch, PortError> {
        let (mut texts, mut refused) = (Vec::new(), Vec::new());
        for file in load.files {
            let text = match (load.compression, self.bytes(file).await?) {
                (_, None) => return Ok(Err(End::FileMissing(file.key.clone()))),
                (Some(packed), _) => Err(refusal(format!("it is packed ({}), and is not unpacked", packed.keyword()))),
                (None, Some(bytes)) => text(bytes),
            };
            match text {
                Ok(text) => texts.push((file.clone(), text)),
                Err(refusal) => refused.push((file.key.clone(), refusal)),
            }
        }
        Ok(if refused.is_empty() { Ok(texts) } else { Err(End::BadFiles(refused)) })
    }

    /// The content of exactly this version; `None` where it is not there any more.
    async fn bytes(&self, file: &File) -> Result<Option<Vec<u8>>, PortError> {
        if file.size == 0 {
            // No part of nothing can be asked for.
            return Ok(Some(Vec::new()));
        }
        Ok(self.objects.read(file, 0, file.size).await?.map(|part| part.bytes))
    }
}

/// The text that the bytes are, or the first line that is none.
fn text(bytes: Vec<u8>) -> Result<String, Refusal> {
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = 1 + before.map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        Refusal { line: Some(line), ..refusal(format!("line {line} is not UTF-8")) }
    })
}

fn refusal(message: String) -> Refusal {
    Refusal { message, ..Refusal::default() }
}
