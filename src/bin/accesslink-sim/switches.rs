//! The switches: one for everything that nobody knows about the real service.
//!
//! The first value of each is the default. To add one, add a line to the table and read the field where the
//! behaviour is; `GET` and `PUT /switches`, `--switch` and its error texts follow from the table.

use serde_json::{Map, Value};

macro_rules! switches {
    (
        choices { $($(#[$doc:meta])* $field:ident: $kind:ident {
            $first:ident = $first_name:literal $(, $choice:ident = $name:literal)* $(,)?
        })* }
        numbers { $($(#[$number_doc:meta])* $number:ident = $default:literal)* }
    ) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
            pub(crate) enum $kind { #[default] $first, $($choice),* }

            impl $kind {
                /// The value as it is written in a switch.
                pub(crate) const fn name(self) -> &'static str {
                    match self { Self::$first => $first_name, $(Self::$choice => $name),* }
                }
            }
        )*

        /// What the simulator does where the real service is not known.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct Switches {
            $($(#[$doc])* pub(crate) $field: $kind,)*
            $($(#[$number_doc])* pub(crate) $number: u64,)*
        }

        impl Default for Switches {
            fn default() -> Self {
                Self { $($field: $kind::default(),)* $($number: $default,)* }
            }
        }

        impl Switches {
            /// Turns one switch; the error says what it could be turned to.
            pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
                $(if key == stringify!($field) {
                    self.$field = match value {
                        $first_name => $kind::$first,
                        $($name => $kind::$choice,)*
                        _ => return Err(refused(key, value, &[$first_name $(, $name)*])),
                    };
                    return Ok(());
                })*
                $(if key == stringify!($number) {
                    self.$number = number(key, value)?;
                    return Ok(());
                })*
                let known = [$(stringify!($field),)* $(stringify!($number),)*].join(", ");
                Err(format!("there is no switch `{key}`; there are {known}"))
            }

            /// All switches with their values.
            pub(crate) fn to_json(self) -> Value {
                let mut object = Map::new();
                $(object.insert(stringify!($field).into(), self.$field.name().into());)*
                $(object.insert(stringify!($number).into(), self.$number.into());)*
                object.into()
            }
        }
    };
}

switches! {
    choices {
        /// What a create answers while a transaction of that kind is open.
        second_create: SecondCreate {
            NoContent = "204", SameId = "same-id", SameIdMoreItems = "same-id-more-items", NewId = "new-id",
        }
        /// What a resource of a closed transaction answers.
        expired_resource: ExpiredResource { NotFound = "404", NoContent = "204" }
        /// What a commit of a closed transaction does.
        late_put: LatePut { NoOp404 = "no-op-404", NoOp204 = "no-op-204", Deletes = "deletes" }
        /// What a commit answers that really commits.
        put_answer: PutAnswer { Ok = "200", NoContent = "204", NotFound = "404" }
        /// What data calls answer before the user is registered.
        unregistered: Unregistered { Forbidden = "403", NoContent = "204", Empty = "empty" }
        /// What `GET /v3/users/{id}` answers before the user is registered.
        unregistered_user: UnregisteredUser { NoContent = "204", Forbidden = "403", NotFound = "404" }
        /// Whether a token still works once the same person has consented again.
        old_token: OldToken { Valid = "valid", Revoked = "revoked" }
        /// Whether a token dies `expires_in_s` after its issue.
        token_expiry: TokenExpiry { Never = "never", Honoured = "honoured" }
        /// Whether the token endpoint gives refresh tokens, each of which works once.
        refresh_tokens: RefreshTokens { None = "none", Rotating = "rotating" }
        /// Status of a token request with wrong client credentials.
        invalid_client: InvalidClient { Unauthorized = "401", BadRequest = "400" }
        /// Which registered users the limits are for: those of now, or those at the beginning of the day's window.
        quota_users: QuotaUsers { Live = "live", Daily = "daily" }
        /// Whether a 429 says when to come back.
        retry_after: RetryAfter { Off = "off", On = "on" }
        /// What stands in the body of an error.
        error_body: ErrorBody { Empty = "empty", Html = "html", Json = "json" }
        /// Keys of the objects inside an exercise of `/v3/exercises`; kebab-case also makes sample types text.
        nested_keys: NestedKeys { Snake = "snake", Kebab = "kebab" }
        /// What stands for a missing value in the data of samples.
        null_token: NullToken { Nothing = "", Lower = "null", Upper = "NULL" }
        /// Durations: each family's own style, or one for all.
        duration_style: DurationStyle {
            AsObserved = "as-observed", Normalised = "normalised", Seconds = "seconds",
        }
        /// Whether local times leave out seconds that are zero.
        seconds: Seconds { Kept = "kept", OmittedWhenZero = "omitted-when-zero" }
        /// What an exercise without heart rate zones answers.
        no_zones: NoZones { NoContent = "204", Null = "null" }
        /// `training-load-pro` as it is now, or as older documentation has it.
        training_load_pro: TrainingLoadPro { Object = "object", Array = "array" }
        /// `extra-info` of a user without any.
        extra_info: ExtraInfo { Empty = "empty", Null = "null" }
        /// Whether the same day of activity is offered again under a new id.
        activity_reoffer: ActivityReoffer { NewId = "new-id", SameId = "same-id" }
        /// Offset of the times in a night during which the clock changed.
        night_clock: NightClock { StartOffset = "start-offset", Wall = "wall" }
        /// Origin of the URLs in answers: the simulator's own, or Polar's hosts.
        url_origin: UrlOrigin { Own = "own", Polar = "polar" }
        /// What the list of webhooks answers when there is none.
        webhook_none: WebhookNone { Empty = "empty", NoContent = "204" }
        /// Whether a changed webhook is answered in a list or alone.
        webhook_patch: WebhookPatch { List = "list", Object = "object" }
        /// Whether a ping carries a signature.
        webhook_ping: WebhookPing { Unsigned = "unsigned", Signed = "signed" }
        /// Which answers of the receiver count as good.
        webhook_accepts: WebhookAccepts { Ok = "200", AnySuccess = "2xx" }
        /// Form of the errors of webhook calls: as seen, or as documented.
        webhook_error: WebhookErrorForm { Wrapped = "wrapped", Flat = "flat" }
        /// How often each event is delivered; a silent webhook looks healthy and delivers none.
        webhook_events: WebhookEvents { Once = "once", Twice = "twice", Silent = "silent" }
    }
    numbers {
        /// Seconds of the short window of the rate limit.
        short_window_s = 900
        /// Seconds from the create until a transaction is disbanded.
        transaction_life_s = 600
        /// Most items of one transaction.
        transaction_items_max = 50
        /// Seconds that a token is said to live.
        expires_in_s = 31_535_999
        /// Days since upload during which an item is offered in transactions.
        transactional_days = 28
        /// Days since upload during which `/v3/exercises` has an exercise.
        exercises_days = 30
        /// Days during which nights and recharges are there.
        nights_days = 28
        /// Days without a successful delivery after which a failing webhook is deactivated.
        webhook_failing_days = 7
    }
}

/// The highest number of a switch: more than thirty years where it means seconds.
const NUMBER_MAX: u64 = 1_000_000_000;

fn number(key: &str, value: &str) -> Result<u64, String> {
    let number = value.parse().ok().filter(|number| *number <= NUMBER_MAX);
    number.ok_or_else(|| refused(key, value, &["a whole number up to 1000000000"]))
}

fn refused(key: &str, value: &str, choices: &[&str]) -> String {
    let choices = choices
        .iter()
        .map(|choice| format!("`{choice}`"))
        .collect::<Vec<_>>()
        .join(", ");
    format!("switch `{key}` cannot be `{value}`; it can be {choices}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_turned_by_name() {
        let mut switches = Switches::default();
        switches.set("second_create", "new-id").unwrap();
        switches.set("transaction_life_s", "86400").unwrap();
        assert_eq!(switches.second_create, SecondCreate::NewId);
        assert_eq!(switches.to_json()["transaction_life_s"], 86_400);
    }

    #[test]
    fn a_wrong_switch_names_the_choices() {
        let mut switches = Switches::default();
        let wrong_value = switches.set("late_put", "maybe").unwrap_err();
        assert!(
            wrong_value.contains("`no-op-404`, `no-op-204`, `deletes`"),
            "{wrong_value}"
        );
        let wrong_key = switches.set("later_put", "deletes").unwrap_err();
        assert!(wrong_key.contains("late_put"), "{wrong_key}");
        assert_eq!(switches, Switches::default());
    }
}
