//! What the library says, in the words of the command line: settings become flags.

use crate::config::SETTINGS;

/// Flags that messages of the library mention beside the settings.
pub const FLAGS: [&str; 29] = [
    "arms",
    "baseline",
    "confidence",
    "config",
    "data-dir",
    "dry-run",
    "force",
    "format",
    "keep-epochs",
    "living",
    "margin",
    "max-members",
    "members",
    "metric",
    "mirror",
    "no-save",
    "on-divergence",
    "out",
    "partial",
    "partition",
    "preset",
    "program",
    "results",
    "resume",
    "rules",
    "runs",
    "shard",
    "shards",
    "time",
];

/// `text` with `` `alpha0` `` as `--alpha0` and `` `alpha0 = 0.1` `` as `--alpha0 0.1`. The library puts the user's own words
/// between ‘…’, because an arm may be called like a setting; here they stand between backticks.
pub fn as_flags(text: &str) -> String {
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['`', '‘']) {
        let (before, quoted) = rest.split_at(start);
        said.push_str(before);
        let (open, close) = if quoted.starts_with('`') { ('`', '`') } else { ('‘', '’') };
        let inner = &quoted[open.len_utf8()..];
        let replaced = inner.split_once(close).and_then(|(inside, after)| {
            let word = if open == '`' { flag(inside)? } else { format!("`{inside}`") };
            Some((word, after))
        });
        let Some((word, after)) = replaced else {
            said.push(open);
            rest = inner;
            continue;
        };
        said.push_str(&word);
        rest = after;
    }
    said + rest
}

/// The flag for `key` or `key = value`, if there is one.
fn flag(text: &str) -> Option<String> {
    let (key, value) = text.split_once(" = ").map_or((text, None), |(key, value)| (key, Some(value)));
    if !FLAGS.contains(&key) && SETTINGS.iter().all(|setting| setting.key != key) {
        return None;
    }
    Some(value.map_or_else(|| format!("--{key}"), |value| format!("--{key} {value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_flags_and_all_else_stays() {
        for (text, said) in [
            ("`alpha0 = 0`: must be a positive number", "--alpha0 0: must be a positive number"),
            ("`coast`: means nothing without `momentum`", "--coast: means nothing without --momentum"),
            ("give another `out`, or `force`", "give another --out, or --force"),
            ("train it with `homeostat train`", "train it with `homeostat train`"),
            ("arm ‘dropout’: `theta = -1`: no", "arm `dropout`: --theta -1: no"),
            ("there are: ‘momentum’, ‘dropout’", "there are: `momentum`, `dropout`"),
            ("`no-such` and ‘open", "`no-such` and ‘open"),
            ("odd`name.csv: give another `data`", "odd`name.csv: give another --data"),
            ("", ""),
        ] {
            assert_eq!(as_flags(text), said);
        }
    }
}
