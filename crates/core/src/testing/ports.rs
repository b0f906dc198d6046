//! All ports of one function, in memory.
//!
//! Never decides anything: each port does.

use super::{ManualClock, MemoryObjects, MemoryWarehouse, RecordedMetrics, RecordedWorkers};
use crate::destination::Destination;
use crate::ports::{Objects, Ports};

/// A bucket, a warehouse that reads it, and recorders, on one clock. Clones are the same world.
#[derive(Clone, Debug)]
pub struct TestPorts<O = MemoryObjects, D = MemoryWarehouse> {
    /// The bucket.
    pub objects: O,
    /// The warehouse.
    pub destination: D,
    /// Which claims are dispatched.
    pub workers: RecordedWorkers,
    /// What is published.
    pub metrics: RecordedMetrics,
    /// The time.
    pub clock: ManualClock,
}

impl Default for TestPorts {
    fn default() -> Self {
        let clock = ManualClock::default();
        let objects = MemoryObjects::new(&clock);
        Self::of(objects.clone(), MemoryWarehouse::new(&objects, &clock), &clock)
    }
}

impl<O, D> TestPorts<O, D> {
    /// A world of these two, with new recorders.
    #[must_use]
    pub fn of(objects: O, destination: D, clock: &ManualClock) -> Self {
        let (workers, metrics) = (RecordedWorkers::default(), RecordedMetrics::default());
        Self { objects, destination, workers, metrics, clock: clock.clone() }
    }
}

impl<O: Objects, D: Destination> Ports for TestPorts<O, D> {
    type Objects = O;
    type Destination = D;
    type Workers = RecordedWorkers;
    type Metrics = RecordedMetrics;
    type Clock = ManualClock;

    fn objects(&self) -> &O {
        &self.objects
    }

    fn destination(&self) -> &D {
        &self.destination
    }

    fn workers(&self) -> &RecordedWorkers {
        &self.workers
    }

    fn metrics(&self) -> &RecordedMetrics {
        &self.metrics
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}
