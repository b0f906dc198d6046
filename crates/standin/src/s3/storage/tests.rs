//! The storage compared with a trivially simple model, and under many concurrent rivals.
//!
//! One file, because the model and its rivals make the same calls.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::s3::condition::Condition;
use crate::s3::copy::Copy;
use crate::s3::etag::Etag;
use crate::s3::listing::{PageRequest, Start};
use crate::s3::reading::ReadConditions;
use crate::s3::write::Put;

const BUCKET: &str = "landing";
/// Few keys and bodies, so that operations collide.
const KEYS: [&str; 8] = ["a", "a/", "a/b", "a/b/c", "a0", "b\\", "ä", "\u{10ffff}"];
const BODIES: [&str; 3] = ["", "one", "two"];

/// What a condition refers to; resolved when the operation is applied.
#[derive(Clone, Copy, Debug)]
enum Given {
    Nothing,
    Absent,
    Body(&'static str),
}

#[derive(Clone, Debug)]
enum Op {
    Put(&'static str, &'static str, Given),
    Copy(&'static str, &'static str, Given, Given),
    Remove(&'static str, Given),
    List(&'static str, bool, usize),
    Reopen,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = || select(&KEYS[..]);
    let body = || select(&BODIES[..]);
    let given = || prop_oneof![Just(Given::Nothing), Just(Given::Absent), body().prop_map(Given::Body)];
    let op = prop_oneof![
        4 => (key(), body(), given()).prop_map(|(key, body, given)| Op::Put(key, body, given)),
        2 => (key(), key(), given(), given()).prop_map(|(from, to, source, given)| Op::Copy(from, to, source, given)),
        2 => (key(), given()).prop_map(|(key, given)| Op::Remove(key, given)),
        2 => (select(&["", "a", "a/", "ä"][..]), any::<bool>(), 1..4_usize)
            .prop_map(|(prefix, delimited, size)| Op::List(prefix, delimited, size)),
        1 => Just(Op::Reopen),
    ];
    vec(op, 0..40)
}

impl Given {
    fn condition(self) -> Condition {
        match self {
            Self::Nothing => Condition::None,
            Self::Absent => Condition::IfAbsent,
            Self::Body(body) => Condition::IfMatch(Etag::of(body.as_bytes()).to_string()),
        }
    }

    /// Whether the condition holds for the model's current object.
    fn holds(self, current: Option<&&str>) -> bool {
        match self {
            Self::Nothing => true,
            Self::Absent => current.is_none(),
            Self::Body(body) => current == Some(&body),
        }
    }
}

type Model = BTreeMap<&'static str, &'static str>;

fn apply(storage: &Storage, model: &mut Model, op: &Op) {
    match *op {
        Op::Put(key, body, given) => {
            let put = Put { condition: given.condition(), ..Put::default() };
            let done = storage.put_with(BUCKET, key, body, put).is_ok();
            assert_eq!(done, given.holds(model.get(key)), "{op:?}");
            if done {
                model.insert(key, body);
            }
        }
        Op::Copy(from, to, source, given) => {
            let etag = |given| match given {
                Given::Body(body) => Some(Etag::of(str::as_bytes(body)).to_string()),
                Given::Nothing | Given::Absent => None,
            };
            let copy = Copy {
                from: (BUCKET.to_owned(), from.to_owned()),
                to: (BUCKET.to_owned(), to.to_owned()),
                source: ReadConditions { etag: etag(source), ..ReadConditions::default() },
                condition: given.condition(),
                ..Copy::default()
            };
            let done = storage.copy_with(&copy).is_ok();
            let readable =
                model.contains_key(from) && (matches!(source, Given::Absent) || source.holds(model.get(from)));
            assert_eq!(done, from != to && readable && given.holds(model.get(to)), "{op:?}");
            if done {
                model.insert(to, model[from]);
            }
        }
        Op::Remove(key, given) => {
            let condition = match given {
                Given::Absent => Condition::IfPresent,
                other => other.condition(),
            };
            let expected = match given {
                Given::Absent => model.contains_key(key),
                other => other.holds(model.get(key)),
            };
            assert_eq!(storage.remove_if(BUCKET, key, &condition).is_ok(), expected, "{op:?}");
            if expected {
                model.remove(key);
            }
        }
        Op::List(prefix, delimited, size) => {
            assert_eq!(listed(storage, prefix, delimited, size), expected_listing(model, prefix, delimited), "{op:?}");
        }
        Op::Reopen => {}
    }
}

/// All pages of a listing. None has too many entries, and only the last may have too few.
fn listed(storage: &Storage, prefix: &str, delimited: bool, max_keys: usize) -> Vec<String> {
    let mut request = PageRequest {
        prefix: prefix.to_owned(),
        delimiter: delimited.then(|| "/".to_owned()),
        start: Start::First,
        max_keys,
    };
    let mut all = Vec::new();
    loop {
        let page = storage.page(BUCKET, &request).unwrap();
        let mut names: Vec<String> = page.objects.into_iter().map(|object| object.key).collect();
        names.extend(page.common_prefixes);
        names.sort();
        assert!(page.next.is_none() || names.len() == max_keys);
        assert!(names.len() <= max_keys);
        all.extend(names);
        match page.next {
            Some(next) => request.start = next,
            None => return all,
        }
    }
}

fn expected_listing(model: &Model, prefix: &str, delimited: bool) -> Vec<String> {
    let roll = |key: &str| match key[prefix.len()..].find('/') {
        Some(end) if delimited => key[..=prefix.len() + end].to_owned(),
        _ => key.to_owned(),
    };
    let mut names: Vec<String> = model.keys().filter(|key| key.starts_with(prefix)).map(|key| roll(key)).collect();
    names.sort();
    // A key may equal the common prefix that it belongs to; a listing by `/` shows both as one name.
    names.dedup();
    names
}

fn compare(storage: &Storage, model: &Model) {
    let stored = storage.list(BUCKET, "").unwrap();
    assert_eq!(stored.len(), model.len());
    for (info, (key, body)) in stored.iter().zip(model) {
        assert_eq!(info.key, *key);
        assert_eq!(info.etag, Etag::of(body.as_bytes()).to_string());
        assert_eq!(storage.get(BUCKET, key).unwrap(), body.as_bytes());
    }
}

fn body_files(folder: &Path) -> usize {
    let shards = std::fs::read_dir(folder.join("bodies")).unwrap();
    shards.map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_does_what_the_model_does(ops in ops()) {
        let storage = Storage::in_memory();
        storage.create_bucket(BUCKET).unwrap();
        let mut model = Model::new();
        for op in &ops {
            apply(&storage, &mut model, op);
            compare(&storage, &model);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_folder_does_what_the_model_does_over_restarts(ops in ops()) {
        let folder = tempfile::tempdir().unwrap();
        let mut storage = Storage::in_folder(folder.path()).unwrap();
        storage.create_bucket(BUCKET).unwrap();
        let mut model = Model::new();
        for op in &ops {
            if matches!(op, Op::Reopen) {
                let before = storage.list(BUCKET, "").unwrap();
                drop(storage);
                storage = Storage::in_folder(folder.path()).unwrap();
                prop_assert_eq!(storage.list(BUCKET, "").unwrap(), before);
            }
            apply(&storage, &mut model, op);
            compare(&storage, &model);
        }
        // Copies share files, so there are never more files than objects, and no file without an object.
        prop_assert!(body_files(folder.path()) <= model.len());
        for (key, _) in model {
            storage.remove(BUCKET, key).unwrap();
        }
        prop_assert_eq!(body_files(folder.path()), 0);
    }
}

/// The number of rounds: a lock that is released between the check and the write is rarely caught in one.
const ROUNDS: usize = 200;

/// Runs `attempt(round, rival)` in fifty threads that start each round together. In every round exactly one must
/// succeed.
fn exactly_one_wins(attempt: impl Fn(usize, usize) -> bool + Sync) {
    const RIVALS: usize = 50;
    let start = Barrier::new(RIVALS);
    let won: Vec<AtomicUsize> = (0..ROUNDS).map(|_| AtomicUsize::new(0)).collect();
    let rival = |rival| {
        for (round, won) in won.iter().enumerate() {
            start.wait();
            if attempt(round, rival) {
                won.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for number in 0..RIVALS {
            let rival = &rival;
            scope.spawn(move || rival(number));
        }
    });
    assert!(won.iter().all(|won| won.load(Ordering::Relaxed) == 1), "{won:?}");
}

fn both_kinds(check: impl Fn(Storage)) {
    let folder = tempfile::tempdir().unwrap();
    for storage in [Storage::in_memory(), Storage::in_folder(folder.path()).unwrap()] {
        storage.create_bucket(BUCKET).unwrap();
        check(storage);
    }
}

/// One object for each round, and their tags.
fn leases(storage: &Storage) -> Vec<Condition> {
    let lease = |round: usize| storage.put(BUCKET, &format!("claim/{round}"), round.to_string());
    (0..ROUNDS).map(|round| Condition::IfMatch(lease(round).unwrap().etag)).collect()
}

#[test]
fn of_fifty_who_create_exactly_one_wins() {
    both_kinds(|storage| {
        exactly_one_wins(|round, rival| {
            let put = Put { condition: Condition::IfAbsent, ..Put::default() };
            storage.put_with(BUCKET, &format!("claim/{round}"), rival.to_string(), put).is_ok()
        });
    });
}

#[test]
fn of_fifty_who_replace_the_same_content_exactly_one_wins() {
    both_kinds(|storage| {
        let leases = leases(&storage);
        exactly_one_wins(|round, rival| {
            let put = Put { condition: leases[round].clone(), ..Put::default() };
            storage.put_with(BUCKET, &format!("claim/{round}"), format!("rival {rival}"), put).is_ok()
        });
    });
}

#[test]
fn of_fifty_who_delete_the_same_content_exactly_one_wins() {
    both_kinds(|storage| {
        let leases = leases(&storage);
        exactly_one_wins(|round, _| storage.remove_if(BUCKET, &format!("claim/{round}"), &leases[round]).is_ok());
    });
}

#[test]
fn of_fifty_who_copy_to_the_same_free_place_exactly_one_wins() {
    both_kinds(|storage| {
        for rival in 0..50 {
            storage.put(BUCKET, &format!("incoming/{rival}"), rival.to_string()).unwrap();
        }
        exactly_one_wins(|round, rival| {
            let copy = Copy {
                from: (BUCKET.to_owned(), format!("incoming/{rival}")),
                to: (BUCKET.to_owned(), format!("processed/{round}")),
                condition: Condition::IfAbsent,
                ..Copy::default()
            };
            storage.copy_with(&copy).is_ok()
        });
    });
}

#[test]
fn a_reader_goes_on_with_what_it_began_though_the_object_is_replaced() {
    both_kinds(|storage| {
        storage.put(BUCKET, "k", "before").unwrap();
        let reading = storage.open(BUCKET, "k", &ReadConditions::default()).unwrap();
        storage.put(BUCKET, "k", "after!").unwrap();
        assert_eq!(reading.bytes(0..6).unwrap(), "before");
        drop(reading);
        assert_eq!(storage.get(BUCKET, "k").unwrap(), "after!");
    });
}

#[test]
fn times_and_sequences_grow_with_every_write_even_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::in_folder(folder.path()).unwrap();
    storage.create_bucket(BUCKET).unwrap();
    let mut events = storage.subscribe(BUCKET, "");
    let (first, second) = (storage.put(BUCKET, "1", "").unwrap(), storage.put(BUCKET, "2", "").unwrap());
    assert!(first.last_modified <= second.last_modified);
    let before = [events.try_recv().unwrap().sequencer, events.try_recv().unwrap().sequencer];
    drop(storage);
    let storage = Storage::in_folder(folder.path()).unwrap();
    let mut events = storage.subscribe(BUCKET, "");
    storage.put(BUCKET, "3", "").unwrap();
    let after = events.try_recv().unwrap().sequencer;
    assert!(before[0] < before[1] && before[1] < after);
}

#[test]
fn a_line_that_was_being_written_when_the_process_died_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::in_folder(folder.path()).unwrap();
    storage.create_bucket(BUCKET).unwrap();
    storage.put(BUCKET, "whole", "x").unwrap();
    drop(storage);
    let index = folder.path().join("index.jsonl");
    let mut log = std::fs::read_to_string(&index).unwrap();
    log.push_str("{\"object\":{\"bucket\":\"landing\",\"key\":\"to");
    std::fs::write(&index, &log).unwrap();
    assert_eq!(Storage::in_folder(folder.path()).unwrap().keys_under(BUCKET, "").unwrap(), ["whole"]);

    log.push_str("\n{}\n");
    std::fs::write(&index, log).unwrap();
    let error = Storage::in_folder(folder.path()).unwrap_err();
    assert!(error.to_string().contains("line 3"), "{error}");
}

#[test]
fn a_folder_belongs_to_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = Storage::in_folder(folder.path()).unwrap();
    let second = Storage::in_folder(folder.path()).unwrap_err();
    assert!(second.to_string().contains("another stand-in"), "{second}");
    drop(first);
    Storage::in_folder(folder.path()).unwrap();
}

#[test]
fn a_bucket_with_objects_stays() {
    let storage = Storage::in_memory();
    storage.create_bucket(BUCKET).unwrap();
    storage.put(BUCKET, "k", "x").unwrap();
    assert!(matches!(storage.delete_bucket(BUCKET), Err(StorageError::BucketNotEmpty { .. })));
    storage.create_bucket(BUCKET).unwrap();
    let upper = storage.create_bucket("Landing");
    assert!(matches!(upper, Err(StorageError::InvalidBucketName { .. })));
    assert_eq!(storage.keys_under(BUCKET, "").unwrap(), ["k"]);
    assert!(matches!(storage.put("none", "k", "x"), Err(StorageError::NoSuchBucket { .. })));
}

#[test]
fn where_kms_encrypts_each_write_has_a_tag_of_its_own() {
    let storage = Storage::in_memory();
    storage.create_bucket(BUCKET).unwrap();
    storage.set_encryption(BUCKET, Some(Encryption::kms())).unwrap();
    let first = storage.put(BUCKET, "a", "same").unwrap().etag;
    let second = storage.put(BUCKET, "a", "same").unwrap().etag;
    let copied = storage.copy((BUCKET, "a"), (BUCKET, "b")).unwrap().etag;
    assert!(first != second && copied != second, "{first} {second} {copied}");
    assert_eq!(storage.head(BUCKET, "a").unwrap().etag, second);
    assert!(storage.remove_if(BUCKET, "a", &Condition::IfMatch(first)).is_err());
    assert!(storage.remove_if(BUCKET, "a", &Condition::IfMatch(second)).unwrap());
}
