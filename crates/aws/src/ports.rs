//! All ports of a function in AWS.

use sluice_core::config::Bucket;
use sluice_core::destination::Destination;
use sluice_core::ports::Ports;
use sluice_core::redshift::RedshiftDestination;

use crate::{Aws, CloudWatchMetrics, LambdaWorkers, RedshiftData, S3Objects, SystemClock};

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
    /// The ports to this bucket and this destination. Calls nobody.
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

impl AwsPorts<RedshiftDestination<RedshiftData, S3Objects>> {
    /// The ports of a deployment that loads into Redshift. Calls nobody.
    #[must_use]
    pub fn redshift(aws: &Aws, bucket: &Bucket) -> Self {
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
