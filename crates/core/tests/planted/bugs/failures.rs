//! Bugs of narrowing, probing and resting, and of the evidence for it.

use super::Bug;

pub(super) const BUGS: &[Bug] = &[];
