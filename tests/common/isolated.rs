//! Programs started as if nobody had ever used this machine: no data sets but those built in, no cache, no settings.

use std::path::Path;
use std::process::Command;

/// The program, not yet started.
pub fn program() -> Command {
    isolated(env!("CARGO_BIN_EXE_homeostat"))
}

/// Another program, which starts this one.
pub fn isolated(program: &str) -> Command {
    let mut command = Command::new(program);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Settings of the user, of a scheduler, of a proxy, and of wgpu but for the choice of the back end under test.
    let foreign = |name: &str| {
        let known = ["JOB_COMPLETION_INDEX", "WGPU_ADAPTER_NAME", "WGPU_POWER_PREF"].contains(&name);
        let homes = name.starts_with("XDG_") && name.ends_with("_HOME");
        let starts = name.starts_with("HOMEOSTAT_") || name.starts_with("SLURM_");
        known || homes || starts || name.to_lowercase().ends_with("_proxy")
    };
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| foreign(name)) {
        command.env_remove(name);
    }
    command.env("HOME", folder.join("home")).env("HOMEOSTAT_SYSTEM_DATA", folder.join("no-data-sets"));
    // Mesa keeps compiled shaders, without which every start on software Vulkan takes seconds; they change no result.
    if std::env::var_os("MESA_SHADER_CACHE_DIR").is_none() {
        command.env("MESA_SHADER_CACHE_DIR", folder.join("mesa"));
    }
    command
}
