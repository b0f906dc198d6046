#!/usr/bin/env bash
# Uses the stand-in as an operator with the AWS CLI would: s3, redshift-data, cloudwatch.
#
#     ENDPOINT=http://127.0.0.1:PORT tests/clients/aws_cli.sh [s3 | redshift_data | cloudwatch]...
#
# Without arguments, all three. `aws` is taken from PATH. Prints a line that begins with `ok` for each thing it did, and
# ends at the first that is not as it should be.
set -euo pipefail

: "${ENDPOINT:?set ENDPOINT to where the stand-in listens}"

# Nothing of the user's: no profile, no metadata service, no pager.
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=sluice AWS_DEFAULT_REGION=us-east-1
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
export AWS_PAGER="" AWS_MAX_ATTEMPTS=1
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unique=$$-$RANDOM

main() {
    local check
    [[ $# -gt 0 ]] || set -- s3 redshift_data cloudwatch
    for check in "$@"; do
        "check_$check"
    done
}

aws_() { aws --endpoint-url "$ENDPOINT" "$@"; }
ok() { printf 'ok %s\n' "$*"; }

# is WHAT GOT WANTED
is() {
    [[ $2 == "$3" ]] && return
    printf 'error: %s\n--- got\n%s\n--- wanted\n%s\n' "$@" >&2
    exit 1
}

# --- S3

check_s3() {
    local bucket=s3://aws-cli-$unique
    aws_ s3 mb "$bucket" >/dev/null
    printf 'year,month\n2013,1\n' >"$work/day one+%.csv"
    check_cp "$bucket"
    check_large "$bucket"
    check_mv "$bucket"
    check_rm "$bucket"
}

check_cp() {
    aws_ s3 cp --no-progress "$work/day one+%.csv" "$1/incoming/flights/" >/dev/null
    is "the key that s3 ls shows" "$(names "$1/incoming/flights/")" "day one+%.csv"
    aws_ s3 cp --no-progress "$1/incoming/flights/day one+%.csv" "$work/back.csv" >/dev/null
    is "the content that came back" "$(<"$work/back.csv")" "$(<"$work/day one+%.csv")"
    is "the folders that s3 ls shows" "$(aws_ s3 ls "$1" | xargs)" "PRE incoming/"
    if aws_ s3 cp --no-progress "$1/incoming/none" "$work/none" >/dev/null 2>"$work/stderr"; then
        is "s3 cp of a missing key" "success" "an error"
    fi
    grep -q 404 "$work/stderr"
    ok "s3: mb, cp up and down, ls"
}

# Over 8 MB the CLI uploads in parts, and downloads in ranges.
check_large() {
    head -c 9000000 /dev/urandom >"$work/large"
    aws_ s3 cp --no-progress "$work/large" "$1/large" >/dev/null
    aws_ s3 cp --no-progress "$1/large" "$work/large.back" >/dev/null
    cmp "$work/large" "$work/large.back"
    ok "s3: 9 MB, up in parts and down in ranges"
}

check_mv() {
    aws_ s3 mv --no-progress "$1/incoming/flights/day one+%.csv" "$1/processed/flights/day one+%.csv" >/dev/null
    is "what mv left" "$(aws_ s3 ls --recursive "$1" | awk '{ print $3 }' | xargs)" "9000000 18"
    is "where mv put it" "$(names "$1/processed/flights/")" "day one+%.csv"
    ok "s3: mv"
}

check_rm() {
    aws_ s3 rm --recursive "$1" >/dev/null
    is "what rm left" "$(aws_ s3 ls --recursive "$1" || true)" ""
    aws_ s3 rb "$1" >/dev/null
    ok "s3: rm --recursive, rb"
}

# The names alone, from lines of date, time, size and name.
names() { aws_ s3 ls "$1" | sed -E 's/^[-0-9]+ [:0-9]+ +[0-9]+ //'; }

# --- Redshift Data API

check_redshift_data() {
    local statement
    statement=$(execute "SELECT 42 AS answer, 'text' AS word, NULL AS nothing")
    is "the query's status" "$(wait_for "$statement")" FINISHED
    is "the query's rows" "$(describe "$statement" ResultRows)" 1
    is "the result" "$(aws_ redshift-data get-statement-result --id "$statement" --output json \
        --query 'Records[0]' | tr -d ' \n')" '[{"longValue":42},{"stringValue":"text"},{"isNull":true}]'
    ok "redshift-data: execute-statement, describe-statement, get-statement-result"

    statement=$(execute "SELECT * FROM there_is_no_such_table")
    is "the failed query's status" "$(wait_for "$statement")" FAILED
    is "the failed query's error" "$(describe "$statement" Error | grep -o '"there_is_no_such_table" does not exist')" \
        '"there_is_no_such_table" does not exist'
    ok "redshift-data: a statement that fails says why"
}

execute() {
    aws_ redshift-data execute-statement --workgroup-name demo --database dev --sql "$1" --query Id --output text
}

describe() { aws_ redshift-data describe-statement --id "$1" --query "$2" --output text; }

# The status once it is final, or the last one seen after a hundred looks (each takes the CLI half a second to start).
wait_for() {
    local status
    for _ in {1..100}; do
        status=$(describe "$1" Status)
        case $status in FINISHED | FAILED | ABORTED) break ;; esac
    done
    printf '%s\n' "$status"
}

# --- CloudWatch

check_cloudwatch() {
    local namespace=aws-cli/$unique metric=(--metric-name UnprocessedFiles --dimensions Name=Feed,Value=flights)
    aws_ cloudwatch put-metric-data --namespace "$namespace" --metric-name UnprocessedFiles \
        --dimensions Feed=flights --value 7 --unit Count
    is "the maximum" "$(aws_ cloudwatch get-metric-statistics --namespace "$namespace" "${metric[@]}" \
        --start-time "$(date -u -d '-1 hour' +%FT%TZ)" --end-time "$(date -u -d '+1 hour' +%FT%TZ)" \
        --period 86400 --statistics Maximum --query 'Datapoints[].[Maximum,Unit]' --output text | xargs)" "7.0 Count"
    ok "cloudwatch: put-metric-data, get-metric-statistics"
}

main "$@"
