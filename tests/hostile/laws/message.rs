//! A job from a stream that others write to: what is taken is printed, and taken again as the same.

use polar_sync::queue::Message;

pub(crate) fn check(job: &[u8]) {
    if let Ok(parsed) = Message::parse(Some(job)) {
        let printed = parsed.message.to_json().unwrap();
        let again = Message::parse(Some(printed.as_bytes())).unwrap();
        assert_eq!(again.message, parsed.message, "{printed}");
    }
}
