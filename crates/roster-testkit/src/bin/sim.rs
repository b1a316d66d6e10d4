//! Command of the simulator: runs random seeds, or prints the transcript of one seed. Run by developers and CI.
#![allow(clippy::print_stdout, reason = "a command")]

use std::{
    num::NonZeroU64,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Parser as _;
use roster_testkit::sim::{
    Config, Features, Outcome, clock::SECOND, people, play, random::mix, shrink, simulate, transcript_of,
};

/// Simulate the controller's loop under random seeds, or print the transcript of one
#[derive(clap::Parser)]
struct Options {
    /// Print the transcript of this seed: the actions that break a promise, made as few as possible
    #[arg(long)]
    seed: Option<u64>,
    /// First seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run so many seeds, however long it takes
    #[arg(long)]
    seeds: Option<u64>,
    /// Run for so many minutes
    #[arg(long, default_value_t = 1, conflicts_with = "seeds")]
    minutes: u64,
    /// Do not shorten the transcript
    #[arg(long)]
    no_shrink: bool,
    /// Go on after a seed that fails
    #[arg(long)]
    keep_going: bool,
    /// Number of threads [default: as many as there are cores]
    #[arg(long)]
    threads: Option<NonZeroU64>,
}

impl Options {
    fn threads(&self) -> u64 {
        let cores = || thread::available_parallelism().map_or(1, |count| count.get() as u64);
        self.threads.map_or_else(cores, NonZeroU64::get)
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match options.seed {
        Some(seed) => print_transcript(seed, &options),
        None => seeds(&options),
    }
}

/// Prints the transcript of one seed.
fn print_transcript(seed: u64, options: &Options) -> ExitCode {
    let features = Features::of(seed);
    let (config, actions) = people::generate(seed, &features);
    println!("{features:?}");
    let outcome = play(config.clone(), actions.clone());
    let Some(violation) = outcome.violation else {
        println!("seed {seed}: no promise was broken in {} steps, trace {:016x}", outcome.steps, outcome.trace);
        return ExitCode::SUCCESS;
    };
    let actions = if options.no_shrink { actions } else { shrink::shrink(&config, &actions, &violation, 400) };
    println!("{}", transcript_of(&config, &actions));
    println!("{} actions", actions.len());
    ExitCode::FAILURE
}

#[derive(Default)]
struct Sum {
    runs: AtomicU64,
    steps: AtomicU64,
    seconds: AtomicU64,
    parallel: AtomicU64,
    failed: AtomicU64,
}

/// Runs the given number of seeds, or seeds until the time is over.
fn seeds(options: &Options) -> ExitCode {
    let began = Instant::now();
    let end = began + Duration::from_secs(60 * options.minutes);
    let wanted = |seed: u64| match options.seeds {
        Some(count) => seed - options.from < count,
        None => Instant::now() < end,
    };
    let (sum, next, stop) = (Sum::default(), AtomicU64::new(options.from), AtomicBool::new(false));
    let print = Mutex::new(());
    thread::scope(|scope| {
        for _ in 0..options.threads() {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !wanted(seed) {
                        return;
                    }
                    let failure = run(seed, &sum);
                    if let Some(message) = failure {
                        sum.failed.fetch_add(1, Ordering::Relaxed);
                        let _guard = print.lock();
                        println!("seed {seed}: {message}");
                        stop.store(!options.keep_going, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let took = began.elapsed().as_secs_f64();
    let load = |of: &AtomicU64| of.load(Ordering::Relaxed);
    let (runs, steps, hours) = (load(&sum.runs), load(&sum.steps), load(&sum.seconds) / 3_600);
    #[allow(clippy::cast_precision_loss, reason = "shown to people")]
    let rate = steps as f64 / took / options.threads() as f64;
    println!(
        "{runs} seeds from {}, {} failed; {steps} steps, {hours} simulated hours in {took:.1} s; {rate:.0} steps/s and core; {} passes in parallel with another",
        options.from,
        load(&sum.failed),
        load(&sum.parallel)
    );
    if load(&sum.failed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one seed. Runs every hundredth seed again with another seed of hash maps, which must not change the trace.
fn run(seed: u64, sum: &Sum) -> Option<String> {
    let outcome: Outcome = simulate(seed);
    sum.runs.fetch_add(1, Ordering::Relaxed);
    sum.steps.fetch_add(outcome.steps, Ordering::Relaxed);
    sum.parallel.fetch_add(outcome.parallel, Ordering::Relaxed);
    sum.seconds.fetch_add(outcome.time / SECOND, Ordering::Relaxed);
    if seed.is_multiple_of(100) {
        let (config, actions) = people::generate(seed, &Features::of(seed));
        let other = play(Config { hashing: mix(&[seed, 8]), ..config }, actions);
        if other.trace != outcome.trace {
            return Some("two seeds of hash maps made two traces".to_owned());
        }
    }
    outcome.violation.map(|violation| violation.to_string())
}
