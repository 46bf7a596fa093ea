//! Who an account belongs to: the facts that stay the same for all of its data.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use super::rng::Rng;
use super::zone::Zones;

/// The lowest Polar user id of the population.
pub(crate) const FIRST_POLAR_USER_ID: u64 = 10_000_001;

/// A simulated person with one watch.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) polar_user_id: u64,
    pub(crate) seed: u64,
    pub(crate) zone: TimeZone,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: &'static str,
    pub(crate) gender: &'static str,
    pub(crate) birthdate: Date,
    pub(crate) weight_kg: f64,
    pub(crate) height_cm: f64,
    pub(crate) heart_rate_rest_bpm: u32,
    pub(crate) heart_rate_max_bpm: u32,
    pub(crate) device: &'static str,
    pub(crate) device_id: String,
    /// Latitude and longitude of the front door, where most routes begin.
    pub(crate) home: (f64, f64),
}

const FIRST_NAMES: &[&str] = &[
    "Aino", "Bela", "Chidi", "Dora", "Eero", "Fatima", "Goran", "Hana",
];
const LAST_NAMES: &[&str] = &[
    "Virtanen", "Okafor", "Novak", "Silva", "Tanaka", "Meyer", "Rossi",
];
const DEVICES: &[&str] = &[
    "Polar Pacer Pro",
    "Polar Vantage M",
    "Polar Vantage V3",
    "Polar Ignite 3",
    "Polar Grit X2",
];

impl Person {
    /// The person with this number, counted from 0.
    pub(crate) fn new(seed: u64, number: u64, zones: &Zones) -> Self {
        let polar_user_id = FIRST_POLAR_USER_ID + number;
        let mut rng = Rng::of(&[seed, polar_user_id]);
        Self {
            polar_user_id,
            seed: rng.bits(),
            zone: zones.of_account(number),
            first_name: rng.pick(FIRST_NAMES),
            last_name: rng.pick(LAST_NAMES),
            gender: if rng.chance(0.5) { "FEMALE" } else { "MALE" },
            birthdate: date(rng.between(1955, 2004) as i16, rng.between(1, 12) as i8, 14),
            weight_kg: rng.between(500, 980) as f64 / 10.0,
            height_cm: rng.between(152, 198) as f64,
            heart_rate_rest_bpm: rng.between(42, 64) as u32,
            heart_rate_max_bpm: rng.between(172, 198) as u32,
            device: rng.pick(DEVICES),
            device_id: format!("{:08X}", rng.bits() as u32),
            home: (
                rng.between(-44_000, 64_000) as f64 / 1e3,
                rng.between(-170_000, 170_000) as f64 / 1e3,
            ),
        }
    }

    /// The stream of randomness of one of this person's things.
    pub(crate) fn rng(&self, topic: Topic, number: u64) -> Rng {
        Rng::of(&[self.seed, topic as u64, number])
    }
}

/// What randomness is drawn for; each topic has its own stream, so that one never shifts another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Topic {
    /// The sessions of a day.
    Sessions = 1,
    /// The night that ends on a day.
    Night,
    /// Steps of a day.
    Activity,
    /// A weighing.
    Body,
    /// A watch being synchronized.
    Upload,
    /// Short ids of `/v3/exercises`.
    HashId,
}
