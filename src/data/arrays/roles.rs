//! Decides which columns of a table are labels, ids, weights and groups; all others are features.

use crate::data::raw::ReadOptions;
use crate::text::{named, quoted};

/// Names, in small letters, of columns that are the label unless the settings say otherwise.
const LABEL_NAMES: [&str; 6] = ["label", "class", "target", "y", "species", "outcome"];

/// Most names that a message lists.
const LISTED: usize = 20;

/// The places of columns by their roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    pub features: Vec<usize>,
    pub labels: Vec<usize>,
    pub ids: Vec<usize>,
    pub weight: Option<usize>,
    pub group: Option<usize>,
    /// What was taken for what.
    pub notes: Vec<String>,
}

/// Finds the roles of the columns `names`.
///
/// # Errors
/// If a setting names no column or two settings name the same one, if it is not clear which column is the label, or if a
/// column that a model needs is missing.
pub fn roles(names: &[String], options: &ReadOptions) -> Result<Roles, String> {
    let mut taken: Vec<Option<&str>> = vec![None; names.len()];
    let mut take = |setting: &'static str, wanted: &str| {
        let place = place(names, wanted).ok_or_else(|| no_column(setting, wanted, names))?;
        match taken[place].replace(setting) {
            None => Ok(place),
            Some(other) if other == setting => Err(format!("`{setting}` names column {} twice", quoted(&names[place]))),
            Some(other) => Err(format!("column {} is named by `{other}` and `{setting}`", quoted(&names[place]))),
        }
    };
    let mut all =
        |setting, wanted: &[String]| wanted.iter().map(|name| take(setting, name)).collect::<Result<Vec<_>, _>>();
    all("drop", &options.drop)?;
    let mut roles = Roles { ids: all("id", &options.id)?, labels: all("label", &options.label)?, ..Roles::default() };
    roles.weight = options.weight.as_deref().map(|name| take("weight", name)).transpose()?;
    roles.group = options.group.as_deref().map(|name| take("group", name)).transpose()?;
    let free = |place: &usize| taken[*place].is_none();
    if let Some(expected) = &options.expected {
        let find = |name: &String| names.iter().position(|known| known == name).filter(free);
        if roles.labels.is_empty() {
            roles.labels = expected.labels.iter().map(find).collect::<Option<_>>().unwrap_or_default();
        }
        if !expected.features.is_empty() {
            let feature = |(name, _): &(String, bool)| {
                find(name).ok_or_else(|| format!("column {}, on which the model was trained, is missing", quoted(name)))
            };
            roles.features = expected.features.iter().map(feature).collect::<Result<_, _>>()?;
            return Ok(roles);
        }
    } else if roles.labels.is_empty() {
        let is_label = |place: &usize| LABEL_NAMES.contains(&names[*place].to_lowercase().as_str());
        let found: Vec<usize> = (0..names.len()).filter(free).filter(is_label).collect();
        let label = match found[..] {
            [label] => label,
            [] => {
                let last = (0..names.len()).rfind(free).ok_or("has no column left for the label")?;
                roles.notes.push(format!("The last column, {}, was taken as the label.", named(&names[last])));
                last
            }
            [first, second, ..] => {
                let (first, second) = (quoted(&names[first]), quoted(&names[second]));
                return Err(format!("columns {first} and {second} may both be the label; set `label`"));
            }
        };
        roles.labels = vec![label];
    }
    let (labels, is_free) = (&roles.labels, free);
    roles.features = (0..names.len()).filter(|place| is_free(place) && !labels.contains(place)).collect();
    if roles.features.is_empty() { Err("has no column left for the features".into()) } else { Ok(roles) }
}

/// The column that is called `wanted`, else the one at that position, from 1.
fn place(names: &[String], wanted: &str) -> Option<usize> {
    let position = || wanted.parse::<usize>().ok()?.checked_sub(1).filter(|&place| place < names.len());
    names.iter().position(|name| name == wanted).or_else(position)
}

fn no_column(setting: &str, wanted: &str, names: &[String]) -> String {
    let more = if names.len() > LISTED { ", …" } else { "" };
    let listed = names.iter().take(LISTED).map(|name| named(name)).collect::<Vec<_>>().join(", ");
    format!("`{setting}` names column {}, which does not exist; the columns are {listed}{more}", quoted(wanted))
}
