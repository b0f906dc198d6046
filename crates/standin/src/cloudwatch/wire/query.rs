//! The query protocol: a form with dotted names in, XML out.
//!
//! Never interprets a field.

use std::fmt::Write;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use quick_xml::escape::escape;
use serde_json::{Map, Value};

use super::tree::{Node, Refusal};

const NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";

/// Deeper than any input of the service.
const DEPTH_LIMIT: usize = 20;

pub(super) fn operation(request: &Request<Bytes>, body: &Bytes) -> Option<String> {
    pairs(request, body).find(|(name, _)| name == "Action").map(|(_, action)| action)
}

pub(super) fn read(request: &Request<Bytes>, body: &Bytes) -> Value {
    let mut tree = Value::Object(Map::new());
    // An empty list is written as an empty value.
    for (name, value) in pairs(request, body).filter(|(_, value)| !value.is_empty()) {
        let path: Vec<_> = name.split('.').filter(|part| *part != "member").collect();
        if path.len() <= DEPTH_LIMIT {
            plant(&mut tree, &path, value);
        }
    }
    lists(tree)
}

fn pairs(request: &Request<Bytes>, body: &Bytes) -> impl Iterator<Item = (String, String)> {
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let in_query = form_urlencoded::parse(query).into_owned();
    let pairs: Vec<_> = in_query.chain(form_urlencoded::parse(body).into_owned()).collect();
    pairs.into_iter()
}

fn plant(tree: &mut Value, path: &[&str], value: String) {
    let Some((first, rest)) = path.split_first() else {
        *tree = Value::String(value);
        return;
    };
    if let Value::Object(fields) = tree {
        let branch = fields.entry(*first).or_insert_with(|| Value::Object(Map::new()));
        plant(branch, rest, value);
    }
}

/// Turns every branch whose names are all numbers into a list.
fn lists(tree: Value) -> Value {
    let Value::Object(fields) = tree else {
        return tree;
    };
    let mut items: Vec<_> = fields.iter().filter_map(|(name, _)| name.parse::<usize>().ok()).collect();
    if items.is_empty() || items.len() < fields.len() {
        return Value::Object(fields.into_iter().map(|(name, it)| (name, lists(it))).collect());
    }
    items.sort_unstable();
    let mut fields = fields;
    items.into_iter().filter_map(|item| fields.remove(&item.to_string())).map(lists).collect()
}

pub(super) fn write(answer: Result<(String, Node), Refusal>, request_id: &str) -> Response<Bytes> {
    let document = match answer {
        Ok((operation, node)) => success(&operation, &node, request_id),
        Err(refusal) => failure(&refusal, request_id),
    };
    let mut response = Response::new(Bytes::from(document));
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/xml"));
    response
}

fn success(operation: &str, node: &Node, request_id: &str) -> String {
    let mut result = String::new();
    if *node != Node::Nothing {
        element(&mut result, &format!("{operation}Result"), node);
    }
    format!(
        "<{operation}Response xmlns=\"{NAMESPACE}\">{result}<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
}

fn failure(refusal: &Refusal, request_id: &str) -> String {
    let (side, code, message) = (refusal.side(), refusal.names.1, escape(refusal.message.as_str()));
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{side}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
}

fn element(out: &mut String, name: &str, node: &Node) {
    // Writing into memory cannot fail, here and below.
    let _ = write!(out, "<{name}>");
    content(out, node);
    let _ = write!(out, "</{name}>");
}

fn content(out: &mut String, node: &Node) {
    match node {
        Node::Nothing => {}
        Node::Struct(members) => members.iter().for_each(|(name, it)| element(out, name, it)),
        Node::List(items) => items.iter().for_each(|item| element(out, "member", item)),
        Node::Map(entries) => {
            for (key, value) in entries {
                let _ = write!(out, "<entry><key>{}</key>", escape(key.as_str()));
                element(out, "value", value);
                out.push_str("</entry>");
            }
        }
        Node::Text(text) => out.push_str(&escape(text.as_str())),
        Node::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Node::Time(at) => {
            let _ = write!(out, "{at}");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(body: &'static str) -> Value {
        read(&Request::post("/").body(Bytes::new()).unwrap(), &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn dotted_names_become_lists_and_fields() {
        let tree = form("N=a+b&M.member.2.V=2&M.member.1.V=1&M.member.10.V=%2B&D=");
        assert_eq!(tree, json!({"N": "a b", "M": [{"V": "1"}, {"V": "2"}, {"V": "+"}]}));
    }

    #[test]
    fn a_name_that_is_both_a_value_and_a_branch_keeps_its_value() {
        assert_eq!(form("A=1&A.B=2"), json!({"A": "1"}));
    }

    #[test]
    fn text_cannot_leave_its_element() {
        let node = Node::Struct(vec![("Label", Node::Text("</Label><x a=\"&\">".to_owned()))]);
        let document = success("Get", &node, "1");
        assert!(document.contains("<Label>&lt;/Label&gt;&lt;x a=&quot;&amp;&quot;&gt;</Label>"), "{document}");
    }
}
