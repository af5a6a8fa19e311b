//! Signing in to ElastiCache as an IAM identity.
//!
//! The password is a token: a presigned request (Signature Version 4, in the query) for
//! `http://<cache>/?Action=connect&User=<user>`, without its scheme. It is signed on this machine,
//! anew for every connection: it dies with the credentials that signed it, and in 15 minutes.

use crate::settings::IamSettings;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use futures::{StreamExt, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use redis::{BasicAuth, ErrorKind, RedisError, RedisResult, StreamingCredentialsProvider};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::OnceCell;

/// The longest a token is good for.
const EXPIRES: Duration = Duration::from_secs(900);

/// What a query escapes, as Signature Version 4 has it.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Signs a token for each connection.
#[derive(Clone)]
pub(super) struct TokenProvider {
    iam: IamSettings,
    user: String,
    /// Who signs: looked up when it is first needed.
    signer: Arc<OnceCell<SharedCredentialsProvider>>,
}

impl TokenProvider {
    pub(super) fn new(iam: IamSettings, user: String) -> Self {
        Self {
            iam,
            user,
            signer: Arc::default(),
        }
    }

    async fn sign_in(self) -> RedisResult<BasicAuth> {
        let token = self.token().await.map_err(|cause| {
            let what = "no token could be signed for REDIS_IAM_CACHE_NAME";
            RedisError::from((ErrorKind::AuthenticationFailed, what, cause))
        })?;
        Ok(BasicAuth::new(self.user, token))
    }

    async fn token(&self) -> Result<String, String> {
        let find = || async {
            let config = crate::aws::config().await;
            config
                .credentials_provider()
                .ok_or("there are no AWS credentials")
        };
        let signer = self.signer.get_or_try_init(find).await?;
        let credentials = signer.provide_credentials().await;
        let credentials = credentials.map_err(|error| error.to_string())?;
        token(&self.iam, &self.user, credentials, SystemTime::now())
    }
}

impl StreamingCredentialsProvider for TokenProvider {
    fn subscribe(
        &self,
    ) -> Pin<Box<dyn futures::Stream<Item = RedisResult<BasicAuth>> + Send + 'static>> {
        let token = stream::once(self.clone().sign_in());
        // A connection keeps the token it began with: a frozen Lambda could not renew it in time.
        Box::pin(token.chain(stream::pending()))
    }
}

fn token(
    iam: &IamSettings,
    user: &str,
    credentials: Credentials,
    now: SystemTime,
) -> Result<String, String> {
    let user = utf8_percent_encode(user, ESCAPED);
    let mut url = format!(
        "http://{}/?Action=connect&User={user}",
        iam.cache_name.to_lowercase()
    );
    if iam.serverless {
        url.push_str("&ResourceType=ServerlessCache");
    }
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRES);
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&iam.region)
        .name("elasticache")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?;
    let nothing = SignableBody::Bytes(&[]);
    let request = SignableRequest::new("GET", &url, std::iter::empty(), nothing);
    let request = request.map_err(|error| error.to_string())?;
    let signed = sign(request, &parameters.into()).map_err(|error| error.to_string())?;
    for (name, value) in signed.into_parts().0.into_parts().1 {
        let value = utf8_percent_encode(&value, ESCAPED);
        url.push_str(&format!("&{name}={value}"));
    }
    Ok(url.split_off("http://".len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn settings(cache: &str, serverless: bool) -> IamSettings {
        IamSettings {
            cache_name: cache.into(),
            serverless,
            region: "us-east-1".into(),
        }
    }

    fn credentials(session: Option<&str>) -> Credentials {
        let session = session.map(str::to_owned);
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        Credentials::new("AKIDEXAMPLE", secret, session, None, "test")
    }

    fn sign_for(cache: &str, serverless: bool, session: Option<&str>) -> String {
        // 2015-08-30T12:36:00Z, as in AWS's own examples.
        let now = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let iam = settings(cache, serverless);
        token(&iam, "iam-user-01", credentials(session), now).unwrap()
    }

    #[tokio::test]
    async fn a_token_is_signed_now_with_the_credentials_there_are() {
        let mut provider = TokenProvider::new(settings("cache", false), "app".into());
        let signer = SharedCredentialsProvider::new(credentials(None));
        provider.signer = Arc::new(OnceCell::new_with(Some(signer)));
        let signed = provider.token().await.unwrap();
        let like = sign_for("cache", false, None).replace("iam-user-01", "app");
        let names = |token: &str| {
            let pairs = token
                .split('&')
                .map(|pair| pair.split('=').next().map(str::to_owned));
            pairs.collect::<Vec<_>>()
        };
        assert_eq!(names(&signed), names(&like));
        assert!(
            signed.starts_with("cache/?Action=connect&User=app&"),
            "{signed}"
        );
        assert!(!signed.contains("20150830"), "{signed}");
    }

    /// The signatures were computed by the steps of AWS's documentation, with another program.
    #[test]
    fn a_token_has_the_documented_form() {
        assert_eq!(
            sign_for("My-Cache", false, None),
            "my-cache/?Action=connect&User=iam-user-01&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Felasticache%2Faws4_request\
             &X-Amz-Date=20150830T123600Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=745eca37bd260419f3bb46e440046fbce10766b85fd97a177b6b72fb319d58e8"
        );
        assert_eq!(
            sign_for("my-cache", true, Some("session/token+=")),
            "my-cache/?Action=connect&User=iam-user-01&ResourceType=ServerlessCache\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Felasticache%2Faws4_request\
             &X-Amz-Date=20150830T123600Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=d383c462355e961f3df84c8079e2fca647dc2a50f92939690d08307bc1c15d32\
             &X-Amz-Security-Token=session%2Ftoken%2B%3D"
        );
    }
}
