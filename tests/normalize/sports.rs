//! The map of sports is complete.

use std::collections::BTreeSet;

use polar_sync::normalize::workout_type;

#[test]
fn every_sport_of_polar_has_a_common_workout_type() {
    let sports: BTreeSet<_> = include_str!("../fixtures/polar_sports.txt")
        .lines()
        .collect();
    let types: BTreeSet<_> = include_str!("../fixtures/workout_types.txt")
        .lines()
        .collect();
    assert_eq!(sports.len(), 175);
    for sport in &sports {
        let mapped = workout_type(Some(sport), None);
        assert!(types.contains(mapped), "{sport} is {mapped}");
        // A code that is missing in the table would fall back to what the coarse sport says.
        assert_eq!(
            mapped,
            workout_type(Some(sport), Some("RUNNING")),
            "{sport}"
        );
        assert_eq!(
            mapped,
            workout_type(Some(sport), Some("CYCLING")),
            "{sport}"
        );
    }
}
