//! The shader contract, without a GPU: every kernel in every specialisation parses, validates and translates; the
//! structs it shares with the host have the host's offsets; it binds only buffers that exist, and few of them.

use homeostat::config::{Activation, Basis, Config, Distort, Hidden, Loss, Output, Precision, Rule, Scope};
use homeostat::data::{DataSet, Samples, Split};
use homeostat::gpu::{
    Cooperative, Kernel, Layer, Layout, Plan, Product, Specialisation, Step, bindings, keeps_net, translate,
};
use homeostat::population::Population;
use homeostat::psi::Member;
use homeostat::topology::Topology;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::collections::BTreeMap;
use std::sync::Arc;

fn population(config: &Config, bytes: bool, members: usize) -> Population {
    let rows = 10;
    let samples = if bytes { Samples::U8(vec![0; rows * 9]) } else { Samples::F32(vec![0.0; rows * 9]) };
    let data = DataSet { name: "test".into(), features: 9, classes: 3, samples, labels: vec![0; rows], test_rows: 0 };
    let split = Split { train: (0..rows as u32).collect(), ..Split::default() };
    let mut widths = vec![9];
    widths.extend(&config.hidden.0);
    widths.push(3);
    Population {
        configs: vec![config.clone(); members],
        members: vec![Member::new(config, config, 3); members],
        traces: vec![None; members],
        topology: Topology::new(widths),
        data: Arc::new(data),
        splits: vec![split; members],
    }
}

/// Every combination that reaches the templates.
fn specialisations() -> Vec<(Config, bool)> {
    let mut all = vec![];
    let bases = [
        (Rule::Constant, Basis::Act),
        (Rule::Psi, Basis::Act),
        (Rule::Psi, Basis::Net2),
        (Rule::Psi, Basis::Coactivation),
    ];
    let outputs = [
        (Output::Logistic, Loss::Mse),
        (Output::Logistic, Loss::CrossEntropy),
        (Output::Softmax, Loss::Mse),
        (Output::Softmax, Loss::CrossEntropy),
        (Output::Linear, Loss::Mse),
    ];
    for activation in [Activation::Logistic, Activation::Tanh, Activation::ScaledTanh, Activation::Relu] {
        for (output, loss) in outputs {
            for (rule, basis) in bases {
                for scope in [Scope::Neuron, Scope::Weight, Scope::Layer] {
                    for (momentum, coast) in [(0.0, false), (0.9, false), (0.9, true)] {
                        for hidden in [vec![], vec![5, 9]] {
                            let hidden = Hidden(hidden);
                            let config = Config {
                                activation,
                                output,
                                loss,
                                rule,
                                basis,
                                scope,
                                momentum,
                                coast,
                                hidden,
                                ..Config::default()
                            };
                            if config.check().is_ok() {
                                all.extend([(config.clone(), true), (config, false)]);
                            }
                        }
                    }
                }
            }
        }
    }
    // Regularisers, each alone and all together.
    let base = Config { hidden: Hidden(vec![5, 9]), ..Config::default() };
    for distort in [Distort::None, Distort::Affine, Distort::Elastic, Distort::Both] {
        for (dropout, dropout_input) in [(0.0, 0.0), (0.5, 0.0), (0.0, 0.2), (0.5, 0.2)] {
            for hidden in [vec![], vec![5, 9]] {
                let config = Config { distort, dropout, dropout_input, hidden: Hidden(hidden), ..base.clone() };
                all.extend([(config.clone(), true), (config, false)]);
            }
        }
    }
    all
}

/// (name, offset) of every member of a struct and its size, as naga lays it out.
fn struct_layout(module: &naga::Module, name: &str) -> (Vec<(String, u32)>, u32) {
    let (_, found) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some(name)).expect(name);
    let naga::TypeInner::Struct { members, span } = &found.inner else { panic!("{name} is no struct") };
    (members.iter().map(|m| (m.name.clone().expect("named"), m.offset)).collect(), *span)
}

macro_rules! offsets {
    ($type:ty, $($field:ident),+) => {
        vec![$((stringify!($field).to_string(), std::mem::offset_of!($type, $field) as u32)),+]
    };
}

fn check_structs(module: &naga::Module) {
    let member = offsets!(
        Member,
        alpha0,
        theta,
        theta_lambda,
        theta_rate,
        decay_ticks,
        decay_power,
        decay_span,
        decay_scale,
        momentum,
        first_tick,
        last_tick,
        basis,
        decay,
        gated,
        arm,
        reserved,
        rule,
        weight_decay,
        max_norm,
        dropout,
        dropout_input,
        seed,
        elastic_alpha,
        reserved1,
        distort_rotation,
        distort_scale,
        distort_shear,
        reserved2
    );
    assert_eq!(struct_layout(module, "Member"), (member, size_of::<Member>() as u32));
    let step = offsets!(Step, layer, batch_start, batch_len, flags, tick, samples, scores, steps, number, reserved);
    assert_eq!(struct_layout(module, "Step"), (step, size_of::<Step>() as u32));
    let (mut layer, span) = struct_layout(module, "Layer");
    let reserved = layer.split_off(layer.len() - 2);
    let host = offsets!(Layer, n_in, n_out, in4, out4, weights, source, result, neurons, update_groups, observe_groups);
    assert_eq!(layer, host);
    assert_eq!(reserved[0].1, std::mem::offset_of!(Layer, reserved) as u32);
    assert_eq!(span, size_of::<Layer>() as u32);
}

/// Every different text that `specialisations` gives in a precision, with what it is. Many give the same.
fn texts(precision: Precision, products: &[Product]) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (config, bytes) in specialisations() {
        let config = Config { precision, ..config };
        if config.check().is_err() {
            continue;
        }
        for &product in products {
            let population = population(&config, bytes, 2);
            let plan = Plan::guess(product, &population);
            let layout = Layout::new(&population, &plan, keeps_net(&population));
            let specialisation = Specialisation::new(&population, &layout);
            let persistent = Plan::can_persist(&population).then_some(Kernel::Persistent);
            let prepared = specialisation.prepared_kernels().iter().copied();
            for kernel in Kernel::all(population.topology.layers()).chain(prepared).chain(persistent) {
                texts
                    .entry(specialisation.source(kernel, product, kernel.tile(&plan)))
                    .or_insert_with(|| format!("{kernel:?} {plan:?} {config:?}"));
            }
        }
    }
    texts
}

fn check_texts(texts: &BTreeMap<String, String>, capabilities: Capabilities) {
    let mut failures = vec![];
    for (text, what) in texts {
        let module = match naga::front::wgsl::parse_str(text) {
            Ok(module) => module,
            Err(e) => {
                failures.push(format!("{what}\n{}", e.emit_to_string(text)));
                continue;
            }
        };
        check_structs(&module);
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::IMMEDIATES | capabilities);
        match validator.validate(&module) {
            Err(e) => failures.push(format!("{what}\n{}", e.emit_to_string(text))),
            Ok(info) => {
                // Subgroups came with 1.3.
                let options = naga::back::spv::Options { lang_version: (1, 3), ..Default::default() };
                if let Err(e) = naga::back::spv::write_vec(&module, &info, &options, None) {
                    failures.push(format!("{what}\nSPIR-V: {e}"));
                }
            }
        }
        let storage = bindings(text).expect("it parses");
        let storage = storage.iter().filter(|b| b.kind != wgpu::BufferBindingType::Uniform).count();
        // Eight are guaranteed; the persistent kernel is only used where the adapter has room for two more.
        let most = if text.contains("fn persistent(") { 10 } else { 8 };
        if storage > most {
            failures.push(format!("{what}\n{storage} storage buffers instead of {most}"));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} texts:\n{}",
        failures.len(),
        texts.len(),
        failures[..failures.len().min(3)].join("\n")
    );
    println!("{} different texts", texts.len());
}

#[test]
fn every_specialisation_is_valid() {
    check_texts(&texts(Precision::F32, &[Product::Tiled, Product::Register]), Capabilities::empty());
}

#[test]
fn every_specialisation_is_valid_in_half_precision() {
    let texts = texts(Precision::F16, &[Product::Tiled]);
    check_texts(&texts, Capabilities::SHADER_FLOAT16);
    // Kernels with a product use f16 and say so; the others ask nothing of a driver.
    let (half, single): (Vec<_>, Vec<_>) = texts.keys().partition(|text| text.starts_with("enable f16;"));
    assert!(
        half.iter().all(|text| text.contains("a_tile: array<vec4<f16>") && text.contains("b_tile: array<vec4<f16>"))
    );
    assert!(single.iter().all(|text| !text.contains("f16")) && !single.is_empty() && half.len() > single.len());
}

fn cooperative(side: usize) -> Product {
    Product::Cooperative(Cooperative { side, largest: 32, smallest: 32 })
}

#[test]
fn every_specialisation_is_valid_with_cooperative_matrices() {
    let texts = texts(Precision::F16, &[cooperative(8), cooperative(16)]);
    check_texts(&texts, Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX | Capabilities::SUBGROUP);
    let with = texts.keys().filter(|text| text.contains("enable wgpu_cooperative_matrix;"));
    let mut exchanges = 0;
    // Every text once, every other with bounds checks.
    for (place, text) in with.enumerate() {
        let declared = bindings(text).unwrap();
        let words = translate(text, &declared, place.is_multiple_of(2)).unwrap_or_else(|e| panic!("{e}\n{text}"));
        exchanges += check_memory_model(&words);
    }
    println!("{exchanges} accesses to shared memory");
}

/// That every access through a pointer to memory that invocations share is non-private and every barrier hands writes on;
/// gives their number. The numbers are those of the SPIR-V specification.
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
        // Pointer and memory operands of what reads and writes.
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

/// The half-precision kernels for Apple's and Microsoft's compilers, as far as naga takes them.
#[test]
fn half_precision_translates_to_msl_and_hlsl() {
    let population =
        population(&Config { precision: Precision::F16, hidden: Hidden(vec![40]), ..Config::default() }, true, 1);
    let plan = Plan::guess(Product::Tiled, &population);
    let layout = Layout::new(&population, &plan, keeps_net(&population));
    let specialisation = Specialisation::new(&population, &layout);
    for kernel in [Kernel::Forward(0), Kernel::Forward(1), Kernel::BackwardDelta(1), Kernel::Update] {
        let text = specialisation.source(kernel, Product::Tiled, kernel.tile(&plan));
        let module = naga::front::wgsl::parse_str(&text).expect("it parses");
        let capabilities = Capabilities::IMMEDIATES | Capabilities::SHADER_FLOAT16;
        let info = Validator::new(ValidationFlags::all(), capabilities).validate(&module).expect("it is valid");
        let options =
            naga::back::msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
        let (msl, _) = naga::back::msl::write_string(&module, &info, &options, &Default::default()).expect("MSL");
        assert!(msl.contains("half4"), "{kernel:?}");
        let options = naga::back::hlsl::Options {
            shader_model: naga::back::hlsl::ShaderModel::V6_2,
            immediates_target: Some(naga::back::hlsl::BindTarget::default()),
            ..Default::default()
        };
        let mut hlsl = String::new();
        let pipeline = naga::back::hlsl::PipelineOptions::default();
        naga::back::hlsl::Writer::new(&mut hlsl, &options, &pipeline).write(&module, &info, None).expect("HLSL");
        assert!(hlsl.contains("half4"), "{kernel:?}");
    }
}

/// Apple's compiler has cooperative matrices, too; no HLSL has.
#[test]
fn cooperative_matrices_translate_to_msl() {
    let population =
        population(&Config { precision: Precision::F16, hidden: Hidden(vec![40]), ..Config::default() }, true, 1);
    let product = cooperative(8);
    let plan = Plan::guess(product, &population);
    let specialisation = Specialisation::new(&population, &Layout::new(&population, &plan, keeps_net(&population)));
    for kernel in [Kernel::Forward(0), Kernel::Forward(1), Kernel::BackwardDelta(1), Kernel::Update] {
        let text = specialisation.source(kernel, product, kernel.tile(&plan));
        let module = naga::front::wgsl::parse_str(&text).expect("it parses");
        let capabilities = Capabilities::IMMEDIATES
            | Capabilities::SHADER_FLOAT16
            | Capabilities::COOPERATIVE_MATRIX
            | Capabilities::SUBGROUP;
        let info = Validator::new(ValidationFlags::all(), capabilities).validate(&module).expect("it is valid");
        let options =
            naga::back::msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
        let (msl, _) = naga::back::msl::write_string(&module, &info, &options, &Default::default()).expect("MSL");
        for part in ["simdgroup_half8x8", "simdgroup_float8x8", "simdgroup_multiply_accumulate", "simdgroup_store"] {
            assert!(msl.contains(part), "{kernel:?}: {part}");
        }
    }
}
