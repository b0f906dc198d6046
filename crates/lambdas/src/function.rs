//! What the three functions share: the cold start, and each invocation's configuration, run and log line.
//!
//! Never looks into an event or an answer.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;
use sluice_aws::{Aws, ConfigSource, DeployedPorts, Settings};
use sluice_core::config::Config;
use sluice_core::run::{Run, later};

use crate::error::Error;
use crate::{init_error, log};

/// Which of the three functions this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes S3's events.
    Loader,
    /// Takes a schedule's events.
    Lister,
    /// Takes the lister's claims.
    Worker,
}

/// A function's answer.
pub trait Answer: Serialize {
    /// Logs the invocation: one line that reports all that was done, and never the content of a file.
    fn log(&self, invocation: &Invocation);
}

/// A finished invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The function's name.
    pub function: &'static str,
    /// Lambda's id of the invocation.
    pub request_id: String,
    /// Whether it was the process's first.
    pub cold_start: bool,
    /// How long it took.
    pub duration_ms: u64,
}

/// Runs the function until Lambda ends the process. A function whose configuration is wrong does not start.
pub async fn serve<A: Answer>(
    role: Role,
    handle: impl AsyncFn(&Config, &DeployedPorts, &Run, &Value) -> Result<A, Error>,
) -> ExitCode {
    log::init();
    let function = match Function::start(role).await {
        Ok(function) => function,
        Err(error) => return refuse(role, error).await,
    };
    let (function, handle) = (&function, &handle);
    match lambda_runtime::run(service_fn(move |event| function.invoke(event, handle))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(function = role.name(), error, "the runtime stopped");
            ExitCode::FAILURE
        }
    }
}

async fn refuse(role: Role, error: Error) -> ExitCode {
    let diagnostic = Diagnostic::from(error);
    let Diagnostic { error_type, error_message } = &diagnostic;
    tracing::error!(function = role.name(), error_type, error = error_message, "the function does not start");
    if let Err(error) = init_error::report(&diagnostic).await {
        tracing::error!(function = role.name(), error, "Lambda was not told why");
    }
    ExitCode::FAILURE
}

/// A function after its cold start.
struct Function {
    role: Role,
    aws: Aws,
    source: ConfigSource,
    world: Mutex<Arc<World>>,
    cold: AtomicBool,
}

/// A configuration and the ports that it needs. The clients live as long as it does.
struct World {
    config: Arc<Config>,
    ports: DeployedPorts,
}

impl Function {
    /// The cold start: environment, configuration, ports. Makes no client that the configuration does not need.
    async fn start(role: Role) -> Result<Self, Error> {
        let settings = Settings::from_env(|name| std::env::var(name).ok())?;
        let aws = Aws::load(settings).await;
        let source = aws.config_source();
        let world = Arc::new(World::new(role, &aws, source.load().await?)?);
        Ok(Self { role, aws, source, world: Mutex::new(world), cold: AtomicBool::new(true) })
    }

    async fn invoke<A: Answer>(
        &self,
        event: LambdaEvent<Value>,
        handle: &impl AsyncFn(&Config, &DeployedPorts, &Run, &Value) -> Result<A, Error>,
    ) -> Result<A, Error> {
        let began = Instant::now();
        let answer = match self.world().await {
            Ok(world) => {
                handle(&world.config, &world.ports, &run(&event.context, SystemTime::now()), &event.payload).await
            }
            Err(error) => Err(error),
        };
        let invocation = Invocation {
            function: self.role.name(),
            request_id: event.context.request_id,
            cold_start: self.cold.swap(false, Ordering::Relaxed),
            duration_ms: began.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        };
        match &answer {
            Ok(answer) => answer.log(&invocation),
            Err(error) => invocation.log_error(error),
        }
        answer
    }

    /// The world of the current configuration. Makes a new one when the configuration has changed.
    async fn world(&self) -> Result<Arc<World>, Error> {
        let config = self.source.load().await?;
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&world.config, &config) {
            *world = Arc::new(World::new(self.role, &self.aws, config)?);
            tracing::info!(function = self.role.name(), source = %self.source, "configuration changed");
        }
        Ok(Arc::clone(&world))
    }
}

impl World {
    fn new(role: Role, aws: &Aws, config: Arc<Config>) -> Result<Self, Error> {
        role.check(&config, aws.settings())?;
        let ports = DeployedPorts::deployed(aws, &config.bucket);
        Ok(Self { config, ports })
    }
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Loader => "loader",
            Self::Lister => "lister",
            Self::Worker => "worker",
        }
    }

    /// Refuses a lister that fans out without a worker: each tick would claim files that nobody loads.
    fn check(self, config: &Config, settings: &Settings) -> Result<(), Error> {
        let fan_out = config.feeds.iter().find(|feed| feed.fan_out);
        match fan_out {
            Some(feed) if self == Self::Lister && settings.worker_function.is_none() => {
                Err(Error::NoWorker { feed: feed.name.to_string() })
            }
            _ => Ok(()),
        }
    }
}

impl Invocation {
    fn log_error(&self, error: &Error) {
        let Self { function, request_id, cold_start, duration_ms } = self;
        let error_type = error.error_type();
        tracing::error!(function, request_id, cold_start, duration_ms, error_type, %error, "invocation failed");
    }
}

/// The invocation as the core sees it.
fn run(context: &Context, now: SystemTime) -> Run {
    let deadline = Timestamp::try_from(context.deadline()).unwrap_or(Timestamp::MAX);
    let started = Timestamp::try_from(now).unwrap_or(deadline);
    // Lambda sends the time of the deadline. `cargo lambda watch` sends a duration, 600000: as a time, that is long
    // ago.
    let deadline = if deadline < started { later(started, deadline.as_duration()) } else { deadline };
    Run { owner: context.request_id.clone(), started, deadline }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sluice_aws::ConfigOrigin;
    use test_case::test_case;

    use super::*;

    #[test_case(1_356_998_400_123 => "2013-01-01T00:00:00.123Z"; "a time")]
    #[test_case(600_000 => "2012-12-31T23:10:00Z"; "a length of time")]
    fn a_run_bears_the_request_s_id_and_ends_at_its_deadline(deadline: u64) -> String {
        let mut context = Context::default();
        "r-1".clone_into(&mut context.request_id);
        context.deadline = deadline;
        let now: Timestamp = "2012-12-31T23:00:00Z".parse().unwrap();
        let run = run(&context, now.into());
        assert_eq!((run.owner.as_str(), run.started), ("r-1", now));
        run.deadline.to_string()
    }

    #[test_case(Role::Lister, true, None => false; "a lister that fans out to nobody")]
    #[test_case(Role::Lister, true, Some("w") => true; "a lister with a worker")]
    #[test_case(Role::Lister, false, None => true; "a lister that loads itself")]
    #[test_case(Role::Loader, true, None => true; "a loader needs no worker")]
    #[test_case(Role::Worker, true, None => true; "a worker needs no worker")]
    fn a_lister_that_fans_out_needs_a_worker(role: Role, fan_out: bool, worker: Option<&str>) -> bool {
        let text = format!(
            "[bucket]\nname = \"landing\"\n[[feed]]\nname = \"f\"\nprefix = \"f/\"\nfan_out = {fan_out}\n\
             [feed.redshift]\nworkgroup = \"w\"\ndatabase = \"d\"\ntable = \"t\"\nformat = \"csv\"\n"
        );
        let config = Config::parse(&text, "the test", &sluice_aws::DESTINATIONS).unwrap();
        let worker_function = worker.map(str::to_owned);
        let settings = Settings { config: ConfigOrigin::Inline(text), worker_function, s3_path_style: false };
        role.check(&config, &settings).is_ok()
    }
}
