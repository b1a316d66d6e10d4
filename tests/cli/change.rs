//! plan, apply, import, drift
