//! The closed sets of words in a message.

use std::fmt;

use serde::{Serialize, Serializer};

/// Makes an enum whose variants are the words of a list, in one place each.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every word, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as written in a message.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The variant of a word, if there is one.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

words! {
    /// A part of a workout that a request wants stored.
    Include {
        /// Time series.
        Samples = "samples",
        /// Heart-rate zones.
        Zones = "zones",
        /// The route.
        Route = "route",
    }
}

words! {
    /// A type of data.
    Kind {
        /// Training sessions.
        Exercise = "exercise",
        /// Daily activity.
        Activity = "activity",
        /// Weight, height and the like.
        PhysicalInformation = "physical_information",
        /// Nights.
        Sleep = "sleep",
        /// Nightly Recharge.
        NightlyRecharge = "nightly_recharge",
    }
}

words! {
    /// What made a request.
    Cause {
        /// A message of another program; the default.
        Message = "message",
        /// The HTTP API.
        Http = "http",
        /// A command.
        Cli = "cli",
        /// A safety poll.
        Schedule = "schedule",
        /// Polar's pull notifications.
        Notification = "notification",
        /// Polar's webhook.
        Webhook = "webhook",
        /// An earlier failure.
        Retry = "retry",
        /// A fetch of old data.
        Backfill = "backfill",
        /// A user who has just connected.
        Connect = "connect",
    }
}
