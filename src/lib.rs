pub mod api;
pub mod model;
pub mod plan;
pub mod resolve;
pub mod store;
pub mod telemetry;
