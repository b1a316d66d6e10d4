//! Measures the engine alone: effective permissions, computed as in a pass, on one core.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use roster::model::{Catalog, Grant, MemberInputs, NoTrace, Ranks, Source, potential};

use crate::{
    objects, progress,
    report::{Row, Target},
    summary::median,
};

/// Number of members resolved between two readings of the clock.
const BATCH: u32 = 10_000;

/// A role, two groups, one restriction, the catalog's prerequisites.
pub fn measure() -> Vec<Row> {
    progress("engine");
    let catalog = Catalog::compile(&objects::catalog().spec).expect("the catalog keeps its rules");
    let names: Vec<_> = catalog.roles.iter().map(|role| role.name.clone()).collect();
    let shifted = |by: usize| -> Ranks {
        let sections = catalog.layout.len();
        (0..sections).map(|place| u8::try_from((place + by) % 4).expect("a rank")).collect()
    };
    // Many roles and groups, so that no result can be cached.
    let sources: Vec<Ranks> = (0..16).map(shifted).collect();
    let restriction = (&catalog.restrictions[0].name, &catalog.restrictions[0].caps);
    let mut out = catalog.no_access();
    let mut rates = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let mut members = 0_u32;
        while started.elapsed() < Duration::from_millis(400) {
            for number in members..members + BATCH {
                let pick = |by: u32| &sources[((number + by) % 16) as usize];
                let grants = [
                    Grant { source: Source::PredefinedRole(&names[0]), ranks: pick(0) },
                    Grant { source: Source::Group(&names[1]), ranks: pick(5) },
                    Grant { source: Source::Group(&names[2]), ranks: pick(11) },
                ];
                let inputs = MemberInputs { grants: &grants, equal_to_owner: None, restrictions: &[restriction] };
                potential(&catalog, black_box(&inputs), &mut out, &mut NoTrace);
                black_box(&out);
            }
            members += BATCH;
        }
        rates.push(f64::from(members) / started.elapsed().as_secs_f64());
    }
    let figure = "effective permissions on one core";
    let row = Row::new("engine", figure, "memberships/s", Target::AtLeast(5_000_000.0), median(&rates));
    vec![row.with("rounds_per_s", rates)]
}
