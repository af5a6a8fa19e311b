//! A real Redis cluster.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;

use super::{POLL, Redis, RedisOptions, certificates};

/// The line of configuration that makes a server a node of a cluster.
pub(super) const ENABLED: &str = "cluster-enabled yes";

/// Primaries; each has one replica.
const PRIMARIES: usize = 3;

/// The number of hash slots in any cluster.
const SLOTS: usize = 16_384;

/// How long the nodes may take to agree.
const PATIENCE: Duration = Duration::from_secs(60);

/// Three primaries that share all slots, each with a replica. All are killed when this is dropped.
#[derive(Debug)]
pub struct RedisCluster {
    /// Primaries first, then the replicas in the same order, as they were at the start.
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts a cluster and waits until all nodes agree that it is well.
    ///
    /// # Errors
    ///
    /// As [`Redis::start`], or the nodes do not agree within a minute.
    pub async fn start() -> Result<Self> {
        Self::start_with(&RedisOptions::default()).await
    }

    /// Starts a cluster whose nodes have options.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), or the options do not please Redis.
    pub async fn start_with(options: &RedisOptions) -> Result<Self> {
        let mut options = options.clone();
        options.config.extend(
            [
                ENABLED,
                // Long enough for a busy machine, short enough to wait for a failover.
                "cluster-node-timeout 2000",
                "repl-diskless-sync yes",
                "repl-diskless-sync-delay 0",
            ]
            .map(String::from),
        );
        if options.tls {
            let tls = ["tls-cluster yes", "tls-replication yes"];
            options.config.extend(tls.map(String::from));
        }
        // One authority for all: the nodes trust each other by it, and clients need only one.
        let certificates = certificates(&options)?;
        let starting = (0..2 * PRIMARIES)
            .map(|_| Redis::start_certified(options.clone(), certificates.clone()));
        let nodes = try_join_all(starting).await?;
        let cluster = Self { nodes };
        cluster.share_slots().await?;
        cluster.introduce().await?;
        cluster.replicate().await?;
        cluster.settled().await?;
        Ok(cluster)
    }

    /// All nodes: three that started as primaries, then their replicas in the same order.
    #[must_use]
    pub fn servers(&self) -> &[Redis] {
        &self.nodes
    }

    /// The nodes that started as primaries, in the order of their slots.
    #[must_use]
    pub fn primaries(&self) -> &[Redis] {
        self.nodes.get(..PRIMARIES).unwrap_or_default()
    }

    /// The nodes that started as their replicas, in the same order.
    #[must_use]
    pub fn replicas(&self) -> &[Redis] {
        self.nodes.get(PRIMARIES..).unwrap_or_default()
    }

    /// The certificate authority that a client of a cluster with TLS must trust, in PEM.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.nodes.first()?.ca_file()
    }

    /// Waits until all nodes agree that the cluster is well, as after a failover or a restart.
    ///
    /// # Errors
    ///
    /// They do not within a minute.
    pub async fn settled(&self) -> Result<()> {
        for node in &self.nodes {
            until(node, "cluster state", async || {
                let info = node.command(&["CLUSTER", "INFO"]).await?;
                let replication = node.command(&["INFO", "replication"]).await?;
                let replica = replication.contains("role:slave");
                let synced = !replica || replication.contains("master_link_status:up");
                let well = info.contains("cluster_state:ok")
                    && info.contains(&format!("cluster_slots_ok:{SLOTS}"))
                    && info.contains(&format!("cluster_known_nodes:{}", self.nodes.len()));
                Ok(well && synced && self.replicas_known(node).await?)
            })
            .await?;
        }
        Ok(())
    }

    /// Whether the node knows of each primary's replica, so that clients learn of it.
    async fn replicas_known(&self, node: &Redis) -> Result<bool> {
        let known = node.command(&["CLUSTER", "NODES"]).await?;
        let replicas = known.lines().filter(|line| line.contains("slave")).count();
        Ok(replicas == self.replicas().len())
    }

    async fn share_slots(&self) -> Result<()> {
        for (index, node) in self.primaries().iter().enumerate() {
            let first = (index * SLOTS / PRIMARIES).to_string();
            let last = ((index + 1) * SLOTS / PRIMARIES - 1).to_string();
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
                .await?;
            // As `redis-cli --cluster create` does: nodes with equal epochs would have to vote.
            let epoch = (index + 1).to_string();
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch])
                .await?;
        }
        Ok(())
    }

    async fn introduce(&self) -> Result<()> {
        let (first, others) = self
            .nodes
            .split_first()
            .context("a cluster without nodes")?;
        for other in others {
            let (port, bus_port) = (other.port.to_string(), other.bus_port.to_string());
            first
                .command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port])
                .await?;
        }
        Ok(())
    }

    async fn replicate(&self) -> Result<()> {
        for (primary, replica) in self.primaries().iter().zip(self.replicas()) {
            let id = primary.command(&["CLUSTER", "MYID"]).await?;
            until(replica, "an introduction to its primary", async || {
                let replicated = replica.command(&["CLUSTER", "REPLICATE", &id]).await;
                Ok(replicated.is_ok())
            })
            .await?;
        }
        Ok(())
    }
}

/// Waits until a condition of a node holds.
async fn until(node: &Redis, what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await? {
        let late = Instant::now() > deadline;
        ensure!(!late, "the node on port {} waits for {what}", node.port());
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cluster_shares_all_slots_and_has_replicas() -> Result<()> {
        let cluster = RedisCluster::start().await?;
        assert_eq!(
            (cluster.primaries().len(), cluster.replicas().len()),
            (3, 3)
        );
        let redirects = cluster.primaries()[0].command(&["SET", "foo", "1"]).await;
        let error = redirects.expect_err("slot 12182 is the third node's");
        let third = cluster.primaries()[2].port();
        let moved = format!("12182 127.0.0.1:{third}");
        assert!(format!("{error:#}").contains(&moved), "{error:#}");
        cluster.primaries()[2].command(&["SET", "foo", "1"]).await?;
        Ok(())
    }
}
