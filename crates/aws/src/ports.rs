//! All ports of a function in AWS.
//!
//! Names no destination: which there are, `destinations` says.

use sluice_core::config::Bucket;
use sluice_core::destination::Destination;
use sluice_core::ports::Ports;

use crate::{Aws, CloudWatchMetrics, DeployedDestination, LambdaWorkers, S3Objects, SystemClock};

/// All ports of a deployment in AWS.
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
        Self::new(aws, &bucket.name, DeployedDestination::new(aws, bucket))
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
