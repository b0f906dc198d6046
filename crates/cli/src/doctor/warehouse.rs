//! Checks whether a load finds what it needs in a feed's warehouse.

use std::time::Duration;

use serde_json::json;
use sluice_core::config::Feed;
use sluice_core::destination::{Asking, Ledger, QueryError};
use sluice_core::ports::Ports as _;
use sluice_redshift::failure::UNKNOWN;
use sluice_redshift::{Need, Redshift};

use super::Checks;
use super::bucket::nobody;
use crate::deployment::Deployment;
use crate::output::{self, DIM, Foreign};

/// Checks the warehouse. Stops if it cannot be reached, and tries COPY only if rows can be inserted into the table.
pub(super) async fn check(deployment: &Deployment, feed: &Feed, checks: &mut Checks) {
    checks.about(format_args!("feed {}", feed.name));
    let Some(target) = Redshift::of(feed) else {
        return checks.leave_out(feed, "its warehouse is not looked at");
    };
    for need in Need::ALL {
        let met = deployment.ports.destination().redshift.examine(feed, need).await;
        let well = checks.note(&need.name(target), met, &need.remedy(target));
        if need == Need::Reach && !well {
            return;
        }
        if need == Need::Insert && well {
            copy(deployment, feed, checks).await;
        }
    }
}

impl Checks {
    /// Prints that something is not checked, as the feed's rows do not go to Redshift. That is no failure.
    pub(super) fn leave_out(&self, feed: &Feed, what: &str) {
        let why = format!("{what}: its rows go to {}, and this is for Redshift alone", feed.target.kind);
        if self.json {
            output::json(&json!({"type": "skipped", "about": self.about, "what": why}));
        } else {
            output::line(format_args!("  {DIM}- {}{DIM:#}", Foreign(&why)));
        }
    }
}

async fn copy(deployment: &Deployment, feed: &Feed, checks: &mut Checks) {
    let bucket = &deployment.config.bucket;
    let Ok(missing) = nobody(&format!("{}{}", bucket.incoming, feed.prefix)) else { return };
    let copied = deployment.ports.destination().redshift.examine_copy(feed, missing).await;
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

/// How long the warehouse has to make a ledger.
const PATIENCE: Duration = Duration::from_mins(1);

/// Makes the feed's ledger.
pub(super) async fn create_ledger(deployment: &Deployment, feed: &Feed, checks: &mut Checks) {
    checks.about(format_args!("feed {}", feed.name));
    let made = deployment.ports.destination().create_ledger(feed, &Asking::once(PATIENCE)).await;
    let remedy = "GRANT CREATE ON its schema to this user, or have somebody make it who may";
    checks.note(&format!("the ledger {} is there", feed.target.ledger), made, remedy);
}
