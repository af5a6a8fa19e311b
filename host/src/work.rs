//! What the function puts on its own queue when there is more to do than one invocation can.

use serde::{Deserialize, Serialize};

/// Objects to bring up to date: the body of one message.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// The bucket they are in.
    pub bucket: String,
    /// Their keys, as they are.
    pub keys: Vec<String>,
    /// Whether their plugins run again although nothing has changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}
