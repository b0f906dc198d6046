//! The contract of a destination, held by Redshift through the real SDK on the stand-in's warehouse.

use sluice_aws::{DESTINATIONS, DeployedPorts};
use sluice_core::config::Config;
use sluice_core::ports::Ports;
use sluice_core::testing::contract;
use sluice_core::testing::prefix;
use sluice_standin::{Options, StandIn, Warehouse};

use super::{BUCKET, aws_at, expect};

#[tokio::test(flavor = "multi_thread")]
async fn redshift_keeps_the_contract() {
    for identity in ["version", "name"] {
        holds(identity).await;
    }
}

async fn holds(identity: &str) {
    let options = Options { buckets: vec![BUCKET.to_owned()], warehouse: Warehouse::Private, ..Options::default() };
    let standin = StandIn::start(options).await.unwrap();
    let warehouse = standin.redshift().unwrap();
    warehouse.query("dev", "CREATE TABLE public.numbers (number INTEGER NOT NULL)").await.unwrap();
    let text = format!(
        "[bucket]\nname = \"{BUCKET}\"\n[[feed]]\nname = \"numbers\"\nprefix = \"n/\"\nidentity = \"{identity}\"\n\
         [feed.redshift]\nworkgroup = \"demo\"\ndatabase = \"dev\"\ntable = \"public.numbers\"\nformat = \"csv\"\n"
    );
    let config = Config::parse(&text, "test", &DESTINATIONS).unwrap();
    let ports = DeployedPorts::deployed(&aws_at(standin.endpoint()).await, &config.bucket);
    let root = prefix("incoming/n/");
    // It sees for itself what is wrong with a file.
    let refuse = |_: &_| ();
    let report = contract::destination(ports.destination(), ports.objects(), &config.feeds[0], &root, &refuse).await;
    expect(&report, &[], &[]);
    standin.shutdown().await;
}
