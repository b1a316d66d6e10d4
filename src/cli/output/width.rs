//! Determines the width of the terminal. Used by `output`.

use std::io;

/// Columns that everything fits where no terminal says how wide it is, and that sentences fit in any case.
pub const WIDTH: u16 = 100;
/// Columns of the narrowest terminal that is reckoned with.
const LEAST: u16 = 20;

/// Returns the columns that a table may take: those of the terminal, or of `COLUMNS`, which comes first. Where neither says
/// it, as in a pipe, [`WIDTH`], so that what is written to a file does not depend on who looks on.
#[must_use]
pub fn width() -> u16 {
    let requested = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(columns, _)| columns.0);
    requested.or_else(terminal).filter(|columns| *columns > 0).unwrap_or(WIDTH).max(LEAST)
}

/// Returns the columns that sentences may take: nobody reads lines of 200.
#[must_use]
pub fn prose_width() -> u16 {
    width().min(WIDTH)
}
