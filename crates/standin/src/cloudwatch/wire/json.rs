//! AWS JSON 1.0: the operation in a header, JSON in the bodies, timestamps as seconds.
//!
//! Never interprets a field.

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use serde_json::{Map, Value, json};

use super::tree::{Node, Refusal, seconds};

pub(super) fn operation(request: &Request<Bytes>) -> Option<&str> {
    let target = request.headers().get("x-amz-target")?.to_str().ok()?;
    target.rsplit_once('.').map(|(_, operation)| operation)
}

pub(super) fn read(body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))
}

pub(super) fn write(answer: Result<(String, Node), Refusal>) -> Response<Bytes> {
    let tree = match answer {
        Ok((_, node)) => tree(node),
        Err(refusal) => {
            json!({"__type": format!("com.amazonaws.cloudwatch#{}", refusal.names.0), "message": refusal.message})
        }
    };
    let mut response = Response::new(Bytes::from(tree.to_string()));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}

fn tree(node: Node) -> Value {
    match node {
        Node::Nothing => Value::Object(Map::new()),
        Node::Struct(members) => {
            Value::Object(members.into_iter().map(|(name, it)| (name.to_owned(), tree(it))).collect())
        }
        Node::Map(entries) => Value::Object(entries.into_iter().map(|(name, it)| (name, tree(it))).collect()),
        Node::List(items) => items.into_iter().map(tree).collect(),
        Node::Text(text) => text.into(),
        Node::Number(number) => number.into(),
        Node::Time(at) => seconds(at).into(),
    }
}
