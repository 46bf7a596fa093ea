//! How runs end.

super::vocabulary! {
    /// How a run ended.
    RunOutcome, "run outcome" {
        /// Everything that was asked for is stored.
        Ok = "ok",
        /// Some kinds are stored, others are tried again.
        Partial = "partial",
        /// It waits: for quota, for an outage to end, for an older transaction to expire.
        Snoozed = "snoozed",
        /// Nothing could be stored; it is tried again.
        Failed = "failed",
        /// The connection's state forbids it.
        Refused = "refused",
    }
}

super::vocabulary! {
    /// Why a kind is due when it is due.
    DueCause, "due cause" {
        /// Its safety poll.
        Schedule = "schedule",
        /// Another try after a failure.
        Retry = "retry",
        /// It waits for quota or for an outage to end.
        Snooze = "snooze",
        /// It waits for an older transaction to end at Polar, which may hide data, or for a create to arrive
        /// of which nothing was heard.
        Doubt = "doubt",
        /// An item could not be fetched whole, so its transaction is not committed.
        Blocked = "blocked",
        /// Polar does not allow this kind; it is asked again slowly.
        Consent = "consent",
    }
}
