//! The virtual clock: microseconds since a history began, and what the functions' clocks make of them.
//!
//! Nothing waits: time is what the next event says.

use std::time::Duration;

use jiff::Timestamp;
use sluice_core::ports::Clock;

use crate::calls::Caller;

/// Microseconds since the history began, or for a while.
pub type Micros = u64;

pub const MILLISECOND: Micros = 1000;
pub const SECOND: Micros = 1_000_000;
pub const MINUTE: Micros = 60 * SECOND;
pub const HOUR: Micros = 60 * MINUTE;

/// When every history begins: 2013-01-01, midnight.
const BEGIN: i64 = 1_356_998_400_000_000;

/// The true time, and the time by a clock that is `skew` microseconds ahead.
pub fn stamp(at: Micros, skew: i64) -> Timestamp {
    let at = BEGIN.saturating_add_unsigned(at).saturating_add(skew);
    Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX)
}

/// `duration` in microseconds.
pub fn micros(duration: Duration) -> Micros {
    Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX)
}

/// `12:34:56.789`, with days in front where there are any.
pub fn shown(at: Micros) -> String {
    let (days, hours) = (at / (24 * HOUR), at / HOUR % 24);
    let day = if days > 0 { format!("{days}d ") } else { String::new() };
    format!("{day}{hours:02}:{:02}:{:02}.{:06}", at / MINUTE % 60, at / SECOND % 60, at % SECOND)
}

impl Clock for Caller {
    fn now(&self) -> Timestamp {
        let world = self.sim.world();
        stamp(world.now, world.skew(self.task))
    }

    async fn sleep(&self, duration: Duration) {
        self.pause(micros(duration)).await;
    }
}
