//! The flag that names the folder in which data sets are searched for.

use crate::data::catalogue::Search;
use std::path::PathBuf;

/// The folders in which data sets are searched for.
#[derive(clap::Args)]
pub struct Place {
    /// Folder that holds data sets by name, searched before HOMEOSTAT_DATA and the default folders
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    pub data_dir: Option<PathBuf>,
}

impl Place {
    /// The folders to search.
    pub fn search(&self) -> Search {
        Search::new(self.data_dir.as_deref())
    }
}
