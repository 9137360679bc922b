//! Tests all shaders without a GPU. Every kernel in every specialisation parses, validates, and is translated for
//! Vulkan, Metal, DX12 and GL like in wgpu. The SPIR-V passes Khronos's validator. Structs that shaders share with the
//! host have the host's offsets. Kernels stay within the limits of every adapter.

mod compilers;
mod cooperative;
#[path = "../common/thorough.rs"]
mod thorough;
mod variants;

use clap::ValueEnum;
use homeostat::config::{Basis, Decay, Precision, Rule};
use homeostat::gpu::{CanaryRecord, Flag, Kernel, Layer, LivingRecord, Plane, RatePlane, Step, roofline_source};
use homeostat::rng::{Random, Stream};
use homeostat::rule::member::{Comparison, Member};
use homeostat::rule::observe;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use thorough::is_thorough;
use variants::Texts;

static SINGLE: LazyLock<Texts> = LazyLock::new(|| variants::texts(Precision::F32));
static HALF: LazyLock<Texts> = LazyLock::new(|| variants::texts(Precision::F16));

/// Name and offset of every member of a struct, and the size of the struct, in naga's layout.
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
        trigger,
        theta_lambda,
        theta_rate,
        decay_ticks,
        decay_power,
        decay_span,
        decay_scale,
        momentum,
        first_tick,
        last_tick,
        observed,
        decay,
        gated,
        arm,
        comparison,
        rule,
        weight_decay,
        max_norm,
        dropout,
        dropout_input,
        seed,
        elastic_alpha,
        inhibition_own,
        distort_rotation,
        distort_scale,
        distort_shear,
        inhibition_all
    );
    assert_eq!(struct_layout(module, "Member"), (member, size_of::<Member>() as u32));
    let step = offsets!(Step, layer, batch_start, batch_len, flags, tick, samples, scores, steps, number, score);
    assert_eq!(struct_layout(module, "Step"), (step, size_of::<Step>() as u32));
    let layer = offsets!(
        Layer,
        n_in,
        n_out,
        in4,
        out4,
        weights,
        source,
        result,
        neurons,
        update_groups,
        observe_groups,
        index,
        packed
    );
    assert_eq!(struct_layout(module, "Layer"), (layer, size_of::<Layer>() as u32));
    if module.types.iter().any(|(_, found)| found.name.as_deref() == Some("Canary")) {
        let canary = offsets!(CanaryRecord, forwards, updates, net, delta, listed, broken, work, reserved);
        assert_eq!(struct_layout(module, "Canary"), (canary, size_of::<CanaryRecord>() as u32));
        let living = offsets!(LivingRecord, nets, learns, packed, cache);
        assert_eq!(struct_layout(module, "Living"), (living, size_of::<LivingRecord>() as u32));
    }
}

/// Runs all checks on one text.
fn compile(text: &str, kernel: Kernel) -> Result<(), String> {
    let checked = compilers::check(text)?;
    check_structs(&checked.module);
    // Every adapter has eight storage buffers. The persistent kernel runs only on adapters that have ten, and half precision
    // on those that have nine.
    checked.check_limits(match kernel {
        Kernel::Persistent => 10,
        _ => 8 + usize::from(text.starts_with("enable f16;")),
    })?;
    checked.check_stores()?;
    // The back ends take longer than parsing and validation, and a process of spirv-val for each text takes longest. So
    // every text is translated to SPIR-V, and a share of the texts to the other languages and by the validator. The
    // lengths of texts are as good as chance.
    let is_share = |of: usize| is_thorough() || text.len().is_multiple_of(of);
    let words = checked.translate(kernel.entry_point(), is_share(6))?;
    if is_share(8) { compilers::spirv_val(&words) } else { Ok(()) }
}

fn compile_all(texts: &Texts) {
    let failures: Vec<String> = texts
        .par_iter()
        .filter_map(|(text, (kernel, what))| Some(format!("{what}\n{}", compile(text, *kernel).err()?)))
        .collect();
    let worst = failures[..failures.len().min(3)].join("\n");
    assert!(failures.is_empty(), "{} of {} texts:\n{worst}", failures.len(), texts.len());
    let mut of_stem: HashMap<&str, usize> = HashMap::new();
    texts.values().for_each(|(kernel, _)| *of_stem.entry(kernel.stem()).or_default() += 1);
    println!("{} different texts: {of_stem:?}", texts.len());
}

#[test]
fn every_specialisation_compiles_everywhere() {
    compile_all(&SINGLE);
}

#[test]
fn every_specialisation_compiles_everywhere_in_half_precision() {
    compile_all(&HALF);
    // Kernels that round enable f16. All others must not ask for f16, because they need nothing of the driver.
    let (half, single): (Vec<_>, Vec<_>) = HALF.keys().partition(|text| text.starts_with("enable f16;"));
    assert!(half.iter().all(|text| text.contains("halves: array<vec4<f16>>")));
    assert!(half.iter().filter(|text| text.contains("slabs: array<vec4<f16>")).count() > half.len() / 3);
    assert!(single.iter().all(|text| !text.contains("f16>")) && !single.is_empty() && half.len() > single.len());
}

/// The numbers that a text declares as constants, by name.
fn constants(text: &str) -> HashMap<&str, u32> {
    fn number(line: &str) -> Option<(&str, u32)> {
        let (name, value) = line.strip_prefix("const ")?.split_once(" = ")?;
        Some((name, value.split_once("u;")?.0.parse().ok()?))
    }
    text.lines().filter_map(number).collect()
}

/// Every number that Rust defines for shaders must have the same value in the shaders, and must occur in one.
#[test]
fn shaders_have_the_numbers_of_rust() {
    let mut expected: HashMap<String, u32> = HashMap::new();
    let mut expect = |prefix: &str, name: &str, number: u32| {
        assert_eq!(expected.insert(format!("{prefix}{name}"), number), None, "{prefix}{name} has two meanings");
    };
    for plane in Plane::numbers() {
        expect("", &plane.name, plane.number);
    }
    for plane in RatePlane::numbers() {
        expect("RATE_", &plane.name, plane.number);
    }
    for comparison in Comparison::numbers() {
        expect("", &comparison.name, comparison.number);
    }
    for (flag, name) in [
        (Flag::FirstOfTick, "FIRST_OF_TICK"),
        (Flag::EndsTick, "ENDS_TICK"),
        (Flag::Training, "TRAINING"),
        (Flag::Cached, "CACHED"),
        (Flag::Fill, "FILL"),
    ] {
        expect("", name, flag.bit());
    }
    for &decay in Decay::value_variants() {
        expect("DECAY_", &decay.to_string().to_uppercase(), decay as u32);
    }
    for &basis in Basis::value_variants() {
        let number = observe::number(Some(basis));
        assert_ne!(number, observe::number(None), "{basis} has the number of no basis");
        expect("OBSERVES_", &basis.to_string().to_uppercase(), number);
    }
    let mut seen = HashSet::new();
    for text in SINGLE.keys() {
        for (name, number) in constants(text) {
            if let Some(&rust) = expected.get(name) {
                assert_eq!(number, rust, "{name}");
                seen.insert(name);
            }
        }
    }
    let missing: Vec<&String> = expected.keys().filter(|name| !seen.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "no shader declares {missing:?}");
    // Members must not name an observed variable that the shader has no case for.
    let update = SINGLE.keys().find(|text| text.contains("fn observed(")).expect("a kernel that observes");
    for &basis in Basis::value_variants() {
        assert!(update.contains(&format!("case OBSERVES_{}:", basis.to_string().to_uppercase())), "{basis}");
    }
}

#[test]
fn stores_that_fxc_refuses_are_found() {
    let kernel = |store: &str| {
        format!(
            "var<workgroup> staged: array<vec4<f32>, 4>;
            @compute @workgroup_size(1)
            fn kernel(@builtin(local_invocation_index) local: u32) {{
                var own = array<vec4<f32>, 2>();
                if local < 3u {{ {store} = 1.0; }}
                staged[0] = own[0] + own[1];
            }}"
        )
    };
    for (store, refused) in
        [("own[1][local]", true), ("own[local].y", false), ("own[1][2]", false), ("staged[local][local]", false)]
    {
        assert_eq!(compilers::check(&kernel(store)).unwrap().check_stores().is_err(), refused, "{store}");
    }
}

#[test]
fn the_roofline_compiles_everywhere() {
    let checked = compilers::check(&roofline_source()).unwrap();
    checked.check_limits(2).unwrap();
    assert!(checked.module.entry_points.len() > 1);
    for entry in &checked.module.entry_points {
        compilers::spirv_val(&checked.translate(&entry.name, true).unwrap()).unwrap();
    }
}

/// The declarations of a text, with every literal number replaced by `#`, because sizes and offsets change no
/// translation.
fn declarations(text: &str) -> Vec<String> {
    let mut all = vec![];
    let mut last = String::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//") && !line.trim().is_empty()) {
        let begins = line.starts_with(|c: char| c.is_alphabetic() || c == '@');
        // An attribute on its own line belongs to the next declaration.
        if begins && !(last.starts_with("@compute") && last.lines().count() == 1) {
            all.push(std::mem::take(&mut last));
        }
        let mut before = ' ';
        for c in line.split("//").next().unwrap_or(line).chars() {
            let in_name = before.is_alphanumeric() || before == '_' || before == '.';
            match c {
                '0'..='9' if before == '#' => continue,
                '0'..='9' if !in_name => before = '#',
                _ => before = c,
            }
            last.push(before);
        }
        last.push('\n');
    }
    all.push(last);
    all.retain(|declaration| !declaration.is_empty());
    all
}

#[test]
fn declarations_are_told_apart() {
    let text = "const A = 12u;  // why\n// no\n@compute @workgroup_size(64)\nfn f() {\n    sum_10 = a[3u].x * 0.5;\n}\nvar x: u32;\n";
    let f = "@compute @workgroup_size(#)\nfn f() {\n    sum_10 = a[#u].x * #.5;\n}\n";
    assert_eq!(declarations(text), ["const A = #u;  \n", f, "var x: u32;\n"]);
}

#[test]
fn no_setting_is_left_out() {
    let known: HashSet<String> =
        SINGLE.keys().chain(HALF.keys()).par_bridge().flat_map_iter(|text| declarations(text)).collect();
    let (drawn, rules) = variants::draw(&mut Random::new(6, Stream::Sweep, 0), 300);
    let all = <Rule as clap::ValueEnum>::value_variants();
    assert!(all.iter().all(|rule| rules.contains(rule)), "only {rules:?} were drawn");
    let missing: HashMap<String, &String> = drawn
        .iter()
        .flat_map(|(text, what)| declarations(text).into_iter().map(move |declaration| (declaration, what)))
        .filter(|(declaration, _)| !known.contains(declaration))
        .collect();
    println!("{} different declarations; {} texts drawn", known.len(), drawn.len());
    let worst: Vec<String> = missing.iter().take(3).map(|(d, what)| format!("{what}\n{d}")).collect();
    assert!(missing.is_empty(), "{} declarations are in no text:\n{}", missing.len(), worst.join("\n"));
}
