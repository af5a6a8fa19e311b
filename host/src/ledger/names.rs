//! Names of the bookkeeping keys.
//!
//! On a cluster they carry hash tags: what one script touches must lie in one hash slot.
//!
//! Deployments of one bucket that differ in `REDIS_KEY_PREFIX` have bookkeeping of their own: where there is
//! a prefix, it follows the bucket, after an `@`, which no bucket's name has, with `/` and `%` written
//! as `%2F` and `%25`. That is their *space*. Owners are one table for all, and name the space: two prefixes
//! may lead to one data key (`a` + `b:x`, `ab` + `:x`), which only one object may write.
//!
//! Versions before that had one name for all prefixes. What they have left (*earlier* records, parts and owners)
//! is taken over by the deployment with whose prefix all of its keys begin, by the next commit of the object.

use super::owner::Owner;
use super::slot::{Slot, tag};
use crate::fingerprint::Fingerprint;

/// Data key -> its [`Owner`]. One for all deployments, so that no two of them share a key.
const OWNERS: &str = "redis-sync:owners";

/// Among so many hash slots a cluster's records are spread, each with an index of its own.
const HOMES: &str = "0123456789abcdef";

/// Makes the names of one deployment's bookkeeping.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The bucket, and the prefix where there is one.
    space: String,
    bucket: String,
    /// What every data key begins with.
    prefix: String,
    /// Whether Redis is a cluster.
    cluster: bool,
}

impl Names {
    pub(super) fn new(bucket: &str, prefix: &str, cluster: bool) -> Self {
        let space = if prefix.is_empty() {
            bucket.to_owned()
        } else {
            let prefix = prefix.replace('%', "%25").replace('/', "%2F");
            format!("{bucket}@{prefix}")
        };
        Self {
            space,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            cluster,
        }
    }

    /// The names of another space.
    pub(super) fn of_space(&self, space: &str) -> Self {
        Self {
            space: space.to_owned(),
            bucket: bucket_of(space).to_owned(),
            prefix: String::new(),
            cluster: self.cluster,
        }
    }

    /// The same where Redis is a cluster and is none, or the other way round.
    pub(super) fn of_other_layout(&self) -> Self {
        Self {
            cluster: !self.cluster,
            ..self.clone()
        }
    }

    /// The bucket, and the prefix where there is one.
    pub(super) fn space(&self) -> &str {
        &self.space
    }

    /// The object's name among those of all deployments. A bucket's name has no slash.
    pub(super) fn object(&self, key: &str) -> String {
        format!("{}/{key}", self.space)
    }

    /// The key of an object of this deployment, by its name.
    pub(super) fn key_of<'a>(&self, object: &'a str) -> Option<&'a str> {
        object.strip_prefix(&self.space)?.strip_prefix('/')
    }

    /// The key of the object of this deployment that owns a data key, also where an earlier version has
    /// noted it.
    pub(super) fn key_of_owner<'a>(&self, owner: &'a Owner, redis_key: &str) -> Option<&'a str> {
        let earlier = || {
            let is_ours = owner.is_earlier() && redis_key.starts_with(&self.prefix);
            let object = owner.object.strip_prefix(&self.bucket)?;
            object.strip_prefix('/').filter(|_| is_ours)
        };
        self.key_of(&owner.object).or_else(earlier)
    }

    /// The space of an object of any deployment, by its name, if that is of this bucket: without a prefix, with
    /// the same, or with another.
    pub(super) fn space_in<'a>(bucket: &str, object: &'a str) -> Option<&'a str> {
        let rest = object.strip_prefix(bucket)?;
        // A bucket's name has no `@`: what has one names a prefix with it, and no others are meant.
        let prefix = match rest.strip_prefix('@') {
            Some(_) if !bucket.contains('@') => rest.find('/')?,
            _ => rest.starts_with('/').then_some(0)?,
        };
        object.get(..bucket.len() + prefix)
    }

    /// Whether an object is of the same bucket, under whatever prefix.
    pub(super) fn is_same_bucket(&self, object: &str) -> bool {
        Self::space_in(&self.bucket, object).is_some()
    }

    /// An object's name as it is told: its bucket and key.
    pub(super) fn told(object: &str) -> String {
        match object.split_once('/') {
            Some((space, key)) => format!("{}/{key}", bucket_of(space)),
            None => object.to_owned(),
        }
    }

    /// What versions before this one called things; `None` where it is what they are called now.
    pub(super) fn earlier(&self) -> Option<Self> {
        let earlier = || Self {
            space: self.bucket.clone(),
            ..self.clone()
        };
        (self.space != self.bucket).then(earlier)
    }

    /// What every data key begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where the object's record is.
    pub(super) fn record(&self, key: &str) -> String {
        self.record_of(&self.object(key))
    }

    /// Where the record of an object of any bucket is, by the object's name.
    pub(super) fn record_of(&self, object: &str) -> String {
        if self.cluster {
            format!("redis-sync:{{{}}}:object:{object}", home(object))
        } else {
            format!("redis-sync:object:{object}")
        }
    }

    /// Where it is listed that the object has a record.
    pub(super) fn index(&self, key: &str) -> String {
        if self.cluster {
            self.index_at(home(&self.object(key)))
        } else {
            format!("redis-sync:index:{}", self.space)
        }
    }

    /// All indexes: together they list the objects that have a record.
    pub(super) fn indexes(&self) -> Vec<String> {
        if self.cluster {
            HOMES.chars().map(|home| self.index_at(home)).collect()
        } else {
            vec![self.index("")]
        }
    }

    fn index_at(&self, home: char) -> String {
        format!("redis-sync:{{{home}}}:index:{}", self.space)
    }

    /// Where the generation of the bucket's plugin list is: one for all prefixes, since whoever
    /// handles a plugin's event does so for all.
    pub(super) fn generation(&self) -> String {
        if self.cluster {
            let home = home(&self.bucket);
            format!("redis-sync:{{{home}}}:generation:{}", self.bucket)
        } else {
            format!("redis-sync:generation:{}", self.bucket)
        }
    }

    /// Where it is noted how far things are that take more than one invocation.
    pub(super) fn progress(&self) -> String {
        self.notes("progress")
    }

    /// Where it is noted who has uploaded plugins.
    pub(super) fn uploads(&self) -> String {
        self.notes("uploads")
    }

    fn notes(&self, kind: &str) -> String {
        let tag = if self.cluster { "{0}:" } else { "" };
        format!("redis-sync:{tag}{kind}:{}", self.space)
    }

    /// Where the owners of data keys are, those of a hash slot on a cluster.
    pub(super) fn owners(&self, slot: Option<Slot>) -> String {
        match slot {
            Some(slot) => format!("redis-sync:{{{}}}:owners", tag(slot)),
            None => OWNERS.to_owned(),
        }
    }

    /// Wherever owners are.
    pub(super) fn all_owners(&self) -> impl Iterator<Item = String> {
        let alone = (!self.cluster).then_some(None);
        let slots = self.cluster.then(|| Slot::all().map(Some));
        let all = alone.into_iter().chain(slots.into_iter().flatten());
        all.map(|slot| self.owners(slot))
    }

    /// Where the owner of a data key is.
    pub(super) fn owners_of(&self, redis_key: &str) -> String {
        self.owners(self.cluster.then(|| Slot::of(redis_key)))
    }

    /// The object's record of what it has in one hash slot.
    pub(super) fn part(&self, slot: Slot, key: &str) -> String {
        format!("redis-sync:{{{}}}:part:{}/{key}", tag(slot), self.space)
    }

    /// Where a value waits for the commit that makes it `redis_key`'s.
    pub(super) fn stage(&self, redis_key: &str, number: u64) -> String {
        let prefix = self.space.strip_prefix(&self.bucket).unwrap_or_default();
        if self.cluster {
            let tag = tag(Slot::of(redis_key));
            format!("redis-sync:{{{tag}}}:stage:{number}{prefix}")
        } else {
            format!("redis-sync:stage:{number}{prefix}")
        }
    }
}

/// The bucket of a space.
fn bucket_of(space: &str) -> &str {
    space.split_once('@').map_or(space, |(bucket, _)| bucket)
}

/// The slot of an object's record: that of what earlier versions have left of it too.
fn home(object: &str) -> char {
    let [first, ..] = Fingerprint::new().part(Names::told(object)).bytes();
    let place = usize::from(first) % HOMES.len();
    HOMES.chars().nth(place).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_another_bucket_is_not_ours() {
        for prefix in ["", "app:"] {
            let names = Names::new("config", prefix, false);
            assert_eq!(names.key_of(&names.object("a/b")), Some("a/b"));
            assert_eq!(names.key_of("config-2/a/b"), None);
            assert_eq!(names.record("a"), names.record_of(&names.object("a")));
            assert_eq!(Names::told(&names.object("a@b/c")), "config/a@b/c");
            assert!(names.is_same_bucket("config@blue:/a") && !names.is_same_bucket("config-2/a"));
        }
    }

    #[test]
    fn prefixes_have_names_of_their_own_and_none_has_those_of_before() {
        let of = |prefix: &str| {
            let names = Names::new("config", prefix, false);
            [names.record("x"), names.index("x"), names.stage("k", 7)]
        };
        let none = [
            "redis-sync:object:config/x",
            "redis-sync:index:config",
            "redis-sync:stage:7",
        ];
        assert_eq!(of(""), none);
        let blue = [
            "redis-sync:object:config@blue%2F/x",
            "redis-sync:index:config@blue%2F",
            "redis-sync:stage:7@blue%2F",
        ];
        assert_eq!(of("blue/"), blue);
        assert_ne!(of("blue%2F"), of("blue/"));
        let spaces = ["config/a@b/c", "config@p:/a/b", "configs/a", "config@p"]
            .map(|object| Names::space_in("config", object));
        assert_eq!(spaces, [Some("config"), Some("config@p:"), None, None]);
        let of_prefix = ["config@blue/x", "config@blue@x/y"]
            .map(|object| Names::space_in("config@blue", object));
        assert_eq!(of_prefix, [Some("config@blue"), None]);
    }

    #[test]
    fn what_an_earlier_version_has_noted_is_that_prefixs_whose_key_it_is() {
        let names = Names::new("config", "app:", false);
        let key_of = |owner: &str, redis_key: &str| {
            let owner = Owner::parse(owner).unwrap();
            names.key_of_owner(&owner, redis_key).map(str::to_owned)
        };
        let (earlier, now) = ("1763868000000000 config/x", "6H3g5aXW0 config/x");
        assert_eq!(key_of(earlier, "app:k").as_deref(), Some("x"));
        assert_eq!(key_of(earlier, "k"), None);
        assert_eq!(key_of(now, "app:k"), None, "a deployment without a prefix");
        assert_eq!(
            key_of("6H3g5aXW0 config@app:/x", "app:k").as_deref(),
            Some("x")
        );
    }

    #[test]
    fn on_a_cluster_what_a_script_touches_lies_in_one_slot() {
        let names = Names::new("config", "p", true);
        for key in ["a", "b/c", "{x}y", "}{"] {
            let record = Slot::of(&names.record(key));
            assert_eq!(record, Slot::of(&names.index(key)));
            let earlier = names.earlier().unwrap();
            assert_eq!(record, Slot::of(&earlier.record(key)));
            assert!(names.indexes().contains(&names.index(key)));
            let slot = Slot::of(key);
            let (owners, part) = (names.owners_of(key), names.part(slot, "{o}/{p}"));
            let staged = names.stage(key, 7);
            assert!(
                [owners, part, staged]
                    .iter()
                    .all(|name| Slot::of(name) == slot)
            );
        }
    }
}
