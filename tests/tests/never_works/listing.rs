//! What a feed's lister needs and never gets: its feed alone has no tick, and not even that is needed for what is due.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_core::config::Config;
use sluice_standin::deployment::{LISTER, WORKER};
use sluice_standin::faults::{Fault, Rule, RuleId};
use sluice_tests::{BUCKET, Site, expire_leases, feed, numbers, offer};
use test_case::test_case;

const ROUNDS: i64 = 3;
/// Longer than any function runs.
const FOREVER: Duration = Duration::from_hours(1);

/// What the troubled feed does not get, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Never {
    /// A page of its files.
    Lists,
    /// An answer but 403 to a request for one.
    MayList,
    /// A claim of its own.
    Reads,
    /// An answer but 403 to a request for one.
    MayRead,
    /// An answer but 403 to a claim that is written.
    MayClaim,
}

impl Never {
    fn begin(self, site: &Site) -> RuleId {
        let denied = || Fault::Answer(403, "AccessDenied", "Access Denied");
        let claims = "sluice/claims/numbers/";
        let rule = match self {
            Self::Lists => Rule::new(Fault::Delay(FOREVER)).operation("ListObjectsV2").also("incoming/numbers/"),
            Self::MayList => Rule::new(denied()).operation("ListObjectsV2").also("incoming/numbers/"),
            Self::Reads => Rule::new(Fault::Delay(FOREVER)).operation("GetObject").subject(claims),
            Self::MayRead => Rule::new(denied()).operation("GetObject").subject(claims),
            Self::MayClaim => Rule::new(denied()).operation("PutObject").subject(claims),
        };
        site.standin.faults().add(rule)
    }

    /// Whether a worker can take a claim that is there.
    fn lets_load(self) -> bool {
        matches!(self, Self::Lists | Self::MayList)
    }
}

/// The feeds `numbers` and `others`, in this order or the other way round.
async fn start(first: bool, settings: &str) -> (Site, Config) {
    let (troubled, other) = (numbers(settings), feed("others", ""));
    let feeds = if first { troubled + &other } else { other + &troubled };
    let site = Site::with(&feeds, |deployment| {
        deployment.environment.push(("AWS_MAX_ATTEMPTS".to_owned(), "1".to_owned()));
        // A lister is killed at its deadline; that it stops in time is what is asked for.
        deployment.timeout = Duration::from_secs(6);
    })
    .await;
    site.standin.eventbridge().deliver_times(0);
    // Claims are placed for the first feed of a configuration.
    let config = Config::parse(
        &format!("[bucket]\nname = \"{BUCKET}\"\n{}", numbers(settings)),
        "the test",
        &sluice_aws::DESTINATIONS,
    )
    .unwrap();
    (site, config)
}

#[test_case(Never::Lists, true, ""; "its listing hangs")]
#[test_case(Never::MayList, true, ""; "its listing is denied")]
#[test_case(Never::Reads, true, ""; "its claims hang")]
#[test_case(Never::MayRead, true, "fan_out = false"; "its claims are denied where the lister loads")]
#[tokio::test]
async fn a_feed_whose_lister_never_gets_on_holds_up_no_other(never: Never, first: bool, settings: &str) {
    holds_up_no_other(never, first, settings).await;
}

mod campaign {
    use test_case::test_case;

    use super::*;

    #[test_case(Never::Lists, false, ""; "its listing hangs and it comes last")]
    #[test_case(Never::Lists, true, "fan_out = false"; "its listing hangs where the lister loads")]
    #[test_case(Never::Reads, false, ""; "its claims hang and it comes last")]
    #[test_case(Never::MayRead, true, ""; "its claims are denied")]
    #[test_case(Never::MayClaim, true, ""; "it may not claim")]
    #[tokio::test]
    async fn a_feed_whose_lister_never_gets_on_holds_up_no_other_wherever(never: Never, first: bool, settings: &str) {
        holds_up_no_other(never, first, settings).await;
    }
}

async fn holds_up_no_other(never: Never, first: bool, settings: &str) {
    let (site, config) = start(first, settings).await;
    site.drop_file("numbers/due.csv", "0,x\n");
    offer(site.standin.storage(), &config, 0, &["incoming/numbers/due.csv"]);
    expire_leases(site.standin.storage(), BUCKET);
    let rule = never.begin(&site);
    for round in 0..ROUNDS {
        site.drop_file(&format!("others/{round}.csv"), &format!("{round},x\n"));
        let published = site.published("others", "UnprocessedFiles").len();
        let mark = site.standin.journal().mark();
        let report = site.deployed.invoke(LISTER, &json!({})).await.unwrap();
        site.deployed.idle().await;
        assert!(report.result.is_ok(), "round {round}: {:?}\n{}", report.result, site.logs(LISTER));
        assert_eq!(
            site.ids("others").await,
            (0..=round).collect::<Vec<_>>(),
            "the other feed is held up\n{}",
            site.logs(LISTER)
        );
        assert_eq!(site.published("others", "UnprocessedFiles").len(), published + 1, "round {round}: not measured");
        // A lister that loads by itself does so once it has listed, or has given that up, if there is time then.
        let sends = !settings.contains("fan_out = false");
        if round == 0 && never.lets_load() && sends {
            assert_eq!(site.ids("numbers").await, [0], "what is due waits for no listing");
            let mine =
                |subject: &Option<String>| subject.as_deref().is_some_and(|subject| subject.contains("/numbers/"));
            let requests = site.standin.journal().since(mark);
            assert!(requests.iter().any(|entry| entry.caller.starts_with("fn-") && mine(&entry.subject)));
        }
        expire_leases(site.standin.storage(), BUCKET);
    }
    assert_eq!(site.keys("incoming/others/"), [""; 0]);

    site.standin.faults().remove(rule);
    site.drop_file("numbers/later.csv", "1,x\n");
    for _ in 0..4 {
        site.answer(LISTER, &json!({})).await;
        site.deployed.idle().await;
        expire_leases(site.standin.storage(), BUCKET);
    }
    assert_eq!(site.ids("numbers").await, [0, 1], "{}\n{}", site.logs(LISTER), site.logs(WORKER));
    assert_eq!((site.keys("incoming/"), site.keys("sluice/claims/")), (Vec::new(), Vec::new()));
    site.stop().await;
}

/// `CloudWatch` takes nothing, or never answers: files are loaded all the same.
#[test_case(Fault::Answer(403, "AccessDenied", "no"), ""; "denied")]
#[test_case(Fault::Delay(FOREVER), ""; "never answered")]
#[test_case(Fault::Delay(FOREVER), "fan_out = false"; "never answered where the lister loads")]
#[tokio::test]
async fn metrics_that_are_never_taken_hold_up_nothing(fault: Fault, settings: &str) {
    let (site, _) = start(true, settings).await;
    let rule = site.standin.faults().add(Rule::new(fault).service("monitoring"));
    let all = (0..ROUNDS).collect::<Vec<_>>();
    for round in &all {
        site.drop_file(&format!("numbers/{round}.csv"), &format!("{round},x\n"));
        site.deployed.invoke(LISTER, &json!({})).await.unwrap();
        site.deployed.idle().await;
        assert_eq!(site.ids("numbers").await, (0..=*round).collect::<Vec<_>>(), "{}", site.logs(LISTER));
        expire_leases(site.standin.storage(), BUCKET);
    }
    assert_eq!(site.keys("processed/numbers/").len(), all.len());
    site.standin.faults().remove(rule);
    site.drain().await;
    site.stop().await;
}

/// A sample of the campaign: two seconds of a listing that takes four.
#[tokio::test]
async fn a_listing_that_takes_longer_than_the_lister_may_run_reaches_every_file() {
    let (site, _) = start(true, "").await;
    let slow = crate::campaign::Slow { files: 50_000, page: Duration::from_millis(80), lister: Duration::from_secs(3) };
    let ticks = crate::campaign::every_file_is_reached(&site, &slow).await;
    assert!(ticks <= 12, "{ticks}");
    site.stop().await;
}

/// The answer for a feed.
pub(crate) fn of_feed<'a>(answer: &'a Value, name: &str) -> &'a Value {
    answer["feeds"].as_array().unwrap().iter().find(|feed| feed["feed"] == name).unwrap()
}
