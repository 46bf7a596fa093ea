//! A route: what is understood is whole, and no piece of it that passes for whole has lost a point.

use polar_sync::accesslink::wire::gpx::{check_complete, decode};

pub(crate) fn check(body: &[u8]) {
    let Ok(route) = decode(body) else {
        let _ = check_complete(body);
        return;
    };
    assert_eq!(check_complete(body), Ok(()));
    for cut in (0..body.len()).step_by(body.len() / 16 + 1) {
        if let Ok(piece) = decode(&body[..cut]) {
            // Not a number is equal to nothing, itself included: texts are compared.
            let (piece, whole) = (format!("{:?}", piece.body), format!("{:?}", route.body));
            assert_eq!(piece, whole, "cut at {cut}");
        }
    }
}
