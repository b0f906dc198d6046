//! Who calls which service: read from the scope of a request's signature.
//!
//! Never checks the signature: the services that care do.

use http::header::AUTHORIZATION;
use http::request::Parts;
use percent_encoding::percent_decode_str;

/// The scope of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// The access key id.
    pub(super) caller: String,
    pub(super) region: String,
    pub(super) service: String,
}

/// The scope of the request's signature, in its header or, for a presigned URL, in its query.
pub(super) fn scope(request: &Parts) -> Option<Scope> {
    let header = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(credential) = header.and_then(header_credential) {
        return parse(credential);
    }
    let query = request.uri.query()?;
    let field = |name| {
        let mut pairs = query.split('&');
        pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    let decoded = |text| percent_decode_str(text).decode_utf8().ok();
    match field("X-Amz-Credential") {
        Some(credential) => parse(&decoded(credential)?),
        None => field("AWSAccessKeyId").and_then(decoded).map(|caller| version_2(&caller)),
    }
}

/// Signature version 2, in which boto3 still presigns, has no scope and exists only for S3.
fn version_2(caller: &str) -> Scope {
    Scope { caller: caller.to_owned(), region: String::new(), service: "s3".to_owned() }
}

/// `AWS4-HMAC-SHA256 Credential=<scope>, SignedHeaders=…, Signature=…`
fn header_credential(header: &str) -> Option<&str> {
    let rest = header.strip_prefix("AWS4-HMAC-SHA256")?;
    let (_, rest) = rest.split_once("Credential=")?;
    rest.split(',').next().map(str::trim)
}

/// `<access key id>/<date>/<region>/<service>/aws4_request`
fn parse(credential: &str) -> Option<Scope> {
    let mut fields = credential.rsplitn(5, '/');
    let (_version, service, region, _date, caller) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    Some(Scope { caller: caller.to_owned(), region: region.to_owned(), service: service.to_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parts(request: http::request::Builder) -> Parts {
        request.body(()).unwrap().into_parts().0
    }

    fn expected() -> Scope {
        Scope { caller: "fn-worker-1".to_owned(), region: "eu-west-1".to_owned(), service: "redshift-data".to_owned() }
    }

    #[test]
    fn a_header_says_who_calls_what() {
        let header = "AWS4-HMAC-SHA256 Credential=fn-worker-1/20261122/eu-west-1/redshift-data/aws4_request, \
                      SignedHeaders=host;x-amz-date, Signature=00";
        let request = parts(http::Request::post("/").header(AUTHORIZATION, header));
        assert_eq!(scope(&request), Some(expected()));
    }

    #[test]
    fn a_presigned_url_says_it_in_its_query() {
        let uri = "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256\
                   &X-Amz-Credential=fn-worker-1%2F20261122%2Feu-west-1%2Fredshift-data%2Faws4_request";
        assert_eq!(scope(&parts(http::Request::get(uri))), Some(expected()));
    }

    #[test]
    fn the_old_way_to_presign_names_the_caller_at_least() {
        let request = parts(http::Request::get("/b/k?AWSAccessKeyId=me&Signature=x&Expires=1"));
        assert_eq!(scope(&request), Some(version_2("me")));
    }

    #[test]
    fn nothing_is_made_up_for_unsigned_requests() {
        assert_eq!(scope(&parts(http::Request::get("/"))), None);
        assert_eq!(scope(&parts(http::Request::get("/").header(AUTHORIZATION, "Bearer x"))), None);
    }
}
