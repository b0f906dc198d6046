//! Determines the S3 operation of a request from its method, path, query and headers, before anything is executed.
//!
//! Follows the routing of the `s3s` crate for the operations that the stand-in offers; all others are named by their
//! sub-resource. Never executes anything.

use std::borrow::Cow;

use http::Method;
use http::request::Parts;
use percent_encoding::percent_decode_str;

/// The name of the operation; its subject: `bucket/key`, `bucket`, or none; and what else it touches: the source of a
/// copy, as `bucket/key`, or the prefix of a list.
pub(crate) fn operation(request: &Parts) -> (Cow<'static, str>, Option<String>, Option<String>) {
    let path = request.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let query = request.uri.query().unwrap_or_default();
    let copies = request.headers.contains_key("x-amz-copy-source");
    let name = match (bucket.is_empty(), key.is_empty()) {
        (true, _) => Cow::Borrowed("ListBuckets"),
        (false, true) => on_bucket(&request.method, query),
        (false, false) => on_object(&request.method, query, copies),
    };
    let also = match &*name {
        "CopyObject" | "UploadPartCopy" => source(request),
        "ListObjectsV2" => prefix(query),
        _ => None,
    };
    (name, subject(bucket, key), also)
}

fn on_bucket(method: &Method, query: &str) -> Cow<'static, str> {
    let has = |name| has(query, name);
    Cow::Borrowed(match *method {
        Method::HEAD => "HeadBucket",
        Method::GET if has("location") => "GetBucketLocation",
        Method::GET if has("uploads") => "ListMultipartUploads",
        Method::GET if query.split('&').any(|pair| pair == "list-type=2") => "ListObjectsV2",
        Method::POST if has("delete") => "DeleteObjects",
        Method::GET | Method::PUT | Method::DELETE if sub_resource(query).is_some() => {
            return other(method, "Bucket", query);
        }
        Method::GET => "ListObjects",
        Method::PUT => "CreateBucket",
        Method::DELETE => "DeleteBucket",
        _ => return other(method, "Bucket", query),
    })
}

fn on_object(method: &Method, query: &str, copies: bool) -> Cow<'static, str> {
    let upload = has(query, "uploadId");
    Cow::Borrowed(match *method {
        Method::HEAD => "HeadObject",
        Method::GET | Method::PUT | Method::DELETE if sub_resource(query).is_some() => {
            return other(method, "Object", query);
        }
        Method::GET if upload => "ListParts",
        Method::GET => "GetObject",
        Method::PUT if upload && copies => "UploadPartCopy",
        Method::PUT if upload => "UploadPart",
        Method::PUT if copies => "CopyObject",
        Method::PUT => "PutObject",
        Method::DELETE if upload => "AbortMultipartUpload",
        Method::DELETE => "DeleteObject",
        Method::POST if upload => "CompleteMultipartUpload",
        Method::POST if has(query, "uploads") => "CreateMultipartUpload",
        _ => return other(method, "Object", query),
    })
}

/// `GetObjectTagging`, `PutBucketPolicy` and so on.
fn other(method: &Method, of: &str, query: &str) -> Cow<'static, str> {
    let verb = match *method {
        Method::GET => "Get",
        Method::PUT => "Put",
        Method::POST => "Post",
        Method::DELETE => "Delete",
        _ => "Other",
    };
    Cow::Owned(format!("{verb}{of}{}", sub_resource(query).unwrap_or_default()))
}

fn sub_resource(query: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 10] = [
        ("acl", "Acl"),
        ("attributes", "Attributes"),
        ("cors", "Cors"),
        ("encryption", "Encryption"),
        ("lifecycle", "Lifecycle"),
        ("notification", "Notification"),
        ("policy", "Policy"),
        ("tagging", "Tagging"),
        ("versioning", "Versioning"),
        ("versions", "Versions"),
    ];
    KNOWN.into_iter().find(|(name, _)| has(query, name)).map(|(_, known)| known)
}

fn has(query: &str, name: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some(name))
}

fn subject(bucket: &str, key: &str) -> Option<String> {
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
    match (bucket, key) {
        ("", _) => None,
        (bucket, "") => Some(decoded(bucket).into_owned()),
        (bucket, key) => Some(format!("{}/{}", decoded(bucket), decoded(key))),
    }
}

fn source(request: &Parts) -> Option<String> {
    let header = request.headers.get("x-amz-copy-source")?.to_str().ok()?.trim_start_matches('/');
    let (path, _version) = header.split_once("?versionId=").unwrap_or((header, ""));
    Some(percent_decode_str(path).decode_utf8_lossy().into_owned())
}

fn prefix(query: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "prefix").map(|(_, prefix)| prefix.into_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn told(method: &str, uri: &str, copies: bool) -> (String, Option<String>) {
        let mut request = http::Request::builder().method(method).uri(uri);
        if copies {
            request = request.header("x-amz-copy-source", "b/k");
        }
        let (name, subject, _) = operation(&request.body(()).unwrap().into_parts().0);
        (name.into_owned(), subject)
    }

    #[test]
    fn operations_are_told_apart() {
        let table = [
            ("GET", "/?x-id=ListBuckets", "ListBuckets"),
            ("PUT", "/b", "CreateBucket"),
            ("PUT", "/b/", "CreateBucket"),
            ("HEAD", "/b", "HeadBucket"),
            ("DELETE", "/b", "DeleteBucket"),
            ("GET", "/b?location", "GetBucketLocation"),
            ("GET", "/b?list-type=2&prefix=location", "ListObjectsV2"),
            ("GET", "/b?prefix=a&delimiter=/", "ListObjects"),
            ("GET", "/b?uploads", "ListMultipartUploads"),
            ("POST", "/b?delete", "DeleteObjects"),
            ("GET", "/b?versioning", "GetBucketVersioning"),
            ("PUT", "/b/k?x-id=PutObject", "PutObject"),
            ("GET", "/b/k", "GetObject"),
            ("HEAD", "/b/k", "HeadObject"),
            ("DELETE", "/b/k", "DeleteObject"),
            ("GET", "/b/k?tagging", "GetObjectTagging"),
            ("POST", "/b/k?uploads", "CreateMultipartUpload"),
            ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart"),
            ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload"),
            ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload"),
            ("GET", "/b/k?uploadId=u", "ListParts"),
        ];
        for (method, uri, name) in table {
            assert_eq!(told(method, uri, false).0, name, "{method} {uri}");
        }
        assert_eq!(told("PUT", "/b/k", true).0, "CopyObject");
        assert_eq!(told("PUT", "/b/k?partNumber=1&uploadId=u", true).0, "UploadPartCopy");
    }

    #[test]
    fn the_source_of_a_copy_and_the_prefix_of_a_list_are_told_too() {
        let also = |method: &str, uri: &str, source: &str| {
            let request = http::Request::builder().method(method).uri(uri).header("x-amz-copy-source", source);
            operation(&request.body(()).unwrap().into_parts().0).2
        };
        assert_eq!(also("PUT", "/b/k", "b/a%20b/%2B?versionId=1").unwrap(), "b/a b/+");
        assert_eq!(also("GET", "/b?list-type=2&prefix=in%2Fa+b", "").unwrap(), "in/a b");
        assert_eq!(also("GET", "/b?list-type=2", ""), None);
        assert_eq!(also("GET", "/b/k", ""), None);
    }

    #[test]
    fn the_subject_is_bucket_and_key_as_they_are() {
        assert_eq!(told("GET", "/", false).1, None);
        assert_eq!(told("GET", "/b", false).1.unwrap(), "b");
        assert_eq!(told("GET", "/b/a%20b/%2B%C3%BC", false).1.unwrap(), "b/a b/+ü");
    }
}
