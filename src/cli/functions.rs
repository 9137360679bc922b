//! The activations of a model: from the model's metadata, or from flags if the model has none.

use super::print::tell;
use crate::config::{Activation, Config, Output};
use crate::error::Result;
use crate::model::file::Model;

/// The functions that a model needs besides its weights, for a model whose metadata lack them.
#[derive(clap::Args)]
pub struct Functions {
    /// Activation of the hidden layers, for a model without metadata
    #[arg(long, value_enum)]
    activation: Option<Activation>,
    /// Activation of the output layer, for a model without metadata
    #[arg(long, value_enum)]
    output: Option<Output>,
}

impl Functions {
    /// The settings that the model was trained with, overridden by the flags.
    pub fn of(&self, model: &Model) -> Result<Config> {
        let stored = model.config()?;
        let known = stored.is_some();
        let mut config = stored.unwrap_or_default();
        config.network.activation = self.activation.unwrap_or(config.network.activation);
        config.network.output = self.output.unwrap_or(config.network.output);
        if !known {
            tell(format_args!(
                "note: {} does not say how it was trained; taking --activation {} --output {}",
                model.path.display(),
                config.network.activation,
                config.network.output
            ));
        }
        Ok(config)
    }
}
