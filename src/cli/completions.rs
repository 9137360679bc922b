//! `homeostat completions` and `homeostat man`: shell completions and man pages, generated from the definition of the
//! command line.

use super::print::say_block;
use crate::error::{Error, Result};
use crate::files::Entry;
use clap_complete::Shell;
use std::path::PathBuf;

/// Print the completion script of a shell.
#[derive(clap::Args)]
pub struct Completions {
    /// Shell; for bash: homeostat completions bash > ~/.local/share/bash-completion/completions/homeostat
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Prints the completion script of `command`, the whole command line.
    pub fn run(&self, mut command: clap::Command) -> Result<()> {
        let mut text = vec![];
        clap_complete::generate(self.shell, &mut command, "homeostat", &mut text);
        say_block(String::from_utf8_lossy(&text).trim_end())
    }
}

/// Write man pages, one per command.
#[derive(clap::Args)]
pub struct Man {
    /// Directory for the pages, for example ~/.local/share/man/man1
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Man {
    /// Writes the pages of `command`, the whole command line.
    pub fn run(&self, mut command: clap::Command) -> Result<()> {
        std::fs::create_dir_all(&self.directory).map_err(|e| Error::file(&self.directory, e))?;
        command.build();
        self.page(&command, "homeostat")
    }

    fn page(&self, command: &clap::Command, name: &str) -> Result<()> {
        let mut page = vec![];
        let titled = command.clone().name(name.to_owned()).bin_name(name.replace('-', " "));
        clap_mangen::Man::new(titled).render(&mut page).map_err(|e| Error::file(&self.directory, e))?;
        Entry::named(&self.directory.join(format!("{name}.1"))).write(&page)?;
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            self.page(sub, &format!("{name}-{}", sub.get_name()))?;
        }
        Ok(())
    }
}
