//! Sleep and Nightly Recharge: read as often as one likes, nothing is committed.

use axum::http::StatusCode;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::Exchange;
use super::answer::Answer;
use super::call::Call;
use super::receipt::Receipt;
use crate::world::account::NightRecord;

/// Answers a call of this family.
pub(super) fn answer(exchange: &Exchange) -> Answer {
    let sim = &exchange.sim;
    let answer = sim.with_account(
        exchange.user.unwrap_or_default(),
        |account, now, switches| {
            let (person, origin) = (&account.person, sim.origins(switches).bare);
            let sleep = |record: &NightRecord| record.night.sleep(person, origin, switches);
            let recharge = |record: &NightRecord| {
                let night = &record.night;
                night
                    .has_recharge
                    .then(|| night.recharge(person, origin, switches))
            };
            let mut nights = account.nights_kept(now, switches.nights_days);
            let not_found = || Answer::error(StatusCode::NOT_FOUND, switches);
            let on = |date: &str| date.parse::<Date>().map_err(|_| StatusCode::BAD_REQUEST);
            match &exchange.call {
                Call::Nights => {
                    Answer::value(&json!({"nights": nights.map(sleep).collect::<Value>()}))
                        .serving(Receipt::Sleep(None))
                }
                Call::NightsAvailable => {
                    let available = nights.map(|record| record.night.available(person, switches));
                    Answer::value(&json!({"available": available.collect::<Value>()}))
                }
                Call::Night(date) => match on(date) {
                    Err(status) => Answer::error(status, switches),
                    Ok(date) => nights
                        .find(|record| record.night.date == date)
                        .map(sleep)
                        .map_or_else(not_found, |sleep| Answer::value(&sleep))
                        .serving(Receipt::Sleep(Some(date))),
                },
                Call::Recharge(date) => match on(date) {
                    Err(status) => Answer::error(status, switches),
                    Ok(date) => nights
                        .find(|record| record.night.date == date)
                        .and_then(recharge)
                        .map_or_else(not_found, |recharge| Answer::value(&recharge))
                        .serving(Receipt::Recharge(Some(date))),
                },
                _ => {
                    let recharges = nights.filter_map(recharge).collect::<Value>();
                    Answer::value(&json!({"recharges": recharges})).serving(Receipt::Recharge(None))
                }
            }
        },
    );
    answer.unwrap_or_else(Answer::no_content)
}
