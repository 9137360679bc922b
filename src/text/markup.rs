//! Foreign text in markup: HTML, SVG and Markdown.

#[cfg(feature = "report")]
use super::terminal::hides;
#[cfg(feature = "cli")]
use super::terminal::line;

/// Text between tags or in a quoted attribute of HTML or SVG. XML allows no control character, not even an escaped one,
/// so U+FFFD replaces them.
#[cfg(feature = "report")]
#[must_use]
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Scripts such as Persian join letters by them, and emojis are composed by them.
            '\n' | '\t' | '\u{ad}' | '\u{200c}' | '\u{200d}' => out.push(c),
            c if hides(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Text in a paragraph, list or table of Markdown: one line, without markup.
#[cfg(feature = "cli")]
#[must_use]
pub fn markdown(text: &str) -> String {
    let text = line(text);
    let mut out = String::with_capacity(text.len());
    // `1.` and `-` begin a list, `#` a heading, but only at the start of a line.
    let mut starts = true;
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' | '$' => out.extend(['\\', c]),
            // Within a word an underscore emphasises nothing.
            '_' if !word(before) || !word(rest.peek().copied()) => out.push_str("\\_"),
            // An address or a mention would become a link.
            ':' if rest.peek() == Some(&'/') => out.push_str("&#58;"),
            '.' if out.to_lowercase().ends_with("www") => out.push_str("&#46;"),
            '@' => out.push_str("&#64;"),
            '#' | '=' if starts => out.extend(['\\', c]),
            '-' | '+' | '.' | ')' if starts && ends_mark(c, rest.peek().copied()) => out.extend(['\\', c]),
            c => out.push(c),
        }
        starts = starts && (c.is_ascii_digit() || c == ' ');
        before = Some(c);
    }
    out
}

/// Whether `c` before `next` is the end of a list's mark, or begins a rule such as `---`.
#[cfg(feature = "cli")]
fn ends_mark(c: char, next: Option<char>) -> bool {
    next.is_none_or(|next| next == ' ' || next == c)
}

/// Text as a span of code in Markdown, outside tables.
#[cfg(all(feature = "cli", feature = "report"))]
#[must_use]
pub fn markdown_code(text: &str) -> String {
    let text = line(text);
    // A span ends at a run of as many backticks as began it, so a longer run than any inside is taken.
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let is_apart = text.starts_with('`') || text.ends_with('`') || text.trim().is_empty();
    let pad = if is_apart { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "report")]
    fn html_has_no_markup_and_no_control_characters() {
        assert_eq!(html("<a href='x'>&\"\u{1}"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\u{fffd}");
        assert_eq!(html("\u{202e}a\u{85}\r\u{ffff}\u{2028}"), "\u{fffd}a\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(html("می\u{200c}خواهم 👨\u{200d}👩 é\n"), "می\u{200c}خواهم 👨\u{200d}👩 é\n");
    }

    #[test]
    #[cfg(feature = "cli")]
    fn markdown_has_no_markup() {
        for (text, written) in [
            ("psi theta=0.3, alpha0=0.1", "psi theta=0.3, alpha0=0.1"),
            ("test_error", "test_error"),
            ("a|b\n| c", r"a\|b\\n\| c"),
            ("<script>&", "&lt;script&gt;&amp;"),
            ("[x](http://y) ![z](//w)", r"\[x\](http&#58;//y) !\[z\](//w)"),
            ("*a* _b_ ~~c~~ `d` __e_f", r"\*a\* \_b\_ \~\~c\~\~ \`d\` \_\_e_f"),
            (r"a\", r"a\\"),
            ("# a", r"\# a"),
            ("- a", r"\- a"),
            ("1. a", r"1\. a"),
            ("12) a - 1. b", r"12\) a - 1. b"),
            ("---", r"\---"),
            ("-0.5", "-0.5"),
            ("1.5e-7", "1.5e-7"),
            ("\u{1b}[31m\u{202e}@b", r"\\u{1b}\[31m\\u{202e}&#64;b"),
        ] {
            assert_eq!(markdown(text), written);
        }
    }

    /// By CommonMark a span of code ends at the first run of as many backticks as began the span.
    #[test]
    #[cfg(all(feature = "cli", feature = "report"))]
    fn a_span_of_code_ends_where_it_should() {
        assert_eq!(markdown_code("psi"), "`psi`");
        for text in ["`", "a`b``c", "``", "a`", "", " ", "<script>`</script>"] {
            let span = markdown_code(text);
            let fence = span.chars().take_while(|&c| c == '`').count();
            let inside = &span[fence..span.len() - fence];
            assert!(span.ends_with(&"`".repeat(fence)) && !inside.is_empty(), "{span}");
            assert!(inside.split(|c| c != '`').all(|run| run.len() != fence), "{span}");
            assert!(!inside.starts_with('`') && !inside.ends_with('`'), "{span}");
            assert_eq!(inside.trim(), text.trim());
        }
    }
}
