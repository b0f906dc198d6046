//! The contract of `Objects`, held by the real SDK: against the stand-in, which must keep all of it, and against moto,
//! which is not ours and whose known deviations are listed. A deviation that moto has no longer fails the test too.
//!
//! Beyond the port: what only the wire can show, such as lost replies and what a multipart copy takes along.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod moto;
mod wire;

use sluice_aws::{Aws, ConfigOrigin, Copies, Endpoint, S3Objects, Settings};
use sluice_core::testing::{contract, prefix};
use sluice_standin::{Options, StandIn};

const BUCKET: &str = "contract";

/// So small that the suite's large object is copied in three parts.
const SMALL_PARTS: Copies = Copies { single_at_most: 5 << 20, part: 5 << 20, parts_at_once: 2 };

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_keeps_the_contract() {
    let standin = standin().await;
    let bucket = bucket_at(standin.endpoint()).await;
    keeps(&bucket, "single/", &[]).await;
    keeps(&bucket.with_copies(SMALL_PARTS), "multipart/", &[]).await;
    standin.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_keeps_the_contract_but_for_known_deviations() {
    let moto = moto::Moto::start();
    moto.create_bucket(BUCKET);
    let bucket = bucket_at(moto.endpoint()).await;
    keeps(&bucket, "single/", &[]).await;
    keeps(&bucket.with_copies(SMALL_PARTS), "multipart/", &[]).await;
}

/// Runs the suite and shows every check that did not come out as expected.
async fn keeps(bucket: &S3Objects, root: &str, known: &[&str]) {
    let surprises = contract::objects(bucket, &prefix(root)).await.surprises(known);
    assert!(surprises.is_empty(), "under {root}\n{}", surprises.join("\n"));
}

async fn standin() -> StandIn {
    StandIn::start(Options { buckets: vec![BUCKET.to_owned()], ..Options::default() }).await.unwrap()
}

async fn bucket_at(endpoint: String) -> S3Objects {
    let settings = Settings { config: ConfigOrigin::Inline(String::new()), worker_function: None, s3_path_style: true };
    let endpoint = Endpoint {
        url: endpoint,
        access_key_id: "contract".to_owned(),
        secret_access_key: "sluice".to_owned(),
        region: "us-east-1".to_owned(),
    };
    Aws::at(endpoint, settings).await.objects(BUCKET)
}
