//! temp
pub mod lifecycle;
