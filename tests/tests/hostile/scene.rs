//! A site with things in it that nobody may touch, the files that were dropped, and what must hold of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use aws_sdk_redshiftdata::Client;
use serde_json::{Value, json};
use sluice_standin::deployment::{LISTER, LOADER, WORKER};
use sluice_tests::{BUCKET, Site, feed, numbers};

/// Objects that were there before, and have to be there afterwards as they were.
const KEPT: [(&str, &str); 6] = [
    ("processed/other/kept.csv", "0,loaded earlier\n"),
    ("processed/numbers/kept.csv", "0,loaded earlier, too\n"),
    ("failed/other/kept.csv", "refused earlier\n"),
    ("sluice/manifests/other/kept.manifest", "{\"entries\":[]}"),
    ("incoming/nobody/kept.csv", "0,of no feed\n"),
    ("elsewhere", "not Sluice's"),
];

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Loaded,
    SetAside,
    Stays,
}

#[derive(Debug)]
struct Dropped {
    key: String,
    body: Vec<u8>,
    fate: Fate,
}

/// Somebody who remembers what is written into claims.
pub(crate) struct Claims {
    stop: tokio::sync::oneshot::Sender<()>,
    watch: tokio::task::JoinHandle<Vec<String>>,
}

impl Claims {
    /// All that was written until now.
    pub(crate) async fn end(self) -> Vec<String> {
        self.stop.send(()).unwrap();
        let claims = self.watch.await.unwrap();
        assert!(!claims.is_empty());
        claims
    }
}

pub(crate) struct Scene {
    pub(crate) site: Site,
    pub(crate) before: Everything,
    files: Vec<Dropped>,
    rows: BTreeMap<String, BTreeMap<i64, String>>,
    next: i64,
}

/// All objects, with their contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Everything(BTreeMap<String, Vec<u8>>);

impl Everything {
    pub(crate) fn keys_under(&self, prefix: &str) -> usize {
        self.0.keys().filter(|key| key.starts_with(prefix)).count()
    }
}

impl Scene {
    /// A site with the feeds `numbers` and `events` with these settings, and a third one whose affairs are its own.
    pub(crate) async fn start(settings: &str, events: &str) -> Self {
        let feeds = numbers(settings) + &feed("events", events) + &feed("other", "");
        let site = Site::with(&feeds, |deployment| deployment.notify = vec!["incoming/events/".into()]).await;
        site.sql("CREATE TABLE public.canary (id INTEGER)").await;
        site.sql("INSERT INTO public.canary VALUES (1)").await;
        for (key, body) in KEPT {
            site.standin.storage().put(BUCKET, key, body).unwrap();
        }
        // A claim that is not due: nobody has anything to do with it.
        let claim = json!({"feed": "other", "slot": 0, "batch": "b", "owner": "somebody", "files": [],
            "created_at": "2026-01-01T00:00:00Z", "lease_expires_at": "2099-01-01T00:00:00Z"});
        site.standin.storage().put(BUCKET, "sluice/claims/other/0.json", claim.to_string()).unwrap();
        let mut scene =
            Self { site, before: Everything(BTreeMap::new()), files: Vec::new(), rows: BTreeMap::new(), next: 1 };
        scene.before = scene.everything();
        scene
    }

    /// The next file that the warehouse takes: its number, and its content.
    pub(crate) fn next_good(&mut self) -> (i64, String) {
        self.next += 1;
        (self.next, format!("{},label {}\n", self.next, self.next))
    }

    /// Drops a file of one row.
    pub(crate) fn good(&mut self, feed: &str, name: &str) {
        let (number, body) = self.next_good();
        self.drop_numbered(feed, name, number, body);
    }

    pub(crate) fn drop_numbered(&mut self, feed: &str, name: &str, number: i64, body: String) {
        self.row(feed, number, format!("label {number}"));
        self.drop(feed, name, body.into_bytes(), Fate::Loaded);
    }

    /// Drops a file of one row with this label.
    pub(crate) fn good_with(&mut self, feed: &str, name: &str, label: &str) {
        let (number, _) = self.next_good();
        self.row(feed, number, label.to_owned());
        let body = format!("{number},\"{}\"\n", label.replace('"', "\"\""));
        self.drop(feed, name, body.into_bytes(), Fate::Loaded);
    }

    pub(crate) fn good_gzip(&mut self, feed: &str, name: &str) {
        let (number, body) = self.next_good();
        self.row(feed, number, format!("label {number}"));
        self.drop(feed, name, gzip(body.as_bytes()), Fate::Loaded);
    }

    pub(crate) fn broken_gzip(&mut self, feed: &str, name: &str) {
        self.next += 1;
        let body = format!("no gzip {}", self.next);
        self.drop(feed, name, body.into_bytes(), Fate::SetAside);
    }

    /// Drops a file that the warehouse refuses; each has another content.
    pub(crate) fn bad(&mut self, feed: &str, name: &str, content: &str) {
        self.next += 1;
        let body = format!("{content}\n{}", self.next);
        self.bad_bytes(feed, name, body.as_bytes());
    }

    pub(crate) fn bad_bytes(&mut self, feed: &str, name: &str, body: &[u8]) {
        self.drop(feed, name, body.to_vec(), Fate::SetAside);
    }

    /// Drops an object that is not anybody's.
    pub(crate) fn stays(&mut self, key: &str) {
        let (_, body) = self.next_good();
        self.put(key.to_owned(), body.into_bytes(), Fate::Stays);
    }

    fn row(&mut self, feed: &str, number: i64, label: String) {
        self.rows.entry(feed.to_owned()).or_default().insert(number, label);
    }

    fn drop(&mut self, feed: &str, name: &str, body: Vec<u8>, fate: Fate) {
        self.put(format!("incoming/{feed}/{name}"), body, fate);
    }

    fn put(&mut self, key: String, body: Vec<u8>, fate: Fate) {
        self.site.standin.storage().put(BUCKET, &key, body.clone()).unwrap();
        self.files.push(Dropped { key, body, fate });
    }

    /// The `ETag` that a content will have.
    pub(crate) fn etag_of(&self, body: &str) -> String {
        let storage = self.site.standin.storage();
        let etag = storage.put(BUCKET, "scratch", body.to_owned()).unwrap().etag;
        storage.remove(BUCKET, "scratch").unwrap();
        etag
    }

    /// Ticks until nothing is left to do.
    pub(crate) async fn drain(&self) {
        let stay = self.files.iter().filter(|file| file.fate == Fate::Stays).count() + 1;
        for _ in 0..60 {
            self.site.answer(LISTER, &json!({})).await;
            self.site.deployed.idle().await;
            if self.site.keys("incoming/").len() == stay && self.site.keys("sluice/claims/").len() == 1 {
                return;
            }
        }
        let incoming = self.site.keys("incoming/");
        panic!("not drained: {incoming:?} {:?}\n{}", self.site.keys("sluice/claims/"), self.site.logs(WORKER));
    }

    pub(crate) fn everything(&self) -> Everything {
        let storage = self.site.standin.storage();
        let keys = self.site.keys("").into_iter();
        Everything(keys.map(|key| (key.clone(), storage.get(BUCKET, &key).unwrap().to_vec())).collect())
    }

    /// Remembers what is written into claims from now on.
    pub(crate) fn watch_claims(&self) -> Claims {
        let storage = self.site.standin.storage().clone();
        let mut written = storage.subscribe(BUCKET, "sluice/claims/");
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let watch = tokio::spawn(async move {
            let mut claims = Vec::new();
            loop {
                tokio::select! {
                    biased;
                    Some(object) = written.recv() => {
                        // It may be gone again.
                        let body = storage.get(BUCKET, &object.key);
                        claims.extend(body.map(|body| String::from_utf8(body.to_vec()).unwrap()));
                    }
                    _ = &mut stopped => return claims,
                }
            }
        });
        Claims { stop, watch }
    }

    /// What the functions have answered.
    pub(crate) fn answers(&self) -> Vec<String> {
        let reports = [LISTER, LOADER, WORKER].map(|function| self.site.standin.lambda().reports(function));
        reports.concat().iter().filter_map(|report| Some(report.answer()?.to_string())).collect()
    }

    pub(crate) fn worker_outcomes(&self) -> Vec<String> {
        let reports = self.site.standin.lambda().reports(WORKER);
        reports.iter().map(|report| report.answer().unwrap()["outcome"].as_str().unwrap().to_owned()).collect()
    }

    /// All that must hold once nothing is left to do.
    pub(crate) async fn check(&self) {
        self.check_rows().await;
        self.check_ledgers().await;
        self.check_database().await;
        self.check_objects();
        self.check_manifests();
        self.check_statements().await;
        self.check_logs();
    }

    async fn check_rows(&self) {
        for feed in ["numbers", "events", "other"] {
            let rows = self.site.sql(&format!("SELECT id, label FROM public.{feed} ORDER BY id")).await;
            let rows: Vec<(i64, String)> = rows
                .into_iter()
                .map(|row| (row[0].as_deref().unwrap().parse().unwrap(), row[1].clone().unwrap()))
                .collect();
            let expected: Vec<_> = self.rows.get(feed).cloned().unwrap_or_default().into_iter().collect();
            assert_eq!(rows, expected, "the rows of {feed}");
        }
    }

    async fn check_ledgers(&self) {
        for feed in ["numbers", "events"] {
            let exists = format!("SELECT to_regclass('public.sluice_ledger_{feed}')");
            if self.site.sql(&exists).await[0][0].is_none() {
                assert!(!self.rows.contains_key(feed));
                continue;
            }
            let rows = self.site.sql(&format!("SELECT object_key FROM public.sluice_ledger_{feed}")).await;
            let mut recorded: Vec<String> = rows.into_iter().map(|row| row[0].clone().unwrap()).collect();
            recorded.sort_unstable();
            let prefix = format!("incoming/{feed}/");
            let loaded = self.files.iter().filter(|file| file.fate == Fate::Loaded && file.key.starts_with(&prefix));
            let mut expected: Vec<String> = loaded.map(|file| file.key.replace('\0', "?")).collect();
            expected.sort_unstable();
            assert_eq!(recorded, expected, "the ledger of {feed}");
        }
    }

    /// The tables are those that were made, and the canary lives.
    async fn check_database(&self) {
        assert_eq!(self.site.sql("SELECT id FROM public.canary").await, [[Some("1".to_owned())]]);
        let tables = self.site.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").await;
        let tables: BTreeSet<String> = tables.into_iter().map(|row| row[0].clone().unwrap()).collect();
        let ours = ["canary", "numbers", "events", "other", "sluice_ledger_numbers", "sluice_ledger_events"];
        let known = |table: &String| ours.contains(&table.strip_suffix("_fence").unwrap_or(table));
        assert!(tables.iter().all(known), "{tables:?}");
        assert!(ours[..4].iter().all(|table| tables.contains(*table)), "{tables:?}");
    }

    /// Each file is in one place, with its reason where it was refused; all else is as it was.
    fn check_objects(&self) {
        let now = self.everything().0;
        let mut left: BTreeMap<&String, &Vec<u8>> = now.iter().collect();
        for (key, body) in &self.before.0 {
            assert_eq!(left.remove(key), Some(body), "{key} has changed");
        }
        left.retain(|key, _| !key.starts_with("sluice/manifests/") && !is_hint(key));
        for file in &self.files {
            let places: Vec<&String> =
                left.iter().filter(|(_, body)| **body == &file.body).map(|(key, _)| *key).collect();
            let prefix = match file.fate {
                Fate::Loaded => file.key.replacen("incoming/", "processed/", 1),
                Fate::SetAside => file.key.replacen("incoming/", "failed/", 1),
                Fate::Stays => file.key.clone(),
            };
            let [place] = places[..] else { panic!("{:?} is in {places:?}", file.key) };
            let feed = prefix.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
            assert!(
                place == &prefix || (place.starts_with(&feed) && file.fate != Fate::Stays),
                "{:?} is {place:?}",
                file.key
            );
            if file.fate == Fate::Loaded && prefix.len() < 950 && !file.key.contains("x.csv") {
                assert_eq!(place, &prefix);
            }
            left.remove(place);
        }
        let refused: BTreeMap<&str, &Dropped> = self
            .files
            .iter()
            .filter(|file| file.fate == Fate::SetAside)
            .map(|file| (file.key.as_str(), file))
            .collect();
        let mut explained = BTreeSet::new();
        for (key, body) in left.into_iter().filter(|(key, _)| !key.starts_with("sluice/state/")) {
            assert!(key.starts_with("failed/") && key.ends_with(".error.json"), "{key:?} is nobody's");
            let reason: Value = serde_json::from_slice(body).unwrap();
            let of = reason["key"].as_str().unwrap().to_owned();
            assert!(refused.contains_key(of.as_str()), "{key:?} explains {of:?}");
            assert!(explained.insert(of), "explained twice");
            let mut fields: BTreeSet<&str> = reason.as_object().unwrap().keys().map(String::as_str).collect();
            // Where the line could be had.
            fields.remove("raw_line");
            let known = ["batch", "code", "column", "etag", "feed", "key", "line", "message", "statement_id", "time"];
            assert_eq!(fields, known.into());
        }
        assert_eq!(explained.len(), refused.len(), "every refused file says why");
    }

    /// Every manifest is JSON with one mandatory entry for each of some files, and nothing else.
    fn check_manifests(&self) {
        let dropped: BTreeSet<String> = self.files.iter().map(|file| format!("s3://{BUCKET}/{}", file.key)).collect();
        for (key, body) in self.everything().0 {
            if !key.starts_with("sluice/manifests/") || key.contains("/other/") {
                continue;
            }
            let manifest: Value = serde_json::from_slice(&body).unwrap();
            let entries = manifest["entries"].as_array().unwrap();
            assert_eq!(manifest.as_object().unwrap().len(), 1);
            let mut urls = BTreeSet::new();
            for entry in entries {
                let url = entry["url"].as_str().unwrap();
                assert!(dropped.contains(url) && urls.insert(url), "{url:?} in {key}");
                let expected =
                    json!({"url": url, "mandatory": true, "meta": {"content_length": entry["meta"]["content_length"]}});
                assert_eq!(entry, &expected);
            }
        }
    }

    /// Whatever the keys are, the statements are of these shapes.
    async fn check_statements(&self) {
        let mut shapes = BTreeSet::new();
        for statements in statements(&self.site).await {
            if statements.len() > 1 && !statements[0].starts_with("CREATE ") {
                let copies = statements.iter().filter(|sql| sql.starts_with("COPY ")).count();
                let records = statements.iter().filter(|sql| sql.starts_with("INSERT ")).count();
                assert_eq!(statements.len(), 6 + records, "SET, SET, LOCK, fence, guard, COPY and the ledger's rows");
                assert!(copies == 1 && records >= 1, "{statements:?}");
            }
            shapes.extend(statements.iter().map(|sql| skeleton(sql)));
        }
        let unknown: Vec<&String> = shapes.iter().filter(|shape| !is_ours(shape)).collect();
        assert!(unknown.is_empty(), "statements that are not ours: {unknown:#?}");
        assert!(!shapes.is_empty());
    }

    fn check_logs(&self) {
        for function in [LISTER, LOADER, WORKER] {
            for line in &self.site.standin.lambda().logs(function) {
                check_log_line(&line.text).unwrap_or_else(|problem| panic!("{function}: {problem}: {:?}", line.text));
            }
        }
    }

    pub(crate) async fn stop(self) {
        self.site.stop().await;
    }
}

/// Whether a line of a log is one JSON object, without any character that steers a terminal.
pub(crate) fn check_log_line(line: &str) -> Result<(), String> {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if let Some(c) = line.chars().find(|c| steers(*c)) {
        return Err(format!("{c:?} is not escaped"));
    }
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    value.as_object().map(|_| ()).ok_or_else(|| "no object".to_owned())
}

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

/// Every submission that the warehouse has taken, as its statements.
async fn statements(site: &Site) -> Vec<Vec<String>> {
    let client = client(site);
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let list = client.list_statements().status(aws_sdk_redshiftdata::types::StatusString::All).set_next_token(next);
        let page = list.send().await.unwrap();
        for statement in page.statements {
            all.push(statement.query_strings.unwrap_or_else(|| vec![statement.query_string.unwrap()]));
        }
        next = page.next_token;
        if next.is_none() {
            return all;
        }
    }
}

fn client(site: &Site) -> Client {
    let credentials = aws_sdk_redshiftdata::config::Credentials::new("test", "sluice", None, None, "test");
    let config = aws_sdk_redshiftdata::Config::builder()
        .behavior_version(aws_sdk_redshiftdata::config::BehaviorVersion::latest())
        .region(aws_sdk_redshiftdata::config::Region::new("us-east-1"))
        .endpoint_url(site.standin.endpoint())
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Client::from_conf(config.build())
}

/// A row of the ledger.
const ROW: &str = "(?, ?, ?, #, ?, GETDATE())";

/// A statement with `?` for each literal, as Redshift reads literals, `#` for each number, and lists of one.
pub(crate) fn skeleton(sql: &str) -> String {
    let mut text = String::new();
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' => {
                while let Some(c) = rest.next() {
                    match c {
                        '\\' => _ = rest.next(),
                        '\'' if rest.peek() == Some(&'\'') => _ = rest.next(),
                        '\'' => break,
                        _ => {}
                    }
                }
                text.push('?');
            }
            c if c.is_ascii_digit() && !text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_') => {
                while rest.peek().is_some_and(char::is_ascii_digit) {
                    rest.next();
                }
                text.push('#');
            }
            c => text.push(c),
        }
    }
    for (many, one) in [(format!("{ROW}, {ROW}"), ROW), ("IN (?, ?".to_owned(), "IN (?")] {
        while text.contains(&many) {
            text = text.replace(&many, one);
        }
    }
    text
}

/// Whether a statement is one of those that Sluice sends for the feeds of a scene.
fn is_ours(shape: &str) -> bool {
    ["numbers", "events"].iter().any(|feed| {
        let ledger = format!("\"public\".\"sluice_ledger_{feed}\"");
        let fence = format!("\"public\".\"sluice_ledger_{feed}_fence\"");
        let copy = format!("COPY \"public\".\"{feed}\" FROM ? IAM_ROLE default MANIFEST FORMAT AS CSV");
        let exact = [
            "SET LOCAL statement_timeout TO #".to_owned(),
            "SET LOCAL enable_result_cache_for_session TO off".to_owned(),
            format!("LOCK TABLE {ledger}"),
            format!("UPDATE {fence} SET loads = loads + #"),
            format!(
                "SELECT # / (CASE WHEN COUNT(*) = # AND (SELECT COUNT(*) FROM {fence} WHERE identity = ?) > # THEN # ELSE # \
                 END) FROM {ledger} WHERE file IN (?)"
            ),
            format!("CREATE TABLE IF NOT EXISTS {fence} (identity VARCHAR(#) NOT NULL, loads BIGINT NOT NULL)"),
            format!(
                "INSERT INTO {fence} SELECT ?, # FROM (SELECT COUNT(*) AS number FROM {fence}) fences WHERE fences.number = #"
            ),
            format!("SELECT # / (CASE WHEN COUNT(*) > # THEN # ELSE # END) FROM {fence} WHERE identity = ?"),
            copy.clone(),
            format!("{copy} GZIP"),
            format!("{copy} NOLOAD MAXERROR #"),
            format!("{copy} GZIP NOLOAD MAXERROR #"),
            format!(
                "INSERT INTO {ledger} (file, object_key, etag, size, batch, loaded_at) \
                 VALUES (?, ?, ?, #, ?, GETDATE())"
            ),
            format!("SELECT file, etag FROM {ledger} WHERE file IN (?)"),
        ];
        let by_session = "query_id IN (SELECT query_id FROM sys_query_history WHERE session_id = # AND start_time >= \
                          TIMESTAMP ? + # * INTERVAL ?)";
        let errors = "SELECT TRIM(file_name), error_code, TRIM(error_message), line_number, TRIM(column_name) FROM \
                      sys_load_error_detail WHERE";
        exact.iter().any(|exact| exact == shape)
            || (shape.starts_with(&format!("CREATE TABLE IF NOT EXISTS {ledger} (file CHAR(#)"))
                && !shape.contains(';'))
            || [by_session, "query_id = #"].iter().any(|by| shape == format!("{errors} {by} ORDER BY #, # LIMIT #"))
    })
}

/// Whether a feed that is configured here may leave this for its next tick.
fn is_hint(key: &str) -> bool {
    let hints = ["success", "listing"];
    ["numbers", "events"].iter().any(|feed| hints.iter().any(|hint| key == format!("sluice/state/{feed}/{hint}.json")))
}
