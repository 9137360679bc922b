//! What columns are for.

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// A feature; with `Some`, whether the model expects text.
    Feature(Option<bool>),
    /// A label.
    Label,
    /// Passed through.
    Id,
    /// Passed through because of its name, if it has another value in every row.
    IdByName,
    /// An index, if it numbers the rows.
    Index,
    /// The weight of the sample.
    Weight,
    /// The group of the sample.
    Group,
    /// Of no use.
    Ignored,
}

/// The roles of all columns.
pub struct Roles {
    /// One per column.
    pub roles: Vec<Role>,
    /// The features, in the order in which they are delivered.
    pub features: Vec<usize>,
    /// The labels, likewise.
    pub labels: Vec<usize>,
    /// What was taken for what.
    pub notes: Vec<String>,
}

/// The columns without a role.
pub fn free(roles: &[Option<Role>]) -> Vec<usize> {
    (0..roles.len()).filter(|&column| roles[column].is_none()).collect()
}

/// The columns without a role have `role`.
pub fn filled(roles: Vec<Option<Role>>, role: Role) -> Vec<Role> {
    roles.into_iter().map(|given| given.unwrap_or(role)).collect()
}
