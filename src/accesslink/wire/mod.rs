//! Polar's bodies as types.
//!
//! Owns the shapes that AccessLink sends and the tolerance that they need. One mechanism,
//! [`decode()`], reads them all: keys in kebab-, snake- or camel-case, numbers as text and text as
//! numbers, `546.0` for a whole number, `null` or a lone object for a list. Fields that we do not
//! use are left out, because what is not read cannot break a record. Times, durations and codes
//! stay text here: `normalize` gives them a meaning.
//!
//! Two questions are kept apart, because they lead to different ends. [`check_complete`] (and
//! [`gpx::check_complete`]) tells whether a body arrived whole: if not, it is not durable and must
//! not be committed. [`read()`] tells what of a whole body is understood: what is not is kept raw in
//! quarantine and the rest goes on.
//!
//! Must never put a value of a body into an error: [`Unreadable`] names the path and what was
//! expected there, because a body is health data.
//!
//! To add a body: a struct with `#[derive(Deserialize)]` in the file of its noun, snake-case fields,
//! `Option` for what Polar may leave out, `f64` for what is measured, and a test with a fixture.

mod account;
mod activity;
mod clock_map;
mod complete;
mod decode;
mod document;
mod envelope;
mod error_body;
mod exercise;
pub mod gpx;
mod items;
mod limit;
mod night;
mod physical_information;
mod read;
mod samples;
mod tolerant;
mod transaction;
mod unreadable;
mod webhook;
mod zones;

pub use account::{Notification, User, notifications};
pub use activity::{Activity, ActivityZoneTime, StepSample, StepSamples, ZoneSample, ZoneSamples};
pub use clock_map::ClockMap;
pub use complete::{Incomplete, check_complete};
pub use decode::decode;
pub use error_body::ErrorBody;
pub use exercise::{DetailedExercise, Exercise, HeartRate, RoutePoint, TrainingLoadPro};
pub use items::{ItemName, exercises, nightly_recharges, sleep_nights};
pub use limit::{CLOCK_MAP_LIMIT, LIST_LIMIT, NOTIFICATION_LIMIT, ROUTE_LIMIT};
pub use night::{NightlyRecharge, SleepNight};
pub use physical_information::PhysicalInformation;
pub use read::{Read, read};
pub use samples::{SampleSeries, sample_items};
pub use transaction::{CreatedTransaction, transaction_items};
pub use unreadable::Unreadable;
pub use webhook::{CreatedWebhook, Webhook, WebhookEvent, created_webhook, webhooks};
pub use zones::{HeartRateZone, HeartRateZones};
