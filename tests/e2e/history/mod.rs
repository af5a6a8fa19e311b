//! Histories of a bucket, its hosts and Redis, played request by request.

mod hosts;
mod player;
mod progress;
mod steps;
mod verdict;

pub(crate) use hosts::Place;
pub(crate) use player::Player;
pub(crate) use steps::{Kind, histories};
