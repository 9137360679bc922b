//! `homeostat devices`: lists the devices that `--device` can name.

use super::print::{say, tell};
use crate::cpu;
use crate::device;
use crate::doctor::{Advice, System, missing_adapter};
use crate::error::Result;
use crate::files::to_json;
use crate::gpu::{AdapterSummary, Context};
use serde::Serialize;

/// List the devices that --device can name.
///
/// The list marks the device that auto selects.
#[derive(clap::Args)]
pub struct Devices {
    /// Print a JSON array on stdout
    #[arg(long)]
    json: bool,
}

/// One device as JSON: its value for `--device`, whether `auto` selects it, and its description.
#[derive(Serialize)]
struct Listed<T> {
    device: String,
    auto: bool,
    #[serde(flatten)]
    description: T,
}

impl Devices {
    /// Prints the list.
    pub fn run(&self) -> Result<()> {
        let automatic = device::automatic();
        let list = Context::list();
        if let Some(Advice { problem, remedy, .. }) = missing_adapter(&System::read(), &list) {
            tell(format_args!("{problem}. {remedy}"));
        }
        let adapters: Vec<Listed<AdapterSummary>> = list
            .into_iter()
            .map(|description| {
                let index = description.index;
                Listed { device: index.to_string(), auto: automatic == Some(index), description }
            })
            .collect();
        let cpu = Listed { device: "cpu".into(), auto: automatic.is_none(), description: cpu::device() };
        if self.json {
            let adapters = adapters.iter().map(to_json).collect::<Result<Vec<_>>>()?;
            return say(format_args!("[{}]", [adapters, vec![to_json(&cpu)?]].concat().join(",")));
        }
        let mark = |auto| if auto { "  <- auto" } else { "" };
        for Listed { device, auto, description: adapter } in &adapters {
            say(format_args!(
                "{device:<4} {} ({}, {}, {}; arrays up to {} MiB{}{}){}",
                adapter.name,
                adapter.device_type,
                adapter.backend,
                adapter.driver,
                adapter.max_binding_bytes >> 20,
                if adapter.half_precision { ", f16" } else { "" },
                adapter.cooperative.map_or_else(String::new, |matrices| format!(" in {matrices}")),
                mark(*auto)
            ))?;
        }
        say(format_args!(
            "{:<4} {} ({}){}",
            cpu.device,
            cpu.description.adapter,
            cpu.description.driver,
            mark(cpu.auto)
        ))
    }
}
