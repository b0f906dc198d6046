//! The template against the code: rights and what the functions really do, variables and what they read, alarms and what
//! is published, rules and the events that there are. Both directions: nothing missing, nothing that nobody needs.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod document;
mod functions;
mod needs;
mod policy;

use std::collections::{BTreeMap, BTreeSet};

use document::{ACCOUNT, REGION, Stack};
use functions::Did;
use needs::Setting;
use policy::{Need, Statement, missing, unused};
use serde_json::{Value, json};
use sluice_aws::Settings;
use sluice_core::completion::statement_prefix;
use sluice_core::config::{Config, Trigger};
use sluice_core::measure::{DIMENSION, NAMESPACE};
use sluice_core::run::Run;
use sluice_tests::BUCKET;
use test_case::test_case;

const FUNCTIONS: [&str; 3] = ["loader", "lister", "worker"];
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/k";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:redshift-x";
const WORKGROUP_ID: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// The least that has to be given.
const LEAST: [(&str, &str); 3] =
    [("BucketName", BUCKET), ("WorkgroupName", "analytics"), ("WorkgroupId", WORKGROUP_ID)];
const CLUSTER: [(&str, &str); 2] = [("BucketName", BUCKET), ("ClusterIdentifier", "dw-1")];

fn with<'p>(least: &[(&'p str, &'p str)], more: &[(&'p str, &'p str)]) -> Vec<(&'p str, &'p str)> {
    [least, more].concat()
}

/// A role of a stack and all that the functions need who have it.
struct Role {
    name: String,
    statements: Vec<Statement>,
    needs: BTreeSet<Need>,
}

/// The roles of the functions, with what these did and what Lambda does for them.
fn roles(stack: &Stack<'_>, did: &Did, setting: &Setting) -> Vec<Role> {
    let resources = stack.resources();
    let mut roles: BTreeMap<String, Role> = BTreeMap::new();
    for function in FUNCTIONS {
        let properties = stack.properties(&logical(function));
        let arn = properties["Role"].as_str().unwrap();
        let (name, role) = resources
            .iter()
            .filter(|(_, resource)| resource["Type"] == "AWS::IAM::Role")
            .find(|(name, resource)| arn.ends_with(&format!("/{}", role_name(name, resource))))
            .unwrap_or_else(|| panic!("the role of {function} is not in the template: {arn}"));
        let role = roles.entry(name.clone()).or_insert_with(|| Role {
            name: name.clone(),
            statements: policy::statements(&role["Properties"]),
            needs: BTreeSet::new(),
        });
        let on_failure = properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"].as_str();
        let group = properties["LoggingConfig"]["LogGroup"].as_str().unwrap();
        role.needs.extend(needs::of_lambda(group, on_failure, setting));
        role.needs.extend(needs::of_looking(BUCKET, setting, name != "ListerRole"));
        role.needs.extend(did.entries(function).iter().flat_map(|entry| needs::of_request(entry, setting)));
    }
    roles.into_values().collect()
}

fn logical(function: &str) -> String {
    format!("{}{}Function", function[..1].to_uppercase(), &function[1..])
}

fn role_name<'r>(logical: &'r str, resource: &'r Value) -> &'r str {
    resource["Properties"]["RoleName"].as_str().unwrap_or(logical)
}

/// Says what is wrong with a stack's rights, one on a line.
fn faults(stack: &Stack<'_>, did: &Did, setting: &Setting) -> Vec<String> {
    let mut faults = Vec::new();
    for Role { name, statements, needs } in roles(stack, did, setting) {
        faults.extend(missing(&statements, &needs).iter().map(|need| format!("{name} lacks {need:?}")));
        faults.extend(unused(&statements, &needs).iter().map(|right| format!("{name} has no use for {right}")));
    }
    faults
}

fn workgroup() -> Setting {
    let arn = format!("arn:aws:redshift-serverless:{REGION}:{ACCOUNT}:workgroup/{WORKGROUP_ID}");
    let credentials = vec![Need::new("redshift-serverless:GetCredentials", &arn)];
    Setting { warehouse: arn, credentials, ..Setting::default() }
}

fn cluster(credentials: Vec<Need>) -> Setting {
    let warehouse = format!("arn:aws:redshift:{REGION}:{ACCOUNT}:cluster:dw-1");
    Setting { warehouse, credentials, ..Setting::default() }
}

#[tokio::test]
async fn each_role_can_do_what_its_functions_do_and_nothing_else() {
    let template = document::read();
    let did = Did::with_workers().await;
    let redshift = |kind: &str| format!("arn:aws:redshift:{REGION}:{ACCOUNT}:{kind}");
    let database = redshift("dbname:dw-1/dev");
    let secret = vec![Need::new("secretsmanager:GetSecretValue", SECRET)];
    let as_role = vec![Need::new("redshift:GetClusterCredentialsWithIAM", &database)];
    let as_user = ["dbuser:dw-1/loader", "dbname:dw-1/dev"]
        .map(|what| Need::new("redshift:GetClusterCredentials", redshift(what)))
        .to_vec();
    let stacks = [
        (with(&LEAST, &[]), workgroup()),
        (with(&LEAST, &[("SecretArn", SECRET)]), Setting { credentials: secret.clone(), ..workgroup() }),
        (with(&LEAST, &[("KmsKeyArn", KEY)]), Setting { kms_key: Some(KEY.to_owned()), ..workgroup() }),
        (with(&LEAST, &[("Tracing", "Active")]), Setting { traces: true, ..workgroup() }),
        (with(&LEAST, &[("LoadOnArrival", "true")]), workgroup()),
        (with(&CLUSTER, &[]), cluster(as_role)),
        (with(&CLUSTER, &[("DbUser", "loader")]), cluster(as_user)),
        (with(&CLUSTER, &[("SecretArn", SECRET), ("DbUser", "loader")]), cluster(secret)),
    ];
    for (parameters, setting) in stacks {
        let stack = Stack::new(&template, &parameters);
        assert_eq!(faults(&stack, &did, &setting), Vec::<String>::new(), "{parameters:?}");
    }
    negative_controls(&template, &did);
}

/// The check above sees a right that is missing, and one that is too many.
fn negative_controls(template: &Value, did: &Did) {
    for (role, policies) in [("LoadRole", 3), ("ListerRole", 2)] {
        for policy in 0..policies {
            let path = format!("/Resources/{role}/Properties/Policies/{policy}/PolicyDocument/Statement");
            let count = template.pointer(&path).unwrap().as_array().unwrap().len();
            for statement in 0..count {
                let mut worse = template.clone();
                let removed = worse.pointer_mut(&path).unwrap().as_array_mut().unwrap().remove(statement);
                // Those under a condition are not in this stack.
                if removed.get("Fn::If").is_none() || removed.to_string().contains("UsesWorkgroupAsRole") {
                    let faults = faults(&Stack::new(&worse, &LEAST), did, &workgroup());
                    assert!(faults.iter().any(|fault| fault.starts_with(&format!("{role} lacks"))), "{removed}");
                }
            }
        }
    }
    let mut worse = template.clone();
    let path = "/Resources/ListerRole/Properties/Policies/0/PolicyDocument/Statement";
    let resource = "arn:aws:s3:::landing/processed/*";
    let more = json!({"Sid": "TooMuch", "Effect": "Allow", "Action": "s3:DeleteObject", "Resource": resource});
    worse.pointer_mut(path).unwrap().as_array_mut().unwrap().push(more);
    let faults = faults(&Stack::new(&worse, &LEAST), did, &workgroup());
    assert!(faults.iter().any(|fault| fault.starts_with("ListerRole has no use for TooMuch")), "{faults:?}");
}

#[tokio::test]
async fn without_fan_out_the_lister_has_the_rights_of_a_loader() {
    let template = document::read();
    let stack = Stack::new(&template, &with(&LEAST, &[("FanOut", "false")]));
    assert!(!stack.resources().contains_key("ListerRole"));
    let did = Did::inline().await;
    assert_eq!(faults(&stack, &did, &workgroup()), Vec::<String>::new());
}

#[tokio::test]
async fn a_configuration_in_the_bucket_can_be_read_and_nothing_near_it() {
    let template = document::read();
    let did = Did::with_configuration_at("sluice/config.toml").await;
    let uri = format!("s3://{BUCKET}/sluice/config.toml");
    let stack = Stack::new(&template, &with(&LEAST, &[("ConfigUri", &uri)]));
    assert_eq!(faults(&stack, &did, &workgroup()), Vec::<String>::new());
    // Its own negative control: without the parameter nobody may read it.
    let without = faults(&Stack::new(&template, &LEAST), &did, &workgroup());
    assert!(without.iter().any(|fault| fault.contains("ListerRole lacks") && fault.contains("config.toml")));
}

#[test]
fn the_variables_are_those_that_the_functions_read() {
    let template = document::read();
    let stack = Stack::new(&template, &LEAST);
    let mut given = BTreeSet::new();
    for function in FUNCTIONS {
        let variables = stack.properties(&logical(function))["Environment"]["Variables"].clone();
        let names: BTreeSet<String> = variables.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names.contains("SLUICE_WORKER_FUNCTION"), function == "lister", "only the lister sends workers");
        given.extend(names);
    }
    let read = std::cell::RefCell::new(BTreeSet::new());
    Settings::from_env(|name| {
        read.borrow_mut().insert(name.to_owned());
        (name == "SLUICE_CONFIG").then(|| "x".to_owned())
    })
    .unwrap();
    // For endpoints that are not AWS's.
    assert!(read.borrow_mut().remove("SLUICE_S3_PATH_STYLE"));
    assert_eq!(given, read.into_inner());
}

#[test_case(&[]; "by default")]
#[test_case(&[("LoadOnArrival", "true"), ("FanOut", "false"), ("PassesPerMinute", "12")]; "other ways to run")]
#[test_case(&[("SecretArn", SECRET)]; "a secret")]
#[test_case(&[("FeedInclude", "*.csv.gz,*.csv"), ("FeedOptions", "ignoreheader = 1, null_as = \"NA\"")]; "patterns and options")]
#[test_case(&[("FeedMaxFiles", "10"), ("FeedFilesPerLoad", "5"), ("FeedWaitSeconds", "0")]; "limits")]
#[test_case(&[("FeedMaxFiles", "10")]; "a low limit alone")]
#[test_case(&[("FeedFormat", "parquet"), ("CopyRole", "arn:aws:iam::123456789012:role/copy")]; "parquet and a role")]
#[test_case(&[("CreateWarehouse", "true"), ("WarehouseName", "new")]; "a new warehouse")]
fn what_the_parameters_say_is_a_configuration(more: &[(&str, &str)]) {
    let template = document::read();
    let config = configuration(&Stack::new(&template, &with(&LEAST, more)));
    let feed = &config.feeds[0];
    let given = |name: &str| more.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    assert_eq!((config.bucket.name.as_str(), feed.name.as_str()), (BUCKET, "flights"));
    assert_eq!(feed.trigger == Trigger::Event, given("LoadOnArrival") == Some("true"));
    assert_eq!(feed.fan_out, given("FanOut") != Some("false"));
    assert_eq!(feed.include.len(), given("FeedInclude").map_or(0, |patterns| patterns.split(',').count()));
    assert_eq!(feed.wait.as_secs().to_string(), given("FeedWaitSeconds").unwrap_or("5"));
    assert_eq!(feed.max_files.to_string(), given("FeedMaxFiles").unwrap_or("1000"));
    assert_eq!(config.lister.passes_per_minute.to_string(), given("PassesPerMinute").unwrap_or("1"));
}

#[test_case(&[]; "as a role")]
#[test_case(&[("DbUser", "loader")]; "as a user")]
fn a_cluster_can_be_the_warehouse(more: &[(&str, &str)]) {
    configuration(&Stack::new(&document::read(), &with(&CLUSTER, more)));
}

fn configuration(stack: &Stack<'_>) -> Config {
    let variables = stack.properties("WorkerFunction")["Environment"]["Variables"].clone();
    assert_eq!(variables["SLUICE_CONFIG_URI"], "");
    let text = variables["SLUICE_CONFIG"].as_str().unwrap();
    assert!(text.len() < 4096, "Lambda's variables have 4 KB");
    Config::parse(text, "SLUICE_CONFIG", &sluice_aws::DESTINATIONS).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn the_default_time_of_the_lister_is_enough_for_a_minute_of_passes() {
    let template = document::read();
    let timeout = Stack::new(&template, &LEAST).properties("ListerFunction")["Timeout"].as_i64().unwrap();
    let started = jiff::Timestamp::UNIX_EPOCH;
    let deadline = started + jiff::SignedDuration::from_secs(timeout);
    let run = Run { owner: String::new(), started, deadline };
    assert!(run.wait_until() >= started + jiff::SignedDuration::from_mins(1));
}

/// Each alarm and each widget on `Sluice`, with whether the template has all parts or only those by default.
#[test_case(&[]; "with parameters")]
#[test_case(&[("ConfigUri", "s3://landing/sluice/config.toml")]; "with a file")]
fn every_alarm_and_every_widget_is_about_what_is_published(more: &[(&str, &str)]) {
    let template = document::read();
    let stack = Stack::new(&template, &with(&LEAST, more));
    let mut seen = BTreeSet::new();
    for (name, resource) in &stack.resources() {
        let properties = match resource["Type"].as_str().unwrap() {
            "AWS::CloudWatch::Alarm" => resource["Properties"].clone(),
            "AWS::CloudWatch::Dashboard" => {
                serde_json::from_str(resource["Properties"]["DashboardBody"].as_str().unwrap()).unwrap()
            }
            _ => continue,
        };
        let metrics = functions::metrics_named(&properties);
        assert!(!metrics.is_empty(), "{name} is about nothing");
        for metric in metrics {
            seen.insert(metric.check(name));
        }
    }
    let backlog = ["UnprocessedFiles", "OldestUnprocessedAge", "InFlightFiles", "EffectiveMaxFiles"];
    let loads = ["FilesLoaded", "RowsLoaded", "TimeToLoad", "LoadDuration"];
    let trouble =
        ["LoadsFailed", "FilesQuarantined", "FilesReplaced", "FilesResting", "FeedDown", "Errors", "Throttles"];
    let silence = ["FilesWithoutRows", "FilesNotTaken"];
    for needed in backlog.iter().chain(&loads).chain(&trouble).chain(&silence) {
        assert!(seen.contains(*needed), "no alarm or widget is about {needed}: {seen:?}");
    }
}

#[test]
fn each_alarm_is_part_of_the_one_that_tells_somebody() {
    let template = document::read();
    let uri = [("ConfigUri", "s3://landing/sluice/config.toml")];
    for more in [&[][..], &uri] {
        let stack = Stack::new(&template, &with(&LEAST, more));
        let rule = stack.properties("NeedsAttentionAlarm")["AlarmRule"].as_str().unwrap().to_owned();
        let resources = stack.resources();
        let alarms = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm");
        let names: Vec<&str> = alarms.map(|(_, alarm)| alarm["Properties"]["AlarmName"].as_str().unwrap()).collect();
        assert!(names.len() >= 10, "{names:?}");
        for name in &names {
            assert!(rule.contains(&format!("ALARM(\"{name}\")")), "{name} tells nobody: {rule}");
        }
        assert_eq!(rule.matches("ALARM(").count(), names.len(), "{rule}");
    }
}

#[test]
fn the_lister_s_silence_is_an_alarm() {
    let alarm = Stack::new(&document::read(), &LEAST).properties("ListerSilentAlarm");
    assert_eq!(alarm["TreatMissingData"], "breaching");
}

/// What `sam delete` leaves: files, tables, ledgers, and the way to them.
#[test]
fn what_holds_data_outlives_the_stack() {
    let template = document::read();
    let resources = Stack::new(&template, &with(&LEAST, &[("CreateWarehouse", "true")])).resources();
    for name in ["Bucket", "BucketPolicy", "Namespace", "Workgroup", "CopyRoleOfWarehouse"] {
        let kept = (&resources[name]["DeletionPolicy"], &resources[name]["UpdateReplacePolicy"]);
        assert_eq!(kept, (&json!("RetainExceptOnCreate"), &json!("Retain")), "{name}");
    }
    let holds_data = ["AWS::S3::Bucket", "AWS::RedshiftServerless::Namespace"];
    let others = resources.values().filter(|resource| !holds_data.contains(&resource["Type"].as_str().unwrap()));
    assert!(others.count() + 2 == resources.len(), "another resource that holds data: keep it, too");
}

/// A resource that is kept although its creation was rolled back has a name that the next deployment cannot take.
#[test]
fn a_first_deployment_that_fails_leaves_nothing_behind() {
    let template = document::read();
    for (name, resource) in template["Resources"].as_object().unwrap() {
        assert_ne!(resource["DeletionPolicy"], "Retain", "{name}");
        let kept = [&resource["DeletionPolicy"], &resource["UpdateReplacePolicy"]];
        let both = kept == ["RetainExceptOnCreate", "Retain"];
        assert!(both || !kept.iter().any(|policy| policy.as_str().unwrap_or_default().starts_with("Retain")), "{name}");
    }
}

/// A new account has ten concurrent executions, of which AWS lets nobody reserve one.
#[test]
fn concurrency_is_reserved_only_for_whoever_asks() {
    let template = document::read();
    let all =
        ["WorkerMaximumConcurrency", "LoaderMaximumConcurrency", "ListerMaximumConcurrency"].map(|name| (name, "2"));
    let (stack, limited) = (Stack::new(&template, &LEAST), Stack::new(&template, &with(&LEAST, &all)));
    for function in FUNCTIONS {
        assert_eq!(stack.properties(&logical(function)).get("ReservedConcurrentExecutions"), None, "{function}");
        assert_eq!(limited.properties(&logical(function))["ReservedConcurrentExecutions"], "2", "{function}");
    }
}

/// The rule's ARN holds the account. With the account beside it, invocations by `EventBridge` were reported to fail.
#[test]
fn rules_are_known_by_their_arn_alone() {
    let template = document::read();
    let resources = Stack::new(&template, &with(&LEAST, &[("LoadOnArrival", "true")])).resources();
    let permissions = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Lambda::Permission");
    let mut rules = 0;
    for (name, permission) in permissions {
        let properties = &permission["Properties"];
        assert_eq!(properties["Principal"], "events.amazonaws.com", "{name}: of others, SourceAccount is asked for");
        let rule = format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/");
        assert!(properties["SourceArn"].as_str().is_some_and(|arn| arn.starts_with(&rule)), "{name}: {properties}");
        assert_eq!(properties.get("SourceAccount"), None, "{name}");
        rules += 1;
    }
    assert_eq!(rules, 2);
}

#[test_case(None; "the keys of S3")]
#[test_case(Some(KEY); "a key of KMS")]
fn copy_reads_files_and_manifests_and_nothing_else(key: Option<&str>) {
    let template = document::read();
    let new = [("BucketName", BUCKET), ("CreateWarehouse", "true"), ("KmsKeyArn", key.unwrap_or_default())];
    let statements = policy::statements(&Stack::new(&template, &new).properties("CopyRoleOfWarehouse"));
    let bucket = format!("arn:aws:s3:::{BUCKET}");
    let object = |action: &str, path: &str| Need::new(action, format!("{bucket}/{path}"));
    let list = || Need::new("s3:ListBucket", &bucket);
    let mut asks = vec![
        object("s3:GetObject", "incoming/flights/1.csv"),
        object("s3:GetObject", "sluice/manifests/flights/b.manifest"),
        Need::new("s3:GetBucketLocation", &bucket),
        list().with("s3:prefix", "incoming/flights/1.csv"),
        list().with("s3:prefix", "sluice/manifests/flights/b.manifest"),
        // Nobody documents which prefix COPY lists, if any.
        list(),
    ];
    let through_s3 = |key| Need::new("kms:Decrypt", key).with("kms:ViaService", format!("s3.{REGION}.amazonaws.com"));
    asks.extend(key.map(through_s3));
    let asks = BTreeSet::from_iter(asks);
    assert_eq!(missing(&statements, &asks), []);
    assert_eq!(unused(&statements, &asks), Vec::<String>::new());
    for forbidden in [
        object("s3:GetObject", "processed/flights/1.csv"),
        object("s3:GetObject", "sluice/claims/flights/0.json"),
        object("s3:PutObject", "incoming/flights/1.csv"),
        list().with("s3:prefix", "processed/"),
    ] {
        assert!(!policy::allowed(&statements, &forbidden), "{forbidden:?}");
    }
}

const CLASS: &str = "s3:x-amz-storage-class";
const KEY_OF_FILE: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";
const ENCRYPTION: &str = "s3:x-amz-server-side-encryption";
const KEY_OF_PRODUCER: &str = "s3:x-amz-server-side-encryption-customer-algorithm";

/// What a producer says of a file, and whether it is taken by a bucket with S3's keys, and by one with the key `KEY`.
#[test_case(&[] => (true, true); "nothing")]
#[test_case(&[(CLASS, "STANDARD")] => (true, true); "the standard class")]
#[test_case(&[(CLASS, "GLACIER")] => (false, false); "glacier")]
#[test_case(&[(CLASS, "DEEP_ARCHIVE")] => (false, false); "deep archive")]
#[test_case(&[(CLASS, "INTELLIGENT_TIERING")] => (false, false); "intelligent tiering")]
#[test_case(&[(CLASS, "GLACIER_IR")] => (false, false); "glacier instant retrieval")]
#[test_case(&[(CLASS, "STANDARD_IA")] => (false, false); "infrequent access")]
#[test_case(&[(ENCRYPTION, "AES256")] => (true, true); "the keys of S3")]
#[test_case(&[(ENCRYPTION, "aws:kms")] => (true, true); "KMS without a key")]
#[test_case(&[(ENCRYPTION, "aws:kms"), (KEY_OF_FILE, KEY)] => (false, true); "the key of the bucket")]
#[test_case(&[(ENCRYPTION, "aws:kms"), (KEY_OF_FILE, "arn:aws:kms:us-east-1:123456789012:key/other")] => (false, false); "another key")]
#[test_case(&[(CLASS, "GLACIER"), (KEY_OF_FILE, KEY)] => (false, false); "the key of the bucket and glacier")]
#[test_case(&[(KEY_OF_PRODUCER, "AES256")] => (false, false); "a key that only the producer has")]
fn an_upload_is_taken_if_it_can_be_loaded(said: &[(&'static str, &str)]) -> (bool, bool) {
    let template = document::read();
    let taken = |key: &str| {
        let stack = Stack::new(&template, &with(&LEAST, &[("KmsKeyArn", key)]));
        let file = format!("arn:aws:s3:::{BUCKET}/incoming/flights/1.csv.gz");
        let upload = Need::new("s3:PutObject", file).with("aws:SecureTransport", "true");
        let upload = said.iter().fold(upload, |upload, (header, value)| upload.with(header, *value));
        let allowed = policy::allowed(&policy::of_policy(&stack.properties("UploadPolicy")), &upload);
        let denied = policy::denied(&policy::of_policy(&stack.properties("BucketPolicy")), &upload);
        assert_eq!(allowed, !denied, "producer's policy and bucket's policy differ: {upload:?}");
        allowed
    };
    (taken(""), taken(KEY))
}

/// For buckets that existed before, whose policies are not ours.
#[test]
fn the_documented_policy_is_the_template_s() {
    let key = "arn:aws:kms:REGION:ACCOUNT:key/ID";
    let given = [("BucketName", "acme-landing"), ("WorkgroupName", "analytics"), ("KmsKeyArn", key)];
    let template = document::read();
    let policy = Stack::new(&template, &given).properties("BucketPolicy")["PolicyDocument"]["Statement"].take();
    let ours: Vec<&Value> =
        policy.as_array().unwrap().iter().filter(|statement| statement["Sid"] != "OnlyOverTls").collect();
    let producers = std::fs::read_to_string(document::root().join("docs/PRODUCERS.md")).unwrap();
    let documented = producers.split_once("```json\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(json!(ours), serde_json::from_str::<Value>(documented).unwrap());
}

/// What becomes of a file after it was loaded is its owner's matter.
#[test]
fn only_uploads_are_refused_for_their_class() {
    let template = document::read();
    let statements = policy::of_policy(&Stack::new(&template, &LEAST).properties("BucketPolicy"));
    let put = |path: &str| {
        let need = Need::new("s3:PutObject", format!("arn:aws:s3:::{BUCKET}/{path}"));
        need.with("aws:SecureTransport", "true").with(CLASS, "DEEP_ARCHIVE")
    };
    assert!(policy::denied(&statements, &put("incoming/flights/1.csv")));
    assert!(!policy::denied(&statements, &put("processed/flights/1.csv")));
    let plain = put("processed/flights/1.csv").with("aws:SecureTransport", "false");
    assert!(policy::denied(&statements, &plain), "plain HTTP is refused everywhere");
}

#[test]
fn the_rules_match_the_events_that_there_are() {
    let template = document::read();
    let parameters = [("BucketName", "sluice-demo"), ("ClusterIdentifier", "dw-1"), ("LoadOnArrival", "true")];
    let stack = Stack::new(&template, &parameters);
    let sample = |name: &str| -> Value {
        let path = document::root().join("events").join(name);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let (finished, created) = (sample("statement-finished.json"), sample("eventbridge-object-created.json"));
    let completion = stack.properties("CompletionRule")["EventPattern"].clone();
    let arrival = stack.properties("ArrivalRule")["EventPattern"].clone();
    assert!(functions::matches(&completion, &finished) && functions::matches(&arrival, &created));
    assert!(!functions::matches(&completion, &created) && !functions::matches(&arrival, &finished));
    // The prefix is the code's own.
    let name = &completion["detail"]["statementName"];
    assert_eq!(name, &json!([{"prefix": statement_prefix("sluice-demo")}]));
    let mut elsewhere = created;
    elsewhere["detail"]["object"]["key"] = json!("processed/flights/2013-01-01.csv.gz");
    assert!(!functions::matches(&arrival, &elsewhere), "what Sluice writes itself is no arrival");
}

#[test]
fn namespace_and_dimension_are_the_code_s() {
    let alarm = Stack::new(&document::read(), &LEAST).properties("BacklogAlarm");
    assert_eq!((&alarm["Namespace"], &alarm["Dimensions"][0]["Name"]), (&json!(NAMESPACE), &json!(DIMENSION)));
}
