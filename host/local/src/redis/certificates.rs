//! A certificate authority and a certificate that it gave a server on this machine.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// Certificates in PEM files, which are gone when this is dropped.
#[derive(Debug)]
pub(super) struct Certificates {
    /// Where the files are.
    _folder: TempDir,
    /// The authority's certificate, which clients must trust.
    pub(super) authority: PathBuf,
    /// The server's certificate, for `localhost` and `127.0.0.1`.
    pub(super) certificate: PathBuf,
    /// The server's private key.
    pub(super) key: PathBuf,
}

impl Certificates {
    /// Makes new ones.
    pub(super) fn generate() -> Result<Self> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = &mut authority.distinguished_name;
        name.push(DnType::CommonName, "Redis Sync local authority");
        let authority_pem = authority.self_signed(&authority_key)?.pem();
        let issuer = Issuer::new(authority, authority_key);

        let key = KeyPair::generate()?;
        let names = [String::from("localhost"), String::from("127.0.0.1")];
        let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;

        let folder = tempfile::Builder::new().prefix("redis-tls-").tempdir()?;
        Ok(Self {
            authority: write(folder.path(), "ca.pem", &authority_pem)?,
            certificate: write(folder.path(), "server.pem", &certificate.pem())?,
            key: write(folder.path(), "server.key", &key.serialize_pem())?,
            _folder: folder,
        })
    }
}

fn write(folder: &Path, name: &str, content: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, content)?;
    Ok(path)
}
