//! Starts programs as on a machine that nobody has used: only built-in data sets, no cache and no settings of the user.

use std::path::Path;
use std::process::Command;

/// The program, not yet started.
pub fn program() -> Command {
    isolated(env!("CARGO_BIN_EXE_homeostat"))
}

/// A program, such as a shell, that starts homeostat itself.
pub fn isolated(program: &str) -> Command {
    let mut command = Command::new(program);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Settings of the user, of a scheduler, of a proxy and of wgpu. `WGPU_BACKEND` stays, because it chooses the back
    // end under test.
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
    // Mesa caches compiled shaders here. Without the cache, every start on software Vulkan takes seconds. The cache
    // changes no result.
    if std::env::var_os("MESA_SHADER_CACHE_DIR").is_none() {
        command.env("MESA_SHADER_CACHE_DIR", folder.join("mesa"));
    }
    command
}
