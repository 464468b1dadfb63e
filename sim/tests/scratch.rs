use telex_sim::{Settings, draw, run};
#[test]
fn scratch() {
    let (from, to): (usize, usize) = (std::env::var("FROM").unwrap().parse().unwrap(), std::env::var("TO").unwrap().parse().unwrap());
    let settings: Settings = Settings { with: vec!["transcode".into()], ..Settings::default() };
    let jobs = std::thread::available_parallelism().unwrap().get();
    let mut counts = std::collections::BTreeMap::new();
    telex_sim::in_order(to - from, jobs, &std::sync::atomic::AtomicBool::new(false), |n| run(&draw((from + n) as u64, &settings)), |n, o| {
        if let Some(f) = o.broken { println!("seed {}: {}", from + n, f.broken); *counts.entry(f.broken.oracle).or_insert(0) += 1; }
    });
    println!("{counts:?}");
}
#[test]
fn one() {
    let text = std::fs::read_to_string(std::env::var("PLAN").unwrap()).unwrap();
    let o = run(&telex_sim::Plan::parse(&text).unwrap());
    println!("{:?}", o.broken.map(|f| f.broken.to_string()));
}

#[test]
fn seed() {
    let settings: Settings = Settings { with: vec!["transcode".into()], ..Settings::default() };
    let plan = draw(std::env::var("SEED").unwrap().parse().unwrap(), &settings);
    eprintln!("{plan}");
    let o = run(&plan);
    println!("{:?}", o.broken.map(|f| f.broken.to_string()));
}
