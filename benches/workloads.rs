//! The workloads of `homeostat bench` under criterion, which keeps past results and compares with them. Measures time
//! per training step and samples per second, on the CPU engine and, if there is any adapter, on the first GPU.
//!
//! `cargo bench -- small` runs the benchmarks whose name contains `small`.

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use homeostat::bench::{Session, Settings, Workload};
use homeostat::config::{Precision, Rule, Scope};
use homeostat::device::Device;
use homeostat::gpu::{Context, Pick};
use std::sync::Arc;
use std::time::Duration;

/// The rules with their names: the constant rate as the baseline, and ψ in both scopes.
const RULES: [(&str, Rule, Scope); 3] = [
    ("constant", Rule::Constant, Scope::Neuron),
    ("psi-neuron", Rule::Psi, Scope::Neuron),
    ("psi-weight", Rule::Psi, Scope::Weight),
];

fn workloads(criterion: &mut Criterion) {
    let mut devices = vec![("cpu", Device::Cpu)];
    if !Context::list().is_empty() {
        devices.push(("gpu", Device::Gpu(Pick::Any)));
    }
    for workload in Workload::named() {
        let mut group = criterion.benchmark_group(&workload.name);
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
        group.throughput(Throughput::Elements(workload.batch_size as u64));
        for (device, choice) in &devices {
            for (name, rule, scope) in RULES {
                let settings = Settings {
                    rule,
                    scope,
                    living: 1.0,
                    members: 1,
                    precision: Precision::F32,
                    no_autotune: false,
                    warmup: 0,
                    runs: 1,
                    window_seconds: 0.0,
                    interrupt: Arc::default(),
                };
                // The first step opens the session, so benchmarks that a name filter skips never allocate.
                let mut session = None;
                group.bench_function(format!("{device}/{name}"), |bencher| {
                    bencher.iter_custom(|steps| {
                        let session = session.get_or_insert_with(|| {
                            Session::open(&workload, choice, &settings).expect("the device takes the workload")
                        });
                        session.train(steps).expect("the device trains")
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, workloads);
criterion_main!(benches);
