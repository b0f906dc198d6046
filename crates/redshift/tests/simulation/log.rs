//! What Sluice logs where it cannot know which version of a file was read, or knows that it was loaded before.

use std::cell::RefCell;
use std::fmt::Debug;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// Listens to warnings about files that were replaced, on every thread.
pub struct Listener;

impl Listener {
    /// Listens from now on; doing it again changes nothing.
    pub fn install() {
        drop(tracing::subscriber::set_global_default(Self));
    }
}

fn heard(metadata: &Metadata<'_>) -> bool {
    *metadata.level() == Level::WARN && metadata.target().starts_with("sluice_core::load")
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if heard(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        heard(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        let mut said = Said::default();
        event.record(&mut said);
        SAID.with_borrow_mut(|all| all.push(said));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// A warning about a file that was replaced.
#[derive(Debug, Default)]
pub struct Said {
    pub key: String,
    /// That its rows are in the table twice, and not that nobody knows.
    pub twice: bool,
}

thread_local! {
    static SAID: RefCell<Vec<Said>> = const { RefCell::new(Vec::new()) };
}

/// What was said since the last call.
pub fn said() -> Vec<Said> {
    SAID.with_borrow_mut(std::mem::take)
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "key" => self.key = format!("{value:?}"),
            "read_etag" => self.twice = true,
            _ => {}
        }
    }
}
