//! A million files under a prefix, at S3's latency, with the lister's timeout of the template: for `make prove`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use sluice_standin::deployment::LISTER;
use sluice_standin::faults::{Fault, Rule};
use sluice_tests::{BUCKET, Site, expire_leases, feed, numbers};

use crate::listing::of_feed;

/// The most keys of a page.
const PAGE: usize = 1000;

/// A listing that takes longer than the lister may run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slow {
    pub(crate) files: usize,
    /// What each page takes.
    pub(crate) page: Duration,
    /// What the lister has.
    pub(crate) lister: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_files_at_80_ms_a_page_are_all_reached_with_the_templates_timeout() {
    let site = Site::start(&(numbers("") + &feed("others", ""))).await;
    site.standin.eventbridge().deliver_times(0);
    let slow = Slow { files: 1_000_000, page: Duration::from_millis(80), lister: template_timeout() };
    let ticks = every_file_is_reached(&site, &slow).await;
    assert!(ticks <= 4, "{ticks}");
    site.stop().await;
}

/// Ticks until every file of the slow feed was listed since its listing became slow. In each tick what is due is sent,
/// metrics are published, and the other feed is loaded; the lister is never killed. Answers how many ticks.
pub(crate) async fn every_file_is_reached(site: &Site, slow: &Slow) -> usize {
    let keys = fill(site, slow.files);
    let mut lister = (*site.standin.lambda().function(LISTER).unwrap()).clone();
    lister.timeout = slow.lister;
    site.standin.lambda().register(lister);
    site.standin.faults().add(Rule::new(Fault::Delay(slow.page)).operation("ListObjectsV2").also("incoming/numbers/"));
    let mut unlisted: BTreeSet<usize> = (0..slow.files.div_ceil(PAGE)).collect();
    let mut ticks = 0;
    while !unlisted.is_empty() {
        let mark = site.standin.journal().mark();
        tick(site, ticks, slow).await;
        for page in site.standin.journal().since(mark).iter().filter(|entry| entry.also.as_deref() == Some(PREFIX)) {
            // A page that begins anywhere covers a thousand keys; whole thousands are what is counted here.
            let first = page.after.as_ref().map_or(0, |after| keys.partition_point(|key| key <= after));
            let covered = first.div_ceil(PAGE)..(first + PAGE).min(slow.files).div_ceil(PAGE);
            unlisted.retain(|page| !covered.contains(page));
        }
        ticks += 1;
        assert!(ticks < 20, "after {ticks} ticks nobody has listed {} of {} pages", unlisted.len(), slow.files / PAGE);
    }
    println!("{} files reached in {ticks} ticks of at most {:?}", slow.files, slow.lister);
    ticks
}

const PREFIX: &str = "incoming/numbers/";

/// The files of the slow feed, by key.
fn fill(site: &Site, files: usize) -> Vec<String> {
    let begun = Instant::now();
    let keys: Vec<String> = (0..files).map(|number| format!("{PREFIX}2026/part-{number:08}.csv")).collect();
    for (number, key) in keys.iter().enumerate() {
        site.standin.storage().put(BUCKET, key, format!("{number},x\n")).unwrap();
    }
    println!("{files} files are there after {:?}", begun.elapsed());
    keys
}

async fn tick(site: &Site, number: usize, slow: &Slow) {
    site.drop_file(&format!("others/{number}.csv"), &format!("{number},x\n"));
    let loaded = site.ids("numbers").await.len();
    let begun = Instant::now();
    let report = site.deployed.invoke(LISTER, &json!({})).await.unwrap();
    let (took, answer) = (begun.elapsed(), report.answer());
    let answer = answer.unwrap_or_else(|| panic!("tick {number}: {:?}\n{}", report.result, site.logs(LISTER)));
    site.deployed.idle().await;
    println!("tick {number}: {took:?}, {}", of_feed(&answer, "numbers"));
    assert!(took < slow.lister, "{took:?}");
    let others = site.ids("others").await;
    assert_eq!(others.len(), number + 1, "the other feed is held up in tick {number}");
    for feed in ["numbers", "others"] {
        assert_eq!(site.published(feed, "UnprocessedFiles").len(), number + 1, "{feed} is measured in tick {number}");
    }
    let waiting = site.published("numbers", "UnprocessedFiles").pop().unwrap();
    assert!(waiting >= 10.0 * PAGE as f64, "at least what was listed waits: {waiting}");
    // What was claimed is loaded within the tick after it at the latest, while the listing goes on.
    if number > 0 {
        assert!(site.ids("numbers").await.len() > loaded, "nothing was loaded in tick {number}");
    }
    expire_leases(site.standin.storage(), BUCKET);
}

/// `ListerTimeout`'s default.
fn template_timeout() -> Duration {
    let template = include_str!("../../../template.yaml");
    let lines = template.lines().skip_while(|line| *line != "  ListerTimeout:");
    let default = lines.map(str::trim).find_map(|line| line.strip_prefix("Default: ")).unwrap();
    Duration::from_secs(default.parse().unwrap())
}
