//! The sections of the configuration. `config/default.toml` says what each key is for.

use std::{collections::BTreeSet, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    Bytes, Count, Duration, EncryptionKey, HttpUrl, KeyPrefix, Listen, LogFilter, LogFormat,
    Origin, RedirectPattern, ReplaceConnection, Secret, ServiceUrl, Share, Switch, urls,
    words::word,
};
use crate::model::{Details, Kind, Lane, TransactionalKind};

/// Defines a section: a struct that knows no other key than its fields.
macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Deserialize, Serialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$fmeta])* pub $field: $type),+
        }
    };
}

section! {
    /// The whole configuration.
    Config {
        /// Postgres.
        database: Database,
        /// Redis.
        redis: Redis,
        /// Polar's servers.
        accesslink: Accesslink,
        /// The HTTP interface.
        api: Api,
        /// Keys that seal tokens.
        security: Security,
        /// Connections of users.
        connections: Connections,
        /// When users are due.
        schedule: Schedule,
        /// How workers run.
        worker: Worker,
        /// What a sync does.
        sync: Sync,
        /// How Polar's quota is shared.
        quota: Quota,
        /// When a connection counts as revoked.
        revocation: Revocation,
        /// Raw bodies.
        raw: Raw,
        /// Users who are erased.
        erasure: Erasure,
        /// Logs and metrics.
        telemetry: Telemetry,
        /// The start of a role.
        startup: Startup,
    }
}

section! {
    /// Postgres.
    Database {
        /// Where it is.
        #[serde(default, deserialize_with = "urls::postgres")]
        url: Option<ServiceUrl>,
        /// Most connections a process keeps.
        pool_max: Count,
        /// Whether a server with `fsync` off is accepted.
        allow_unsafe: bool,
    }
}

section! {
    /// Redis.
    Redis {
        /// Where it is.
        #[serde(default, deserialize_with = "urls::redis")]
        url: Option<ServiceUrl>,
        /// The certificates that its own is checked against, in PEM.
        ca_file: Option<PathBuf>,
        /// The first part of every key.
        prefix: KeyPrefix,
    }
}

section! {
    /// Polar's servers.
    Accesslink {
        /// The data API; paths begin with `/v3`.
        api_url: Origin,
        /// The page where a user consents.
        authorize_url: HttpUrl,
        /// Where a code becomes a token.
        token_url: HttpUrl,
        /// The client's id at Polar.
        client_id: Option<String>,
        /// The client's secret at Polar.
        client_secret: Option<Secret>,
        /// How long Polar keeps a transaction open.
        transaction_life: Duration,
        /// Longest wait for one answer, body included.
        request_timeout: Duration,
        /// Largest body that is read.
        body_max: Bytes,
    }
}

section! {
    /// The HTTP interface.
    Api {
        /// The address to listen on.
        listen: Listen,
        /// How the outside reaches it.
        public_url: HttpUrl,
        /// Redirect targets that a connecting platform may name.
        redirect_allow: Vec<RedirectPattern>,
        /// The first key to the HTTP interface.
        bootstrap_key: Option<Secret>,
        /// Calls a second that one key may make.
        rate_limit: Count,
        /// Calls at once.
        concurrency: Count,
        /// Longest wait of a caller for a sync.
        sync_wait: Duration,
    }
}

section! {
    /// Keys that seal tokens.
    Security {
        /// The first one seals, all open.
        #[serde(deserialize_with = "word::list")]
        keys: Vec<EncryptionKey>,
    }
}

section! {
    /// Connections of users.
    Connections {
        /// What happens when a user connects another Polar account.
        #[serde(deserialize_with = "word::one")]
        replace: ReplaceConnection,
    }
}

section! {
    /// When users are due.
    Schedule {
        /// Between two looks at Polar's notifications.
        notifications_every: Duration,
        /// Interval of the transactional kinds while notifications fail.
        interval_without_notifications: Duration,
        /// Least safety interval of every kind while Polar's webhook works.
        interval_with_webhook: Duration,
        /// Between two looks at Polar's notifications while Polar's webhook works.
        notifications_with_webhook: Duration,
        /// Entries of a lane above which nothing more is moved to it.
        backlog_max: Count,
        /// Safety interval a kind.
        interval: IntervalByKind,
    }
}

section! {
    /// Safety interval a kind.
    IntervalByKind {
        /// Of exercises.
        exercise: Duration,
        /// Of activities.
        activity: Duration,
        /// Of physical information.
        physical_information: Duration,
        /// Of sleep.
        sleep: Duration,
        /// Of nightly recharge.
        nightly_recharge: Duration,
    }
}

impl IntervalByKind {
    /// The interval of `kind`.
    pub const fn of(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Exercise => self.exercise,
            Kind::Activity => self.activity,
            Kind::PhysicalInformation => self.physical_information,
            Kind::Sleep => self.sleep,
            Kind::NightlyRecharge => self.nightly_recharge,
        }
    }
}

section! {
    /// How workers run.
    Worker {
        /// Longest life of one job.
        job_timeout: Duration,
        /// Longest wait for running jobs when the worker stops.
        drain: Duration,
        /// Jobs at once, a lane.
        concurrency: Concurrency,
    }
}

section! {
    /// Jobs at once, a lane.
    Concurrency {
        /// Of the lane where a person waits.
        interactive: Count,
        /// Of the lane where Polar said that there is data.
        event: Count,
        /// Of the lane of safety polls, retries and backfills.
        periodic: Count,
    }
}

impl Concurrency {
    /// The number of jobs at once on `lane`.
    pub const fn of(&self, lane: Lane) -> Count {
        match lane {
            Lane::Interactive => self.interactive,
            Lane::Event => self.event,
            Lane::Periodic => self.periodic,
        }
    }
}

section! {
    /// What a sync does.
    Sync {
        /// Details stored before a commit deletes them at Polar.
        #[serde(deserialize_with = "word::list")]
        include: Details,
        /// Kinds that are synced.
        #[serde(deserialize_with = "word::list")]
        kinds: BTreeSet<Kind>,
        /// The brake: whether transactions are committed.
        #[serde(deserialize_with = "word::one")]
        commit: Switch,
        /// Failures in a row until a kind is given up for now.
        attempts_max: Count,
        /// Requests at once within one transaction.
        fetch_concurrency: Count,
        /// The brake of single kinds, above `commit`.
        commit_kinds: CommitKinds,
    }
}

section! {
    /// The brake of single kinds.
    CommitKinds {
        /// Of exercises.
        #[serde(default, deserialize_with = "word::optional")]
        exercise: Option<Switch>,
        /// Of activities.
        #[serde(default, deserialize_with = "word::optional")]
        activity: Option<Switch>,
        /// Of physical information.
        #[serde(default, deserialize_with = "word::optional")]
        physical_information: Option<Switch>,
    }
}

impl CommitKinds {
    /// The switch of `kind`, when it has one.
    pub const fn of(&self, kind: TransactionalKind) -> Option<Switch> {
        match kind {
            TransactionalKind::Exercise => self.exercise,
            TransactionalKind::Activity => self.activity,
            TransactionalKind::PhysicalInformation => self.physical_information,
        }
    }
}

section! {
    /// How Polar's quota is shared.
    Quota {
        /// Requests that must be left before a transaction is created.
        open_reserve: u32,
        /// Share of each window kept for people who wait.
        interactive_reserve: Share,
        /// Most of the 24-hour window that polls without a finding may use.
        empty_poll_share: Share,
    }
}

section! {
    /// When a connection counts as revoked.
    Revocation {
        /// Between the first sign and its confirmation.
        confirm_after: Duration,
        /// Share of the active connections from which on none is revoked.
        hold_share: Share,
        /// Number of suspects from which on that may happen.
        hold_min: Count,
        /// Between two looks at a consent that is missing.
        consent_recheck: Duration,
    }
}

section! {
    /// Raw bodies.
    Raw {
        /// How long they are kept.
        retention: Duration,
    }
}

section! {
    /// Users who are erased.
    Erasure {
        /// How long readers find the change that tells of it.
        notice: Duration,
    }
}

section! {
    /// Logs and metrics.
    Telemetry {
        /// Which lines are logged.
        log: LogFilter,
        /// In which form.
        #[serde(deserialize_with = "word::one")]
        format: LogFormat,
        /// The address of health and metrics for worker and scheduler.
        metrics_listen: Listen,
    }
}

section! {
    /// The start of a role.
    Startup {
        /// Longest wait for Postgres and Redis.
        wait: Duration,
    }
}
