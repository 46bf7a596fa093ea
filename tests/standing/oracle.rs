//! What has to come of a case, from the table of signals in the design. Nothing here is taken from the program: where
//! the table is silent, the rule that it follows from is named.

use super::case::{Answer, Case, Expiry, ROUNDS, Refresh, Round};

/// A connection after a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) state: &'static str,
    pub(crate) reason: &'static str,
    /// Whether an attempt of the kind in question is used up.
    pub(crate) attempt: bool,
    /// Whether that kind has its consent.
    pub(crate) consent: bool,
    /// Whether the other kind was served: no bad kind delays another.
    pub(crate) other_kind: bool,
    /// The events of its state after the first connecting, in alphabetical order.
    pub(crate) events: Vec<&'static str>,
}

impl End {
    /// A connection before its first run.
    pub(crate) const fn begin() -> Self {
        Self {
            state: "active",
            reason: "",
            attempt: false,
            consent: true,
            other_kind: false,
            events: Vec::new(),
        }
    }

    /// Whether Polar is not called any more, whatever is asked for.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.state, "revoked" | "expired")
    }

    /// Whether time alone leads to another look.
    pub(crate) fn is_looked_at_again(&self) -> bool {
        matches!(self.state, "suspect" | "consent_required")
    }
}

/// A case and what has to come of it, round by round; it is over where nothing looks at it again.
#[derive(Debug, Clone)]
pub(crate) struct Foretold {
    pub(crate) case: Case,
    pub(crate) ends: Vec<End>,
}

/// Every case that the design tells apart.
pub(crate) fn cases() -> Vec<Foretold> {
    let mut choices = Choices::default();
    let mut cases = Vec::new();
    loop {
        cases.push(Teller::tell(&mut choices));
        if !choices.next() {
            return cases;
        }
    }
}

/// The choices on the way to one case, each as the chosen one of so many.
#[derive(Debug, Default)]
struct Choices {
    made: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        if self.at == self.made.len() {
            self.made.push((0, of.len()));
        }
        let (chosen, _) = self.made[self.at];
        self.at += 1;
        of[chosen]
    }

    /// Goes to the next case; false after the last one.
    fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, of)) = self.made.pop() {
            if chosen + 1 < of {
                self.made.push((chosen + 1, of));
                return true;
            }
        }
        false
    }
}

/// What an answer says, once a refused token has been refreshed where that is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Good,
    Refused,
    Forbidden,
    Unknown,
    /// No answer to the question.
    Nothing,
    /// The token is refused, and whether there is another one is not known.
    NoToken,
}

/// What asking for the user came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    Good,
    /// The connection has another state.
    Changed,
    Nothing,
    NoToken,
}

struct Teller<'a> {
    choices: &'a mut Choices,
    case: Case,
    round: usize,
    end: End,
    /// Whether Polar knows that the user is registered.
    registered: bool,
    /// Whether all is well from now on: a new token, or a registration that helped.
    well: bool,
    was_suspect: bool,
}

impl<'a> Teller<'a> {
    fn tell(choices: &'a mut Choices) -> Foretold {
        let registered = choices.choose(&[true, false]);
        let mut teller = Self {
            choices,
            case: Case {
                registered: Some(registered),
                ..Case::default()
            },
            round: 0,
            end: End::begin(),
            registered,
            well: false,
            was_suspect: false,
        };
        let mut ends = Vec::new();
        for round in 0..ROUNDS {
            teller.round = round;
            teller.was_suspect = teller.end.state == "suspect";
            teller.run();
            teller.end.events.sort_unstable();
            ends.push(teller.end.clone());
            if !teller.end.is_looked_at_again() {
                break;
            }
        }
        Foretold {
            case: teller.case,
            ends,
        }
    }

    /// One run.
    fn run(&mut self) {
        if self.end.state != "active" || !self.registered {
            match self.judge() {
                Judged::Good => self.active(),
                Judged::Changed => return,
                // 5xx and the like: the state stays. It counts, unless it is asked again by itself.
                Judged::Nothing | Judged::NoToken => {
                    if self.end.state == "active" {
                        self.end.attempt = true;
                    } else {
                        self.end.reason = "unanswered";
                    }
                    return;
                }
            }
            if self.round().reconnects == Some(true) {
                return;
            }
        }
        let data = self.data();
        let said = self.said(data);
        match said {
            Said::Good => self.succeed(),
            Said::Nothing => {
                self.end.attempt = true;
                self.end.other_kind = true;
            }
            Said::NoToken => self.end.attempt = true,
            Said::Refused | Said::Forbidden | Said::Unknown => self.signal(said),
        }
    }

    /// A data call said something about the connection, and Polar is asked whether it is true.
    fn signal(&mut self, said: Said) {
        let helped_before = self.well;
        let judged = self.judge();
        if judged == Judged::Changed || self.round().reconnects == Some(true) {
            return;
        }
        let registered_now = self.round().register.is_some() && self.well && !helped_before;
        match judged {
            // The user stands well: this kind alone lacks its consent.
            Judged::Good if said == Said::Forbidden && !registered_now => {
                self.end.consent = false;
                self.end.other_kind = true;
            }
            Judged::Good if self.well => self.succeed(),
            // Contradictions have to end some time, so they count; and so does a question without an answer.
            Judged::Good | Judged::Nothing => {
                self.end.attempt = true;
                self.end.other_kind |= said != Said::Refused;
            }
            // Without a token nothing else can be asked for.
            Judged::NoToken => self.end.attempt = true,
            Judged::Changed => {}
        }
    }

    fn judge(&mut self) -> Judged {
        let look = self.look();
        if self.reconnects(look) {
            // What was learned is not true of the new tokens, which work.
            self.well = true;
            self.end.events.push("connection.active");
            self.end.state = "active";
            self.end.reason = "";
            self.succeed();
            return Judged::Good;
        }
        match self.said(look) {
            Said::Good => Judged::Good,
            Said::Refused => self.refused(),
            Said::Forbidden => self.register(),
            Said::Unknown if !self.registered => self.register(),
            Said::Unknown => self.change("revoked", "deregistered"),
            Said::Nothing => Judged::Nothing,
            Said::NoToken => Judged::NoToken,
        }
    }

    /// Registers once; it is decided by how the user stands afterwards.
    fn register(&mut self) -> Judged {
        let answer = self.registration();
        if answer != Answer::Conflict && answer != Answer::Forbidden {
            match self.said(answer) {
                Said::Good if self.well => return Judged::Good,
                Said::Good => {}
                Said::Refused => return self.refused(),
                Said::NoToken => return Judged::NoToken,
                Said::Forbidden | Said::Unknown | Said::Nothing => return Judged::Nothing,
            }
        }
        let after = self.after();
        match self.said(after) {
            Said::Good => {
                self.well = true;
                Judged::Good
            }
            Said::Refused => self.refused(),
            Said::Forbidden => self.change("consent_required", "consent_missing"),
            Said::Unknown => self.change("revoked", "deregistered"),
            Said::Nothing => Judged::Nothing,
            Said::NoToken => Judged::NoToken,
        }
    }

    /// The first refusal makes a suspect, one after the time of confirmation a revoked or expired user.
    fn refused(&mut self) -> Judged {
        if !self.was_suspect {
            return self.change("suspect", "unauthorized");
        }
        let all = [Expiry::None, Expiry::Past, Expiry::Future];
        // A token set from a refresh has no end here, so its beginning is never asked for.
        if self.refresh() != Refresh::Useless && self.case.expiry.is_none() {
            self.case.expiry = Some(self.choices.choose(&all));
        }
        if self.case.expiry == Some(Expiry::Past) && self.refresh() == Refresh::None {
            self.change("expired", "token_expired")
        } else {
            self.change("revoked", "token_refused")
        }
    }

    fn change(&mut self, state: &'static str, reason: &'static str) -> Judged {
        let event = match state {
            "revoked" => Some("connection.revoked"),
            "expired" => Some("connection.expired"),
            "consent_required" => Some("connection.consent_required"),
            _ => None,
        };
        if self.end.state != state {
            self.end.events.extend(event);
        }
        self.end.state = state;
        self.end.reason = reason;
        Judged::Changed
    }

    fn active(&mut self) {
        self.registered = true;
        if self.end.state != "active" {
            self.end.events.push("connection.active");
        }
        self.end.state = "active";
        self.end.reason = "";
    }

    fn succeed(&mut self) {
        self.end.attempt = false;
        self.end.consent = true;
        self.end.other_kind = true;
    }

    /// What an answer says. A refused token is refreshed, and the call sent once more.
    fn said(&mut self, answer: Answer) -> Said {
        match answer {
            Answer::Good | Answer::Limited => Said::Good,
            Answer::Refused => match self.refresh() {
                Refresh::None | Refresh::Useless | Refresh::InvalidGrant => Said::Refused,
                Refresh::Renews => {
                    self.well = true;
                    Said::Good
                }
                Refresh::Failed => Said::NoToken,
            },
            Answer::Forbidden => Said::Forbidden,
            Answer::NotFound | Answer::Empty => Said::Unknown,
            Answer::Failed
            | Answer::Redirected
            | Answer::Page
            | Answer::Silent
            | Answer::Conflict => Said::Nothing,
        }
    }
}

/// The answers, chosen where they are first asked for.
impl Teller<'_> {
    fn round(&mut self) -> &mut Round {
        &mut self.case.rounds[self.round]
    }

    fn refresh(&mut self) -> Refresh {
        use Refresh::{Failed, InvalidGrant, None, Renews, Useless};
        // Where a data call is refused every way is gone; where a refusal comes later it leads to the same.
        let of: &[Refresh] = match self.case.rounds[0].data {
            Some(Answer::Refused) => &[None, Renews, Useless, InvalidGrant, Failed],
            _ if self.round == 0 => &[None, Renews, Failed],
            _ => &[None],
        };
        if self.case.refresh.is_none() {
            self.case.refresh = Some(self.choices.choose(of));
        }
        self.case.refresh.unwrap()
    }

    fn data(&mut self) -> Answer {
        use Answer::{Failed, Forbidden, Good, NotFound, Page, Redirected, Refused, Silent};
        let of: &[Answer] = match (self.well, self.round) {
            (true, _) => return Good,
            (false, 0) => &[
                Good, Refused, Forbidden, NotFound, Failed, Redirected, Page, Silent,
            ],
            (false, _) => &[Good, Refused],
        };
        if self.round().data.is_none() {
            self.round().data = Some(self.choices.choose(of));
        }
        self.round().data.unwrap()
    }

    fn look(&mut self) -> Answer {
        use Answer::{Empty, Failed, Forbidden, Good, NotFound, Page, Redirected, Refused, Silent};
        let of: &[Answer] = match (self.well, self.round) {
            (true, _) => return Good,
            (false, 0) if self.case.registered == Some(true) => &[
                Good, Refused, Forbidden, NotFound, Empty, Failed, Redirected, Page, Silent,
            ],
            (false, 0) => &[Good, Refused, Forbidden, NotFound, Failed],
            (false, 1) if self.case.registered == Some(true) => {
                &[Good, Refused, Forbidden, NotFound, Failed]
            }
            (false, 1) => &[Good, Refused, NotFound],
            (false, _) => &[Good, Refused],
        };
        if self.round().look.is_none() {
            self.round().look = Some(self.choices.choose(of));
        }
        self.round().look.unwrap()
    }

    /// Whether registering is the natural course: elsewhere it is one of the oddities.
    fn is_about_registration(&self) -> bool {
        let Round { data, look, .. } = self.case.rounds[0];
        if self.case.registered == Some(false) {
            look == Some(Answer::NotFound)
        } else {
            data == Some(Answer::Forbidden) && look == Some(Answer::Forbidden)
        }
    }

    fn registration(&mut self) -> Answer {
        use Answer::{Conflict, Failed, Forbidden, Good, Refused};
        let of: &[Answer] = match self.round {
            0 if self.is_about_registration() => &[Good, Conflict, Forbidden, Refused, Failed],
            0 => &[Good],
            _ => &[Conflict],
        };
        if self.round().register.is_none() {
            self.round().register = Some(self.choices.choose(of));
        }
        self.round().register.unwrap()
    }

    fn after(&mut self) -> Answer {
        use Answer::{Failed, Forbidden, Good, NotFound, Refused};
        let of: &[Answer] = match self.round {
            0 if self.is_about_registration() => &[Good, Refused, Forbidden, NotFound, Failed],
            _ => &[Good, Forbidden],
        };
        if self.round().after.is_none() {
            self.round().after = Some(self.choices.choose(of));
        }
        self.round().after.unwrap()
    }

    /// Whether the user connects again while this look is under way.
    fn reconnects(&mut self, look: Answer) -> bool {
        let of: &[bool] = match look {
            _ if self.well => return false,
            Answer::Refused | Answer::Forbidden | Answer::NotFound | Answer::Failed => {
                &[false, true]
            }
            _ => &[false],
        };
        if self.round().reconnects.is_none() {
            let reconnects = self.choices.choose(of);
            self.round().reconnects = Some(reconnects);
        }
        let reconnects = self.round().reconnects == Some(true);
        let is_to_register = look == Answer::Forbidden
            || look == Answer::NotFound && self.case.registered == Some(false);
        if reconnects && is_to_register {
            // The run goes on with the tokens that it has, and comes to what is not true any more.
            self.round().register = Some(Answer::Conflict);
            self.round().after = Some(Answer::Forbidden);
        }
        reconnects
    }
}
