//! What a key to the HTTP interface allows.

super::vocabulary! {
    /// What a key to the HTTP interface allows.
    Scope, "scope" {
        /// Read data, users, runs and changes.
        Read = "read",
        /// Trigger syncs.
        Sync = "sync",
        /// Connect and disconnect users.
        Connect = "connect",
        /// Everything.
        Admin = "admin",
    }
}
