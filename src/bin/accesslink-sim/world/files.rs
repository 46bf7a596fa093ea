//! The files of an exercise: GPX, TCX and FIT.

use std::fmt::Write as _;

use axum::body::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::recording::{Recording, TrackPoint};
use super::session::{Session, sample_type};
use super::text;

/// Seconds between two track points of a TCX file, which only repeats what the samples say.
const TCX_STEP_S: usize = 60;

/// The route as GPX 1.1.
pub(crate) fn gpx(session: &Session, route: &[TrackPoint]) -> String {
    let mut xml = String::with_capacity(route.len() * 120 + 400);
    let start = text::instant_ms(session.start_at);
    _ = write!(
        xml,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <gpx xmlns=\"http://www.topografix.com/GPX/1/1\" version=\"1.1\" creator=\"Polar\">\
         <metadata><author><name>Polar</name></author><time>{start}</time></metadata><trk><trkseg>"
    );
    for point in route {
        let TrackPoint {
            latitude,
            longitude,
            altitude_m,
            ..
        } = point;
        let time = text::instant_ms(later(session, point.offset_ms));
        _ = write!(
            xml,
            "<trkpt lat=\"{latitude}\" lon=\"{longitude}\"><ele>{altitude_m}</ele>\
             <time>{time}</time></trkpt>"
        );
    }
    xml.push_str("</trkseg></trk></gpx>");
    xml
}

/// One lap with a track point each minute, as TCX.
pub(crate) fn tcx(session: &Session, recording: &Recording) -> String {
    let mut xml = String::new();
    let start = text::instant_ms(session.start_at);
    let seconds = session.duration_ms as f64 / 1000.0;
    let metres = recording.distance_m().unwrap_or_default();
    _ = write!(
        xml,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<TrainingCenterDatabase \
         xmlns=\"http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2\"><Activities>\
         <Activity Sport=\"Other\"><Id>{start}</Id><Lap StartTime=\"{start}\">\
         <TotalTimeSeconds>{seconds}</TotalTimeSeconds><DistanceMeters>{metres}</DistanceMeters>\
         <Calories>{}</Calories><Track>",
        session.calories_kcal
    );
    let heart_rate = recording
        .series(sample_type::HEART_RATE)
        .map_or(&[][..], |series| &series.values);
    for (second, bpm) in heart_rate.iter().enumerate().step_by(TCX_STEP_S) {
        let time = text::instant_ms(later(session, second as i64 * 1000));
        _ = write!(xml, "<Trackpoint><Time>{time}</Time>");
        if let Some(bpm) = bpm {
            _ = write!(xml, "<HeartRateBpm><Value>{bpm}</Value></HeartRateBpm>");
        }
        xml.push_str("</Trackpoint>");
    }
    xml.push_str("</Track></Lap></Activity></Activities></TrainingCenterDatabase>");
    xml
}

/// Seconds between the Unix epoch and that of FIT, 1989-12-31.
const FIT_EPOCH_S: i64 = 631_065_600;

/// A FIT file with the one message that every FIT file must have, `file_id`.
pub(crate) fn fit(session: &Session) -> Bytes {
    const DEFINE_FILE_ID: &[u8] = &[
        0x40, 0, 0, 0, 0, // definition of local message 0: little endian, global message 0
        3, // fields: type (enum), manufacturer (uint16), time_created (uint32)
        0, 1, 0x00, 1, 2, 0x84, 4, 4, 0x86,
    ];
    const ACTIVITY: u8 = 4;
    const POLAR: u16 = 123;
    let created = (session.start_at.as_second() - FIT_EPOCH_S) as u32;
    let mut records = DEFINE_FILE_ID.to_vec();
    records.extend([0, ACTIVITY]);
    records.extend(POLAR.to_le_bytes());
    records.extend(created.to_le_bytes());

    let mut file = vec![14, 0x20, 0x54, 0x08];
    file.extend((records.len() as u32).to_le_bytes());
    file.extend(b".FIT");
    file.extend(fit_crc(&file).to_le_bytes());
    file.extend(records);
    file.extend(fit_crc(&file).to_le_bytes());
    Bytes::from(file)
}

/// The checksum of the FIT protocol: CRC-16 with the reflected polynomial 0xA001.
fn fit_crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xA001
            } else {
                crc >> 1
            }
        })
    })
}

fn later(session: &Session, offset_ms: i64) -> Timestamp {
    session.start_at + SignedDuration::from_millis(offset_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fit_checksum_is_the_published_one() {
        assert_eq!(fit_crc(b"123456789"), 0xBB3D);
    }
}
