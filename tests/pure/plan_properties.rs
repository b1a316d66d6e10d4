//! plan_properties
