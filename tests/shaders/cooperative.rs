//! Tests kernels with cooperative matrices. naga accepts the kernels, and their Metal translation uses Apple's
//! matrices. In their SPIR-V, every access to shared memory and every barrier keeps to Vulkan's memory model. This file
//! checks the model itself, because Debian's spirv-val does not know these matrices yet.

use crate::variants;
use homeostat::gpu::{Cooperative, bindings, parse, translate};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::collections::BTreeMap;

/// Asserts that every access to memory that invocations share is non-private, and that every barrier makes writes
/// available and visible. Returns the number of accesses. The constants are those of the SPIR-V specification.
fn check_memory_model(words: &[u32]) -> usize {
    const WORKGROUP: u32 = 4;
    const STORAGE_BUFFER: u32 = 12;
    const NON_PRIVATE: u32 = 0x20;
    const MAKE_AVAILABLE_AND_VISIBLE: u32 = 0x2000 | 0x4000;
    let mut types: BTreeMap<u32, u32> = BTreeMap::new();
    let mut pointers: BTreeMap<u32, u32> = BTreeMap::new();
    let mut constants = BTreeMap::new();
    let (mut accesses, mut barriers, mut matrices) = (0, 0, 0);
    let mut model = None;
    let mut rest = &words[5..];
    while let Some(&first) = rest.first() {
        let (i, behind) = rest.split_at((first >> 16) as usize);
        rest = behind;
        // The pointer and the memory operands of loads and stores.
        let access = match first & 0xFFFF {
            14 => {
                model = Some(i[2]);
                None
            }
            32 => {
                types.insert(i[1], i[2]);
                None
            }
            43 => {
                constants.insert(i[2], i[3]);
                None
            }
            55 | 59 | 65 | 66 => {
                pointers.extend(types.get(&i[1]).map(|&class| (i[2], class)));
                None
            }
            61 => Some((i[3], i.get(4))),
            62 => Some((i[1], i.get(3))),
            4457 => Some((i[3], i.get(6))),
            4458 => Some((i[1], i.get(5))),
            4459 => {
                matrices += 1;
                None
            }
            224 => {
                assert_eq!(constants[&i[3]] & MAKE_AVAILABLE_AND_VISIBLE, MAKE_AVAILABLE_AND_VISIBLE);
                barriers += 1;
                None
            }
            _ => None,
        };
        let Some((pointer, operands)) = access else { continue };
        if matches!(pointers[&pointer], WORKGROUP | STORAGE_BUFFER) {
            assert_eq!(operands.map(|operands| operands & NON_PRIVATE), Some(NON_PRIVATE), "{i:?}");
            accesses += 1;
        }
    }
    assert!(rest.is_empty() && model == Some(3), "the memory model is {model:?}");
    assert!(
        accesses > 0 && barriers > 2 && matrices > 0,
        "{accesses} accesses, {barriers} barriers, {matrices} products"
    );
    accesses
}

fn check(side: usize) {
    let texts =
        variants::cooperative(Cooperative { side, largest: 32, smallest: 32, vectors: side == 16, adds: side == 16 });
    let capabilities = Capabilities::IMMEDIATES
        | Capabilities::SHADER_FLOAT16
        | Capabilities::COOPERATIVE_MATRIX
        | Capabilities::SUBGROUP;
    let mut exchanges = 0;
    for (place, (text, (kernel, what))) in texts.iter().enumerate() {
        let module = parse(text).unwrap_or_else(|e| panic!("{what}\n{e}"));
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .unwrap_or_else(|e| panic!("{what}\n{}", e.emit_to_string(text)));
        let declared = bindings(&module);
        // Every other text is translated with bounds checks.
        let words = translate(text, &module, &declared, place.is_multiple_of(2))
            .unwrap_or_else(|e| panic!("{what}: {e}\n{text}"));
        exchanges += check_memory_model(&words);
        let options =
            naga::back::msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
        // Apple's matrices are 8 x 8.
        if side == 8 {
            let (msl, _) = naga::back::msl::write_string(&module, &info, &options, &Default::default()).expect("MSL");
            for part in ["simdgroup_half8x8", "simdgroup_float8x8", "simdgroup_multiply_accumulate", "simdgroup_store"]
            {
                assert!(msl.contains(part), "{kernel:?}: {part}");
            }
        }
    }
    assert!(texts.len() > 16 && exchanges > 0, "{} texts", texts.len());
    println!("{} texts, {exchanges} accesses to shared memory", texts.len());
}

#[test]
fn small_matrices_obey_the_memory_model() {
    check(8);
}

#[test]
fn large_matrices_obey_the_memory_model() {
    check(16);
}
