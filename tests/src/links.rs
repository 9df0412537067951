//! Links that several suites play over.

use core::time::Duration;

use gridmate_runtime::sim::LinkConfig;

/// A link with a fifth of all datagrams lost, three in ten out of order, one in ten twice.
pub fn foul() -> LinkConfig {
    LinkConfig {
        loss: 0.2,
        reorder: 0.3,
        reorder_delay: Duration::from_millis(60),
        duplicate: 0.1,
        latency: Duration::from_millis(30),
        jitter: Duration::from_millis(10),
        ..LinkConfig::perfect()
    }
}
