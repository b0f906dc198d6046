//! Bars and spinners on standard error. They are hidden unless it is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where bars are drawn.
pub(crate) fn target() -> ProgressDrawTarget {
    if super::watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

/// A bar or spinner of this style. `prefix` says what it is about.
pub(crate) fn bar(prefix: &str, style: ProgressStyle) -> ProgressBar {
    ProgressBar::with_draw_target(None, target()).with_prefix(prefix.to_owned()).with_style(style)
}

/// The style that a template of ours describes.
pub(crate) fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("█▉▊▋▌▍▎▏ ")
}
