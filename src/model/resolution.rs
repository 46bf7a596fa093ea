//! How fine a series is read.

super::vocabulary! {
    /// How fine rows are.
    Resolution, "resolution" {
        /// Each sample.
        Raw = "raw",
        /// A row a minute.
        OneMinute = "1min",
        /// A row every five minutes.
        FiveMinutes = "5min",
        /// A row a quarter of an hour.
        FifteenMinutes = "15min",
        /// A row an hour.
        OneHour = "1hour",
    }
}
