//! The sports that the population does, and what a watch records in each.

/// A sport: its codes and how a session of it looks.
#[derive(Debug)]
pub(crate) struct Sport {
    /// `detailed-sport-info`.
    pub(crate) code: &'static str,
    /// `sport`.
    pub(crate) coarse: &'static str,
    /// Usual speed; zero for indoor sports, which have no route.
    pub(crate) speed_km_h: f64,
    /// Usual cadence; zero when none is recorded.
    pub(crate) cadence_rpm: f64,
    /// Usual power; zero when none is recorded.
    pub(crate) power_w: f64,
    /// Usual heart rate as a share of the reserve between resting and maximum.
    pub(crate) effort: f64,
}

/// All sports of the simulated population.
pub(crate) const SPORTS: &[Sport] = &[
    sport("RUNNING", "RUNNING", 10.5, 82.0, 265.0, 0.72),
    sport("TRAIL_RUNNING", "RUNNING", 8.2, 79.0, 250.0, 0.74),
    sport("ROAD_BIKING", "CYCLING", 27.0, 86.0, 190.0, 0.62),
    sport("CYCLING", "CYCLING", 19.0, 74.0, 0.0, 0.52),
    sport("CROSS-COUNTRY_SKIING", "OTHER", 12.0, 0.0, 0.0, 0.73),
    sport("WALKING", "OTHER", 5.2, 54.0, 0.0, 0.32),
    sport("HIKING", "OTHER", 4.1, 0.0, 0.0, 0.42),
    sport("STRENGTH_TRAINING", "OTHER", 0.0, 0.0, 0.0, 0.45),
    sport("MOBILITY_DYNAMIC", "OTHER", 0.0, 0.0, 0.0, 0.24),
    sport("INDOOR_CYCLING", "CYCLING", 0.0, 88.0, 175.0, 0.63),
    sport("POOL_SWIMMING", "OTHER", 0.0, 0.0, 0.0, 0.58),
    sport("TREADMILL_RUNNING", "RUNNING", 0.0, 83.0, 0.0, 0.68),
];

impl Sport {
    /// The sport with this code; an unknown code is treated like running.
    pub(crate) fn by_code(code: &str) -> &'static Self {
        SPORTS
            .iter()
            .find(|sport| sport.code == code)
            .unwrap_or(&SPORTS[0])
    }

    /// Whether sessions of this sport have speed, distance and a route.
    pub(crate) fn is_outdoors(&self) -> bool {
        self.speed_km_h > 0.0
    }
}

const fn sport(
    code: &'static str,
    coarse: &'static str,
    speed_km_h: f64,
    cadence_rpm: f64,
    power_w: f64,
    effort: f64,
) -> Sport {
    Sport {
        code,
        coarse,
        speed_km_h,
        cadence_rpm,
        power_w,
        effort,
    }
}
