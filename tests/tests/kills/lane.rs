//! A lane: a stand-in on which one death after the other is tried, each in a bucket, a schema and processes of its own.

use sluice_standin::deployment::{Deployment, LISTER, LOADER, WORKER};
use sluice_standin::faults::{Fault, Moment, Rule};
use sluice_standin::{Options, StandIn, Warehouse};
use sluice_tests::{Kill, binaries, expire_leases};

use crate::Points;
use crate::scene::{Scene, Victim};

/// More ticks than any death can cost.
const MOST_TICKS: usize = 20;

/// Who goes on with the work of the dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heirs {
    /// Nobody but the ticks to come, once its leases have run out.
    Ticks,
    /// Lambda invokes the function again with the same event and the same request id, which its leases are for.
    Retries,
}

pub(crate) struct Lane {
    standin: StandIn,
    database: String,
    /// The fraction of the functions' requests that are throttled.
    throttled: f64,
    heirs: Heirs,
}

/// What was tried and survived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tried {
    pub(crate) points: usize,
    pub(crate) most_ticks: usize,
}

impl Lane {
    /// Some lanes, each on a database of its own in one PostgreSQL.
    pub(crate) async fn start(lanes: usize, throttled: f64, heirs: Heirs) -> Vec<Self> {
        let mut started = Vec::new();
        let mut first_url = None;
        for number in 0..lanes {
            let database = format!("lane{number}");
            let warehouse = first_url.clone().map_or(Warehouse::Private, Warehouse::Url);
            let seed = u64::try_from(number).unwrap();
            let options = Options { warehouse, databases: vec![database.clone()], seed, ..Options::default() };
            let standin = StandIn::start(options).await.unwrap();
            if first_url.is_none() {
                for number in 1..lanes {
                    let create = format!("CREATE DATABASE lane{number}");
                    standin.redshift().unwrap().query(&database, &create).await.unwrap();
                }
            }
            let url = standin.redshift().unwrap().url();
            let (server, _) = url.rsplit_once('/').unwrap();
            first_url = Some(format!("{server}/lane{}", number + 1));
            started.push(Self { standin, database, throttled, heirs });
        }
        started
    }

    /// Kills the victim at its requests, one scene for each, until it ends before it gets to the next of them.
    pub(crate) async fn kill_at(&self, victim: Victim, moment: Moment, points: Points) -> Tried {
        let mut tried = Tried { points: 0, most_ticks: 0 };
        for number in (points.first..).step_by(points.step) {
            let Some(ticks) = self.kill_once(victim, moment, number).await else { break };
            tried.points += 1;
            tried.most_ticks = tried.most_ticks.max(ticks);
            assert!(number < 1000, "{victim:?} never ends");
        }
        tried
    }

    /// One scene. Answers how many ticks it took to bring all to its end; none where the victim ended by itself.
    async fn kill_once(&self, victim: Victim, moment: Moment, number: u64) -> Option<usize> {
        let name = format!("{}-{moment:?}-{number}", victim.name()).to_lowercase();
        let scene = Scene::set(&self.standin, &self.database, name, victim).await;
        self.deploy(&scene);
        let kill = Kill::at(&self.standin, moment, |rule| {
            rule.caller(format!("fn-{}-", victim.function())).first_caller().nth(number)
        });
        // Behind the death, which is to come whatever else may happen to its request.
        if self.throttled > 0.0 {
            self.standin.faults().add(Rule::new(Fault::Throttle).caller("fn-").fraction(self.throttled));
        }
        let mark = self.standin.journal().mark();
        let before = self.standin.lambda().reports(victim.function()).len();
        self.standin.lambda().deliver(victim.function(), scene.event().to_string()).unwrap();
        self.standin.lambda().idle().await;
        let last = kill.last();
        drop(kill);
        let story = || {
            let report = self.standin.lambda().reports(victim.function())[before].clone();
            let caller = format!("fn-{}-{}", victim.function(), report.instance.as_deref().unwrap_or_default());
            let requests = self.standin.journal().since(mark).into_iter().filter(|entry| entry.caller == caller);
            let requests: Vec<String> = requests
                .map(|entry| {
                    let subject = entry.subject.as_deref().unwrap_or_default();
                    format!("  {} {subject} {} {}", entry.action(), entry.status, entry.fault.unwrap_or_default())
                })
                .collect();
            format!("{victim:?}, killed {moment:?} request {number}: {last:?}\nits requests:\n{}", requests.join("\n"))
        };
        let ticks = self.drain(&scene, &story).await;
        scene.check(&story).await;
        self.standin.faults().clear();
        last.as_ref().map(|_| ticks)
    }

    fn deploy(&self, scene: &Scene<'_>) {
        let mut deployment = Deployment::new(&scene.bucket, &scene.config_text, binaries());
        deployment.retry_delays = vec![std::time::Duration::ZERO];
        self.standin.deploy(&deployment).unwrap();
        if self.heirs == Heirs::Ticks {
            for name in [LOADER, WORKER] {
                let mut function = (*self.standin.lambda().function(name).unwrap()).clone();
                function.retries = 0;
                self.standin.lambda().register(function);
            }
        }
    }

    /// Ticks until nothing waits and nothing is claimed. Nobody waits for leases: while no function runs, all of them are
    /// moved into the past.
    async fn drain(&self, scene: &Scene<'_>, story: &impl Fn() -> String) -> usize {
        for ticks in 0..MOST_TICKS {
            self.standin.lambda().idle().await;
            if scene.keys("incoming/").is_empty() && scene.keys("sluice/claims/").is_empty() {
                return ticks;
            }
            expire_leases(self.standin.storage(), &scene.bucket);
            self.standin.lambda().invoke(LISTER, "{}").await.unwrap();
        }
        let logs = [LISTER, LOADER, WORKER].map(|function| {
            let lines = self.standin.lambda().logs(function);
            lines.iter().rev().take(20).rev().map(|line| line.text.clone()).collect::<Vec<_>>().join("\n")
        });
        panic!(
            "not drained: {:?} {:?}\n{}\n{}",
            scene.keys("incoming/"),
            scene.keys("sluice/claims/"),
            story(),
            logs.join("\n")
        );
    }

    /// How many requests were throttled.
    pub(crate) fn throttled(&self) -> usize {
        self.standin.journal().snapshot().iter().filter(|entry| entry.fault == Some("throttle")).count()
    }

    pub(crate) async fn stop(lanes: Vec<Self>) {
        // The first one has the PostgreSQL of all.
        for lane in lanes.into_iter().rev() {
            lane.standin.shutdown().await;
        }
    }
}
