//! How shares and counts are written for people.

/// A share of all, such as an error rate.
#[cfg(any(feature = "cli", feature = "report"))]
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// A number of things: `1 run`, `2 runs`.
#[cfg(any(feature = "cli", feature = "report"))]
#[must_use]
pub fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A count with its thousands set apart.
#[must_use]
pub fn thousands(count: f64) -> String {
    let digits = format!("{count:.0}");
    let grouped: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
    grouped.join(" ")
}

/// Formats a number with `digits` significant digits, in scientific notation where zeros would be many.
pub fn significant(value: f64, digits: usize) -> String {
    let exponent = if value == 0.0 || !value.is_finite() { 0 } else { value.abs().log10().floor() as i32 };
    if !(-4..9).contains(&exponent) {
        return format!("{value:.*e}", digits.saturating_sub(1));
    }
    format!("{value:.*}", (digits as i32 - 1 - exponent).max(0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(thousands(0.4), "0");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(thousands(1_234_567.0), "1 234 567");
    }
}
