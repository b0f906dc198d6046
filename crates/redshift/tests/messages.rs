//! What an operator reads of each trouble: every text says what is wrong, where, and what to do.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write as _;

use sluice_core::ports::{PortErrorKind, Ports};
use sluice_core::testing::world::World;
use sluice_core::testing::{Fault, Faults, TestPorts};
use sluice_core::tick::tick;
use sluice_core::work::work;
use sluice_redshift::RedshiftDestination;
use sluice_redshift::testing::{Answer, ScriptedStatements};

/// What COPY says, as Redshift says it.
const COPY: [(&str, &str); 14] = [
    ("the table is missing", "ERROR: Cannot COPY into nonexistent table flights"),
    ("a relation is missing", "ERROR: relation \"public.flights\" does not exist"),
    (
        "COPY's role may not read",
        "ERROR: S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 0,ExtRid 0,CanRetry 1",
    ),
    (
        "COPY's role is not attached",
        "ERROR: User arn:aws:redshift:us-east-1:1:dbuser:demo/x is not authorized to assume IAM Role arn:aws:iam::1:role/copy",
    ),
    (
        "the bucket is in another Region",
        "ERROR: S3ServiceException:The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.,Status 301,Error PermanentRedirect",
    ),
    ("the user may not insert", "ERROR: permission denied for relation flights"),
    ("pre_sql is wrong", "ERROR: syntax error at or near \"FORM\""),
    (
        "serialisation error",
        "ERROR: 1023 DETAIL: Serializable isolation violation on table - 100, transactions forming the cycle are: 1, 2 (pid:3)",
    ),
    ("deadlock", "ERROR: deadlock detected"),
    ("statement timeout", "ERROR: Query (7) cancelled on user's request"),
    ("the connection is lost", "ERROR: connection to the warehouse lost: closed"),
    ("the warehouse is being resumed", "ERROR: the cluster is being resumed"),
    ("S3 is busy", "ERROR: S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown"),
    ("nobody knows", "ERROR: something that nobody has seen before"),
];

/// What a worker says of a COPY that fails like this.
async fn of_copy(error: &'static str) -> String {
    let world = World::of(sluice_redshift::testing::config("max_files = 10\nfiles_per_load = 10"));
    world.drop_file("a.csv", "1\n");
    let statements = ScriptedStatements::new(move |submission| Answer::failed(submission, 6, error));
    let (objects, clock) = (world.ports.objects.clone(), world.ports.clock.clone());
    let destination = RedshiftDestination::new(world.config.bucket.clone(), statements, objects.clone());
    told(&world, &TestPorts::of(objects, destination, &clock)).await
}

/// What a worker says of a call that fails like this.
async fn of_call(method: &'static str, kind: PortErrorKind) -> String {
    let world = World::of(sluice_redshift::testing::config("max_files = 10\nfiles_per_load = 10"));
    world.drop_file("a.csv", "1\n");
    let faults = Faults::new(move |call| (call.method == method).then_some(Fault::Before(kind)));
    told(&world, &world.faulty(&faults)).await
}

async fn told<P: Ports>(world: &World, ports: &P) -> String {
    tick(&world.config, ports, &world.run(), None).await.unwrap();
    let claim = sluice_core::testing::key("sluice/claims/flights/0.json");
    let report = work(&world.config, ports, &world.run(), &claim).await.unwrap();
    let borne = world.ports.objects.body("sluice/claims/flights/0.json").unwrap();
    let borne: serde_json::Value = serde_json::from_slice(&borne).unwrap();
    let error = report.error.unwrap();
    assert_eq!(borne["last_error"], error, "the claim says what the log says");
    assert!(world.keys("failed/").is_empty());
    error
}

#[tokio::test]
async fn the_page_of_errors() {
    let mut page = String::new();
    for (cause, error) in COPY {
        writeln!(page, "{cause}:\n  {}\n", of_copy(error).await).unwrap();
    }
    for (cause, kind) in [
        ("the warehouse is too full, or throttles", PortErrorKind::Throttled),
        ("the warehouse does not answer", PortErrorKind::Unavailable),
        ("the function may not call the warehouse", PortErrorKind::Denied),
        ("there is no such warehouse", PortErrorKind::Missing),
        ("the call is refused", PortErrorKind::Invalid),
    ] {
        writeln!(page, "{cause}:\n  {}\n", of_call("start", kind).await).unwrap();
    }
    insta::assert_snapshot!(page);
}
