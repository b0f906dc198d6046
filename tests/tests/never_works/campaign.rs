//! A million files under a prefix, at S3's latency, with the lister's timeout of the template: for `make prove`.

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
    // Three on an idle machine; a busy one makes each page take longer than it is told to.
    assert!(ticks <= 6, "{ticks}");
    site.stop().await;
}

/// Ticks until every file of the slow feed was listed since its listing became slow. In each tick what is due is sent,
/// metrics are published, and the other feed is loaded; the lister is never killed. Answers how many ticks.
pub(crate) async fn every_file_is_reached(site: &Site, slow: &Slow) -> usize {
    let mut reached = Reached::nothing(fill(site, slow.files));
    let mut lister = (*site.standin.lambda().function(LISTER).unwrap()).clone();
    lister.timeout = slow.lister;
    site.standin.lambda().register(lister);
    site.standin.faults().add(Rule::new(Fault::Delay(slow.page)).operation("ListObjectsV2").also(PREFIX));
    let mut ticks = 0;
    while !reached.everything() {
        let mark = site.standin.journal().mark();
        tick(site, ticks, slow).await;
        let gone = site.ids("numbers").await.len();
        for page in site.standin.journal().since(mark).iter().filter(|entry| entry.also.as_deref() == Some(PREFIX)) {
            reached.page(page.after.as_deref(), gone);
        }
        if ticks == 0 {
            assert!(!site.keys("sluice/state/numbers/").is_empty(), "nothing says where the listing is to go on");
        }
        ticks += 1;
        assert!(ticks < 20, "after {ticks} ticks {} files were never listed", reached.left());
    }
    println!("{} files reached in {ticks} ticks of at most {:?}", slow.files, slow.lister);
    ticks
}

const PREFIX: &str = "incoming/numbers/";

/// Which files a serial listing has passed, by the keys after which its pages began.
struct Reached {
    keys: Vec<String>,
    passed: Vec<bool>,
    /// Where the page before began.
    before: Option<usize>,
}

impl Reached {
    fn nothing(keys: Vec<String>) -> Self {
        Self { passed: vec![false; keys.len()], keys, before: None }
    }

    /// A page begins after this key: the page before has ended there, if that is further on, or else with the last key.
    /// Of the files that a page passes `gone` at most are not under `incoming/` any more.
    fn page(&mut self, after: Option<&str>, gone: usize) {
        let begin = after.map_or(0, |after| self.keys.partition_point(|key| key.as_str() <= after));
        if let Some(before) = self.before {
            let end = if begin > before { begin } else { self.keys.len() };
            if end - before <= PAGE + gone {
                self.passed[before..end].fill(true);
            } else if begin > before {
                // On to where the listing before this one stopped.
                let end = (before + PAGE).min(self.keys.len());
                self.passed[before..end].fill(true);
            }
        }
        self.before = Some(begin);
    }

    fn everything(&self) -> bool {
        self.left() == 0
    }

    fn left(&self) -> usize {
        self.passed.iter().filter(|passed| !**passed).count()
    }
}

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
    assert_eq!(site.ids("others").await.len(), number + 1, "the other feed is held up in tick {number}");
    for feed in ["numbers", "others"] {
        assert_eq!(site.published(feed, "UnprocessedFiles").len(), number + 1, "{feed} is measured in tick {number}");
    }
    let waiting = site.published("numbers", "UnprocessedFiles").pop().unwrap();
    assert!(waiting > 0.0, "at least what was listed waits");
    assert!(site.ids("numbers").await.len() > loaded, "nothing was loaded in tick {number}");
    expire_leases(site.standin.storage(), BUCKET);
}

/// `ListerTimeout`'s default.
fn template_timeout() -> Duration {
    let template = include_str!("../../../template.yaml");
    let lines = template.lines().skip_while(|line| *line != "  ListerTimeout:");
    let default = lines.map(str::trim).find_map(|line| line.strip_prefix("Default: ")).unwrap();
    Duration::from_secs(default.parse().unwrap())
}
