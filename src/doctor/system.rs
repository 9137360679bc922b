//! A description of the system as far as it decides which GPUs a program can use, and how it is read.

use crate::files;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A family of operating systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Linux, WSL included.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
    /// Any other system.
    Other,
}

/// The maker of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// Intel.
    Intel,
    /// Any other maker, virtual machines included.
    Other,
}

/// A file of `/dev/dri` through which programs compute on a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// `renderD128` and the like.
    pub name: String,
    /// The group that may open it.
    pub group: String,
    /// Whether this process may read and write it.
    pub opens: bool,
}

/// What decides which GPUs a program can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct System {
    /// Linux, macOS, Windows.
    pub kind: Kind,
    /// The name for people, with its version.
    pub name: String,
    /// On Linux `ID` and `ID_LIKE` of `/etc/os-release`, nearest first.
    pub family: Vec<String>,
    /// The version of the kernel, without the words that a builder appended.
    pub kernel: String,
    /// `x86_64`, `aarch64` …
    pub architecture: &'static str,
    /// Whether this process is root.
    pub root: bool,
    /// Whether this process runs in a container.
    pub container: bool,
    /// Whether this is the Windows Subsystem for Linux.
    pub wsl: bool,
    /// Whether Vulkan's loader is installed; meaningful on Linux.
    pub loader: bool,
    /// File names of the manifests of Vulkan drivers.
    pub manifests: Vec<String>,
    /// Makers of the GPUs on the PCI bus.
    pub gpus: Vec<Vendor>,
    /// Whether NVIDIA's driver is loaded.
    pub nvidia: bool,
    /// The files of GPUs in `/dev/dri`.
    pub nodes: Vec<Node>,
}

/// Where Linux describes NVIDIA's driver once the driver is loaded.
const NVIDIA_DRIVER: &str = "/proc/driver/nvidia/version";

/// Folders of libraries. Distributions put libraries in them, or in a folder in them that is named after the architecture.
const LIBRARIES: [&str; 6] = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/run/opengl-driver/lib"];

/// Folders that have `vulkan/icd.d`, beside those of the environment.
const SHARED: [&str; 5] = ["/usr/share", "/etc", "/usr/local/share", "/usr/local/etc", "/run/opengl-driver/share"];

impl System {
    /// Describes this system. What cannot be read counts as absent.
    #[must_use]
    pub fn read() -> Self {
        let release = files::system("/etc/os-release").or_else(|| files::system("/usr/lib/os-release"));
        let release = release.unwrap_or_default();
        let kernel = files::system("/proc/sys/kernel/osrelease").unwrap_or_default();
        let kind = match std::env::consts::OS {
            "linux" => Kind::Linux,
            "macos" => Kind::MacOs,
            "windows" => Kind::Windows,
            _ => Kind::Other,
        };
        Self {
            kind,
            name: name(kind, &release),
            family: family(&release),
            kernel: numbers(&kernel),
            architecture: std::env::consts::ARCH,
            root: files::system("/proc/self/status").is_some_and(|status| is_root(&status)),
            container: is_container(),
            wsl: kernel.to_lowercase().contains("microsoft"),
            loader: has_loader(),
            manifests: manifests(),
            gpus: gpus(),
            nvidia: Path::new(NVIDIA_DRIVER).exists(),
            nodes: nodes(),
        }
    }

    /// The system in one line, without the names of users and machines.
    #[must_use]
    pub fn line(&self) -> String {
        let kernel = if self.kernel.is_empty() { String::new() } else { format!(", Linux {}", self.kernel) };
        let inside = [(self.wsl, ", WSL"), (self.container, ", container")];
        let inside: String = inside.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
        format!("{}{kernel}, {}{inside}", self.name, self.architecture)
    }
}

/// The value of `key` in `/etc/os-release`, without its quotes.
fn value<'a>(release: &'a str, key: &str) -> Option<&'a str> {
    let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim().trim_matches(['"', '\''])).filter(|value| !value.is_empty())
}

fn name(kind: Kind, release: &str) -> String {
    match kind {
        Kind::MacOs => {
            let text = files::system("/System/Library/CoreServices/SystemVersion.plist").unwrap_or_default();
            let after = text.split("<key>ProductVersion</key>").nth(1);
            let version = after.and_then(|rest| rest.split("<string>").nth(1)?.split('<').next());
            format!("macOS {}", version.unwrap_or_default()).trim_end().to_owned()
        }
        Kind::Linux => value(release, "PRETTY_NAME").unwrap_or("Linux").to_owned(),
        Kind::Windows => "Windows".to_owned(),
        Kind::Other => std::env::consts::OS.to_owned(),
    }
}

pub(super) fn family(release: &str) -> Vec<String> {
    let words = [value(release, "ID"), value(release, "ID_LIKE")].into_iter().flatten();
    words.flat_map(str::split_whitespace).map(str::to_lowercase).collect()
}

/// The version numbers at the start of the kernel's version. A builder's own words may follow them.
pub(super) fn numbers(kernel: &str) -> String {
    let end = kernel.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(kernel.len());
    kernel[..end].trim_end_matches('.').to_owned()
}

fn is_root(status: &str) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    line.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

fn is_container() -> bool {
    let groups = files::system("/proc/1/cgroup").unwrap_or_default();
    ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists())
        || std::env::var_os("container").is_some()
        || ["docker", "kubepods", "containerd", "lxc"].iter().any(|word| groups.contains(word))
}

fn has_loader() -> bool {
    let more = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let folders = LIBRARIES.iter().map(PathBuf::from).chain(std::env::split_paths(&more));
    folders.flat_map(|folder| with_architectures(&folder)).any(|folder| folder.join("libvulkan.so.1").exists())
}

/// The folder, and the folders in it that are named after an architecture, as `x86_64-linux-gnu`.
fn with_architectures(folder: &Path) -> Vec<PathBuf> {
    let inside = names(folder).into_iter().filter(|name| name.contains("-linux-")).map(|name| folder.join(name));
    std::iter::once(folder.to_owned()).chain(inside).collect()
}

fn manifests() -> Vec<String> {
    let of_user = dirs::data_local_dir();
    let folders = SHARED.iter().map(PathBuf::from).chain(of_user).map(|folder| folder.join("vulkan/icd.d"));
    let mut found: Vec<String> = folders.flat_map(|folder| names(&folder)).collect();
    found.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "json"));
    found.sort();
    found.dedup();
    found
}

/// The names in a folder, sorted; none where it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The makers of the display controllers on the PCI bus. They are visible without a driver and inside containers.
fn gpus() -> Vec<Vendor> {
    const BUS: &str = "/sys/bus/pci/devices";
    // Class 3 is display controllers, and the classes of one kind follow one another.
    let read = |device: &str, what: &str| files::system(&format!("{BUS}/{device}/{what}")).unwrap_or_default();
    let displays = names(Path::new(BUS)).into_iter().filter(|device| read(device, "class").starts_with("0x03"));
    displays
        .map(|device| match read(&device, "vendor").trim() {
            "0x10de" => Vendor::Nvidia,
            "0x1002" => Vendor::Amd,
            "0x8086" => Vendor::Intel,
            _ => Vendor::Other,
        })
        .collect()
}

#[cfg(unix)]
fn nodes() -> Vec<Node> {
    use rustix::fs::{Access, access};
    use std::os::unix::fs::MetadataExt;
    let folder = Path::new("/dev/dri");
    let groups = files::system("/etc/group").unwrap_or_default();
    let node = |name: String| {
        let path = folder.join(&name);
        let id = path.metadata().ok()?.gid();
        let group = group(&groups, id).unwrap_or_else(|| id.to_string());
        Some(Node { name, group, opens: access(&path, Access::READ_OK | Access::WRITE_OK).is_ok() })
    };
    names(folder).into_iter().filter(|name| name.starts_with("renderD")).filter_map(node).collect()
}

#[cfg(not(unix))]
fn nodes() -> Vec<Node> {
    vec![]
}

/// The name of a group in `/etc/group`, whose lines are `NAME:PASSWORD:ID:USERS`.
#[cfg(unix)]
fn group(groups: &str, id: u32) -> Option<String> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id.to_string()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_file_is_read() {
        let mint = "NAME=\"Linux Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\nPRETTY_NAME=\"Linux Mint 22\"\n";
        assert_eq!(family(mint), ["linuxmint", "ubuntu", "debian"]);
        assert_eq!(name(Kind::Linux, mint), "Linux Mint 22");
        assert_eq!(name(Kind::Linux, ""), "Linux");
        assert_eq!(family("ID=arch\n"), ["arch"]);
    }

    #[test]
    fn a_kernel_keeps_its_numbers_alone() {
        assert_eq!(numbers("6.1.0-18-amd64\n"), "6.1.0");
        assert_eq!(numbers("5.15.167.4-microsoft-standard-WSL2"), "5.15.167.4");
        assert_eq!(numbers(""), "");
    }

    #[test]
    fn root_is_told_by_its_effective_id() {
        assert!(is_root("Name:\tx\nUid:\t1000\t0\t0\t0\n") && !is_root("Uid:\t1000\t1000\t1000\t1000\n"));
    }

    #[cfg(unix)]
    #[test]
    fn a_group_has_a_name() {
        let groups = "root:x:0:\nrender:x:104:joe,ann\n";
        assert_eq!(group(groups, 104).as_deref(), Some("render"));
        assert_eq!(group(groups, 1), None);
    }
}
