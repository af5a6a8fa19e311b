//! What is done before there is an event, while that costs nobody time.

use super::Pipeline;
use super::error::ChangeError;
use super::evaluate::Evaluator;
use crate::route::PluginList;
use futures::TryStreamExt;
use std::collections::BTreeSet;
use std::time::Duration;

/// Modules that are loaded at a time.
const AT_ONCE: usize = 4;

impl Pipeline {
    /// Signs in to Redis, lists the plugins, and maps machine code that is kept: all at the same time, and
    /// for `limit` at the most. What fails is told, and done when an event needs it; so is what is left.
    pub async fn get_ready(&self, limit: Duration) {
        let redis = async { self.ledger().sign_in().await.map_err(ChangeError::from) };
        let plugins = async {
            let plugins = self.plugin_list().await?;
            load_kept(&self.objects.evaluator, &plugins).await
        };
        tokio::join!(
            within(limit, "Redis", redis),
            within(limit, "the plugins", plugins)
        );
    }
}

/// Loads the plugins that there are routes for, as far as their machine code is kept.
async fn load_kept(evaluator: &Evaluator, plugins: &PluginList) -> Result<(), ChangeError> {
    let named: Option<BTreeSet<&str>> = plugins.manifest.as_ref().map(|manifest| {
        let routes = manifest.iter().flat_map(|manifest| manifest.routes());
        routes
            .flat_map(|(_, route)| route.plugins.iter().map(String::as_str))
            .collect()
    });
    let is_routed = |name: &str| named.as_ref().is_none_or(|named| named.contains(name));
    let routed = plugins.modules.iter().filter(|(name, _)| is_routed(name));
    futures::stream::iter(routed.map(Ok))
        .try_for_each_concurrent(AT_ONCE, |(name, etag)| async move {
            let loaded = evaluator.transforms.load_kept(name, etag).await;
            loaded.map_err(ChangeError::from)
        })
        .await
}

async fn within(limit: Duration, what: &str, work: impl Future<Output = Result<(), ChangeError>>) {
    let why = match tokio::time::timeout(limit, work).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it takes more than {} ms", limit.as_millis()),
    };
    tracing::warn!(what, error = why, "not ready before the first event");
}
