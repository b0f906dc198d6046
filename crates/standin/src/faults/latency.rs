//! How long requests take: no time, a fixed time, or about as long as with the real services.
//!
//! Never waits: the server does. The numbers of `Aws` are for small objects and a client in the same region. Each names
//! its origin: "S3 guide" is AWS's own "100 to 200 milliseconds" for small objects, in practice an upper bound;
//! "measured by others" is a published note on Redshift Serverless (Data API round trips of 0.2 to 0.6 s); "assumed"
//! has no source.

use std::time::Duration;

use super::chance::unit;

/// A profile of latencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Latency {
    /// As fast as the machine.
    #[default]
    None,
    /// The same for every request.
    Fixed(Duration),
    /// Similar to the real services.
    Aws,
}

/// A median, and the largest factor that multiplies or divides it. Most factors are much smaller.
struct Spread {
    median_ms: f64,
    factor: f64,
}

impl Latency {
    /// The latency of one request, derived from `draw`.
    pub(super) fn of(self, service: &str, operation: &str, draw: u64) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(latency) => latency,
            Self::Aws => aws(service, operation).draw(draw),
        }
    }
}

fn aws(service: &str, operation: &str) -> Spread {
    let (median_ms, factor) = match (service, operation) {
        // Below the S3 guide's bound; the split between operations is assumed.
        ("s3", "GetObject" | "HeadObject" | "HeadBucket") => (20.0, 4.0),
        ("s3", "PutObject" | "UploadPart") => (35.0, 4.0),
        ("s3", "CopyObject") => (50.0, 4.0),
        ("s3", "UploadPartCopy" | "CompleteMultipartUpload") => (120.0, 4.0),
        ("s3", "ListObjects" | "ListObjectsV2") => (60.0, 3.0),
        ("s3", "DeleteObjects") => (150.0, 3.0),
        ("s3", _) => (25.0, 4.0),
        // Measured by others: 0.2 to 0.6 s.
        ("redshift-data", "BatchExecuteStatement" | "ExecuteStatement") => (350.0, 1.7),
        ("redshift-data", _) => (200.0, 2.0),
        // Assumed.
        ("lambda", _) => (40.0, 3.0),
        ("monitoring", _) => (25.0, 3.0),
        // In Lambda, too, the Runtime API is on the same machine.
        _ => (0.0, 1.0),
    };
    Spread { median_ms, factor }
}

impl Spread {
    /// The median times the factor to a power between -1 and 1. Powers near 0 are the most frequent.
    fn draw(&self, draw: u64) -> Duration {
        let centred = unit(draw) + unit(draw.rotate_left(32)) - 1.0;
        Duration::from_secs_f64(self.median_ms * self.factor.powf(centred) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::mix;
    use super::*;

    #[test]
    fn draws_lie_around_the_median_and_within_the_factor() {
        let mut draws: Vec<Duration> = (0..1001).map(|i| Latency::Aws.of("s3", "PutObject", mix(i))).collect();
        draws.sort();
        assert!(draws[0] >= Duration::from_micros(8_750), "{:?}", draws[0]);
        assert!(draws[1000] <= Duration::from_millis(140), "{:?}", draws[1000]);
        let median = draws[500].as_secs_f64() * 1000.0;
        assert!((30.0..40.0).contains(&median), "{median}");
    }

    #[test]
    fn nothing_takes_no_time() {
        assert_eq!(Latency::None.of("s3", "PutObject", 5), Duration::ZERO);
    }
}
