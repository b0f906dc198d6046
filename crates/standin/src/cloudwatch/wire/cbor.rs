//! Smithy RPC v2 CBOR: the operation in the path, CBOR maps in the bodies, timestamps under tag 1.
//!
//! Never interprets a field.

use bytes::Bytes;
use ciborium::Value as Cbor;
use http::{HeaderValue, Request, Response};
use serde_json::{Map, Value};

use super::tree::{Node, Refusal, seconds};

/// The tag of a timestamp in seconds since 1970.
const EPOCH: u64 = 1;

pub(super) fn operation(request: &Request<Bytes>) -> Option<&str> {
    request.uri().path().rsplit_once("/operation/").map(|(_, operation)| operation)
}

pub(super) fn read(body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let tree: Cbor = ciborium::from_reader(body.as_ref()).map_err(|error| Refusal::malformed(&error))?;
    Ok(plain(tree))
}

/// Converts the tree to JSON, without anything that only CBOR has.
fn plain(tree: Cbor) -> Value {
    match tree {
        Cbor::Integer(number) => i64::try_from(number).map_or(Value::Null, Value::from),
        // JSON cannot write these; `Number` reads them as text.
        Cbor::Float(number) if !number.is_finite() => Value::from(number.to_string()),
        Cbor::Float(number) => Value::from(number),
        Cbor::Text(text) => Value::from(text),
        Cbor::Bool(flag) => Value::from(flag),
        Cbor::Tag(_, inner) => plain(*inner),
        Cbor::Array(items) => items.into_iter().map(plain).collect(),
        Cbor::Map(fields) => Value::Object(
            fields.into_iter().filter_map(|(name, it)| Some((name.into_text().ok()?, plain(it)))).collect(),
        ),
        _ => Value::Null,
    }
}

pub(super) fn write(answer: Result<(String, Node), Refusal>) -> Response<Bytes> {
    let tree = match answer {
        Ok((_, node)) => tree(node),
        Err(refusal) => fields([
            ("__type", Cbor::from(format!("com.amazonaws.cloudwatch#{}", refusal.names.0))),
            ("message", refusal.message.into()),
        ]),
    };
    let mut body = Vec::new();
    // Writing into memory cannot fail.
    let _ = ciborium::into_writer(&tree, &mut body);
    let mut response = Response::new(Bytes::from(body));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/cbor"));
    response.headers_mut().insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    response
}

fn tree(node: Node) -> Cbor {
    match node {
        Node::Nothing => Cbor::Map(Vec::new()),
        Node::Struct(members) => fields(members.into_iter().map(|(name, it)| (name, tree(it)))),
        Node::Map(entries) => fields(entries.into_iter().map(|(name, it)| (name, tree(it)))),
        Node::List(items) => Cbor::Array(items.into_iter().map(tree).collect()),
        Node::Text(text) => text.into(),
        Node::Number(number) => number.into(),
        Node::Time(at) => Cbor::Tag(EPOCH, Box::new(seconds(at).into())),
    }
}

fn fields<N: Into<Cbor>>(fields: impl IntoIterator<Item = (N, Cbor)>) -> Cbor {
    Cbor::Map(fields.into_iter().map(|(name, it)| (name.into(), it)).collect())
}
