//! The contracts of the ports, held by the real SDK. That of `Objects`: against the stand-in, which must keep all of it, and
//! against moto, which is not ours and whose known deviations are listed. A deviation that moto has no longer fails the test
//! too. That of a destination: [`warehouse`].
//!
//! Beyond the port: what only the wire can show, such as lost replies and what a multipart copy takes along.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backlog;
mod moto;
mod uploads;
mod warehouse;
mod wire;

use sluice_aws::{Aws, ConfigOrigin, Copies, Endpoint, S3Objects, Settings};
use sluice_core::testing::contract::{self, Report};
use sluice_core::testing::prefix;
use sluice_standin::s3::Encryption;
use sluice_standin::{Options, StandIn};

use uploads::{Encrypted, InParts};

const BUCKET: &str = "contract";

/// So small that the suite's large object is copied in three parts.
const SMALL_PARTS: Copies = Copies { single_at_most: 5 << 20, part: 5 << 20, parts_at_once: 2 };

/// What moto 5.2 does otherwise than S3, and why. A check that is listed has to fail: so the list stays true.
const MOTO: &[&str] = &[
    // CopyObject looks at no condition, neither on the source nor on the destination.
    "copy::never_overwrites",
    "copy::never_overwrites_even_the_same_content",
    "copy::of_a_replaced_source",
    "copy::of_a_replaced_source_onto_something",
    "copy::one_of_many_copies_wins",
    "large::never_overwrites",
    "large::of_a_replaced_source",
    "large::one_of_two_copies_wins",
    // DeleteObjects does not look at the ETags.
    "delete::many_in_the_order_asked",
    // Its routes do not match a key with a newline.
    "names::control_characters_are_kept",
];

/// The same of what is uploaded in parts.
const MOTO_OF_UPLOADS: &[&str] = &[
    // CopyObject looks at no condition.
    "uploads::are_copied_with_their_content",
    "uploads::of_the_same_bytes_may_be_two_versions",
    // DeleteObjects does not look at the ETags.
    "uploads::are_deleted_together",
];

/// Where moto looks first and acts after, so that of many at once more than one wins, by chance.
const MOTO_RACES: &[&str] = &["put::one_of_many_absent_puts_wins", "put::one_of_many_matching_puts_wins"];

/// The same for copies in parts, where moto keeps all else.
const MOTO_RACES_IN_PARTS: &[&str] = &["large::one_of_two_copies_wins"];

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_keeps_the_contract() {
    let standin = standin().await;
    let bucket = bucket_at(standin.endpoint()).await;
    expect(&contract::objects(&bucket, &prefix("whole/")).await, &[], &[]);
    expect(&contract::large_copies(&bucket.with_copies(SMALL_PARTS), &prefix("parts/")).await, &[], &[]);
    standin.shutdown().await;
}

/// Each write has an `ETag` of its own here, which is no hash of anything: claims and moves must not need one.
#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_keeps_the_contract_where_kms_encrypts() {
    let standin = standin().await;
    standin.storage().set_encryption(BUCKET, Some(Encryption::kms())).unwrap();
    let bucket = bucket_at(standin.endpoint()).await;
    expect(&contract::objects(&bucket, &prefix("whole/")).await, &[], &[]);
    expect(&contract::large_copies(&bucket.clone().with_copies(SMALL_PARTS), &prefix("parts/")).await, &[], &[]);
    expect(&contract::uploads(&bucket, &prefix("uploads/"), &InParts::to(&bucket)).await, &[], &[]);
    standin.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_keeps_the_contract_of_what_others_upload() {
    let standin = standin().await;
    let bucket = bucket_at(standin.endpoint()).await;
    let encrypted = |in_parts| Encrypted { storage: standin.storage().clone(), in_parts };
    expect(&contract::uploads(&bucket, &prefix("in-parts/"), &InParts::to(&bucket)).await, &[], &[]);
    expect(&contract::uploads(&bucket, &prefix("encrypted/"), &encrypted(false)).await, &[], &[]);
    expect(&contract::uploads(&bucket, &prefix("encrypted-in-parts/"), &encrypted(true)).await, &[], &[]);
    standin.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_keeps_the_contract_but_for_known_deviations() {
    let moto = moto::Moto::start();
    moto.create_bucket(BUCKET);
    let bucket = bucket_at(moto.endpoint()).await;
    expect(&contract::objects(&bucket, &prefix("whole/")).await, MOTO, MOTO_RACES);
    expect(&contract::uploads(&bucket, &prefix("uploads/"), &InParts::to(&bucket)).await, MOTO_OF_UPLOADS, &[]);
    expect(
        &contract::large_copies(&bucket.with_copies(SMALL_PARTS), &prefix("parts/")).await,
        &[],
        MOTO_RACES_IN_PARTS,
    );
}

/// The checks in `known` fail, those in `by_chance` may, and no other does; shows each that differs, and how.
fn expect(report: &Report, known: &[&str], by_chance: &[&str]) {
    let surprises = report.surprises(known, by_chance);
    assert!(surprises.is_empty(), "\n{}", surprises.join("\n"));
}

async fn standin() -> StandIn {
    StandIn::start(Options { buckets: vec![BUCKET.to_owned()], ..Options::default() }).await.unwrap()
}

async fn bucket_at(endpoint: String) -> S3Objects {
    aws_at(endpoint).await.objects(BUCKET)
}

async fn aws_at(endpoint: String) -> Aws {
    let settings = Settings { config: ConfigOrigin::Inline(String::new()), worker_function: None, s3_path_style: true };
    let endpoint = Endpoint {
        url: endpoint,
        access_key_id: "contract".to_owned(),
        secret_access_key: "sluice".to_owned(),
        region: "us-east-1".to_owned(),
    };
    Aws::at(endpoint, settings).await
}
