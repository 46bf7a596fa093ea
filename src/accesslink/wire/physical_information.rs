//! Physical information, from its transactions.

use serde::Deserialize;

/// One record; what the user did not set is missing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PhysicalInformation {
    /// Its id in transactions.
    pub id: i64,
    /// When it was recorded, UTC.
    pub created: String,
    /// Kilograms.
    pub weight: Option<f64>,
    /// Centimetres.
    pub height: Option<f64>,
    /// Beats a minute.
    pub maximum_heart_rate: Option<f64>,
    /// Beats a minute.
    pub resting_heart_rate: Option<f64>,
    /// Beats a minute.
    pub aerobic_threshold: Option<f64>,
    /// Beats a minute.
    pub anaerobic_threshold: Option<f64>,
    /// Millilitres a kilogram a minute.
    pub vo2_max: Option<f64>,
    /// Polar's code.
    pub weight_source: Option<String>,
}
