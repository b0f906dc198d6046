//! What template.yaml gives the functions by default. Reads only the parameters it is asked for.

use std::path::Path;

/// The text of the template.
pub(crate) struct Template(String);

impl Template {
    pub(crate) fn read(path: &Path) -> Self {
        Self(std::fs::read_to_string(path).expect("template.yaml"))
    }

    /// The default of a parameter that is a number.
    pub(crate) fn default(&self, parameter: &str) -> u32 {
        let (_, after) = self.0.split_once(&format!("\n  {parameter}:\n")).expect(parameter);
        let mut fields = after.lines().take_while(|line| line.starts_with("    "));
        let default = fields.find_map(|line| line.strip_prefix("    Default: "));
        default.and_then(|default| default.trim().parse().ok()).expect(parameter)
    }
}
