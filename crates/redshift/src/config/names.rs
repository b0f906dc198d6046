//! Checks names of AWS: of warehouses, secrets and roles.
//!
//! Never checks whether they exist.

/// The name of a workgroup, or the identifier of a cluster.
pub(super) fn is_warehouse_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=64).contains(&name.len()) && name.chars().all(legal)
}

/// A secret in Secrets Manager.
pub(super) fn is_secret_arn(arn: &str) -> bool {
    arn_of(arn, "secretsmanager", true)
        .and_then(|rest| rest.strip_prefix("secret:"))
        .is_some_and(|name| !name.is_empty())
}

/// One to ten roles, each allowed to assume the next, with commas and no spaces.
pub(super) fn is_role_chain(arns: &str) -> bool {
    let role = |arn: &str| {
        let name = arn_of(arn, "iam", false).and_then(|rest| rest.strip_prefix("role/"));
        name.is_some_and(|name| !name.is_empty() && !name.ends_with('/'))
    };
    arns.split(',').count() <= 10 && arns.split(',').all(role)
}

/// What an ARN of `service` names, if the ARN is well-formed.
fn arn_of<'a>(arn: &'a str, service: &str, regional: bool) -> Option<&'a str> {
    // Quotes and spaces are not legal in an ARN, and would mean something in SQL.
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_:/+=,.@!".contains(c);
    let mut parts = arn.splitn(6, ':');
    let (scheme, partition, named) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let partition = partition == "aws" || partition.starts_with("aws-");
    let account = account.len() == 12 && account.bytes().all(|digit| digit.is_ascii_digit());
    let place = region.is_empty() != regional;
    (scheme == "arn" && partition && named == service && place && account && arn.chars().all(legal)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("arn:aws:iam::123456789012:role/copy", true; "role")]
    #[test_case("arn:aws-cn:iam::123456789012:role/a/b", true; "path and partition")]
    #[test_case("arn:aws:iam::123456789012:role/a,arn:aws:iam::210987654321:role/b", true; "chain")]
    #[test_case("arn:aws:iam::123456789012:role/a, arn:aws:iam::210987654321:role/b", false; "space in a chain")]
    #[test_case("arn:aws:iam::123456789012:user/a", false; "user")]
    #[test_case("arn:aws:iam::1234:role/a", false; "short account")]
    #[test_case("arn:aws:iam::123456789012:role/", false; "no name")]
    #[test_case("arn:aws:iam::123456789012:role/a'b", false; "quote")]
    #[test_case("copy", false; "name alone")]
    fn roles(arns: &str, legal: bool) {
        assert_eq!(is_role_chain(arns), legal);
    }

    #[test_case("arn:aws:secretsmanager:us-east-1:123456789012:secret:dw-AbCdEf", true; "secret")]
    #[test_case("arn:aws:secretsmanager::123456789012:secret:dw", false; "no region")]
    #[test_case("arn:aws:iam::123456789012:role/copy", false; "role")]
    fn secrets(arn: &str, legal: bool) {
        assert_eq!(is_secret_arn(arn), legal);
    }
}
