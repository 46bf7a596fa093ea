//! Lanes: queues of one urgency.

super::vocabulary! {
    /// A queue of one urgency, the most urgent first.
    Lane, "lane" {
        /// A person waits.
        Interactive = "interactive",
        /// Polar said that there is data.
        Event = "event",
        /// Safety polls, retries and backfills.
        Periodic = "periodic",
    }
}
