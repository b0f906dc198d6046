//! How a process is started: with Lambda's environment and pipes, and nothing of the stand-in's own environment.
//!
//! Never lets a process inherit more than `PATH`: something that works only because of the developer's shell would fail
//! in Lambda.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

use super::{function::Function, options::Options};

/// The command with Lambda's environment and nothing inherited but `PATH`.
pub(super) fn command(options: &Options, function: &Function, id: &str, caller: &str) -> Command {
    let endpoint = &options.endpoint;
    let mut command = Command::new(&function.binary);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    let task_root = function.binary.parent().filter(|parent| parent.is_dir()).unwrap_or(Path::new("/"));
    command.current_dir(task_root).env("LAMBDA_TASK_ROOT", task_root);
    command
        // A base with a path needs its scheme: the runtime's URI parser rejects "host:port/path".
        .env("AWS_LAMBDA_RUNTIME_API", format!("{endpoint}/_runtime/{id}"))
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_LAMBDA_FUNCTION_NAME", &function.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string())
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("[$LATEST]{id}"))
        .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
        .env("AWS_LAMBDA_LOG_LEVEL", "INFO")
        .env("AWS_REGION", &options.region)
        .env("AWS_DEFAULT_REGION", &options.region)
        .env("AWS_ACCESS_KEY_ID", caller)
        .env("AWS_SECRET_ACCESS_KEY", "sluice")
        .env("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023")
        .env("TZ", ":UTC")
        .env("_HANDLER", "bootstrap")
        .envs(&function.environment);
    command
}
