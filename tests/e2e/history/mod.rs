//! Histories: what happens to a bucket, and how its events are delivered meanwhile.

mod hosts;
mod player;
mod progress;
mod steps;

pub(crate) use player::Player;
pub(crate) use steps::{Step, histories, histories_with_losses};
