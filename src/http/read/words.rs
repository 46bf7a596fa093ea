//! The words of parameters: workout types and types of series.

use super::super::error::{Answered, ApiError};
use crate::model::record::SeriesType;

/// The common workout types: those that Polar's sports become, and those of other providers, of which there are no
/// workouts.
const WORKOUT_TYPES: &[&str] = &[
    "aerobics",
    "alpine_skiing",
    "american_football",
    "archery",
    "backcountry_skiing",
    "badminton",
    "baseball",
    "basketball",
    "boating",
    "bouldering",
    "bowling",
    "boxing",
    "canoeing",
    "cardio_training",
    "casual_walking",
    "chores",
    "cricket",
    "cross_country_skiing",
    "curling",
    "cycling",
    "cyclocross",
    "dance",
    "disc_sports",
    "diving",
    "downhill_skiing",
    "e_biking",
    "elliptical",
    "fencing",
    "fishing",
    "fitness_equipment",
    "floorball",
    "football",
    "gaming",
    "generic",
    "golf",
    "group_exercise",
    "gymnastics",
    "handball",
    "hiking",
    "hockey",
    "horseback_riding",
    "hunting",
    "ice_skating",
    "indoor_climbing",
    "indoor_cycling",
    "inline_skating",
    "kayaking",
    "kitesurfing",
    "lacrosse",
    "lifestyle",
    "martial_arts",
    "meditation",
    "motor_sports",
    "motorcycling",
    "mountain_biking",
    "mountaineering",
    "multisport",
    "open_water_swimming",
    "operations",
    "orienteering",
    "other",
    "paddling",
    "padel",
    "para_sports",
    "paragliding",
    "parkour",
    "pickleball",
    "pilates",
    "play",
    "pool_swimming",
    "racket_sports",
    "racquetball",
    "recovery",
    "rock_climbing",
    "rowing",
    "rowing_machine",
    "rugby",
    "running",
    "sailing",
    "skateboarding",
    "skating",
    "snorkeling",
    "snow_sports",
    "snowboarding",
    "snowmobiling",
    "snowshoeing",
    "soccer",
    "sport",
    "squash",
    "stair_climbing",
    "stand_up_paddleboarding",
    "strength_training",
    "stretching",
    "surfing",
    "swimming",
    "table_tennis",
    "team_sports",
    "tennis",
    "trail_hiking",
    "trail_running",
    "transition",
    "treadmill",
    "triathlon",
    "virtual_activity",
    "volleyball",
    "wakeboarding",
    "walking",
    "walking_fitness",
    "water_polo",
    "water_skiing",
    "water_sports",
    "wheelchair",
    "windsurfing",
    "winter_sports",
    "work",
    "wrestling",
    "yoga",
];

/// The common types of series that Polar has none of: asking for one is no mistake, and finds nothing.
const FOREIGN_SERIES: &[&str] = &[
    "resting_heart_rate",
    "heart_rate_variability_sdnn",
    "heart_rate_recovery_one_minute",
    "walking_heart_rate_average",
    "oxygen_saturation",
    "blood_glucose",
    "blood_pressure_systolic",
    "blood_pressure_diastolic",
    "sleeping_breathing_disturbances",
    "blood_alcohol_content",
    "peripheral_perfusion_index",
    "forced_vital_capacity",
    "forced_expiratory_volume_1",
    "peak_expiratory_flow_rate",
    "breathing_disturbance_index",
    "height",
    "weight",
    "body_fat_percentage",
    "body_mass_index",
    "lean_body_mass",
    "body_temperature",
    "skin_temperature",
    "waist_circumference",
    "body_fat_mass",
    "skeletal_muscle_mass",
    "skin_temperature_deviation",
    "skin_temperature_trend_deviation",
    "vo2_max",
    "six_minute_walk_test_distance",
    "cardiovascular_age",
    "energy",
    "basal_energy",
    "stand_time",
    "exercise_time",
    "physical_effort",
    "flights_climbed",
    "average_met",
    "active_time",
    "distance_walking_running",
    "distance_cycling",
    "distance_swimming",
    "distance_downhill_snow_sports",
    "distance_other",
    "walking_step_length",
    "walking_speed",
    "walking_double_support_percentage",
    "walking_asymmetry_percentage",
    "walking_steadiness",
    "stair_descent_speed",
    "stair_ascent_speed",
    "running_power",
    "running_speed",
    "running_vertical_oscillation",
    "running_ground_contact_time",
    "running_stride_length",
    "running_vertical_ratio",
    "running_stance_time_balance",
    "swimming_stroke_count",
    "underwater_depth",
    "workout_effort_score",
    "estimated_workout_effort_score",
    "environmental_audio_exposure",
    "headphone_audio_exposure",
    "environmental_sound_reduction",
    "time_in_daylight",
    "water_temperature",
    "uv_exposure",
    "inhaler_usage",
    "weather_temperature",
    "weather_humidity",
    "latitude",
    "longitude",
    "garmin_stress_level",
    "garmin_skin_temperature",
    "garmin_fitness_age",
    "garmin_body_battery",
    "electrodermal_activity",
    "push_count",
    "atrial_fibrillation_burden",
    "insulin_delivery",
    "number_of_times_fallen",
    "number_of_alcoholic_beverages",
    "nike_fuel",
    "hydration",
];

/// Every word for a workout type.
pub(in crate::http) fn workout_types() -> impl Iterator<Item = &'static str> {
    WORKOUT_TYPES.iter().copied()
}

/// Every word for a type of series.
pub(in crate::http) fn known_series() -> impl Iterator<Item = &'static str> {
    let ours = SeriesType::ALL.iter().map(|series| series.as_str());
    ours.chain(FOREIGN_SERIES.iter().copied())
}

/// A workout type of a parameter.
pub(super) fn workout_type<'a>(name: &str, word: &'a str) -> Answered<&'a str> {
    if WORKOUT_TYPES.contains(&word) {
        return Ok(word);
    }
    let problem = format!(
        "it is not a workout type; it must be one of {}",
        WORKOUT_TYPES.join(", ")
    );
    Err(ApiError::parameter(name, problem))
}

/// The types of series of a parameter that may be given often, each time with several words: all of ours where it is
/// not given.
pub(super) fn series_types<'a>(
    name: &str,
    given: impl Iterator<Item = &'a str>,
) -> Answered<Vec<SeriesType>> {
    let words: Vec<_> = given
        .flat_map(|words| words.split(','))
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        return Ok(SeriesType::ALL.to_vec());
    }
    let mut types = Vec::new();
    for word in words {
        match word.parse::<SeriesType>() {
            Ok(series) if !types.contains(&series) => types.push(series),
            Ok(_) => {}
            Err(_) if FOREIGN_SERIES.contains(&word) => {}
            Err(error) => return Err(ApiError::parameter(name, error)),
        }
    }
    Ok(types)
}

/// A sport of Polar's in plain words: `TRAIL_RUNNING` is `Trail running`.
pub(super) fn sport_name(code: &str) -> Option<String> {
    let words = code.replace(['_', '-'], " ").to_lowercase();
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    // Words that are spelled out letter by letter stay so.
    if ["hiit", "sup"].contains(&words.as_str()) {
        return Some(words.to_uppercase());
    }
    let mut letters = words.chars();
    let first = letters.next()?;
    Some(first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workout_types_are_the_common_ones() {
        let common = include_str!("../../../tests/fixtures/workout_types.txt");
        let common: Vec<_> = common.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(WORKOUT_TYPES, common);
        assert!(workout_type("record_type", "running").is_ok());
        let refused = workout_type("record_type", "ironing").unwrap_err();
        assert!(refused.detail().contains("running"), "{}", refused.detail());
    }

    #[test]
    fn types_of_series_are_given_in_many_ways() {
        use SeriesType::{HeartRate, Steps};
        let types = |given: &[&str]| series_types("types", given.iter().copied());
        assert_eq!(types(&[]).unwrap(), SeriesType::ALL);
        assert_eq!(
            types(&["heart_rate, steps", "steps"]).unwrap(),
            [HeartRate, Steps]
        );
        assert_eq!(types(&["blood_glucose"]).unwrap(), []);
        let refused = types(&["heart_rate,hart_rate"]).unwrap_err();
        assert!(refused.detail().contains("heart_rate, speed"));
        for word in FOREIGN_SERIES {
            assert!(word.parse::<SeriesType>().is_err(), "{word} is ours");
        }
    }

    #[test]
    fn a_sport_is_told_in_plain_words() {
        for (code, name) in [
            ("RUNNING", Some("Running")),
            ("TRAIL_RUNNING", Some("Trail running")),
            ("CROSS-COUNTRY_SKIING", Some("Cross country skiing")),
            ("HIIT", Some("HIIT")),
            ("", None),
            ("_", None),
        ] {
            assert_eq!(sport_name(code).as_deref(), name);
        }
    }
}
