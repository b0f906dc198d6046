//! The trace: one line for each thing that happens, kept only where somebody will read it.

use std::collections::HashMap;

use crate::clock::{Micros, shown};
use crate::lambda::TaskId;

#[derive(Default)]
pub struct Trace {
    lines: Option<Vec<String>>,
    names: HashMap<TaskId, String>,
}

impl Trace {
    /// A trace that is kept.
    pub fn kept() -> Self {
        Self { lines: Some(Vec::new()), names: HashMap::new() }
    }

    pub fn on(&self) -> bool {
        self.lines.is_some()
    }

    pub fn line(&mut self, at: Micros, who: &str, what: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{}  {who:<12} {}", shown(at), what()));
        }
    }

    /// Remembers a task's name, which outlives it.
    pub fn named(&mut self, task: TaskId, name: &str) {
        if self.on() {
            self.names.insert(task, name.to_owned());
        }
    }

    pub fn name(&self, task: TaskId) -> String {
        self.names.get(&task).cloned().unwrap_or_default()
    }

    pub fn lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
