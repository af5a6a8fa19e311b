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
    pub fn primaries(&self) -> &[Redis] {
        match self {
            Self::Server(redis) => std::slice::from_ref(redis),
            Self::Cluster(cluster) => cluster.primaries(),
        }
    }

    /// All servers that a client may come to know of.
    pub fn servers(&self) -> &[Redis] {
        match self {
            Self::Server(redis) => std::slice::from_ref(redis),
            Self::Cluster(cluster) => cluster.servers(),
        }
    }

    /// The variables that lead a function to a bucket and to this.
    ///
    /// # Panics
    ///
    /// Never: there is a node.
    pub fn variables(&self, s3: &S3) -> Vec<(String, String)> {
        let node = self.primaries().first().expect("there is a node");
        let mut variables = variables(s3, node);
        if matches!(self, Self::Cluster(_)) {
            variables.push(("REDIS_CLUSTER".to_owned(), "true".to_owned()));
        }
        variables
    }

    /// How many scripts its servers were asked to call.
    ///
    /// # Panics
    ///
    /// Where Redis does not answer.
    pub async fn calls(&self) -> usize {
        let mut calls = 0;
        for server in self.servers() {
            let counts = server.command(&["INFO", "commandstats"]).await;
            let counts = counts.expect("Redis counts");
            let scripts = counts
                .lines()
                .filter(|line| line.starts_with("cmdstat_eval"));
            let counts = scripts.flat_map(|line| line.split([':', ',']));
            // A call that needs another node, or another user, is not made, and counted as rejected.
            let counts = counts.filter_map(|count| match count.split_once('=')? {
                ("calls" | "rejected_calls", count) => count.parse::<usize>().ok(),
                _ => None,
            });
            calls += counts.sum::<usize>();
        }
        calls
    }

    /// Counts them from here on.
    ///
    /// # Panics
    ///
    /// Where Redis does not answer.
    pub async fn forget_calls(&self) {
        for server in self.servers() {
            let reset = server.command(&["CONFIG", "RESETSTAT"]).await;
            reset.expect("Redis counts afresh");
        }
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
