//! review, audit, block
