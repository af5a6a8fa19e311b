//! A plugin reaches nothing outside itself.

use crate::environment::{assert_held, environment};
use redis_sync_tests::guest;
use serde_json::json;
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn no_socket_no_name_no_file_and_no_wait_and_not_a_packet_leaves() {
    let environment = environment(&[]).await;
    let (udp, tcp) = (
        UdpSocket::bind("127.0.0.1:0").unwrap(),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    udp.set_nonblocking(true).unwrap();
    tcp.set_nonblocking(true).unwrap();
    environment
        .s3
        .put("plugins/reach.wasm", guest::module("reaching"));
    let ports = json!({
        "udp": udp.local_addr().unwrap().port(),
        "tcp": tcp.local_addr().unwrap().port(),
    });
    let started = Instant::now();
    environment
        .upload("reach", ports.to_string())
        .await
        .unwrap();
    assert!(started.elapsed() < Duration::from_secs(60));
    let expected = json!({
        "udp": "access-denied",
        "tcp": "access-denied",
        "name": "permanent-resolver-failure",
        "address": "permanent-resolver-failure",
        "directories": "0",
        "environment": "[]",
        "arguments": "[]",
        "folder": "None",
        "terminals": "0",
        "stdin": "true",
        "waited": "3",
    });
    assert_held(&environment, json!({ "reached": expected })).await;

    let mut packet = [0; 10];
    let nothing = udp.recv(&mut packet).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    let nobody = tcp.accept().unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
}
