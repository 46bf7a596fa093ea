//! An answer or an event of Polar's, read as everything that it might be: no reader panics, and what is
//! cut off is never taken for whole.

#[path = "../../normalize/everything.rs"]
mod everything;

use polar_sync::{accesslink::wire, model::TransactionalKind};

pub(crate) fn check(body: &[u8]) {
    everything::complaints(body);
    let _ = wire::WebhookEvent::read(body).map(|event| event.subject());
    let _ = wire::webhooks(body);
    let _ = wire::created_webhook(body);

    let is_whole = wire::check_complete(body).is_ok();
    for kind in TransactionalKind::ALL {
        assert!(is_whole || wire::transaction_items(*kind, body).is_err());
    }
    // A commit is built on such a list, and a commit deletes.
    if is_whole && body.trim_ascii_start().starts_with(b"{") {
        let whole = body.trim_ascii_end().len();
        for cut in (0..whole).step_by(whole / 16 + 1) {
            assert!(wire::check_complete(&body[..cut]).is_err(), "cut at {cut}");
        }
    }
}
