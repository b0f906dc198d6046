//! Two deployments in one account: what is equal in both of them must not be taken for the same.

use serde_json::{Value, json};
use sluice_core::config::Config;
use sluice_standin::deployment::{Deployment, WORKER};
use sluice_tests::{Site, binaries, numbers, offer};

use crate::scene::CLAIM;

const BUCKETS: [&str; 2] = ["landing-a", "landing-b"];

/// Two buckets, each with a ledger of its own, whose feeds are called alike and load the same table.
fn config(bucket: &str) -> String {
    let ledger = format!("public.{}", bucket.replace('-', "_"));
    format!("[bucket]\nname = \"{bucket}\"\n{}ledger = \"{ledger}\"\n", numbers(""))
}

/// Key, content, feed, table, batch, attempt and the claim's age are the same: only the bucket tells the two loads apart.
/// If their client tokens met, the second would be answered with the first one's statement, and load nothing.
#[tokio::test(flavor = "multi_thread")]
async fn equal_files_of_two_deployments_are_loaded_by_both() {
    let site = Site::start(&numbers("")).await;
    site.standin.eventbridge().deliver_times(0);
    let storage = site.standin.storage();
    let mut claim: Option<Value> = None;
    for bucket in BUCKETS {
        let deployment = Deployment::new(bucket, config(bucket), binaries());
        let deployed = site.standin.deploy(&deployment).unwrap();
        storage.put(bucket, "incoming/numbers/1.csv", "1,one\n").unwrap();
        let config = Config::parse(&deployment.config, "the test", &sluice_aws::DESTINATIONS).unwrap();
        offer(storage, &config, 0, &["incoming/numbers/1.csv"]);
        if let Some(first) = &claim {
            storage.put(bucket, CLAIM, first.to_string()).unwrap();
        }
        claim.get_or_insert(serde_json::from_slice(&storage.get(bucket, CLAIM).unwrap()).unwrap());
        let report = deployed.invoke(WORKER, &json!({"claim": CLAIM})).await.unwrap();
        assert_eq!(report.answer().unwrap()["outcome"], "loaded", "{bucket}");
        assert_eq!(storage.keys_under(bucket, "processed/").unwrap(), ["processed/numbers/1.csv"]);
        assert!(storage.keys_under(bucket, "sluice/claims/").unwrap().is_empty());
    }
    assert_eq!(site.ids("numbers").await, [1, 1], "each has loaded its own");
    for ledger in ["landing_a", "landing_b"] {
        assert_eq!(site.sql(&format!("SELECT count(*) FROM public.{ledger}")).await[0][0].as_deref(), Some("1"));
    }
    site.stop().await;
}
