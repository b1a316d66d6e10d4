//! Runs the simulator: `sim [--minutes N] [--seed N] [--from N] [--with-known] [--shrink]`.
#![allow(clippy::print_stdout, reason = "a command")]

use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use roster_testkit::sim::{
    Config, Features, Known, Outcome, clock::SECOND, people, play, random::mix, shrink, simulate, tell,
};

struct Options {
    seconds: u64,
    seed: Option<u64>,
    from: u64,
    known: Known,
    shrink: bool,
    keep_going: bool,
    threads: u64,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        seconds: 60,
        seed: None,
        from: 0,
        known: Known::Avoid,
        shrink: true,
        keep_going: false,
        threads: thread::available_parallelism().map_or(1, |count| count.get() as u64),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().unwrap_or_default();
            value.parse::<u64>().map_err(|_| format!("{argument} needs a number, not {value:?}"))
        };
        match argument.as_str() {
            "--minutes" => options.seconds = 60 * number()?,
            "--seconds" => options.seconds = number()?,
            "--seed" => options.seed = Some(number()?),
            "--from" => options.from = number()?,
            "--threads" => options.threads = number()?.max(1),
            "--with-known" => options.known = Known::Include,
            "--no-shrink" => options.shrink = false,
            "--keep-going" => options.keep_going = true,
            _ => return Err(format!("unknown argument {argument}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(why) => {
            println!("{why}");
            return ExitCode::from(2);
        }
    };
    match options.seed {
        Some(seed) => story(seed, &options),
        None => seeds(&options),
    }
}

/// Tells the story of one seed.
fn story(seed: u64, options: &Options) -> ExitCode {
    let features = Features::of(seed, options.known);
    let (config, actions) = people::generate(seed, &features);
    println!("{features:?}");
    let outcome = play(config.clone(), actions.clone());
    let Some(violation) = outcome.violation else {
        println!("seed {seed}: no promise was broken in {} steps, trace {:016x}", outcome.steps, outcome.trace);
        return ExitCode::SUCCESS;
    };
    let actions = if options.shrink { shrink::shrink(&config, &actions, &violation, 400) } else { actions };
    println!("{}", tell(&config, &actions));
    println!("{} actions", actions.len());
    ExitCode::FAILURE
}

#[derive(Default)]
struct Sum {
    runs: AtomicU64,
    steps: AtomicU64,
    seconds: AtomicU64,
    failed: AtomicU64,
}

/// Runs seeds until the time is over.
fn seeds(options: &Options) -> ExitCode {
    let began = Instant::now();
    let end = began + Duration::from_secs(options.seconds);
    let (sum, next, stop) = (Sum::default(), AtomicU64::new(options.from), AtomicBool::new(false));
    let print = Mutex::new(());
    thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                while Instant::now() < end && !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let failure = run(seed, options.known, &sum);
                    if let Some(said) = failure {
                        sum.failed.fetch_add(1, Ordering::Relaxed);
                        let _guard = print.lock();
                        println!("seed {seed}: {said}");
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
    let rate = steps as f64 / took / options.threads as f64;
    println!(
        "{runs} seeds from {}, {} failed; {steps} steps, {hours} simulated hours in {took:.1} s; {rate:.0} steps/s and core",
        options.from,
        load(&sum.failed)
    );
    if load(&sum.failed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one seed; one in a hundred twice, under another seed of hash maps.
fn run(seed: u64, known: Known, sum: &Sum) -> Option<String> {
    let outcome: Outcome = simulate(seed, known);
    sum.runs.fetch_add(1, Ordering::Relaxed);
    sum.steps.fetch_add(outcome.steps, Ordering::Relaxed);
    sum.seconds.fetch_add(outcome.time / SECOND, Ordering::Relaxed);
    if seed.is_multiple_of(100) {
        let (config, actions) = people::generate(seed, &Features::of(seed, known));
        let other = play(Config { hashing: mix(&[seed, 8]), ..config }, actions);
        if other.trace != outcome.trace {
            return Some("two seeds of hash maps made two traces".to_owned());
        }
    }
    outcome.violation.map(|violation| violation.to_string())
}
