//! Bugs of narrowing, probing and resting, and of the evidence for it.

use super::{Bug, bug, edit, of_class};

pub(super) const BUGS: &[Bug] = &[];
