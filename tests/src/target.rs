//! What is kept equal to a bucket: one Redis server, or a cluster.

use crate::bookkeeping::Bookkeeping;
use crate::held::{held, held_by_cluster};
use redis_sync_local::{Redis, RedisCluster, S3, variables};
use serde_json::Value;

/// Redis, in either form.
pub enum Target {
    /// One server.
    Server(Redis),
    /// Three primaries, each with a replica.
    Cluster(RedisCluster),
}

impl Target {
    /// Starts one server.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub async fn server() -> Self {
        Self::Server(Redis::start().await.expect("Redis starts"))
    }

    /// Starts a cluster.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub async fn cluster() -> Self {
        Self::Cluster(RedisCluster::start().await.expect("a cluster starts"))
    }

    /// The servers that take writes.
    pub fn nodes(&self) -> &[Redis] {
        match self {
            Self::Server(redis) => std::slice::from_ref(redis),
            Self::Cluster(cluster) => cluster.primaries(),
        }
    }

    /// The variables that lead a function to a bucket and to this.
    ///
    /// # Panics
    ///
    /// Never: there is a node.
    pub fn variables(&self, s3: &S3) -> Vec<(String, String)> {
        let node = self.nodes().first().expect("there is a node");
        let mut variables = variables(s3, node);
        if matches!(self, Self::Cluster(_)) {
            variables.push(("REDIS_CLUSTER".to_owned(), "true".to_owned()));
        }
        variables
    }

    /// What it holds; see [`held()`].
    pub async fn held(&self) -> Value {
        match self {
            Self::Server(redis) => held(redis).await,
            Self::Cluster(cluster) => held_by_cluster(cluster).await,
        }
    }

    /// What Redis Sync keeps in it for itself, where data keys have no prefix.
    pub async fn bookkeeping(&self) -> Bookkeeping {
        self.bookkeeping_of("").await
    }

    /// The same of the deployment with a prefix.
    pub async fn bookkeeping_of(&self, prefix: &str) -> Bookkeeping {
        match self {
            Self::Server(redis) => Bookkeeping::of_server(redis, prefix).await,
            Self::Cluster(cluster) => Bookkeeping::of_cluster(cluster, prefix).await,
        }
    }
}
