//! A case: what AccessLink answers one user, round by round.

/// Rounds of a case. Between two of them a suspect's time of confirmation, or the next look at a missing consent, comes.
pub(crate) const ROUNDS: usize = 3;

/// An answer of AccessLink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Success: 200, and 204 (nothing new) for a create.
    Good,
    /// 401.
    Refused,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 204 where a user was asked for.
    Empty,
    /// 409.
    Conflict,
    /// 429, once; success from then on.
    Limited,
    /// 503.
    Failed,
    /// 302.
    Redirected,
    /// A page for people.
    Page,
    /// None within the time-out.
    Silent,
}

/// What the token endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// The connection has no refresh token.
    None,
    /// Gives a token that is accepted.
    Renews,
    /// Gives tokens that are refused like the old one.
    Useless,
    /// `invalid_grant`.
    InvalidGrant,
    /// 503.
    Failed,
}

/// What the token says of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    None,
    Past,
    Future,
}

/// One round of a case. What is `None` is not asked for, if the design is followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// To the create of `physical_information`. A refused token is refused for the nights too, which answer well
    /// otherwise.
    pub(crate) data: Option<Answer>,
    /// To `GET /v3/users/{id}`.
    pub(crate) look: Option<Answer>,
    /// To `POST /v3/users`.
    pub(crate) register: Option<Answer>,
    /// To `GET /v3/users/{id}` once `POST /v3/users` was sent. When it is good, registering has helped: all is well
    /// from then on.
    pub(crate) after: Option<Answer>,
    /// Whether the user connects again, with tokens that are accepted, while the look is under way.
    pub(crate) reconnects: Option<bool>,
}

/// What AccessLink answers one user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Case {
    /// Whether we registered the user; else the connection is imported.
    pub(crate) registered: Option<bool>,
    pub(crate) refresh: Option<Refresh>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) rounds: [Round; ROUNDS],
}

impl Case {
    /// Its name: everything that it decides.
    pub(crate) fn name(&self) -> String {
        let mut name = vec![match self.registered {
            Some(false) => "imported".to_owned(),
            _ => "registered".to_owned(),
        }];
        if let Some(refresh) = self.refresh {
            name.push(format!("refresh={refresh:?}"));
        }
        if let Some(expiry) = self.expiry {
            name.push(format!("expiry={expiry:?}"));
        }
        for (number, round) in (1..).zip(&self.rounds) {
            let answers = [
                ("data", round.data),
                ("look", round.look),
                ("register", round.register),
                ("after", round.after),
            ];
            for (what, answer) in answers {
                if let Some(answer) = answer {
                    name.push(format!("{what}{number}={answer:?}"));
                }
            }
            if round.reconnects == Some(true) {
                name.push(format!("reconnects{number}"));
            }
        }
        name.join(" ")
    }
}
