//! Recognises texts that people read as numbers, and programs do not: with thousands separators or units.

/// Units that are no letters.
const SIGNS: &str = "$€£¥%‰";

/// Units of letters.
const WORDS: [&str; 12] = ["EUR", "USD", "GBP", "CHF", "JPY", "kg", "km", "cm", "mm", "ms", "°C", "°F"];

/// Whether `field` is a whole number with `separator` between its thousands.
pub fn is_grouped(field: &[u8], separator: u8) -> bool {
    let unsigned = field.strip_prefix(b"-").or(field.strip_prefix(b"+")).unwrap_or(field);
    let mut groups = unsigned.split(|&byte| byte == separator);
    let first = groups.next().unwrap_or_default();
    let starts = (1..=3).contains(&first.len()) && first[0] != b'0' && first.iter().all(u8::is_ascii_digit);
    let mut rest = groups.peekable();
    starts && rest.peek().is_some() && rest.all(|group| group.len() == 3 && group.iter().all(u8::is_ascii_digit))
}

/// Whether `field`, which is no number, is one with thousands separators, another decimal mark, or a unit.
pub fn is_dressed(field: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(field) else { return false };
    // A longer text is hardly a number.
    if text.len() > 64 {
        return false;
    }
    let mut core = text.trim();
    for word in WORDS {
        core = core.strip_suffix(word).or(core.strip_prefix(word)).unwrap_or(core);
    }
    let is_unit = |c: char| c.is_whitespace() || SIGNS.contains(c);
    let core = core.trim_matches(is_unit);
    let core = core.strip_prefix(['+', '-', '−']).unwrap_or(core).trim_start_matches(is_unit);
    let is_separator = |c: char| matches!(c, ',' | '.' | '\'' | '’') || c.is_whitespace();
    let groups: Vec<&str> = core.split(is_separator).collect();
    let separators: Vec<char> = core.chars().filter(|&c| is_separator(c)).collect();
    let digits = |group: &&str| group.bytes().all(|byte| byte.is_ascii_digit());
    if !groups.iter().all(digits) || !core.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let is_decimal = |mark: char| matches!(mark, ',' | '.');
    let are_thousands = |separators: &[char]| {
        separators.windows(2).all(|pair| pair[0] == pair[1])
            && (1..=3).contains(&groups[0].len())
            && groups[1..=separators.len()].iter().all(|group| group.len() == 3)
    };
    match separators[..] {
        [] => true,
        [mark] if is_decimal(mark) => true,
        [ref before @ .., mark] if is_decimal(mark) && !before.contains(&mark) => are_thousands(before),
        _ => are_thousands(&separators),
    }
}
