//! A feed's warehouse: whether a load finds there what it needs.

use std::time::Duration;

use sluice_core::config::{Destination as Target, Feed};
use sluice_core::destination::{Asking, Destination as _, QueryError};
use sluice_core::ports::Ports as _;
use sluice_core::redshift::Need;
use sluice_core::redshift::failure::UNKNOWN;

use super::Checks;
use super::bucket::nobody;
use crate::deployment::Deployment;

/// Checks it. Nothing can be said where it cannot be reached, and nothing of COPY where there is no table.
pub(super) async fn check(deployment: &Deployment, feed: &Feed, checks: &mut Checks) {
    checks.about(format_args!("feed {}", feed.name));
    for need in Need::ALL {
        let met = deployment.ports.destination().examine(feed, need).await;
        let well = checks.note(&need.name(feed), met, &need.remedy(feed));
        if need == Need::Reach && !well {
            return;
        }
        if need == Need::Insert && well {
            copy(deployment, feed, checks).await;
        }
    }
}

async fn copy(deployment: &Deployment, feed: &Feed, checks: &mut Checks) {
    let bucket = &deployment.config.bucket;
    let Ok(missing) = nobody(&format!("{}{}", bucket.incoming, feed.prefix)) else { return };
    let copied = deployment.ports.destination().examine_copy(feed, missing).await;
    let own = match &copied {
        Err(QueryError::Failed { failure, .. }) => failure.advice.filter(|advice| *advice != UNKNOWN),
        _ => None,
    };
    let rights = format!(
        "the role in iam_role needs s3:GetObject on {} and {}manifests/, and s3:ListBucket; and this user may be granted its \
         use (GRANT ASSUMEROLE)",
        bucket.incoming, bucket.state
    );
    checks.note("COPY may read the bucket", copied, own.unwrap_or(&rights));
}

/// Makes the feed's ledger.
/// How long the warehouse has to make a ledger.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) async fn create_ledger(deployment: &Deployment, feed: &Feed, checks: &mut Checks) {
    checks.about(format_args!("feed {}", feed.name));
    let ledger = match &feed.destination {
        Target::Redshift(target) => target.ledger.to_string(),
        _ => String::new(),
    };
    let made = deployment.ports.destination().create_ledger(feed, &Asking::once(PATIENCE)).await;
    let remedy = "GRANT CREATE ON its schema to this user, or have somebody make it who may";
    checks.note(&format!("the ledger {ledger} is there"), made, remedy);
}
