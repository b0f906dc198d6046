//! A function for the stand-in's own tests: it does what its event says.
//!
//! Never part of anything that is deployed.

use std::{env, io::Read, net::TcpStream, process, thread};

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if env::var_os("FAIL_INIT").is_some() {
        process::exit(3);
    }
    run(service_fn(handle)).await
}

#[allow(clippy::panic, reason = "a panic is one of the things to show")]
async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    match event.payload["do"].as_str().unwrap_or_default() {
        "fail" => return Err("the event said so".into()),
        "panic" => panic!("the event said so"),
        "exit" => process::exit(7),
        "abort" => process::abort(),
        "hang" => loop {
            thread::park();
        },
        "hold" => hold(event.payload["bytes"].as_u64().unwrap_or_default().try_into()?),
        "large" => return Ok("x".repeat(7 * 1024 * 1024).into()),
        "print" => {
            println!("{}", json!({"level": "INFO", "message": event.payload["text"]}));
            eprintln!("{}", event.payload["text"].as_str().unwrap_or_default());
        }
        "environment" => {
            return Ok(env::vars().map(|(name, value)| (name, Value::from(value))).collect());
        }
        "wait" => wait(event.payload["gate"].as_str().unwrap_or_default())?,
        _ => {}
    }
    Ok(json!({
        "event": event.payload,
        "request_id": event.context.request_id,
        "arn": event.context.invoked_function_arn,
        "deadline": event.context.deadline().duration_since(std::time::UNIX_EPOCH)?.as_millis().to_string(),
        "pid": process::id(),
    }))
}

/// Uses memory, and the time that it takes to write it, and gives it back.
fn hold(bytes: usize) {
    std::hint::black_box(vec![1_u8; bytes]);
}

/// Reports at the test's gate and waits there until it is let go.
fn wait(gate: &str) -> Result<(), Error> {
    TcpStream::connect(gate)?.read_to_end(&mut Vec::new())?;
    Ok(())
}
