//! What the functions really do: the real binaries on the stand-in, led through everything that they can meet, and the
//! journal of it. And how alarms, widgets and rules are read.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_aws::{Aws, ConfigOrigin, Copies, Endpoint, Settings};
use sluice_core::measure::{DIMENSION, Metric, NAMESPACE};
use sluice_core::testing::{contract, prefix};
use sluice_standin::deployment::{Deployment, LISTER, LOADER};
use sluice_standin::faults::{Fault, Rule};
use sluice_standin::journal::Entry;
use sluice_standin::{Options, StandIn};
use sluice_tests::{BUCKET, Site, expire_leases, numbers};

/// Other files under the feed's prefix are nobody's.
const TAKES: &str = "include = [\"*.csv\"]";

/// The journal of the functions, by function.
pub(crate) struct Did(BTreeMap<String, Vec<Entry>>);

impl Did {
    /// With workers, and with a loader that events invoke.
    pub(crate) async fn with_workers() -> Self {
        let mut did = Self::everything(&numbers(&format!("trigger = \"event\"\n{TAKES}")), |_| ()).await;
        let large = large_copies().await;
        did.0.entry("worker".to_owned()).or_default().extend(large);
        did
    }

    /// The lister loads by itself.
    pub(crate) async fn inline() -> Self {
        let mut did = Self::everything(&numbers(&format!("fan_out = false\n{TAKES}")), |_| ()).await;
        let large = large_copies().await;
        did.0.entry("lister".to_owned()).or_default().extend(large);
        did
    }

    /// As with workers, the configuration being an object.
    pub(crate) async fn with_configuration_at(key: &'static str) -> Self {
        let feed = numbers(&format!("trigger = \"event\"\n{TAKES}"));
        let mut did = Self::everything(&feed, |deployment| {
            deployment.config = String::new();
            deployment.environment.push(("SLUICE_CONFIG_URI".to_owned(), format!("s3://{BUCKET}/{key}")));
        })
        .await;
        let large = large_copies().await;
        did.0.entry("worker".to_owned()).or_default().extend(large);
        did
    }

    /// What the function asked of AWS.
    pub(crate) fn entries(&self, function: &str) -> &[Entry] {
        self.0.get(function).map(Vec::as_slice).unwrap_or_default()
    }

    async fn everything(feed: &str, change: impl FnOnce(&mut Deployment)) -> Self {
        let site = Site::with(feed, change).await;
        let config = format!("[bucket]\nname = \"{BUCKET}\"\n{feed}");
        site.standin.storage().put(BUCKET, "sluice/config.toml", config).unwrap();
        // The first load makes the ledger; a bad file is set aside.
        site.drop_file("numbers/1.csv", "1,one\n");
        site.drop_file("numbers/2.csv", "two,2\n");
        site.drain().await;
        // Names that are taken in processed/ and failed/, and content that is known.
        site.drop_file("numbers/1.csv", "11,one\n");
        site.drop_file("numbers/2.csv", "two and two,2\n");
        site.drain().await;
        site.drop_file("numbers/1.csv", "1,one\n");
        site.drain().await;
        replace_during_load(&site).await;
        // Claims that cannot be read, met by each function that meets claims.
        site.standin.storage().put(BUCKET, "sluice/claims/numbers/3.json", "{").unwrap();
        site.drain().await;
        site.standin.storage().put(BUCKET, "sluice/claims/numbers/3.json", "{").unwrap();
        site.work("sluice/claims/numbers/3.json").await;
        site.work("sluice/claims/numbers/3.json").await;
        // What the loader meets: a file, one that is gone, one that is bad.
        site.drop_file("numbers/5.csv", "5,five\n");
        site.drop_file("numbers/6.csv", "six,6\n");
        for name in ["5", "6", "gone"] {
            let detail = json!({"bucket": {"name": BUCKET}, "object": {"key": format!("incoming/numbers/{name}.csv")}});
            let event = json!({"source": "aws.s3", "detail-type": "Object Created", "detail": detail});
            site.answer(LOADER, &event).await;
        }
        site.drain().await;
        nothing_works_for_a_while(&site).await;
        a_listing_stops_in_time(&site).await;
        let mut did: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in site.standin.journal().snapshot().into_iter().filter(|entry| entry.service != "runtime") {
            if let Some(function) = entry.caller.strip_prefix("fn-sluice-").and_then(|rest| rest.split('-').next()) {
                did.entry(function.to_owned()).or_default().push(entry);
            }
        }
        site.stop().await;
        Self(did)
    }
}

/// Every load fails, and then one does not: what is asked meanwhile is whether the feed works, and then that is noted.
async fn nothing_works_for_a_while(site: &Site) {
    let redshift = site.standin.redshift().unwrap();
    redshift.fail_copies(Some("an error of a new kind"));
    site.drop_file("numbers/7.csv", "7,seven\n");
    for _ in 0..4 {
        site.deployed.tick().await.unwrap();
        site.deployed.idle().await;
        expire_leases(site.standin.storage(), BUCKET);
    }
    redshift.fail_copies(None);
    site.drain().await;
    assert!(!site.keys("sluice/state/numbers/success.json").is_empty());
}

/// More than a page waits, of other feeds' files, and S3 is so slow that the listing has to go on the next time.
async fn a_listing_stops_in_time(site: &Site) {
    for number in 0..1001 {
        site.drop_file(&format!("numbers/of-nobody/{number}.txt"), "");
    }
    let mut lister = (*site.standin.lambda().function(LISTER).unwrap()).clone();
    let timeout = std::mem::replace(&mut lister.timeout, Duration::from_secs(6));
    site.standin.lambda().register(lister.clone());
    let slow = Rule::new(Fault::Delay(Duration::from_secs(4))).operation("ListObjectsV2").also("incoming/numbers/");
    let slow = site.standin.faults().add(slow);
    site.deployed.tick().await.unwrap();
    site.standin.faults().remove(slow);
    lister.timeout = timeout;
    site.standin.lambda().register(lister);
    assert!(!site.keys("sluice/state/numbers/listing.json").is_empty());
}

/// A producer replaces a file that a COPY has read, and one that it has not read yet.
async fn replace_during_load(site: &Site) {
    let hold = site.standin.redshift().unwrap().hold_copies();
    site.drop_file("numbers/4.csv", "4,four\n");
    let tick = site.deployed.tick();
    let replace = async {
        hold.reached(1).await;
        site.drop_file("numbers/4.csv", "44,four\n");
        drop(hold);
    };
    let (tick, ()) = tokio::join!(tick, replace);
    tick.unwrap();
    site.deployed.idle().await;
    site.drain().await;
}

/// What copying a file of more than 5 GB asks of S3: the adapter's own code, with a smaller limit.
async fn large_copies() -> Vec<Entry> {
    let options = Options { buckets: vec![BUCKET.to_owned()], ..Options::default() };
    let standin = StandIn::start(options).await.unwrap();
    let settings = Settings { config: ConfigOrigin::Inline(String::new()), worker_function: None, s3_path_style: true };
    let endpoint = Endpoint {
        url: standin.endpoint(),
        access_key_id: "worker".to_owned(),
        secret_access_key: "sluice".to_owned(),
        region: "us-east-1".to_owned(),
    };
    let objects = Aws::at(endpoint, settings).await.objects(BUCKET);
    let small = Copies { single_at_most: 5 << 20, part: 5 << 20, parts_at_once: 2 };
    let report = contract::large_copies(&objects.with_copies(small), &prefix("parts/")).await;
    assert!(report.surprises(&[], &[]).is_empty());
    let parts = ["CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload"];
    let mut entries = standin.journal().snapshot();
    entries.retain(|entry| parts.contains(&&*entry.operation) || entry.operation == "GetObjectTagging");
    for part in parts {
        assert!(entries.iter().any(|entry| entry.operation == part), "no large copy does {part}");
    }
    // From where files arrive to where they are kept.
    for entry in &mut entries {
        let from = format!("{BUCKET}/incoming/numbers/large.csv");
        let reads = entry.operation == "GetObjectTagging";
        entry.subject = Some(if reads { from.clone() } else { format!("{BUCKET}/processed/numbers/large.csv") });
        entry.also = (entry.operation == "UploadPartCopy").then_some(from);
    }
    standin.shutdown().await;
    entries
}

/// A metric as an alarm or a widget names it.
#[derive(Debug)]
pub(crate) struct Named {
    namespace: String,
    name: String,
    dimensions: Vec<String>,
    unit: Option<String>,
}

impl Named {
    /// That there is such a metric; its name.
    pub(crate) fn check(&self, who: &str) -> String {
        let known: &[(&str, &[&str], &str)] = &[
            ("AWS/Lambda", &["Errors", "Throttles", "Invocations", "Duration", "ConcurrentExecutions"], "FunctionName"),
            ("AWS/SQS", &["ApproximateNumberOfMessagesVisible"], "QueueName"),
        ];
        if self.namespace == NAMESPACE {
            let metric = Metric::ALL.into_iter().find(|metric| metric.name() == self.name);
            let unit = metric.map(|metric| format!("{:?}", metric.unit()));
            let unit = unit.unwrap_or_else(|| panic!("{who} names {self:?}, which is not published"));
            assert_eq!(self.dimensions, [DIMENSION], "{who}: {self:?}");
            assert!(self.unit.as_ref().is_none_or(|named| *named == unit), "{who}: {self:?} is in {unit}");
        } else {
            let (_, names, dimension) = known
                .iter()
                .find(|(namespace, ..)| *namespace == self.namespace)
                .unwrap_or_else(|| panic!("{who} names {self:?}"));
            assert!(names.contains(&self.name.as_str()), "{who} names {self:?}");
            assert_eq!(self.dimensions, [*dimension], "{who}: {self:?}");
        }
        self.name.clone()
    }
}

/// All metrics that an alarm's properties or a dashboard's body name, in whatever form.
pub(crate) fn metrics_named(value: &Value) -> Vec<Named> {
    let mut named = Vec::new();
    collect(value, &mut named);
    named
}

fn collect(value: &Value, named: &mut Vec<Named>) {
    match value {
        Value::Object(fields) => {
            if let (Some(name), Some(namespace)) = (text(value, "MetricName"), text(value, "Namespace")) {
                let dimensions = fields["Dimensions"].as_array().unwrap().iter();
                let dimensions = dimensions.map(|one| text(one, "Name").unwrap()).collect();
                named.push(Named { namespace, name, dimensions, unit: text(value, "Unit") });
            }
            let expression = text(value, "Expression").or_else(|| text(value, "expression"));
            named.extend(expression.iter().flat_map(|text| in_expression(text)));
            fields.values().for_each(|field| collect(field, named));
        }
        // A widget's metric: namespace, name, then dimension and value by turns, then options.
        Value::Array(items) if items.len() >= 2 && items.iter().take(2).all(Value::is_string) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            if texts[0].starts_with("AWS/") || texts[0] == NAMESPACE {
                let dimensions = texts[2..].iter().step_by(2).map(|name| (*name).to_owned()).collect();
                named.push(Named { namespace: texts[0].to_owned(), name: texts[1].to_owned(), dimensions, unit: None });
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, named)),
        _ => {}
    }
}

/// `SELECT MAX(X) FROM SCHEMA(Sluice, Feed)` and `SEARCH('{Sluice,Feed} MetricName="X"', …)`.
fn in_expression(expression: &str) -> Vec<Named> {
    let between = |from: &str, to: &str| Some(expression.split_once(from)?.1.split_once(to)?.0.replace(' ', ""));
    let schema = between("SCHEMA(", ")").or_else(|| between("SEARCH('{", "}"));
    let name =
        between("SELECT ", " FROM").and_then(|call| Some(call.split_once('(')?.1.trim_end_matches(')').to_owned()));
    let name = name.or_else(|| Some(between("MetricName=", "'")?.trim_matches('"').replace('"', "")));
    let Some((schema, name)) = schema.zip(name) else { return Vec::new() };
    let mut parts = schema.split(',').map(|part| part.trim_matches('"').to_owned());
    let namespace = parts.next().unwrap();
    vec![Named { namespace, name, dimensions: parts.collect(), unit: None }]
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field).and_then(Value::as_str).map(str::to_owned)
}

/// Whether an `EventBridge` pattern of literals and prefixes matches an event.
pub(crate) fn matches(pattern: &Value, event: &Value) -> bool {
    pattern.as_object().unwrap().iter().all(|(field, wanted)| match wanted.as_array() {
        None => matches(wanted, &event[field]),
        Some(any) => any.iter().any(|one| match one["prefix"].as_str() {
            Some(prefix) => event[field].as_str().is_some_and(|text| text.starts_with(prefix)),
            None => one == &event[field],
        }),
    })
}
