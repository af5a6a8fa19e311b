//! What versions before had: one name for all prefixes, a text for everything.

use super::Record;
use super::read::{ask, names, record, split};
use super::record::ticket_of;
use crate::connection::connect;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, cmd};
use redis_sync_local::{BUCKET, Redis};
use std::collections::BTreeMap;

/// Tickets of earlier versions have so many digits or more.
const DECIMAL: usize = 12;

/// Makes all bookkeeping of a deployment, by its prefix, what an earlier version would have written. What that is
/// about to write is lost.
///
/// # Panics
///
/// Where Redis does not answer.
pub async fn make_earlier(redis: &Redis, prefix: &str) {
    let mut link = connect(redis).await;
    rewrite(&mut link, &super::space(prefix))
        .await
        .expect("Redis takes it");
}

async fn rewrite(link: &mut MultiplexedConnection, space: &str) -> RedisResult<()> {
    let names = names(link).await?;
    // What nothing was committed to is lost, also from the index.
    let mut lost = Vec::new();
    for name in &names {
        match split(name, space) {
            ("owners", "") => rewrite_owners(link, name, space).await?,
            (kind @ ("object" | "part"), object) => {
                let record = record(link, name, 0).await?;
                cmd("DEL").arg(name).query_async::<()>(link).await?;
                if record.ticket("ticket") > 0 && !record.expires {
                    let mut write = cmd("HSET");
                    write.arg(name.replacen(space, BUCKET, 1));
                    let write = write.arg(earlier_fields(&record));
                    write.query_async::<()>(link).await?;
                } else if kind == "object" {
                    lost.push(object.to_owned());
                }
            }
            _ => {}
        }
    }
    for name in names {
        if let ("index", of) = split(&name, space)
            && of == space
        {
            let listed: Vec<String> = cmd("ZRANGE")
                .arg(&name)
                .arg(0)
                .arg(-1)
                .query_async(link)
                .await?;
            cmd("DEL").arg(&name).query_async::<()>(link).await?;
            for object in listed.iter().filter(|object| !lost.contains(object)) {
                let mut add = cmd("ZADD");
                let add = add.arg(name.replacen(space, BUCKET, 1)).arg(0).arg(object);
                add.query_async::<()>(link).await?;
            }
        }
    }
    Ok(())
}

async fn rewrite_owners(
    link: &mut MultiplexedConnection,
    name: &str,
    space: &str,
) -> RedisResult<()> {
    let owners: BTreeMap<String, String> = ask(link, "HGETALL", name).await?;
    for (key, owner) in owners {
        if owner.find(' ').is_some_and(|end| end >= DECIMAL) {
            continue;
        }
        let written = owner
            .split_once(' ')
            .filter(|(mark, _)| !mark.starts_with('?'));
        match written {
            Some((mark, object)) => {
                let object = object.replacen(space, BUCKET, 1);
                let owner = format!("{} {object}", ticket_of(mark));
                cmd("HSET")
                    .arg(name)
                    .arg(key)
                    .arg(owner)
                    .query_async::<()>(link)
                    .await?;
            }
            None => {
                cmd("HDEL")
                    .arg(name)
                    .arg(key)
                    .query_async::<()>(link)
                    .await?;
            }
        }
    }
    Ok(())
}

fn earlier_fields(record: &Record) -> Vec<(&'static str, String)> {
    let text = |name: &'static str| (name, record.text(name));
    let ticket = |name: &'static str| (name, record.ticket(name).to_string());
    let mut fields = vec![
        ticket("issued"),
        ticket("ticket"),
        ticket("announced"),
        ticket("written"),
        ("digest", "d".repeat(64)),
        ("fingerprint", "f".repeat(64)),
        ("basis", "b".repeat(64)),
        ("etag", record.etag()),
        ("version_id", String::new()),
        ("last_modified", "1".to_owned()),
        ("plugins", "[]".to_owned()),
        ("written_at", "1".to_owned()),
        ("keys", serde_json::json!(record.keys()).to_string()),
        text("slots"),
    ];
    fields.retain(|(_, value)| !value.is_empty() || record.etag().is_empty());
    fields
}
