//! Finds by the names of arrays which hold samples and which labels, and for which part: training, validation or test.
//!
//! A name is a word for samples or labels and perhaps one for the part, in any order and case: `x`, `X_train`,
//! `test_labels`, `valX`.

/// What an array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Samples,
    Labels,
}

/// Words for samples. If a part has several arrays of samples, the first word is used.
const SAMPLES: [&str; 10] = ["x", "xs", "data", "features", "inputs", "input", "samples", "images", "image", "imgs"];
/// Words for labels, in the same order of preference.
const LABELS: [&str; 8] = ["y", "ys", "target", "targets", "labels", "label", "outputs", "output"];
/// Words for the three parts.
const PARTS: [&[&str]; 3] =
    [&["train", "training", "trn", "tr"], &["val", "valid", "validation", "dev"], &["test", "testing", "tst", "te"]];

/// What a name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub role: Role,
    /// 0 = training, 1 = validation, 2 = test; `None` if the name does not say.
    pub part: Option<usize>,
    /// Place of the word among those of its role; the lowest is preferred.
    rank: usize,
    /// The words that are neither, joined; empty in most names.
    pub rest: String,
}

impl Known {
    /// Whether the word for the role is the same, such as `images` in both.
    pub fn is_same_word(&self, other: &Self) -> bool {
        (self.role, self.rank) == (other.role, other.rank)
    }
}

/// The arrays of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    pub samples: Option<String>,
    pub labels: Option<String>,
}

/// Reads a name; `None` if it has no word for samples or labels.
pub fn known(name: &str) -> Option<Known> {
    let lower = name.to_lowercase();
    let (mut samples, mut labels, mut part, mut rest) = (None::<usize>, None::<usize>, None, vec![]);
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let (word, inner) = match split_part(word) {
            Some((word, inner)) if part.is_none() => (word, Some(inner)),
            _ => (word, None),
        };
        part = part.or(inner);
        // A word may be no more than the part, as in `x_train`.
        let place = |words: &[&str]| words.iter().position(|known| *known == word);
        match (place(&SAMPLES), place(&LABELS)) {
            (Some(rank), _) => samples = Some(samples.map_or(rank, |before| before.min(rank))),
            (_, Some(rank)) => labels = Some(labels.map_or(rank, |before| before.min(rank))),
            _ if word.is_empty() => {}
            _ => rest.push(word.to_owned()),
        }
    }
    // `image_labels` are labels.
    let (role, rank) = match (samples, labels) {
        (_, Some(rank)) => (Role::Labels, rank),
        (Some(rank), None) => (Role::Samples, rank),
        (None, None) => return None,
    };
    Some(Known { role, part, rank, rest: rest.join("_") })
}

/// The word without the word for a part, and the part: `xtrain` is `x` and 0. What is left is a word for samples or
/// labels, or nothing.
fn split_part(word: &str) -> Option<(&str, usize)> {
    let is_word = |word: &str| word.is_empty() || SAMPLES.contains(&word) || LABELS.contains(&word);
    PARTS.iter().enumerate().find_map(|(part, words)| {
        let ends = |known: &&str| word.strip_suffix(known).or_else(|| word.strip_prefix(known));
        words.iter().filter_map(ends).find(|left| is_word(left)).map(|left| (left, part))
    })
}

/// Groups `names` into the pairs of each part. Names with words that are none are left out.
///
/// # Errors
/// If two names differ only in spelling, such as `x` and `X`.
pub fn pairs(names: &[String]) -> Result<[Pair; 3], String> {
    // Names without a part are those of the training set, unless there is one of the training set.
    let mut found: [[Option<(usize, &str)>; 2]; 4] = [[None; 2]; 4];
    for name in names {
        let Some(known) = known(name).filter(|known| known.rest.is_empty()) else { continue };
        let slot = &mut found[known.part.unwrap_or(3)][usize::from(known.role == Role::Labels)];
        match *slot {
            Some((rank, other)) if rank == known.rank => {
                return Err(format!("{other} and {name} are two arrays of one meaning; rename one"));
            }
            Some((rank, _)) if rank < known.rank => {}
            _ => *slot = Some((known.rank, name)),
        }
    }
    let [train, validation, test, bare] = found.map(|[samples, labels]| {
        let owned = |name: Option<(usize, &str)>| name.map(|(_, name)| name.to_owned());
        Pair { samples: owned(samples), labels: owned(labels) }
    });
    Ok([if train == Pair::default() { bare } else { train }, validation, test])
}

/// The usual name of the labels of the samples `name`, for messages: `y_train` for `x_train`.
pub fn partner(name: &str) -> String {
    // Places in the lower case of letters beyond ASCII would be no places in the name, because such letters change length.
    let lower = name.to_ascii_lowercase();
    let place = SAMPLES.iter().filter_map(|word| Some((lower.find(word)?, *word))).max_by_key(|(_, word)| word.len());
    match place {
        Some((at, "x" | "xs")) => format!("{}y{}", &name[..at], &name[at + 1..]),
        Some((at, "data")) => format!("{}target{}", &name[..at], &name[at + 4..]),
        Some((at, word)) => format!("{}labels{}", &name[..at], &name[at + word.len()..]),
        None => "y".to_owned(),
    }
}
