//! A Redis URL as the variables of the function.

use percent_encoding::percent_decode_str;
use std::str::FromStr;

/// Where Redis is, as variables: `redis://[user[:password]@]host[:port][/db]`, or `rediss://` with TLS.
#[derive(Clone)]
pub(crate) struct RedisUrl {
    /// Name and value.
    variables: Vec<(&'static str, String)>,
    /// Host and port.
    address: String,
}

/// Without the password.
impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.address)
    }
}

impl RedisUrl {
    /// The variables that lead the function there.
    pub(crate) fn variables(&self) -> &[(&'static str, String)] {
        &self.variables
    }

    /// Whether it speaks TLS.
    pub(crate) fn is_tls(&self) -> bool {
        let mut variables = self.variables.iter();
        variables.any(|(name, value)| *name == "REDIS_TLS" && value == "true")
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    /// No error quotes the URL, which may have a password.
    fn from_str(url: &str) -> Result<Self, String> {
        let wrong = || "a Redis is redis://[user[:password]@]host[:port][/db]".to_owned();
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => return Err(wrong()),
        };
        let (rest, db) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (place, "6379"),
        };
        let host = host.trim_matches(['[', ']']);
        port.parse::<u16>().map_err(|_| wrong())?;
        if host.is_empty() || !db.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(wrong());
        }
        let decoded = |text: &str| -> Result<String, String> {
            let text = percent_decode_str(text).decode_utf8();
            Ok(text.map_err(|_| wrong())?.into_owned())
        };
        let variables = [
            ("REDIS_HOST", host.to_owned()),
            ("REDIS_PORT", port.to_owned()),
            ("REDIS_DB", db.to_owned()),
            ("REDIS_USERNAME", decoded(user)?),
            ("REDIS_PASSWORD", decoded(password)?),
            ("REDIS_TLS", tls.to_string()),
        ];
        let set = variables.into_iter().filter(|(_, value)| !value.is_empty());
        Ok(Self {
            variables: set.collect(),
            address: format!("{host}:{port}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Vec<(&'static str, String)> {
        url.parse::<RedisUrl>().expect(url).variables
    }

    #[test]
    fn a_url_is_read_as_variables() {
        let owned = |pairs: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect()
        };
        let plain = [
            ("REDIS_HOST", "h"),
            ("REDIS_PORT", "6379"),
            ("REDIS_TLS", "false"),
        ];
        assert_eq!(read("redis://h"), owned(&plain));
        let full = [
            ("REDIS_HOST", "::1"),
            ("REDIS_PORT", "7000"),
            ("REDIS_DB", "2"),
            ("REDIS_USERNAME", "u"),
            ("REDIS_PASSWORD", "p@/ss"),
            ("REDIS_TLS", "true"),
        ];
        assert_eq!(read("rediss://u:p%40%2Fss@[::1]:7000/2"), owned(&full));
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_quoted() {
        for wrong in [
            "h:6379",
            "http://h",
            "redis://:secret@",
            "redis://u:secret@h:port",
            "redis://h/x",
        ] {
            let why = wrong.parse::<RedisUrl>().expect_err(wrong);
            assert!(!why.contains("secret@"), "{why}");
        }
    }
}
