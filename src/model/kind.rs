//! The kinds of data that a connection is kept in step with.

super::vocabulary! {
    /// A kind of Polar data.
    Kind, "kind" {
        /// A training session, by exercise transaction.
        Exercise = "exercise",
        /// A day's activity, by activity transaction.
        Activity = "activity",
        /// A change of physical information, by physical-information transaction.
        PhysicalInformation = "physical_information",
        /// A night's sleep, from its own endpoint.
        Sleep = "sleep",
        /// A night's recovery, from its own endpoint.
        NightlyRecharge = "nightly_recharge",
    }
}

impl Kind {
    /// The kind as one that AccessLink offers by transaction, if it is one.
    pub const fn transactional(self) -> Option<TransactionalKind> {
        match self {
            Self::Exercise => Some(TransactionalKind::Exercise),
            Self::Activity => Some(TransactionalKind::Activity),
            Self::PhysicalInformation => Some(TransactionalKind::PhysicalInformation),
            Self::Sleep | Self::NightlyRecharge => None,
        }
    }

    /// Whether one of Polar's webhook events is about this kind. Source: AccessLink documentation, "Webhooks".
    pub const fn has_event(self) -> bool {
        match self {
            Self::Exercise | Self::Activity | Self::PhysicalInformation | Self::Sleep => true,
            Self::NightlyRecharge => false,
        }
    }
}

super::vocabulary! {
    /// A kind that AccessLink offers by transaction: create, list, fetch, commit.
    TransactionalKind, "transactional kind" {
        /// Training sessions.
        Exercise = "exercise",
        /// Daily activities.
        Activity = "activity",
        /// Physical information.
        PhysicalInformation = "physical_information",
    }
}

impl From<TransactionalKind> for Kind {
    fn from(kind: TransactionalKind) -> Self {
        match kind {
            TransactionalKind::Exercise => Self::Exercise,
            TransactionalKind::Activity => Self::Activity,
            TransactionalKind::PhysicalInformation => Self::PhysicalInformation,
        }
    }
}
