//! What Sluice logs: where it cannot know which version of a file was read, it must say so, and only then is it excused.

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
        event.record(&mut Keys);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Takes the field `key` of an event.
struct Keys;

impl Visit for Keys {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "key" {
            crate::truth::say(format!("{value:?}"));
        }
    }
}
