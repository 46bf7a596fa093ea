//! The states of a connection.

super::vocabulary! {
    /// The state of a connection.
    ConnectionState, "connection state" {
        /// It is kept in step.
        Active = "active",
        /// Polar refused its token; that has yet to be confirmed.
        Suspect = "suspect",
        /// The user revoked access, or is no longer registered.
        Revoked = "revoked",
        /// The user has yet to give a consent at Polar.
        ConsentRequired = "consent_required",
        /// The token ended, and there is none to refresh it with.
        Expired = "expired",
        /// An operator stopped it.
        Paused = "paused",
        /// It is being erased.
        Erasing = "erasing",
        /// It is erased.
        Erased = "erased",
    }
}
