//! Foreign text in files for other programs: JSON, YAML, shells and Slurm.

use super::terminal::hides;
use std::fmt::Write;

/// The same JSON, with an escape for each character that steers or hides. Such characters occur only inside strings.
pub fn json(text: String) -> String {
    if !text.chars().any(hides) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match hides(c) {
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(out, "\\u{unit:04x}")),
            false => out.push(c),
        }
    }
    out
}

/// A string of YAML in double quotes. JSON would not do, because YAML reads no pairs of surrogates.
pub fn yaml(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if hides(c) => _ = write!(out, "\\U{:08x}", c as u32),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A word of a POSIX shell, quoted if necessary. `None` if the word has a character that steers or hides, because people
/// read a script before they run it.
pub fn shell(word: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    match word {
        word if word.chars().any(hides) => None,
        word if !word.is_empty() && word.chars().all(plain) => Some(word.to_owned()),
        word => Some(format!("'{}'", word.replace('\'', r"'\''"))),
    }
}

/// What [`sbatch`] accepts, in words.
pub const SBATCH: &str = "letters, digits and `_.,:+-`, beginning with a letter or digit";

/// A value after `#SBATCH --flag=`. `None` unless the value is plain, because sbatch splits the line at blanks, reads
/// quotes and backslashes by rules of its own, and takes the rest of the line as further options.
pub fn sbatch(value: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.,:+-".contains(c);
    (value.starts_with(|c: char| c.is_ascii_alphanumeric()) && value.chars().all(plain)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: [&str; 9] = [
        "",
        "it's $(touch x) `y` \"z\" \\ *",
        "a\nb\r\t\0",
        "\u{1b}[31m\u{85}\u{9b}",
        "\u{202e}\u{2028}\u{2029}\u{feff}",
        "\u{e0041}\u{1fffe}\u{ffff}",
        "😀 é 大",
        "-u 0 #",
        "- a: {b}",
    ];

    #[test]
    fn json_says_the_same_visibly() {
        for text in HOSTILE {
            let written = json(serde_json::to_string(text).unwrap());
            assert!(!written.chars().any(hides), "{written}");
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
        assert_eq!(json("{\"a\":\"é\"}".into()), "{\"a\":\"é\"}");
    }

    /// YAML 1.2, section 5.7: `\\`, `\"` and `\U` with eight hexadecimal digits.
    #[test]
    fn yaml_says_the_same_visibly() {
        let read = |quoted: &str| {
            let mut rest = quoted.strip_prefix('"').unwrap().strip_suffix('"').unwrap().chars();
            let mut text = String::new();
            while let Some(c) = rest.next() {
                assert!(c != '"' && !hides(c), "{quoted}");
                let code = |rest: &mut std::str::Chars<'_>| {
                    let digits: String = rest.by_ref().take(8).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap()
                };
                text.push(match c {
                    '\\' => match rest.next().unwrap() {
                        'U' => code(&mut rest),
                        c @ ('"' | '\\') => c,
                        other => panic!("{other}"),
                    },
                    c => c,
                });
            }
            text
        };
        HOSTILE.into_iter().for_each(|text| assert_eq!(read(&yaml(text)), text));
        assert_eq!(yaml("homeostat:1"), "\"homeostat:1\"");
    }

    #[test]
    #[cfg(unix)]
    fn a_shell_reads_the_word() {
        for text in HOSTILE {
            let Some(word) = shell(text) else {
                assert!(text.chars().any(hides), "{text:?}");
                continue;
            };
            let output = std::process::Command::new("sh").args(["-c", &format!("printf %s. {word}")]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{text}."));
        }
        assert_eq!(shell("runs/a=b.jsonl").as_deref(), Some("runs/a=b.jsonl"));
        assert_eq!(shell("é").as_deref(), Some("'é'"));
    }

    #[test]
    fn slurm_gets_plain_values() {
        for value in ["gpu", "long,gpu-a100_80", "1-00:30:00", "UNLIMITED", "90"] {
            assert_eq!(sbatch(value), Some(value));
        }
        for value in ["", "gpu -u 0", "gpu\n#SBATCH -u 0", "-p", "'a b'", "a\\b", "a#b", "a=b", "%j", "a\u{a0}b"] {
            assert_eq!(sbatch(value), None, "{value:?}");
        }
    }
}
