//! WGSL as naga parses it, and the bindings that it declares.

use crate::error::{Error, Result};

/// A binding of a shader: number, name, and how it is accessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// `@binding`.
    pub number: u32,
    /// The variable's name.
    pub name: String,
    /// Uniform, read-only storage or read-write storage.
    pub kind: wgpu::BufferBindingType,
}

/// Parses a WGSL source with naga.
///
/// # Errors
/// If naga does not understand it; the message shows where.
pub fn parse(source: &str) -> Result<naga::Module> {
    naga::front::wgsl::parse_str(source).map_err(|e| Error::Device(e.emit_to_string(source)))
}

/// The bindings that a shader declares, by number.
#[must_use]
pub fn bindings(module: &naga::Module) -> Vec<Binding> {
    let mut found: Vec<Binding> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| {
            let kind = match variable.space {
                naga::AddressSpace::Uniform => wgpu::BufferBindingType::Uniform,
                naga::AddressSpace::Storage { access } => {
                    wgpu::BufferBindingType::Storage { read_only: !access.contains(naga::StorageAccess::STORE) }
                }
                _ => return None,
            };
            Some(Binding { number: variable.binding?.binding, name: variable.name.clone()?, kind })
        })
        .collect();
    found.sort_by_key(|binding| binding.number);
    found
}
