//! Hosts that compute, that lost a connection, or that set one up while something waits.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// Plays with a host's connection to a Redis, and the gate between.
fn play<F: Future<Output = ()>>(how: impl FnOnce(Gate, TcpStream) -> F) {
    let (runtime, quiet) = Quiet::runtime();
    runtime.block_on(async {
        let redis = Redis::start().await.unwrap();
        let mut gate = Gate::new(quiet);
        let port = gate.redis(0, std::slice::from_ref(&redis)).await.unwrap();
        how(gate, TcpStream::connect(("127.0.0.1", port)).await.unwrap()).await;
    });
}

#[test]
fn a_host_that_computes_is_waited_for() {
    play(async |gate, mut host| {
        tokio::spawn(async move {
            let compute = || {
                let end = Instant::now() + Duration::from_millis(50);
                while Instant::now() < end {}
            };
            tokio::task::spawn_blocking(compute).await.unwrap();
            host.write_all(GET).await.unwrap();
            host.read_u8().await.unwrap();
        });
        gate.settled(|| true).await;
        let waiting = gate.waiting();
        assert_eq!(waiting[0].text, "GET k");
        gate.decide(&waiting[0], Fate::Pass);
        gate.settled(|| true).await;
        assert!(gate.waiting().is_empty());
    });
}

#[test]
fn a_host_that_lost_its_connection_is_waited_for() {
    play(async |gate, mut host| {
        host.write_all(GET).await.unwrap();
        gate.settled(|| true).await;
        gate.decide(&gate.waiting()[0], Fate::AnswerLost);
        let nudge = gate.nudge();
        tokio::spawn(async move {
            assert!(host.read_u8().await.is_err());
            tokio::time::sleep(PATIENCE / 2).await;
            nudge();
        });
        let before = Instant::now();
        gate.settled(|| true).await;
        assert!(before.elapsed() >= PATIENCE / 2);
    });
}

/// Redis answers in the order of requests, and so does the gate.
#[test]
fn what_sets_up_a_connection_waits_for_what_was_sent_before() {
    play(async |gate, mut host| {
        host.write_all(PING).await.unwrap();
        let mut pong = [0; 7];
        host.read_exact(&mut pong).await.unwrap();
        host.write_all(&[GET, PING].concat()).await.unwrap();
        gate.settled(|| true).await;
        gate.decide(&gate.waiting()[0], Fate::Pass);
        let mut answers = [0; 12];
        host.read_exact(&mut answers).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answers), "$-1\r\n+PONG\r\n");
    });
}
