//! moto's server, started from the tools that `make test` installs.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/moto_endpoint.py");

/// A running moto; ends when dropped.
pub(crate) struct Moto {
    server: Child,
    endpoint: String,
}

impl Moto {
    /// Starts it on a free port and returns when it takes requests.
    ///
    /// # Panics
    /// When there is no moto: a contract that was not checked is not kept.
    pub(crate) fn start() -> Self {
        let tools = env::var("SLUICE_TEST_TOOLS").unwrap_or_else(|_| {
            panic!(
                "SLUICE_TEST_TOOLS is not set: run `make test`, or set it to the bin folder of a Python environment with \
                 moto[server] (scripts/requirements.txt)"
            )
        });
        let python = Path::new(&tools).join("python");
        let mut server = Command::new(&python)
            .arg(SCRIPT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It logs every request.
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be run: {error}; see SLUICE_TEST_TOOLS", python.display()));
        let mut endpoint = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        assert!(endpoint.starts_with("http://"), "moto did not start: run {} {SCRIPT} to see why", python.display());
        Self { server, endpoint: endpoint.trim().to_owned() }
    }

    pub(crate) fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// moto wants no signature.
    pub(crate) fn create_bucket(&self, bucket: &str) {
        let address = self.endpoint.trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).unwrap();
        write!(
            connection,
            "PUT /{bucket} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
