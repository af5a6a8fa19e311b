//! What an on-failure destination keeps of an invocation: its payload, in an envelope. Sent again as it is, it may fail
//! again, and comes in one more.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Envelopes within each other that are opened: each is one that somebody has sent again.
const MOST: usize = 20;

#[derive(Deserialize)]
struct FailedInvocation<'a> {
    #[serde(rename = "requestPayload", borrow)]
    payload: &'a RawValue,
}

/// The payload that has failed, or this one if it is none of those: most are none, and are not parsed for that.
pub(super) fn unwrapped(payload: &str) -> &str {
    let mut payload = payload;
    for _ in 0..MOST {
        if !payload.contains("\"requestPayload\"") {
            break;
        }
        match serde_json::from_str::<FailedInvocation<'_>>(payload) {
            Ok(failed) => payload = failed.payload.get(),
            Err(_) => break,
        }
    }
    payload
}
