//! polar-sync keeps Postgres in step with Polar AccessLink for every connected user.

pub mod accesslink;
pub mod clock;
pub mod model;
pub mod normalize;
pub mod store;
