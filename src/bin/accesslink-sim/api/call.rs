//! Which call a request is: method and path become one value, once.

use crate::world::item::Kind;
use crate::world::parts::PartKey;

/// A call of AccessLink.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    ConsentPage,
    Consent,
    Token,
    Register,
    User(u64),
    Deregister(u64),
    Notifications,
    Webhook(WebhookCall),
    Create(Kind, u64),
    List(Kind, u64, u64),
    Commit(Kind, u64, u64),
    Resource {
        kind: Kind,
        user: u64,
        transaction: u64,
        item: u64,
        resource: Resource,
    },
    Exercises,
    Exercise(String),
    ExerciseFile(String, PartKey),
    Nights,
    NightsAvailable,
    Night(String),
    Recharges,
    Recharge(String),
    Unknown,
}

/// What is read of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    Part(PartKey),
    /// The list of the sample types that an exercise has.
    SampleList,
}

/// What is done with the client's webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WebhookCall {
    Create,
    List,
    Update(String),
    Delete(String),
    Activate,
    Deactivate,
}

impl Call {
    /// The call that this method and path mean. A slash at the end is allowed.
    pub(super) fn parse(method: &str, path: &str) -> Self {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let call = match (method, segments.as_slice()) {
            ("GET", ["oauth2", "authorization"]) => Some(Self::ConsentPage),
            ("POST", ["oauth2", "authorization"]) => Some(Self::Consent),
            ("POST", ["v2", "oauth2", "token"]) => Some(Self::Token),
            ("GET", ["v3", "notifications"]) => Some(Self::Notifications),
            (method, ["v3", "webhooks", rest @ ..]) => {
                WebhookCall::parse(method, rest).map(Self::Webhook)
            }
            ("POST", ["v3", "users"]) => Some(Self::Register),
            ("GET", ["v3", rest @ ..]) => Self::parse_get(rest),
            ("DELETE", ["v3", "users", user]) => number(user).map(Self::Deregister),
            ("POST", ["v3", "users", user, transactions]) => kind(transactions)
                .zip(number(user))
                .map(|(kind, user)| Self::Create(kind, user)),
            ("PUT", ["v3", "users", user, transactions, transaction]) => {
                ids(transactions, user, transaction)
                    .map(|(kind, user, id)| Self::Commit(kind, user, id))
            }
            _ => None,
        };
        call.unwrap_or(Self::Unknown)
    }

    fn parse_get(segments: &[&str]) -> Option<Self> {
        match *segments {
            ["exercises"] => Some(Self::Exercises),
            ["exercises", id] => Some(Self::Exercise(id.to_owned())),
            ["exercises", id, file] => Some(Self::ExerciseFile(id.to_owned(), file_part(file)?)),
            ["users", "sleep"] => Some(Self::Nights),
            ["users", "sleep", "available"] => Some(Self::NightsAvailable),
            ["users", "sleep", date] => Some(Self::Night(date.to_owned())),
            ["users", "nightly-recharge"] => Some(Self::Recharges),
            ["users", "nightly-recharge", date] => Some(Self::Recharge(date.to_owned())),
            ["users", user] => number(user).map(Self::User),
            ["users", user, transactions, transaction] => {
                let (kind, user, id) = ids(transactions, user, transaction)?;
                Some(Self::List(kind, user, id))
            }
            [
                "users",
                user,
                transactions,
                transaction,
                items,
                item,
                ref rest @ ..,
            ] => {
                let (kind, user, transaction) = ids(transactions, user, transaction)?;
                let (item, resource) = (number(item)?, resource(kind, rest)?);
                (items == kind.items()).then_some(Self::Resource {
                    kind,
                    user,
                    transaction,
                    item,
                    resource,
                })
            }
            _ => None,
        }
    }

    /// Name of the operation, for faults, counters and waiting.
    pub(super) fn op(&self) -> &'static str {
        match self {
            Self::ConsentPage | Self::Consent => "authorize",
            Self::Token => "token",
            Self::Register => "users.register",
            Self::User(_) => "users.get",
            Self::Deregister(_) => "users.delete",
            Self::Notifications => "notifications",
            Self::Webhook(call) => call.op(),
            Self::Create(kind, _) => [
                "exercise.create",
                "activity.create",
                "physical_information.create",
            ][kind.index()],
            Self::List(kind, ..) => [
                "exercise.list",
                "activity.list",
                "physical_information.list",
            ][kind.index()],
            Self::Commit(kind, ..) => [
                "exercise.commit",
                "activity.commit",
                "physical_information.commit",
            ][kind.index()],
            Self::Resource { kind, resource, .. } => resource_op(*kind, *resource),
            Self::Exercises => "exercises.list",
            Self::Exercise(_) => "exercises.get",
            Self::ExerciseFile(..) => "exercises.file",
            Self::Nights => "sleep.list",
            Self::NightsAvailable => "sleep.available",
            Self::Night(_) => "sleep.get",
            Self::Recharges => "recharge.list",
            Self::Recharge(_) => "recharge.get",
            Self::Unknown => "unknown",
        }
    }

    /// The user whom the path names.
    pub(super) fn user(&self) -> Option<u64> {
        match self {
            Self::User(user)
            | Self::Deregister(user)
            | Self::Create(_, user)
            | Self::List(_, user, _)
            | Self::Commit(_, user, _)
            | Self::Resource { user, .. } => Some(*user),
            _ => None,
        }
    }

    /// Whether a body comes with the request that matters.
    pub(super) fn has_body(&self) -> bool {
        matches!(
            self,
            Self::Consent
                | Self::Token
                | Self::Register
                | Self::Webhook(WebhookCall::Create | WebhookCall::Update(_))
        )
    }

    /// Whether the call is about the client's webhook.
    pub(super) fn is_of_webhooks(&self) -> bool {
        matches!(self, Self::Webhook(_))
    }

    /// Whether the call counts on the windows of the client: the OAuth host does not.
    pub(super) fn is_metered(&self) -> bool {
        !matches!(self, Self::ConsentPage | Self::Consent | Self::Token)
    }

    /// Whether the call reads or deletes data of a registered user.
    pub(super) fn is_data(&self) -> bool {
        !matches!(
            self,
            Self::ConsentPage
                | Self::Consent
                | Self::Token
                | Self::Register
                | Self::User(_)
                | Self::Deregister(_)
                | Self::Notifications
                | Self::Webhook(_)
                | Self::Unknown
        )
    }
}

impl WebhookCall {
    fn parse(method: &str, segments: &[&str]) -> Option<Self> {
        match (method, segments) {
            ("POST", []) => Some(Self::Create),
            ("GET", []) => Some(Self::List),
            ("POST", ["activate"]) => Some(Self::Activate),
            ("POST", ["deactivate"]) => Some(Self::Deactivate),
            ("PATCH", [id]) => Some(Self::Update((*id).to_owned())),
            ("DELETE", [id]) => Some(Self::Delete((*id).to_owned())),
            _ => None,
        }
    }

    fn op(&self) -> &'static str {
        match self {
            Self::Create => "webhooks.create",
            Self::List => "webhooks.list",
            Self::Update(_) => "webhooks.update",
            Self::Delete(_) => "webhooks.delete",
            Self::Activate => "webhooks.activate",
            Self::Deactivate => "webhooks.deactivate",
        }
    }
}

fn resource_op(kind: Kind, resource: Resource) -> &'static str {
    match (kind, resource) {
        (Kind::Exercise, Resource::SampleList) => "exercise.samples",
        (_, Resource::Part(PartKey::HeartRateZones)) => "exercise.zones",
        (_, Resource::Part(PartKey::Samples(_))) => "exercise.sample",
        (_, Resource::Part(PartKey::Gpx)) => "exercise.gpx",
        (_, Resource::Part(PartKey::Tcx)) => "exercise.tcx",
        (_, Resource::Part(PartKey::Fit)) => "exercise.fit",
        (_, Resource::Part(PartKey::StepSamples)) => "activity.steps",
        (_, Resource::Part(PartKey::ZoneSamples)) => "activity.zones",
        (kind, _) => [
            "exercise.item",
            "activity.item",
            "physical_information.item",
        ][kind.index()],
    }
}

fn resource(kind: Kind, segments: &[&str]) -> Option<Resource> {
    match (kind, segments) {
        (_, []) => Some(Resource::Part(PartKey::Summary)),
        (Kind::Exercise, ["heart-rate-zones"]) => Some(Resource::Part(PartKey::HeartRateZones)),
        (Kind::Exercise, ["samples"]) => Some(Resource::SampleList),
        (Kind::Exercise, ["samples", type_id]) => type_id
            .parse()
            .ok()
            .map(|type_id| Resource::Part(PartKey::Samples(type_id))),
        (Kind::Exercise, [file]) => file_part(file).map(Resource::Part),
        (Kind::Activity, ["step-samples"]) => Some(Resource::Part(PartKey::StepSamples)),
        (Kind::Activity, ["zone-samples"]) => Some(Resource::Part(PartKey::ZoneSamples)),
        _ => None,
    }
}

fn file_part(name: &str) -> Option<PartKey> {
    match name {
        "gpx" => Some(PartKey::Gpx),
        "tcx" => Some(PartKey::Tcx),
        "fit" => Some(PartKey::Fit),
        _ => None,
    }
}

fn ids(transactions: &str, user: &str, transaction: &str) -> Option<(Kind, u64, u64)> {
    Some((kind(transactions)?, number(user)?, number(transaction)?))
}

fn kind(segment: &str) -> Option<Kind> {
    Kind::ALL
        .into_iter()
        .find(|kind| kind.transactions() == segment)
}

fn number(segment: &str) -> Option<u64> {
    segment.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_calls() {
        let op = |method, path| Call::parse(method, path).op();
        assert_eq!(
            op("POST", "/v3/users/1/exercise-transactions"),
            "exercise.create"
        );
        assert_eq!(
            op("PUT", "/v3/users/1/activity-transactions/2"),
            "activity.commit"
        );
        assert_eq!(
            op(
                "GET",
                "/v3/users/1/exercise-transactions/2/exercises/3/samples/0"
            ),
            "exercise.sample"
        );
        assert_eq!(
            op(
                "GET",
                "/v3/users/1/exercise-transactions/2/exercises/3/samples"
            ),
            "exercise.samples"
        );
        assert_eq!(op("GET", "/v3/users/sleep/"), "sleep.list");
        assert_eq!(op("GET", "/v3/exercises/abc/samples"), "unknown");
        assert_eq!(
            op("GET", "/v3/users/1/exercise-transactions/2/activities/3"),
            "unknown"
        );
        assert_eq!(op("DELETE", "/v3/exercises"), "unknown");
        assert_eq!(op("POST", "/v3/webhooks/activate"), "webhooks.activate");
        assert_eq!(op("PATCH", "/v3/webhooks/activate"), "webhooks.update");
        assert_eq!(op("GET", "/v3/webhooks/1"), "unknown");
    }
}
