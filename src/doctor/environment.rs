//! The environment variables that decide which devices a program can use, and how fast they are.

use crate::text::named;
use serde::Serialize;

/// A variable that is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it does.
    pub effect: &'static str,
    /// Whether it can hide a device.
    pub hides: bool,
}

/// Variables, what each does, and whether it can hide a device.
const KNOWN: [(&str, &str, bool); 22] = [
    ("WGPU_BACKEND", "only adapters of these back ends are looked for", true),
    ("WGPU_ADAPTER_NAME", "auto takes the first adapter whose name contains this text", true),
    ("WGPU_POWER_PREF", "puts integrated or discrete GPUs first", false),
    (
        "WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER",
        "also lists Vulkan drivers that did not pass the tests of Khronos",
        false,
    ),
    ("WGPU_DEBUG", "puts debug information into the kernels", false),
    ("WGPU_VALIDATION", "loads Vulkan's validation layer where it is installed, which takes time", false),
    ("VK_DRIVER_FILES", "Vulkan's loader reads these manifests of drivers only", true),
    ("VK_ICD_FILENAMES", "Vulkan's loader reads these manifests of drivers only", true),
    ("VK_ADD_DRIVER_FILES", "Vulkan's loader reads these manifests of drivers, too", false),
    ("VK_LOADER_DRIVERS_SELECT", "Vulkan's loader reads these manifests of drivers only", true),
    ("VK_LOADER_DRIVERS_DISABLE", "Vulkan's loader leaves these manifests of drivers out", true),
    ("VK_INSTANCE_LAYERS", "loads layers of Vulkan, which take time", false),
    ("MESA_VK_DEVICE_SELECT", "Mesa's layer puts this adapter first", false),
    ("LP_NUM_THREADS", "number of threads of llvmpipe", false),
    ("GALLIVM_PERF", "how well llvmpipe compiles kernels", false),
    ("NVIDIA_VISIBLE_DEVICES", "the GPUs that a container gets", true),
    (
        "NVIDIA_DRIVER_CAPABILITIES",
        "the parts of NVIDIA's driver that a container gets; Vulkan needs graphics, or all",
        true,
    ),
    ("CUDA_VISIBLE_DEVICES", "does nothing here, because Vulkan does not read it", false),
    ("RAYON_NUM_THREADS", "number of threads of the CPU engine", false),
    ("HOMEOSTAT_DATA", "folder of data sets", false),
    ("HOMEOSTAT_SYSTEM_DATA", "folder of the system's data sets", false),
    ("XDG_CACHE_HOME", "folder of caches, that of measured tiles among them", false),
];

/// The known variables that are set and not empty.
#[must_use]
pub fn variables() -> Vec<Variable> {
    let set = |&(name, effect, hides)| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
        Some(Variable { name, value: named(&value.to_string_lossy()), effect, hides })
    };
    KNOWN.iter().filter_map(set).collect()
}

impl Variable {
    /// The value for strangers: of paths only the names of manifests, because folders name users.
    #[must_use]
    pub fn without_folders(&self) -> String {
        if !self.value.contains(['/', '\\']) {
            return self.value.clone();
        }
        let names = self.value.split([':', ';', '/', '\\']).filter(|name| name.ends_with(".json"));
        let names: Vec<&str> = names.collect();
        if names.is_empty() { "a path".to_owned() } else { names.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_loses_its_folders() {
        let shown =
            |value: &str| Variable { name: "X", value: value.into(), effect: "", hides: false }.without_folders();
        assert_eq!(shown("/home/joe/icd/a.json:/usr/b.json"), "a.json, b.json");
        assert_eq!(shown(r"D:\joe\a.json;D:\joe"), "a.json");
        assert_eq!(shown("/home/joe"), "a path");
        assert_eq!(shown("vulkan"), "vulkan");
    }
}
