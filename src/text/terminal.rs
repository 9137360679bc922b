//! Foreign text on a terminal, in a log or in an error: one line, whose characters neither steer the terminal nor hide.

use std::fmt::Display;

/// Characters of a name in a column, beyond which the name is cut.
const COLUMN: usize = 60;
/// Characters of a name in a sentence, beyond which the name is cut. Names of arms list settings and may be long.
const SENTENCE: usize = 200;
/// Characters of a message. The fix stands at its end.
const MESSAGE: usize = 4000;
/// Names of a list, beyond which the rest is counted.
const LISTED: usize = 20;

/// Whether a character steers a terminal, hides itself or other text, or changes the direction or order of text.
pub(super) fn hides(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' // a hyphen that shows only at the end of a line
            | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' // ignorable
            | '\u{2800}' | '\u{3164}' | '\u{ffa0}' // blanks that are letters or signs
            | '\u{fe00}'..='\u{fe0d}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' // ignorable
            | '\u{13430}'..='\u{13455}' // controls of hieroglyphs
            | '\u{61c}' | '\u{200e}' | '\u{200f}' // marks of direction
            | '\u{200b}'..='\u{200d}' // no width
            | '\u{2028}'..='\u{202e}' // ends of lines and paragraphs, embeddings and overrides of direction
            | '\u{2060}'..='\u{206f}' // no width, isolates, deprecated controls
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' // the byte order mark, annotations
            | '\u{1d173}'..='\u{1d17a}' // controls of musical notation
            | '\u{e0000}'..='\u{e0fff}' // tags, and selectors that show nothing
        )
        || (c as u32) & 0xfffe == 0xfffe // no characters at all
}

/// A message as one line. An escape stands for each line end and each character that steers or hides. Escapes are not
/// escaped again, so a message may quote another.
pub fn line(text: impl Display) -> String {
    let text = text.to_string();
    if !text.chars().any(|c| hides(c) || selects(c)) {
        return text;
    }
    let mut before = None;
    let shown = text.chars().map(|c| {
        // After a sign such as ❤ a selector chooses its form. After a letter nobody sees one.
        let is_idle = selects(c) && before.is_none_or(char::is_alphanumeric);
        before = Some(c);
        if is_idle { c.escape_default().to_string() } else { escaped(c) }
    });
    shown.collect()
}

/// A message as one line, without its middle where foreign words make it longer than anybody reads.
pub fn message(text: impl Display) -> String {
    let text = text.to_string();
    let length = text.chars().count();
    if length <= MESSAGE {
        return line(text);
    }
    let start: String = text.chars().take(MESSAGE / 2).collect();
    let end: String = text.chars().skip(length - MESSAGE / 2).collect();
    line(format!("{start} … {end}"))
}

/// A text of several lines that the program composed. Its foreign parts must be lines already.
#[cfg(feature = "cli")]
pub fn block(text: impl Display) -> String {
    text.to_string().split('\n').map(tabbed).collect::<Vec<_>>().join("\n")
}

/// One line that keeps its tabs.
#[cfg(feature = "cli")]
fn tabbed(text: &str) -> String {
    text.split('\t').map(line).collect::<Vec<_>>().join("\t")
}

/// A name as one line of at most `most` characters, before escapes.
pub fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => line(&text[..end]) + "…",
        None => line(text),
    }
}

/// A name in a column of a table.
pub fn one_line(text: &str) -> String {
    shorten(text, COLUMN)
}

/// A name in a sentence.
pub fn named(text: &str) -> String {
    shorten(text, SENTENCE)
}

/// A name in the words of the user, between the marks that distinguish such words from those of the program.
pub fn quoted(name: &str) -> String {
    // A name with such marks of its own would end its quotation.
    format!("‘{}’", named(name).replace(['‘', '’'], "'"))
}

/// The first names in the words of the user, with commas between, and how many more there are.
pub fn quoted_list(names: &[&str]) -> String {
    let shown = names.iter().take(LISTED).map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED { format!("{shown} and {} more", names.len() - LISTED) } else { shown }
}

/// A message of another library in one line: its line ends and indents become single blanks.
pub fn unwrapped(text: impl Display) -> String {
    line(text.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether a character chooses between the forms of the sign before it.
fn selects(c: char) -> bool {
    matches!(c, '\u{fe0e}' | '\u{fe0f}')
}

fn escaped(c: char) -> String {
    if hides(c) { c.escape_default().to_string() } else { c.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that attack a terminal, and the line that shows each.
    const HOSTILE: [(&str, &str); 13] = [
        ("no\nerror: fake", r"no\nerror: fake"),
        ("a\r\x1b[2K\x1b]0;t\x07", r"a\r\u{1b}[2K\u{1b}]0;t\u{7}"),
        ("\u{9b}31m\u{7f}\u{85}\0", r"\u{9b}31m\u{7f}\u{85}\u{0}"),
        ("\u{202e}vsc.x\u{202c}", r"\u{202e}vsc.x\u{202c}"),
        ("\u{2066}a\u{2069}\u{61c}\u{200f}", r"\u{2066}a\u{2069}\u{61c}\u{200f}"),
        ("a\u{200b}b\u{feff}\u{2060}", r"a\u{200b}b\u{feff}\u{2060}"),
        ("a\u{2028}b\u{2029}c", r"a\u{2028}b\u{2029}c"),
        ("\u{e0041}\u{e007f}", r"\u{e0041}\u{e007f}"),
        ("\u{ffff}\u{1fffe}", r"\u{ffff}\u{1fffe}"),
        ("\u{fff9}a\u{ad}\u{180e}", r"\u{fff9}a\u{ad}\u{180e}"),
        ("\t", r"\t"),
        ("a\u{fe0f}\u{3164}\u{34f}", r"a\u{fe0f}\u{3164}\u{34f}"),
        ("👨\u{200d}👩", r"👨\u{200d}👩"),
    ];

    /// Names that people use.
    const HARMLESS: [&str; 6] =
        ["", "ψ θ=0.3", r"C:\runs\new", "Größe 大小 ❤️ é", "it's \"quoted\" | <b> `c` $(d)", "\u{301}\u{fffd}\u{a0}"];

    #[test]
    fn a_hostile_text_is_one_visible_line() {
        for (text, shown) in HOSTILE {
            assert_eq!(line(text), shown);
            assert_eq!([named(text), one_line(text)], [shown, shown]);
            assert_eq!(line(shown), shown, "escapes stay");
        }
        HARMLESS.into_iter().for_each(|text| assert_eq!(line(text), text));
    }

    #[test]
    fn a_name_is_cut_between_characters() {
        assert_eq!(shorten("ψψψ", 3), "ψψψ");
        assert_eq!(shorten("ψψψ", 2), "ψψ…");
        assert_eq!(shorten("\n\n", 1), "\\n…");
        assert_eq!(one_line(&"é".repeat(70_000)), "é".repeat(COLUMN) + "…");
        assert_eq!(named(&"é".repeat(70_000)), "é".repeat(SENTENCE) + "…");
    }

    #[test]
    fn a_long_message_keeps_its_start_and_its_end() {
        let said = message(format!("file {} is gone; give another", "x".repeat(1 << 20)));
        assert!(said.starts_with("file xxx") && said.ends_with("gone; give another") && said.chars().count() < 4010);
        assert_eq!(quoted("q’ and ‘x"), "‘q' and 'x’", "a name stays within its marks");
    }

    #[test]
    fn a_message_of_a_library_has_no_line_ends() {
        assert_eq!(unwrapped("Validation Error\n\nCaused by:\n  \u{1b}no\n"), r"Validation Error Caused by: \u{1b}no");
    }

    #[test]
    #[cfg(feature = "cli")]
    fn a_block_keeps_line_ends_and_tabs_alone() {
        assert_eq!(block("a\tb\n\r\u{202e}\n"), "a\tb\n\\r\\u{202e}\n");
    }
}
