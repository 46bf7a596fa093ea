//! Polar's sports in the common words for workouts.
//!
//! One row a code of Polar Flow, sorted. A leg of a multisport session is the sport of the leg.
//! Polar adds sports now and then: an unknown code falls back to the coarse sport, then to `other`.
//!
//! To add one: a row here and a line in `tests/fixtures/polar_sports.txt`.

/// What an unknown sport is.
const OTHER: &str = "other";

/// Polar's code, with `_` between its words, and the common workout type, sorted by code.
const SPORTS: &[(&str, &str)] = &[
    ("AEROBICS", "aerobics"),
    ("AGILITY", "other"),
    ("AMERICAN_FOOTBALL", "american_football"),
    ("AQUATICS", "water_sports"),
    ("BACKCOUNTRY_SKIING", "backcountry_skiing"),
    ("BADMINTON", "badminton"),
    ("BALLET_DANCING", "dance"),
    ("BALLROOM_DANCING", "dance"),
    ("BASEBALL", "baseball"),
    ("BASKETBALL", "basketball"),
    ("BEACH_TENNIS", "tennis"),
    ("BEACH_VOLLEYBALL", "volleyball"),
    ("BIATHLON", "cross_country_skiing"),
    ("BODY_AND_MIND", "stretching"),
    ("BOOTCAMP", "group_exercise"),
    ("BOXING", "boxing"),
    ("CALISTHENICS", "strength_training"),
    ("CIRCUIT_TRAINING", "cardio_training"),
    ("CLIMBING", "rock_climbing"),
    ("CORE", "strength_training"),
    ("CRICKET", "cricket"),
    ("CROSS_COUNTRY_RUNNING", "trail_running"),
    ("CROSS_COUNTRY_SKIING", "cross_country_skiing"),
    ("CROSS_TRAINER", "elliptical"),
    ("CURLING", "curling"),
    ("CYCLING", "cycling"),
    ("DANCING", "dance"),
    ("DOWNHILL_SKIING", "downhill_skiing"),
    ("DUATHLON", "multisport"),
    ("DUATHLON_CYCLING", "cycling"),
    ("DUATHLON_RUNNING", "running"),
    ("ESPORTS", "gaming"),
    ("E_BIKE", "e_biking"),
    ("FIELD_HOCKEY", "hockey"),
    ("FINNISH_BASEBALL", "baseball"),
    ("FITNESS_BOXING", "boxing"),
    ("FITNESS_DANCING", "dance"),
    ("FITNESS_MARTIAL_ARTS", "martial_arts"),
    ("FITNESS_RACING", "cardio_training"),
    ("FITNESS_STEP", "aerobics"),
    ("FLOORBALL", "floorball"),
    ("FREE_MULTISPORT", "multisport"),
    ("FRISBEEGOLF", "disc_sports"),
    ("FUNCTIONAL_TRAINING", "strength_training"),
    ("FUTSAL", "soccer"),
    ("GOLF", "golf"),
    ("GRAVEL", "cycling"),
    ("GROUP_EXERCISE", "group_exercise"),
    ("GYMNASTICK", "gymnastics"),
    ("HANDBALL", "handball"),
    ("HIIT", "cardio_training"),
    ("HIKING", "hiking"),
    ("ICE_HOCKEY", "hockey"),
    ("ICE_SKATING", "ice_skating"),
    ("INDOOR_CYCLING", "indoor_cycling"),
    ("INDOOR_ROWING", "rowing_machine"),
    ("INLINE_SKATING", "inline_skating"),
    ("JAZZ_DANCING", "dance"),
    ("JOGGING", "running"),
    ("JUDO_MARTIAL_ARTS", "martial_arts"),
    ("JUMP_ROPE", "cardio_training"),
    ("KETTLEBELL", "strength_training"),
    ("KICKBIKE", "other"),
    ("KICKBOXING_MARTIAL_ARTS", "martial_arts"),
    ("LATIN_DANCING", "dance"),
    ("LES_MILLS_BARRE", "group_exercise"),
    ("LES_MILLS_BODYATTACK", "aerobics"),
    ("LES_MILLS_BODYBALANCE", "yoga"),
    ("LES_MILLS_BODYCOMBAT", "martial_arts"),
    ("LES_MILLS_BODYJAM", "dance"),
    ("LES_MILLS_BODYPUMP", "strength_training"),
    ("LES_MILLS_BODYSTEP", "aerobics"),
    ("LES_MILLS_CXWORKS", "strength_training"),
    ("LES_MILLS_GRIT_ATHLETIC", "cardio_training"),
    ("LES_MILLS_GRIT_CARDIO", "cardio_training"),
    ("LES_MILLS_GRIT_STRENGTH", "strength_training"),
    ("LES_MILLS_RPM", "indoor_cycling"),
    ("LES_MILLS_SHBAM", "dance"),
    ("LES_MILLS_SPRINT", "indoor_cycling"),
    ("LES_MILLS_TONE", "group_exercise"),
    ("LES_MILLS_TRIP", "indoor_cycling"),
    ("MOBILITY_DYNAMIC", "stretching"),
    ("MOBILITY_STATIC", "stretching"),
    ("MODERN_DANCING", "dance"),
    ("MOTORSPORTS_CAR_RACING", "motor_sports"),
    ("MOTORSPORTS_ENDURO", "motorcycling"),
    ("MOTORSPORTS_HARD_ENDURO", "motorcycling"),
    ("MOTORSPORTS_MOTOCROSS", "motorcycling"),
    ("MOTORSPORTS_ROADRACING", "motor_sports"),
    ("MOTORSPORTS_SNOCROSS", "snowmobiling"),
    ("MOUNTAIN_BIKING", "mountain_biking"),
    ("NORDIC_WALKING", "walking"),
    ("OBSTACLE_COURSE_RACING", "running"),
    ("OFFROADDUATHLON", "multisport"),
    ("OFFROADDUATHLON_CYCLING", "mountain_biking"),
    ("OFFROADDUATHLON_RUNNING", "trail_running"),
    ("OFFROADTRIATHLON", "triathlon"),
    ("OFFROADTRIATHLON_CYCLING", "mountain_biking"),
    ("OFFROADTRIATHLON_RUNNING", "trail_running"),
    ("OFFROADTRIATHLON_SWIMMING", "open_water_swimming"),
    ("OPEN_WATER_SWIMMING", "open_water_swimming"),
    ("ORIENTEERING", "orienteering"),
    ("ORIENTEERING_MTB", "mountain_biking"),
    ("ORIENTEERING_SKI", "cross_country_skiing"),
    ("OTHER_INDOOR", "other"),
    ("OTHER_OUTDOOR", "other"),
    ("PADEL", "padel"),
    ("PARASPORTS_HAND_CYCLING", "para_sports"),
    ("PARASPORTS_SLED_HOCKEY", "para_sports"),
    ("PARASPORTS_WATER_SKIING", "para_sports"),
    ("PARASPORTS_WHEELCHAIR", "wheelchair"),
    ("PARASPORTS_WHEELCHAIR_BASKETBALL", "para_sports"),
    ("PARASPORTS_WHEELCHAIR_TENNIS", "para_sports"),
    ("PICKLEBALL", "pickleball"),
    ("PILATES", "pilates"),
    ("POOL_SWIMMING", "pool_swimming"),
    ("RIDING", "horseback_riding"),
    ("RINGETTE", "hockey"),
    ("ROAD_BIKING", "cycling"),
    ("ROAD_RUNNING", "running"),
    ("ROLLER_BLADING", "skating"),
    ("ROLLER_SKIING_CLASSIC", "cross_country_skiing"),
    ("ROLLER_SKIING_FREESTYLE", "cross_country_skiing"),
    ("ROWING", "rowing"),
    ("RUCKING", "hiking"),
    ("RUGBY", "rugby"),
    ("RUNNING", "running"),
    ("SHOOTING_SPORT_INDOOR", "sport"),
    ("SHOOTING_SPORT_OUTDOOR", "sport"),
    ("SHOW_DANCING", "dance"),
    ("SKATEBOARDING", "skateboarding"),
    ("SKATING", "skating"),
    ("SKIERG", "fitness_equipment"),
    ("SNOWBOARDING", "snowboarding"),
    ("SNOWSHOE_TREKKING", "snowshoeing"),
    ("SOCCER", "soccer"),
    ("SPINNING", "indoor_cycling"),
    ("SQUASH", "squash"),
    ("STAIR_WORKOUT", "stair_climbing"),
    ("STREET_DANCING", "dance"),
    ("STRENGTH_TRAINING", "strength_training"),
    ("STRETCHING", "stretching"),
    ("SUP", "stand_up_paddleboarding"),
    ("SWIMMING", "swimming"),
    ("TABLE_TENNIS", "table_tennis"),
    ("TAEKWONDO_MARTIAL_ARTS", "martial_arts"),
    ("TELEMARK_SKIING", "downhill_skiing"),
    ("TENNIS", "tennis"),
    ("TRACK_AND_FIELD_RUNNING", "running"),
    ("TRAIL_RUNNING", "trail_running"),
    ("TREADMILL_RUNNING", "treadmill"),
    ("TRIATHLON", "triathlon"),
    ("TRIATHLON_CYCLING", "cycling"),
    ("TRIATHLON_RUNNING", "running"),
    ("TRIATHLON_SWIMMING", "open_water_swimming"),
    ("TROTTING", "horseback_riding"),
    ("ULTIMATE", "disc_sports"),
    ("ULTRARUNNING_RUNNING", "running"),
    ("VERTICALSPORTS_OUTCLIMBING", "rock_climbing"),
    ("VERTICALSPORTS_WALLCLIMBING", "indoor_climbing"),
    ("VOLLEYBALL", "volleyball"),
    ("WALKING", "walking"),
    ("WATERSPORTS_CANOEING", "canoeing"),
    ("WATERSPORTS_KAYAKING", "kayaking"),
    ("WATERSPORTS_KITESURFING", "kitesurfing"),
    ("WATERSPORTS_SAILING", "sailing"),
    ("WATERSPORTS_SURFING", "surfing"),
    ("WATERSPORTS_WAKEBOARDING", "wakeboarding"),
    ("WATERSPORTS_WATERSKI", "water_skiing"),
    ("WATERSPORTS_WINDSURFING", "windsurfing"),
    ("WATER_EXERCISE", "water_sports"),
    ("WATER_RUNNING", "water_sports"),
    ("XC_SKIING_CLASSIC", "cross_country_skiing"),
    ("XC_SKIING_FREESTYLE", "cross_country_skiing"),
    ("YOGA", "yoga"),
];

/// The common workout type of Polar's detailed code, else of its coarse one.
pub fn workout_type(detailed: Option<&str>, coarse: Option<&str>) -> &'static str {
    [detailed, coarse]
        .into_iter()
        .flatten()
        .find_map(known)
        .unwrap_or(OTHER)
}

fn known(code: &str) -> Option<&'static str> {
    let code = code.trim().to_ascii_uppercase().replace(['-', ' '], "_");
    SPORTS
        .binary_search_by_key(&code.as_str(), |(known, _)| known)
        .ok()
        .and_then(|row| SPORTS.get(row))
        .map(|(_, workout_type)| *workout_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        assert!(SPORTS.is_sorted_by(|(one, _), (next, _)| one < next));
    }

    #[test]
    fn the_detailed_code_goes_before_the_coarse_one() {
        assert_eq!(
            workout_type(Some("TRAIL_RUNNING"), Some("RUNNING")),
            "trail_running"
        );
        assert_eq!(
            workout_type(Some("OTHER_OUTDOOR"), Some("RUNNING")),
            "other"
        );
        assert_eq!(
            workout_type(Some("MOON_RUNNING"), Some("RUNNING")),
            "running"
        );
        assert_eq!(workout_type(None, Some(" cycling ")), "cycling");
        for code in [
            "CROSS-COUNTRY_SKIING",
            "CROSS_COUNTRY_SKIING",
            "cross-country-skiing",
        ] {
            assert_eq!(workout_type(Some(code), None), "cross_country_skiing");
        }
        assert_eq!(workout_type(Some("MOON_RUNNING"), Some("OTHER")), "other");
        assert_eq!(workout_type(None, None), "other");
    }
}
