//! The names of Vulkan's loader and drivers in the package managers of Linux distributions.

use super::system::{System, Vendor};

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Debian, Ubuntu and their relatives.
    Apt,
    /// Fedora, RHEL and their relatives.
    Dnf,
    /// Arch and its relatives.
    Pacman,
    /// openSUSE and SLES.
    Zypper,
    /// Alpine.
    Apk,
    /// NixOS.
    Nix,
}

/// Names in `ID` and `ID_LIKE` of `/etc/os-release`, and the package manager.
const FAMILIES: [(&str, Manager); 12] = [
    ("debian", Manager::Apt),
    ("ubuntu", Manager::Apt),
    ("fedora", Manager::Dnf),
    ("rhel", Manager::Dnf),
    ("centos", Manager::Dnf),
    ("arch", Manager::Pacman),
    ("opensuse", Manager::Zypper),
    ("suse", Manager::Zypper),
    ("sles", Manager::Zypper),
    ("alpine", Manager::Apk),
    ("postmarketos", Manager::Apk),
    ("nixos", Manager::Nix),
];

impl Manager {
    /// The package manager of the system, if it is known.
    #[must_use]
    pub fn of(system: &System) -> Option<Self> {
        let known = |name: &String| FAMILIES.iter().find(|(family, _)| family == name);
        system.family.iter().find_map(known).map(|(_, manager)| *manager)
    }

    /// What installs Vulkan's loader and Mesa's drivers for the GPUs of the system; without a GPU of AMD or Intel, Mesa's
    /// driver for the CPU.
    #[must_use]
    pub fn vulkan(self, system: &System) -> String {
        let mesa = |amd: &str, intel: &str, software: &str| -> String {
            let wanted = [(Vendor::Amd, amd), (Vendor::Intel, intel)];
            let wanted = wanted.iter().filter(|(vendor, _)| system.gpus.contains(vendor)).map(|(_, name)| *name);
            let names: Vec<&str> = wanted.collect();
            if names.is_empty() { software.to_owned() } else { names.join(" ") }
        };
        let packages = match self {
            // One package has the drivers for all makers and for the CPU.
            Self::Apt => "libvulkan1 mesa-vulkan-drivers".to_owned(),
            Self::Dnf => "vulkan-loader mesa-vulkan-drivers".to_owned(),
            Self::Pacman => format!("vulkan-icd-loader {}", mesa("vulkan-radeon", "vulkan-intel", "vulkan-swrast")),
            Self::Zypper => format!("libvulkan1 {}", mesa("libvulkan_radeon", "libvulkan_intel", "libvulkan_lvp")),
            Self::Apk => {
                format!("vulkan-loader {}", mesa("mesa-vulkan-ati", "mesa-vulkan-intel", "mesa-vulkan-swrast"))
            }
            Self::Nix => {
                return "hardware.graphics.enable = true;  # in the configuration of NixOS 24.11 or later".into();
            }
        };
        self.install(system, &packages)
    }

    /// What installs NVIDIA's driver; a sentence where no command does.
    #[must_use]
    pub fn nvidia(self, system: &System) -> String {
        match self {
            Self::Apt if system.family.iter().any(|name| name == "ubuntu") => as_root(system, "ubuntu-drivers install"),
            Self::Apt => format!("{}  # needs the component non-free", self.install(system, "nvidia-driver")),
            Self::Dnf => format!("{}  # from RPM Fusion", self.install(system, "akmod-nvidia")),
            Self::Pacman => {
                format!("{}  # from the GTX 16 and RTX 20 series on", self.install(system, "nvidia-open nvidia-utils"))
            }
            Self::Zypper => "https://en.opensuse.org/SDB:NVIDIA_drivers".into(),
            Self::Apk => "NVIDIA has no driver for Alpine's C library, musl; use another distribution".into(),
            Self::Nix => "services.xserver.videoDrivers = [ \"nvidia\" ];  # in the configuration of NixOS".into(),
        }
    }

    /// The command that installs `packages`.
    fn install(self, system: &System, packages: &str) -> String {
        let command = match self {
            Self::Apt => "apt install",
            Self::Dnf => "dnf install",
            Self::Pacman => "pacman -S",
            Self::Zypper => "zypper install",
            Self::Apk => "apk add",
            Self::Nix => "nix-env -iA",
        };
        as_root(system, &format!("{command} {packages}"))
    }

    /// What adds the user to a group.
    #[must_use]
    pub fn join(self, system: &System, group: &str) -> String {
        match self {
            Self::Apk => as_root(system, &format!("addgroup $USER {group}")),
            Self::Nix => format!("users.users.NAME.extraGroups = [ \"{group}\" ];  # in the configuration of NixOS"),
            _ => as_root(system, &format!("usermod -aG {group} $USER")),
        }
    }
}

/// The command as root runs it. Containers often have no `sudo`, and their users are root.
fn as_root(system: &System, command: &str) -> String {
    if system.root { command.to_owned() } else { format!("sudo {command}") }
}
