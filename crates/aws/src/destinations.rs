//! The destinations that there are, each in one line: whoever adds one adds it here.
//!
//! Hands each call to the destination of its feed's kind. Never knows what one does.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use sluice_core::config::{Bucket, DestinationKind, Feed};
use sluice_core::destination::{
    Asking, Begun, Entry, Ledger, Load, Loads, Of, Progress, QueryError, Refused, Repairs, Started,
};
use sluice_core::object::{ETag, File, FileId, Key};
use sluice_core::ports::{PortError, PortErrorKind};
#[cfg(feature = "lines")]
use sluice_lines::{LinesDestination, LinesKind};
use sluice_redshift::{RedshiftDestination, RedshiftKind};

use crate::{Aws, RedshiftData, S3Objects};

// Its field, its kind, its type, and how it is made; making one calls nobody.
destinations! {
    redshift: RedshiftKind, RedshiftDestination<RedshiftData, S3Objects>, |aws, bucket| redshift(aws, bucket);
    #[cfg(feature = "lines")]
    lines: LinesKind, LinesDestination<S3Objects>, |aws, bucket| LinesDestination::new(aws.objects(&bucket.name));
}

fn redshift(aws: &Aws, bucket: &Bucket) -> RedshiftDestination<RedshiftData, S3Objects> {
    RedshiftDestination::new(bucket.clone(), aws.statements(), aws.objects(&bucket.name))
}

/// Makes [`DESTINATIONS`] and [`DeployedDestination`] of a list of destinations. Every call of a port names the feed
/// that it is about, and goes to the destination of that feed's kind.
macro_rules! destinations {
    ($($(#[$when:meta])* $field:ident: $kind:expr, $destination:ty, $make:expr;)+) => {
        /// The kinds of destination that feeds of a deployment in AWS may have.
        pub const DESTINATIONS: [&dyn DestinationKind; [$($(#[$when])* stringify!($field)),+].len()] =
            [$($(#[$when])* &$kind),+];

        /// Where the rows of such a deployment go.
        #[derive(Debug)]
        pub struct DeployedDestination {
            $(
                $(#[$when])*
                #[doc = concat!("Feeds with `[feed.", stringify!($field), "]`.")]
                pub $field: $destination,
            )+
        }

        impl DeployedDestination {
            /// All of them, for a deployment whose objects are in `bucket`. Calls nobody.
            #[must_use]
            pub fn new(aws: &Aws, bucket: &Bucket) -> Self {
                $($(#[$when])* let $field: fn(&Aws, &Bucket) -> $destination = $make;)+
                Self { $($(#[$when])* $field: $field(aws, bucket)),+ }
            }
        }

        impl Loads for DeployedDestination {
            async fn prepare(&self, feed: &Feed, load: &Load<'_>) -> Result<(), PortError> {
                $($(#[$when])* { if is_of(feed, &$kind) { return self.$field.prepare(feed, load).await; } })+
                Err(of_no_kind(feed))
            }

            async fn start(&self, feed: &Feed, load: &Load<'_>) -> Result<Started, PortError> {
                $($(#[$when])* { if is_of(feed, &$kind) { return self.$field.start(feed, load).await; } })+
                Err(of_no_kind(feed))
            }

            async fn poll(&self, feed: &Feed, begun: &Begun, files: &[File], wait: Duration) -> Result<Progress, PortError> {
                $($(#[$when])* { if is_of(feed, &$kind) { return self.$field.poll(feed, begun, files, wait).await; } })+
                Err(of_no_kind(feed))
            }
        }

        impl Ledger for DeployedDestination {
            async fn create_ledger(&self, feed: &Feed, asking: &Asking) -> Result<(), QueryError> {
                $($(#[$when])* { if is_of(feed, &$kind) { return self.$field.create_ledger(feed, asking).await; } })+
                Err(of_no_kind(feed).into())
            }

            async fn loaded(&self, feed: &Feed, files: &[File], asking: &Asking) -> Result<HashMap<FileId, ETag>, QueryError> {
                $($(#[$when])* { if is_of(feed, &$kind) { return self.$field.loaded(feed, files, asking).await; } })+
                Err(of_no_kind(feed).into())
            }

            async fn entries(&self, feed: &Feed, of: Of<'_>, asking: &Asking) -> Result<Vec<Entry>, QueryError> {
                $($(#[$when])* { if is_of(feed, &$kind) { return self.$field.entries(feed, of, asking).await; } })+
                Err(of_no_kind(feed).into())
            }

            async fn forget(&self, feed: &Feed, files: &[FileId], until: Timestamp) -> Result<(), QueryError> {
                $($(#[$when])* { if is_of(feed, &$kind) { return self.$field.forget(feed, files, until).await; } })+
                Err(of_no_kind(feed).into())
            }
        }

        impl Repairs for DeployedDestination {
            async fn bad_files(
                &self,
                feed: &Feed,
                load: &Load<'_>,
                begun: &Begun,
                asking: &Asking,
            ) -> Result<Refused, QueryError> {
                $($(#[$when])* { if is_of(feed, &$kind) { return self.$field.bad_files(feed, load, begun, asking).await; } })+
                Err(of_no_kind(feed).into())
            }

            async fn versions_read(
                &self,
                feed: &Feed,
                begun: &Begun,
                files: &[File],
                asking: &Asking,
            ) -> Result<HashMap<Key, ETag>, QueryError> {
                $($(#[$when])* { if is_of(feed, &$kind) { return self.$field.versions_read(feed, begun, files, asking).await; } })+
                Err(of_no_kind(feed).into())
            }

            async fn amend(&self, feed: &Feed, replaced: &[(File, File)], asking: &Asking) -> Result<(), QueryError> {
                $($(#[$when])* { if is_of(feed, &$kind) { return self.$field.amend(feed, replaced, asking).await; } })+
                Err(of_no_kind(feed).into())
            }
        }
    };
}
use destinations;

fn is_of(feed: &Feed, kind: &dyn DestinationKind) -> bool {
    feed.target.kind == kind.name()
}

/// A feed that was read with [`DESTINATIONS`] is of one of them.
fn of_no_kind(feed: &Feed) -> PortError {
    let problem = format!("its rows go to {}, which is no destination of this build", feed.target.kind);
    PortError::new("feed", feed.name.as_str(), PortErrorKind::Invalid, problem)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sluice_core::testing::target::config;

    use super::*;
    use crate::{ConfigOrigin, Endpoint, Settings};

    #[tokio::test]
    async fn a_feed_whose_kind_is_not_here_is_an_error_of_that_feed() {
        let endpoint = Endpoint {
            url: "http://127.0.0.1:9".to_owned(),
            access_key_id: "x".to_owned(),
            secret_access_key: "x".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let origin = ConfigOrigin::Inline(String::new());
        let settings = Settings { config: origin, worker_function: None, s3_path_style: true };
        let config = config("f", "f/", "");
        let destination = DeployedDestination::new(&Aws::at(endpoint, settings).await, &config.bucket);
        let error = destination.loaded(&config.feeds[0], &[], &Asking::default()).await.unwrap_err();
        let told = "feed on \"f\": refused as invalid: its rows go to memory, which is no destination of this build";
        assert_eq!(error.to_string(), told);
    }

    #[test]
    fn each_kind_is_there_once() {
        let mut names = DESTINATIONS.map(DestinationKind::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DESTINATIONS.len());
    }
}
