//! Lambda with real processes: every promise that the other parts rely on.
//!
//! One file, because every test needs the same scene of processes.

use std::{
    io::{ErrorKind, Read},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use test_case::test_case;

use super::{
    Condition, Function, InvokeError, Options, Source, between,
    testing::{Gate, Server, body, echo, event},
};

const INVOKE: &str = "/2015-03-31/functions/echo/invocations";

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

fn pid(answer: &Value) -> u64 {
    answer["pid"].as_u64().unwrap()
}

fn is_alive(pid: u64) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// The function at the other end would wait at the gate for ever: its connection ends only when it dies.
fn assert_is_over(mut line: std::net::TcpStream) {
    line.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let end = line.read(&mut [0]);
    let is_over = match &end {
        Ok(read) => *read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    };
    assert!(is_over, "{end:?}");
}

#[tokio::test]
async fn a_caller_that_waits_gets_the_answer() {
    let server = Server::start().await.with(echo("echo"));
    let before = jiff::Timestamp::now();
    let response = server.post(INVOKE, "RequestResponse", r#"{"hello":"world"}"#).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "x-amz-executed-version"), Some("$LATEST"));
    assert_eq!(header(&response, "x-amz-function-error"), None);
    let answer = body(&response);
    assert_eq!(answer["event"], json!({"hello": "world"}));
    assert_eq!(answer["request_id"].as_str(), header(&response, "x-amzn-requestid"));
    assert_eq!(answer["arn"], "arn:aws:lambda:us-east-1:000000000000:function:echo");
    let deadline: i64 = answer["deadline"].as_str().unwrap().parse().unwrap();
    let left = between(before, jiff::Timestamp::from_millisecond(deadline).unwrap());
    assert!((Duration::from_secs(59)..Duration::from_secs(75)).contains(&left), "{left:?} for a timeout of 60 s");
    server.lambda.idle().await;
    assert!(!is_alive(pid(&answer)), "one process each: it must be dead after its invocation");
}

#[tokio::test]
async fn an_empty_event_is_an_empty_object() {
    let server = Server::start().await.with(echo("echo"));
    let response = server.post(INVOKE, "RequestResponse", "").await;
    assert_eq!(body(&response)["event"], json!({}));
}

#[tokio::test]
async fn a_function_that_is_not_there_cannot_be_invoked() {
    let server = Server::start().await;
    for kind in ["RequestResponse", "Event", "DryRun"] {
        let response = server.post(INVOKE, kind, "{}").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{kind}");
        assert_eq!(header(&response, "x-amzn-errortype"), Some("ResourceNotFoundException"), "{kind}");
    }
}

#[tokio::test]
async fn a_dry_run_runs_nothing() {
    let server = Server::start().await.with(echo("echo"));
    assert_eq!(server.post(INVOKE, "DryRun", "{}").await.status(), StatusCode::NO_CONTENT);
    assert_eq!(server.lambda.stats("echo").invocations, 0);
}

#[tokio::test]
async fn an_event_is_accepted_and_run_later() {
    let server = Server::start().await.with(echo("echo"));
    let response = server.post(INVOKE, "Event", r#"{"n":1}"#).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    server.lambda.idle().await;
    let reports = server.lambda.reports("echo");
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].answer().unwrap()["event"], json!({"n": 1}));
    assert_eq!(Some(reports[0].request_id.as_str()), header(&response, "x-amzn-requestid"));
    assert_eq!((reports[0].source, reports[0].attempt), (Source::Event, 1));
}

#[tokio::test]
async fn an_event_over_a_megabyte_is_refused() {
    let server = Server::start().await.with(echo("echo"));
    let large = format!("\"{}\"", "x".repeat(1024 * 1024));
    let response = server.post(INVOKE, "Event", large.clone()).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(header(&response, "x-amzn-errortype"), Some("RequestTooLargeException"));
    let response = server.post(INVOKE, "RequestResponse", large).await;
    assert_eq!(response.status(), StatusCode::OK, "a caller that waits may send six");
}

#[test_case("fail", "the event said so"; "an error")]
#[test_case("panic", "Lambda panicked: the event said so"; "a panic")]
#[tokio::test]
async fn what_a_function_reports_is_what_the_caller_gets(what: &str, message: &str) {
    let server = Server::start().await.with(echo("echo"));
    let response = server.post(INVOKE, "RequestResponse", event(&json!({"do": what}))).await;
    assert_eq!((response.status(), header(&response, "x-amz-function-error")), (StatusCode::OK, Some("Unhandled")));
    assert_eq!(body(&response)["errorMessage"], message);
}

#[test_case("exit", "exit status 7"; "leaves")]
#[test_case("abort", "signal: aborted"; "aborts")]
#[tokio::test]
async fn a_process_that_dies_is_an_exit_error(how: &str, reason: &str) {
    let server = Server::start().await.with(echo("echo"));
    let report = server.lambda.invoke("echo", event(&json!({"do": how}))).await.unwrap();
    let error = report.result.as_ref().unwrap_err();
    assert_eq!(error.kind, "Runtime.ExitError");
    assert_eq!(error.message, format!("RequestId: {} Error: Runtime exited with error: {reason}", report.request_id));
}

#[tokio::test]
async fn a_process_that_cannot_start_is_an_error_of_the_invocation() {
    let server = Server::start()
        .await
        .with(echo("echo").with_env("FAIL_INIT", "1"))
        .with(Function::new("none", "/nowhere/bootstrap"));
    let report = server.lambda.invoke("echo", "{}").await.unwrap();
    assert!(report.result.as_ref().unwrap_err().message.ends_with("Runtime exited with error: exit status 3"));
    let report = server.lambda.invoke("none", "{}").await.unwrap();
    assert_eq!(report.result.as_ref().unwrap_err().kind, "Runtime.InvalidEntrypoint");
    assert_eq!(server.lambda.callers(), Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_over_six_megabytes_is_an_error() {
    let server = Server::start().await.with(echo("echo"));
    let report = server.lambda.invoke("echo", event(&json!({"do": "large"}))).await.unwrap();
    assert_eq!(report.result.as_ref().unwrap_err().kind, "Function.ResponseSizeTooLarge");
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_killed() {
    let server = Server::start().await.with(Function { timeout: Duration::from_millis(1500), ..echo("echo") });
    let gate = Gate::open().await;
    let (report, line) = tokio::join!(server.lambda.invoke("echo", gate.event()), gate.arrival());
    let report = report.unwrap();
    let error = report.result.as_ref().unwrap_err();
    assert_eq!(error.message, format!("RequestId: {} Error: Task timed out after 1.50 seconds", report.request_id));
    assert!(error.is_timeout());
    assert_eq!(server.lambda.stats("echo").timeouts, 1);
    assert_is_over(line.into_line());
}

#[tokio::test]
async fn a_failed_event_is_tried_twice_more_and_then_given_up() {
    let server = Server::start().await.with(echo("echo"));
    let started = super::Clock::now(&server.clock);
    let request_id = server.lambda.deliver("echo", event(&json!({"do": "fail"}))).unwrap();
    server.clock.advance_to_next().await;
    assert_eq!(between(started, super::Clock::now(&server.clock)), Duration::from_mins(1));
    server.clock.advance_to_next().await;
    assert_eq!(between(started, super::Clock::now(&server.clock)), Duration::from_mins(3));
    server.lambda.idle().await;
    let attempts: Vec<_> =
        server.lambda.reports("echo").iter().map(|report| (report.request_id.clone(), report.attempt)).collect();
    assert_eq!(attempts, [(request_id.clone(), 1), (request_id.clone(), 2), (request_id.clone(), 3)]);
    let failures = server.lambda.failures("echo");
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].condition, failures[0].attempts), (Condition::RetriesExhausted, 3));
    assert_eq!(failures[0].request_id, request_id);
}

#[tokio::test]
async fn a_timeout_is_tried_again_too() {
    let function = Function { timeout: Duration::from_millis(50), retries: 1, ..echo("echo") };
    let server = Server::start().await.with(function);
    server.lambda.deliver("echo", event(&json!({"do": "hang"}))).unwrap();
    server.clock.advance_to_next().await;
    server.lambda.idle().await;
    assert_eq!((server.lambda.stats("echo").timeouts, server.lambda.failures("echo").len()), (2, 1));
}

#[tokio::test]
async fn a_caller_that_waits_gets_no_retries() {
    let server = Server::start().await.with(echo("echo"));
    server.lambda.invoke("echo", event(&json!({"do": "fail"}))).await.unwrap();
    server.lambda.idle().await;
    assert_eq!((server.lambda.stats("echo").invocations, server.lambda.failures("echo").len()), (1, 0));
}

#[tokio::test]
async fn an_event_that_waited_too_long_is_given_up() {
    let function = Function { concurrency: Some(1), maximum_event_age: Duration::from_mins(1), ..echo("echo") };
    let server = Server::start().await.with(function);
    let gate = Gate::open().await;
    server.lambda.deliver("echo", gate.event()).unwrap();
    let held = gate.arrival().await;
    server.lambda.deliver("echo", "{}").unwrap();
    server.clock.advance(Duration::from_secs(61));
    drop(held);
    server.lambda.idle().await;
    let failures = server.lambda.failures("echo");
    assert_eq!((server.lambda.stats("echo").invocations, failures.len()), (1, 1));
    assert_eq!((failures[0].condition, failures[0].attempts), (Condition::EventAgeExceeded, 0));
}

#[tokio::test]
async fn an_event_can_be_delivered_twice() {
    let server = Server::start().await.with(echo("echo"));
    server.lambda.deliver_times("echo", 2);
    server.lambda.deliver("echo", "{}").unwrap();
    server.lambda.idle().await;
    let reports = server.lambda.reports("echo");
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0].request_id, reports[1].request_id);
}

#[tokio::test]
async fn a_warm_process_serves_again_and_a_cold_one_does_not() {
    let server = Server::start().await.with(Function { warm: true, ..echo("warm") }).with(echo("cold"));
    for (function, processes) in [("warm", 1), ("cold", 2)] {
        let first = server.lambda.invoke(function, "{}").await.unwrap().answer().unwrap();
        let second = server.lambda.invoke(function, "{}").await.unwrap().answer().unwrap();
        assert_eq!(pid(&first) == pid(&second), processes == 1, "{function}");
        assert_eq!(server.lambda.stats(function).cold_starts, processes, "{function}");
    }
}

#[tokio::test]
async fn a_report_says_the_most_memory_that_the_process_ever_had() {
    const HELD: u64 = 64 << 20;
    let server = Server::start().await.with(Function { warm: true, ..echo("echo") });
    let mut peaks = Vec::new();
    for what in [json!({}), json!({"do": "hold", "bytes": HELD}), json!({})] {
        let report = server.lambda.invoke("echo", event(&what)).await.unwrap();
        assert_eq!(report.init.is_some(), report.cold_start);
        peaks.push(report.usage.map(|usage| usage.peak_memory));
    }
    if !cfg!(target_os = "linux") {
        return assert_eq!(peaks, [None; 3]);
    }
    let peaks: Vec<u64> = peaks.into_iter().map(Option::unwrap).collect();
    assert!((1..HELD).contains(&peaks[0]), "{peaks:?}");
    assert!((HELD..HELD + peaks[0] + (8 << 20)).contains(&peaks[1]), "{peaks:?}");
    assert!(peaks[2] >= peaks[1], "given back, and remembered: {peaks:?}");
    assert!(server.lambda.kill("fn-echo-1").await);
}

#[tokio::test]
async fn a_process_that_died_says_nothing_of_what_it_used() {
    let server = Server::start().await.with(echo("echo"));
    let report = server.lambda.invoke("echo", event(&json!({"do": "exit"}))).await.unwrap();
    assert_eq!((report.usage, report.init.is_some()), (None, true));
}

#[tokio::test]
async fn new_settings_are_not_served_by_old_processes() {
    let server = Server::start().await.with(Function { warm: true, ..echo("echo") });
    let first = server.lambda.invoke("echo", "{}").await.unwrap().answer().unwrap();
    server.lambda.register(Function { warm: true, ..echo("echo") }.with_env("NEW", "yes"));
    let environment =
        server.lambda.invoke("echo", event(&json!({"do": "environment"}))).await.unwrap().answer().unwrap();
    assert_eq!(environment["NEW"], "yes");
    assert!(server.lambda.reports("echo")[1].cold_start);
    assert_ne!(pid(&first), 0);
}

#[tokio::test]
async fn a_warm_process_that_died_is_replaced() {
    let server = Server::start().await.with(Function { warm: true, ..echo("echo") });
    server.lambda.invoke("echo", "{}").await.unwrap();
    assert!(server.lambda.kill("fn-echo-1").await);
    let report = server.lambda.invoke("echo", "{}").await.unwrap();
    assert!(report.result.is_ok() && report.cold_start);
}

#[tokio::test]
async fn a_function_never_runs_more_often_than_it_may() {
    let server = Server::start().await.with(Function { concurrency: Some(2), ..echo("echo") });
    let gate = Gate::open().await;
    for _ in 0..5 {
        server.lambda.deliver("echo", gate.event()).unwrap();
    }
    let first = (gate.arrival().await, gate.arrival().await);
    let stats = server.lambda.stats("echo");
    assert_eq!((stats.in_flight, stats.queued), (2, 3));
    let refused = server.post(INVOKE, "RequestResponse", "{}").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&refused, "x-amzn-errortype"), Some("TooManyRequestsException"));
    drop(first);
    drop((gate.arrival().await, gate.arrival().await));
    drop(gate.arrival().await);
    server.lambda.idle().await;
    let stats = server.lambda.stats("echo");
    assert_eq!((stats.invocations, stats.peak_in_flight, stats.throttles, stats.in_flight), (5, 2, 1, 0));
}

#[tokio::test]
async fn all_functions_together_stay_under_the_limit_of_the_account() {
    let server = Server::start_with(|options| Options { concurrency: 1, ..options })
        .await
        .with(echo("echo"))
        .with(echo("other"));
    let gate = Gate::open().await;
    server.lambda.deliver("echo", gate.event()).unwrap();
    let held = gate.arrival().await;
    server.lambda.deliver("other", "{}").unwrap();
    assert!(matches!(server.lambda.invoke("other", "{}").await, Err(InvokeError::Throttled { .. })));
    assert_eq!(server.lambda.stats("other").queued, 1);
    drop(held);
    server.lambda.idle().await;
    assert_eq!(server.lambda.stats("other").invocations, 1);
}

#[tokio::test]
async fn a_process_sees_lambdas_environment_and_its_own_and_nothing_else() {
    let server = Server::start()
        .await
        .with(echo("echo").with_env("SLUICE_CONFIG", "x = 1").with_env("AWS_LAMBDA_LOG_LEVEL", "DEBUG"));
    let answer = server.lambda.invoke("echo", event(&json!({"do": "environment"}))).await.unwrap().answer().unwrap();
    let mut seen = answer.as_object().unwrap().clone();
    assert_eq!(seen.remove("AWS_ENDPOINT_URL").unwrap(), server.endpoint.as_str());
    assert_eq!(seen.remove("AWS_LAMBDA_RUNTIME_API").unwrap(), format!("{}/_runtime/1", server.endpoint));
    assert!(seen.remove("PATH").is_some());
    assert!(seen.remove("LAMBDA_TASK_ROOT").unwrap().as_str().unwrap().ends_with("examples"));
    assert!(seen.remove("_X_AMZN_TRACE_ID").unwrap().as_str().unwrap().starts_with("Root=1-"));
    let expected = json!({
        "AWS_ACCESS_KEY_ID": "fn-echo-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": "echo",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/echo",
        "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
        "AWS_LAMBDA_LOG_STREAM_NAME": "[$LATEST]1",
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "sluice",
        "SLUICE_CONFIG": "x = 1",
        "TZ": ":UTC",
        "_HANDLER": "bootstrap",
    });
    assert_eq!(Value::Object(seen), expected);
}

#[tokio::test]
async fn what_a_process_prints_is_kept_even_when_it_is_killed_at_once() {
    let server = Server::start().await.with(echo("echo"));
    let report = server.lambda.invoke("echo", event(&json!({"do": "print", "text": "hello"}))).await.unwrap();
    let line = server.lambda.log_line("echo", |line| line.text == "hello").await;
    assert_eq!(line.request_id.as_deref(), Some(report.request_id.as_str()));
    let lines = server.lambda.logs("echo");
    let json: Vec<_> = lines.iter().filter_map(|line| line.json.as_ref()).collect();
    assert_eq!(json, [&json!({"level": "INFO", "message": "hello"})]);
}

#[tokio::test]
async fn a_killed_event_is_tried_again() {
    let server = Server::start().await.with(echo("echo"));
    let gate = Gate::open().await;
    server.lambda.deliver("echo", gate.event()).unwrap();
    let held = gate.arrival().await;
    assert_eq!(server.lambda.callers(), ["fn-echo-1"]);
    assert!(server.lambda.kill("fn-echo-1").await);
    assert!(!server.lambda.kill("fn-echo-1").await && !server.lambda.kill("fn-other-9").await);
    drop(held);
    server.clock.advance_to_next().await;
    drop(gate.arrival().await);
    server.lambda.idle().await;
    let reports = server.lambda.reports("echo");
    let error = reports[0].result.as_ref().unwrap_err();
    assert!(error.message.ends_with("Runtime exited with error: signal: killed"), "{error}");
    assert!(reports[1].result.is_ok());
}

#[tokio::test]
async fn a_shutdown_leaves_no_process_and_takes_nothing_more() {
    let server = Server::start().await.with(Function { warm: true, concurrency: Some(1), ..echo("echo") });
    let gate = Gate::open().await;
    let warm = pid(&server.lambda.invoke("echo", "{}").await.unwrap().answer().unwrap());
    server.lambda.deliver("echo", gate.event()).unwrap();
    server.lambda.deliver("echo", gate.event()).unwrap();
    let held = gate.arrival().await;
    server.lambda.shutdown().await;
    assert!(!is_alive(warm));
    assert!(matches!(server.lambda.invoke("echo", "{}").await, Err(InvokeError::Stopping { .. })));
    server.lambda.idle().await;
    drop(held);
    assert_eq!(server.lambda.stats("echo").invocations, 2, "the queued event must not have begun");
}

#[test]
fn processes_die_with_the_runtime_that_ran_them() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let line = runtime.block_on(async {
        let server = Server::start().await.with(echo("echo"));
        let gate = Gate::open().await;
        server.lambda.deliver("echo", gate.event()).unwrap();
        gate.arrival().await.into_line()
    });
    drop(runtime);
    assert_is_over(line);
}

#[tokio::test]
async fn a_stopped_service_is_freed() {
    let server = Server::start().await.with(Function { warm: true, ..echo("echo") });
    server.lambda.invoke("echo", "{}").await.unwrap();
    let inner = std::sync::Arc::downgrade(&server.lambda.inner);
    server.lambda.shutdown().await;
    server.accepting_ends().await;
    while inner.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
}
