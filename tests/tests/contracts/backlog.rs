//! The contract of a backlog, held by listings of real buckets.

use sluice_aws::{DESTINATIONS, S3Objects};
use sluice_core::config::Config;
use sluice_core::list::Listing;
use sluice_core::object::{File, Key};
use sluice_core::ports::{Objects, PortError, PortErrorKind, PutIf};
use sluice_core::testing::contract::{self, Produce, Report};

use super::moto::Moto;
use super::{BUCKET, bucket_at, expect, standin};

struct Uploads<'a>(&'a S3Objects);

impl Produce for Uploads<'_> {
    async fn write(&self, key: &Key, body: &[u8]) -> Result<File, PortError> {
        self.0.put(key, body.to_vec(), PutIf::Any).await?;
        let file = self.0.head(key).await?;
        file.ok_or_else(|| PortError::new("upload", key.as_str(), PortErrorKind::Invalid, "it is not there"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_of_the_stand_in_keep_the_contract() {
    let standin = standin().await;
    expect(&report(&bucket_at(standin.endpoint()).await).await, &[], &[]);
    standin.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_of_moto_keep_the_contract() {
    let moto = Moto::start();
    moto.create_bucket(BUCKET);
    expect(&report(&bucket_at(moto.endpoint()).await).await, &[], &[]);
}

async fn report(bucket: &S3Objects) -> Report {
    let text = format!(
        "[bucket]\nname = \"{BUCKET}\"\n[[feed]]\nname = \"f\"\nprefix = \"f/\"\ninclude = [\"*.csv\"]\n\
         [feed.redshift]\nworkgroup = \"demo\"\ndatabase = \"dev\"\ntable = \"public.f\"\nformat = \"csv\"\n"
    );
    let config = Config::parse(&text, "test", &DESTINATIONS).unwrap();
    contract::backlog(&Listing::new(&config, bucket), &config, &Uploads(bucket)).await
}
