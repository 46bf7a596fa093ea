//! Ids of our own making.

use uuid::Uuid;

/// Defines an id: a UUID with a type of its own, so that two kinds of id cannot be mistaken.
macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, ordered by the time of its making.
            #[expect(clippy::new_without_default, reason = "an id has no default: each one is new")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A connection: the tie between a platform's user and a Polar account.
    ConnectionId
}
id! {
    /// A request for a sync; what the public contract calls the task id.
    TaskId
}
id! {
    /// One execution of a sync, serving all open requests of a connection.
    RunId
}
id! {
    /// A normalized record, made at its first insert.
    RecordId
}
