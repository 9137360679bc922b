//! SPIR-V of kernels with cooperative matrices, for Vulkan.
//!
//! Cooperative matrices require Vulkan's memory model. In this model an access is private to its invocation unless
//! marked otherwise. A barrier orders accesses, but publishes writes only if marked. See "Private vs. Non-Private" and
//! "Location-Ordered" in the memory model of Vulkan's specification. naga 30 declares the model but sets neither mark
//! (`back/spv/instructions.rs`, `load`, `store`, `coop_load`; `back/spv/writer.rs`, `write_control_barrier`;
//! gfx-rs/wgpu issue 8805). Data exchanged through workgroup memory would then be undefined.
//!
//! This file adds both marks to naga's output. Every access to shared memory becomes non-private, and every barrier
//! makes writes available and visible. Each write before a barrier is then location-ordered before each access after
//! it.

use super::bindings::Binding;
use super::template::COOPERATIVE;
use crate::error::{Error, Result};
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use spirv::{Capability, MemoryAccess, MemorySemantics, Op, StorageClass};
use std::collections::{BTreeMap, BTreeSet};

/// Words before the first instruction; the word at `BOUND` is the bound of the ids.
const HEADER: usize = 5;
const BOUND: usize = 3;

/// Whether Vulkan needs this translation of a WGSL source.
pub fn is_needed(source: &str) -> bool {
    source.starts_with(COOPERATIVE)
}

/// Translates a parsed WGSL source to SPIR-V. `bindings` are numbered without gaps, as wgpu numbers them on Vulkan. With
/// `checked` every index is checked.
///
/// # Errors
/// If naga rejects the shader, or emits an instruction that this file does not handle.
pub fn translate(source: &str, module: &naga::Module, bindings: &[Binding], checked: bool) -> Result<Vec<u32>> {
    let capabilities = Capabilities::IMMEDIATES
        | Capabilities::SHADER_FLOAT16
        | Capabilities::SUBGROUP
        | Capabilities::COOPERATIVE_MATRIX;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(module)
        .map_err(|e| Error::Device(e.emit_to_string(source)))?;
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    let place = |(place, binding): (usize, &Binding)| {
        let info = spv::BindingInfo { descriptor_set: 0, binding: place as u32, binding_array_size: None };
        (naga::ResourceBinding { group: 0, binding: binding.number }, info)
    };
    let options = spv::Options {
        lang_version: (1, 3),
        flags: spv::WriterFlags::empty(),
        binding_map: bindings.iter().enumerate().map(place).collect(),
        bounds_check_policies: BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            image_load: policy,
            binding_array: policy,
        },
        zero_initialize_workgroup_memory: match checked {
            true => spv::ZeroInitializeWorkgroupMemoryMode::Polyfill,
            false => spv::ZeroInitializeWorkgroupMemoryMode::None,
        },
        force_loop_bounding: checked,
        use_storage_input_output_16: false,
        emit_int_div_checks: checked,
        ..Default::default()
    };
    let words = spv::write_vec(module, &info, &options, None).map_err(|e| Error::Device(format!("SPIR-V: {e}")))?;
    obey_memory_model(&words)
}

/// The instructions of a module. The first word of each holds its length and operation.
fn instructions(words: &[u32]) -> impl Iterator<Item = (Option<Op>, &[u32])> {
    let mut rest = &words[HEADER..];
    std::iter::from_fn(move || {
        let length = (*rest.first()? >> 16).max(1) as usize;
        let (instruction, behind) = rest.split_at(length.min(rest.len()));
        rest = behind;
        Some((Op::from_u32(instruction[0] & 0xFFFF), instruction))
    })
}

/// For a memory access: the index of its pointer's word, and the length of the instruction without memory operands.
const fn access(op: Op) -> Option<(usize, usize)> {
    match op {
        Op::Load => Some((3, 4)),
        Op::Store => Some((1, 3)),
        Op::CooperativeMatrixLoadKHR => Some((3, 6)),
        Op::CooperativeMatrixStoreKHR => Some((1, 5)),
        _ => None,
    }
}

/// Whether an instruction accesses memory in a way that `access` does not cover. Atomic operations need no mark,
/// because they are never private.
const fn is_foreign(op: Op) -> bool {
    matches!(op, Op::CopyMemory | Op::CopyMemorySized)
}

/// For a barrier: the index of the word with the id of its memory semantics.
const fn semantics(op: Op) -> Option<usize> {
    match op {
        Op::ControlBarrier => Some(3),
        Op::MemoryBarrier => Some(2),
        _ => None,
    }
}

/// Adds the marks of Vulkan's memory model to accesses and barriers.
fn obey_memory_model(words: &[u32]) -> Result<Vec<u32>> {
    let shared_class = [StorageClass::Workgroup as u32, StorageClass::StorageBuffer as u32];
    let mut pointer_types = BTreeSet::new();
    let mut pointers = BTreeSet::new();
    let mut constants = BTreeMap::new();
    let mut used = BTreeSet::new();
    for (op, i) in instructions(words) {
        match op {
            Some(Op::TypePointer) if shared_class.contains(&i[2]) => {
                pointer_types.insert(i[1]);
            }
            Some(Op::Constant) if i.len() == 4 => {
                constants.insert(i[2], (i[1], i[3]));
            }
            Some(Op::Variable | Op::AccessChain | Op::InBoundsAccessChain | Op::FunctionParameter)
                if pointer_types.contains(&i[1]) =>
            {
                pointers.insert(i[2]);
            }
            Some(op) if semantics(op).is_some() => used.extend(semantics(op).map(|place| i[place])),
            // naga emits no other instruction for these kernels that makes such a pointer or accesses memory.
            Some(op) if is_foreign(op) || i.get(1).is_some_and(|kind| pointer_types.contains(kind)) => {
                return Err(Error::Device(format!("SPIR-V: naga wrote {op:?}, which is not expected in a kernel")));
            }
            _ => {}
        }
    }
    let mut bound = words[BOUND];
    let mut widened = BTreeMap::new();
    let mut declarations = vec![];
    for id in used {
        let &(kind, value) =
            constants.get(&id).ok_or_else(|| Error::Device("SPIR-V: a barrier's semantics are no constant".into()))?;
        let value = value | (MemorySemantics::MAKE_AVAILABLE | MemorySemantics::MAKE_VISIBLE).bits();
        declarations.extend([4 << 16 | Op::Constant as u32, kind, bound, value]);
        widened.insert(id, bound);
        bound += 1;
    }
    let mut out = words[..HEADER].to_vec();
    out[BOUND] = bound;
    // `storageBarrier` has device scope.
    out.extend([2 << 16 | Op::Capability as u32, Capability::VulkanMemoryModelDeviceScope as u32]);
    for (op, i) in instructions(words) {
        if op == Some(Op::Function) {
            out.append(&mut declarations);
        }
        let begin = out.len();
        out.extend_from_slice(i);
        match op {
            Some(op) if access(op).is_some_and(|(pointer, _)| pointers.contains(&i[pointer])) => {
                let length = access(op).map_or(0, |(_, length)| length);
                if i.len() == length {
                    out.push(0);
                    out[begin] += 1 << 16;
                }
                out[begin + length] |= MemoryAccess::NON_PRIVATE_POINTER.bits();
            }
            Some(op) => {
                if let Some(place) = semantics(op) {
                    out[begin + place] = widened[&i[place]];
                }
            }
            None => {}
        }
    }
    Ok(out)
}
