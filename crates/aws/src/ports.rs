//! All ports of a function in AWS, and the destinations that there are: whoever adds one adds it here.

use sluice_core::config::{Bucket, DestinationKind};
use sluice_core::destination::Destination;
use sluice_core::ports::Ports;
use sluice_redshift::{RedshiftDestination, RedshiftKind};

use crate::{Aws, CloudWatchMetrics, LambdaWorkers, RedshiftData, S3Objects, SystemClock};

/// The kinds of destination that feeds of a deployment in AWS may have.
pub const DESTINATIONS: [&dyn DestinationKind; 1] = [&RedshiftKind];

/// Where the rows of such a deployment go.
pub type DeployedDestination = RedshiftDestination<RedshiftData, S3Objects>;

/// All ports of such a deployment.
pub type DeployedPorts = AwsPorts<DeployedDestination>;

/// All ports of a function in AWS, with the destination that it loads into.
#[derive(Clone, Debug)]
pub struct AwsPorts<D> {
    objects: S3Objects,
    destination: D,
    workers: LambdaWorkers,
    metrics: CloudWatchMetrics,
    clock: SystemClock,
}

impl<D> AwsPorts<D> {
    /// Makes the ports to this bucket and this destination. Calls no service.
    pub fn new(aws: &Aws, bucket: &str, destination: D) -> Self {
        Self {
            objects: aws.objects(bucket),
            destination,
            workers: aws.workers(),
            metrics: aws.metrics(),
            clock: SystemClock,
        }
    }
}

impl DeployedPorts {
    /// The ports of a deployment whose objects are in `bucket`. Calls nobody.
    #[must_use]
    pub fn deployed(aws: &Aws, bucket: &Bucket) -> Self {
        let destination = RedshiftDestination::new(bucket.clone(), aws.statements(), aws.objects(&bucket.name));
        Self::new(aws, &bucket.name, destination)
    }
}

impl<D: Destination> Ports for AwsPorts<D> {
    type Objects = S3Objects;
    type Destination = D;
    type Workers = LambdaWorkers;
    type Metrics = CloudWatchMetrics;
    type Clock = SystemClock;

    fn objects(&self) -> &S3Objects {
        &self.objects
    }

    fn destination(&self) -> &D {
        &self.destination
    }

    fn workers(&self) -> &LambdaWorkers {
        &self.workers
    }

    fn metrics(&self) -> &CloudWatchMetrics {
        &self.metrics
    }

    fn clock(&self) -> &SystemClock {
        &self.clock
    }
}
