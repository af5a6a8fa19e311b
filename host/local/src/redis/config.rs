//! The lines of a server's `redis.conf`.

use super::{RedisOptions, certificates::Certificates, cluster};
use std::path::Path;

/// A port and a cluster bus of its own, a folder, no persistence; then what the options say.
pub(super) fn lines(
    folder: &Path,
    (port, bus_port): (u16, u16),
    certificates: Option<&Certificates>,
    options: &RedisOptions,
) -> Vec<String> {
    let folder = folder.display();
    let mut lines = vec![
        String::from("bind 127.0.0.1"),
        format!("dir {folder}"),
        format!("unixsocket {folder}/redis.sock"),
        String::from("save \"\""),
        String::from("appendonly no"),
    ];
    match certificates {
        None => lines.push(format!("port {port}")),
        Some(certificates) => lines.extend([
            String::from("port 0"),
            format!("tls-port {port}"),
            format!("tls-cert-file {}", certificates.certificate.display()),
            format!("tls-key-file {}", certificates.key.display()),
            format!("tls-ca-cert-file {}", certificates.authority.display()),
            String::from("tls-auth-clients no"),
        ]),
    }
    if options.config.iter().any(|line| line == cluster::ENABLED) {
        lines.push(format!("cluster-port {bus_port}"));
    }
    lines.extend(options.config.iter().cloned());
    lines.push(String::new());
    lines
}
