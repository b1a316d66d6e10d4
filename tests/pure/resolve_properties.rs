//! resolve_properties
