use homeostat::{config::*, data::*, engine::*, gpu::*, population::*, psi::Member, topology::Topology};
use std::sync::Arc;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let layers: Vec<usize> = a[1].split(',').map(|v| v.parse().unwrap()).collect();
    let batch: usize = a[2].parse().unwrap();
    let steps: u32 = a[3].parse().unwrap();
    let extra: toml::Table = a.get(4).map(|s| s.parse().unwrap()).unwrap_or_default();
    let mut config = Config::overlay([&extra]).unwrap();
    config.batch_size = batch;
    config.hidden = Hidden(layers[1..layers.len() - 1].to_vec());
    let n = 6000;
    let mut r = homeostat::rng::Random::new(3, homeostat::rng::Stream::Order, 9);
    let data = DataSet {
        name: "x".into(),
        features: layers[0],
        classes: *layers.last().unwrap(),
        samples: Samples::U8((0..n * layers[0]).map(|_| r.below(256) as u8).collect()),
        labels: (0..n).map(|i| (i % *layers.last().unwrap()) as u32).collect(),
        test_rows: 0,
    };
    let member = Member::new(&config, 10);
    let pop = Population {
        members: vec![member],
        topology: Topology::new(layers.clone()),
        data: Arc::new(data),
        splits: vec![Split { train: (0..n as u32).collect(), test: vec![] }],
        configs: vec![config],
    };
    let state = pop.initial_state();
    let t = std::time::Instant::now();
    let fam = match std::env::var("FAMILY").as_deref() {
        Ok("tiled") => Some(Family::TILED),
        Ok("register") => Some(Family::REGISTER),
        _ => None,
    };
    let opt = Options { family: fam, checked: std::env::var("CHECKED").is_ok() };
    let flops = pop.topology.flops_per_sample();
    let mut e = GpuEngine::with_options(Context::open(&Pick::Any).unwrap(), Arc::new(pop), &state, opt).unwrap();
    println!("{:?} built in {:?}, {} bytes", e.device(), t.elapsed(), e.allocated_bytes());
    e.set_order(&[(0..n as u32).collect()]).unwrap();
    let per = n as u32 / batch as u32;
    for round in 0..3 {
        let mut left = steps;
        while left > 0 {
            let k = left.min(per);
            e.train(0..k, Some(1)).unwrap();
            left -= k;
        }
        e.request_report(Wanted { train: round == 2, test: false }).unwrap();
        let rep = e.next_report().unwrap();
        let sps = (steps as usize * batch) as f64 / rep.train_seconds;
        println!("{:.0} samples/s {:.2} GFLOP/s {:?}", sps, sps * flops / 1e9, rep.members[0]);
    }
}
