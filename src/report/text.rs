//! Texts and numbers of a page: shortened, typeset, and with few digits.

use crate::text::html;

/// Escapes text for a drawing and sets the M of θ_M as a subscript.
#[must_use]
pub fn typeset(text: &str) -> String {
    // The zero-width space restores the baseline for the text that follows.
    html(text).replace("θ_M", "θ<tspan dy=\"3\" font-size=\"75%\">M</tspan><tspan dy=\"-3\">\u{200b}</tspan>")
}

/// Shortens `text` to `most` characters, the last of them an ellipsis.
#[must_use]
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// The label with a capital first letter.
#[must_use]
pub fn capitalised(label: &str) -> String {
    let mut characters = label.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// A number with 4 significant digits, or with all digits of its integer part; thousands are grouped from 10 000 on.
/// Sizes outside 0.0001 … 1 000 000 000 have 3 digits and a power of ten.
#[must_use]
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { value.to_string() };
    }
    if !(1e-4..1e9).contains(&size) {
        let text = format!("{value:.2e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", trimmed(mantissa));
    }
    let decimals = (3 - size.log10().floor() as i32).clamp(0, 7) as usize;
    let text = format!("{value:.decimals$}");
    if size < 10_000.0 { trimmed(&text).to_owned() } else { grouped(&text) }
}

/// Separates thousands with thin spaces.
fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && c.is_ascii_digit() && !out.ends_with('-') {
            out.push('\u{2009}');
        }
        out.push(c);
    }
    out
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.0184, 1.0, 0.30000000000000004, 12345.6, 114237.0, 1449871.0, 1e-7, -0.5].map(number);
        let short =
            ["0", "0.0184", "1", "0.3", "12\u{2009}346", "114\u{2009}237", "1\u{2009}449\u{2009}871", "1e-7", "-0.5"];
        assert_eq!(texts, short);
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(shorten("constant", 5), "cons…");
    }
}
