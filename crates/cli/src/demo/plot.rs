//! Draws numbers as bars of text.
//!
//! Never asks how wide a terminal is: the bars are the same everywhere.

/// The width of the longest bar, in characters.
const WIDTH: u64 = 40;

/// The eighths of a character that a bar can end in.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A bar for `number`, as long as its share of `most`. A number above zero is always visible.
pub(crate) fn bar(number: u64, most: u64) -> String {
    if number == 0 || most == 0 {
        return String::new();
    }
    let eighths = u128::from(number.min(most)) * u128::from(WIDTH) * 8 / u128::from(most);
    let eighths = usize::try_from(eighths).unwrap_or_default().max(1);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(90, 90 => "████████████████████████████████████████"; "the longest")]
    #[test_case(30, 90 => "█████████████▎"; "a third")]
    #[test_case(1, 100_000 => "▏"; "more than nothing")]
    #[test_case(0, 90 => ""; "nothing")]
    #[test_case(0, 0 => ""; "nothing of nothing")]
    #[test_case(u64::MAX, 1 => "████████████████████████████████████████"; "more than all")]
    fn bars(number: u64, most: u64) -> String {
        bar(number, most)
    }
}
