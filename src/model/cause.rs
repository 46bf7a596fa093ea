//! Why a sync was asked for.

super::vocabulary! {
    /// Why a sync was asked for.
    Cause, "cause" {
        /// A message that another platform put on a lane.
        Message = "message",
        /// A call of the HTTP interface.
        Http = "http",
        /// An operator's command.
        Cli = "cli",
        /// The safety poll of the schedule.
        Schedule = "schedule",
        /// An entry of Polar's pull notifications.
        Notification = "notification",
        /// A Polar webhook.
        Webhook = "webhook",
        /// Another try after a failure.
        Retry = "retry",
        /// A fill of past data: what Polar still shows and is not stored is brought back.
        Backfill = "backfill",
        /// The first sync after a user connected.
        Connect = "connect",
    }
}
