//! The vocabulary that every other module speaks: ids, kinds, lanes, causes and the normalized records.
//!
//! Owns plain values and their text forms (the same in Postgres, Redis, logs and on the command
//! line). Must never do I/O, read a clock, or import another module of this crate.
//!
//! To add a data kind: add the variant to [`Kind`], and the compiler lists every place that has to
//! decide what the new kind means.

mod cause;
mod connection_state;
mod detail;
mod ids;
mod kind;
mod lane;
mod outcome;
pub mod record;
mod resolution;
mod scope;
mod sort_order;
mod transaction;
mod user_id;

pub use cause::Cause;
pub use connection_state::ConnectionState;
pub use detail::{Detail, Details};
pub use ids::{ConnectionId, RecordId, RunId, TaskId};
pub use kind::{Kind, TransactionalKind};
pub use lane::Lane;
pub use outcome::{DueCause, RunOutcome};
pub use resolution::Resolution;
pub use scope::Scope;
pub use sort_order::SortOrder;
pub use transaction::TransactionAddress;
pub use user_id::{InvalidUserId, UserId};

/// A word that is not one of a closed vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a {vocabulary}; it must be one of {allowed}")]
pub struct UnknownWord {
    /// What was given.
    pub word: String,
    /// What it should have been, for example `lane`.
    pub vocabulary: &'static str,
    /// The allowed words, separated by commas.
    pub allowed: String,
}

/// Defines a closed vocabulary: an enum with one fixed word a variant, used unchanged as its JSON,
/// SQL and display form.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident, $vocabulary:literal { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::Type)]
        #[sqlx(type_name = "text")]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $word)] #[sqlx(rename = $word)] $variant),+
        }

        impl $name {
            /// Every word of the vocabulary, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word itself.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::model::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::model::UnknownWord {
                        word: word.chars().take(64).collect(),
                        vocabulary: $vocabulary,
                        allowed: [$($word),+].join(", "),
                    }),
                }
            }
        }
    };
}
pub(crate) use vocabulary;
