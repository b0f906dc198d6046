"""Uses the stand-in as a program of boto3 would: S3, the Redshift Data API, CloudWatch.

    ENDPOINT=http://127.0.0.1:PORT python boto3_client.py [s3] [redshift-data] [cloudwatch]

Without arguments, all three. Prints a line that begins with `ok` for each thing it did; the first that is not as AWS
does it ends it with a traceback. It asserts what S3 and the Data API document, nothing of the stand-in's own.
"""

import os
import sys
import time
import uuid
from datetime import datetime, timedelta, timezone

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = f"boto3-{uuid.uuid4()}"
WAREHOUSE = {"WorkgroupName": "demo", "Database": "dev"}

# Each has broken some client or server: spaces, form encoding, percent signs, quotes, unicode, dots, the longest.
ODD_KEYS = [
    "odd/with space",
    "odd/plus+plus",
    "odd/100%",
    "odd/%41 is not A",
    "odd/'single' and \"double\"",
    "odd/ünïcödé/雪",
    "odd/ends in a backslash\\",
    "odd/a&b=c?d#e",
    "odd/~tilde/(parens)/[brackets]/<xml>",
    "odd/" + "k" * 1020,
]


def main():
    for name in sys.argv[1:] or CHECKS:
        CHECKS[name](client(name))


def client(service):
    """A client with no configuration but the endpoint: no profile, no metadata service, no patience."""
    return boto3.client(
        service,
        endpoint_url=os.environ["ENDPOINT"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="sluice",
        config=Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        ),
    )


# --- S3


def check_s3(s3):
    s3.create_bucket(Bucket=BUCKET)
    check_objects(s3)
    check_paged_listing(s3)
    check_copy(s3)
    check_conditional_put(s3)
    check_odd_keys(s3)
    check_multipart(s3)
    check_delete(s3)


def check_objects(s3):
    put = s3.put_object(Bucket=BUCKET, Key="plain/one", Body=b"first", ContentType="text/plain")
    head = s3.head_object(Bucket=BUCKET, Key="plain/one")
    got = s3.get_object(Bucket=BUCKET, Key="plain/one")
    assert got["Body"].read() == b"first"
    assert head["ContentLength"] == 5 and head["ContentType"] == "text/plain", head
    assert head["ETag"] == got["ETag"] == put["ETag"] == '"8b04d5e3775d298e78455efc5ca404d5"', put
    part = s3.get_object(Bucket=BUCKET, Key="plain/one", Range="bytes=1-3")
    assert part["Body"].read() == b"irs" and part["ContentRange"] == "bytes 1-3/5", part
    fails("NoSuchKey", 404, s3.get_object, Bucket=BUCKET, Key="plain/none")
    fails("404", 404, s3.head_object, Bucket=BUCKET, Key="plain/none")
    fails("NoSuchBucket", 404, s3.list_objects_v2, Bucket=f"{BUCKET}-none")
    ok("s3: put, head, get, get a range, and what is missing is missing")


def check_paged_listing(s3):
    for number in range(5):
        s3.put_object(Bucket=BUCKET, Key=f"page/{number}", Body=b"x" * number)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="page/", PaginationConfig={"PageSize": 2})
    pages = [page["Contents"] for page in pages]
    assert [len(page) for page in pages] == [2, 2, 1], pages
    listed = [entry for page in pages for entry in page]
    assert [entry["Key"] for entry in listed] == [f"page/{number}" for number in range(5)], listed
    assert [entry["Size"] for entry in listed] == [0, 1, 2, 3, 4], listed
    assert all(entry["ETag"].startswith('"') and entry["LastModified"].tzinfo for entry in listed), listed
    after = s3.list_objects_v2(Bucket=BUCKET, Prefix="page/", StartAfter="page/2")
    assert [entry["Key"] for entry in after["Contents"]] == ["page/3", "page/4"], after
    folders = s3.list_objects_v2(Bucket=BUCKET, Delimiter="/")
    assert [folder["Prefix"] for folder in folders["CommonPrefixes"]] == ["page/", "plain/"], folders
    ok("s3: list in pages, in order, with ETags, after a key, by folder")


def check_copy(s3):
    source = {"Bucket": BUCKET, "Key": "plain/one"}
    copied = s3.copy_object(Bucket=BUCKET, Key="plain/two", CopySource=source)
    assert copied["CopyObjectResult"]["ETag"] == '"8b04d5e3775d298e78455efc5ca404d5"', copied
    assert s3.get_object(Bucket=BUCKET, Key="plain/two")["Body"].read() == b"first"
    stale = {"CopySource": source, "CopySourceIfMatch": '"00000000000000000000000000000000"'}
    fails("PreconditionFailed", 412, s3.copy_object, Bucket=BUCKET, Key="plain/three", **stale)
    fails("404", 404, s3.head_object, Bucket=BUCKET, Key="plain/three")
    ok("s3: copy, and no copy of a source that has changed")


def check_conditional_put(s3):
    claim = {"Bucket": BUCKET, "Key": "claims/0.json"}
    first = s3.put_object(**claim, Body=b"mine", IfNoneMatch="*")
    fails("PreconditionFailed", 412, s3.put_object, **claim, Body=b"yours", IfNoneMatch="*")
    second = s3.put_object(**claim, Body=b"mine still", IfMatch=first["ETag"])
    fails("PreconditionFailed", 412, s3.put_object, **claim, Body=b"yours", IfMatch=first["ETag"])
    missing = {"Bucket": BUCKET, "Key": "claims/1.json"}
    fails("NoSuchKey", 404, s3.put_object, **missing, Body=b"yours", IfMatch=first["ETag"])
    got = s3.get_object(**claim)
    assert got["Body"].read() == b"mine still" and got["ETag"] == second["ETag"], got
    ok("s3: put if there is none, put if it is this one")


def check_odd_keys(s3):
    for key in ODD_KEYS:
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == key.encode(), key
        copy = key[:1019] + ".copy"
        s3.copy_object(Bucket=BUCKET, Key=copy, CopySource={"Bucket": BUCKET, "Key": key})
        assert s3.get_object(Bucket=BUCKET, Key=copy)["Body"].read() == key.encode(), copy
        s3.delete_object(Bucket=BUCKET, Key=copy)
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="odd/")
    assert [entry["Key"] for entry in listed["Contents"]] == sorted(ODD_KEYS, key=str.encode), listed
    ok(f"s3: {len(ODD_KEYS)} odd keys put, read, copied, listed in byte order")


def check_multipart(s3):
    target = {"Bucket": BUCKET, "Key": "plain/parts"}
    upload = s3.create_multipart_upload(**target)["UploadId"]
    bodies = [b"a" * 5 * 1024 * 1024, b"the end"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**target, UploadId=upload, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(bodies, start=1)
    ]
    done = s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-2"'), done
    assert s3.get_object(**target)["Body"].read() == b"".join(bodies)
    ok("s3: an upload in two parts")


def check_delete(s3):
    s3.delete_object(Bucket=BUCKET, Key="plain/one")
    s3.delete_object(Bucket=BUCKET, Key="plain/never was")
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
    assert sorted(entry["Key"] for entry in answer["Deleted"]) == sorted(keys), answer
    assert "Errors" not in answer, answer
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    ok(f"s3: delete one, delete {len(keys)} at once, odd keys among them")


# --- Redshift Data API


def check_redshift_data(redshift):
    table = f"boto3_{uuid.uuid4().hex}"
    check_batch(redshift, table)
    check_result(redshift, table)
    check_client_token(redshift, table)
    check_rollback(redshift, table)
    run(redshift, f"DROP TABLE {table}")


def check_batch(redshift, table):
    sqls = [
        f"CREATE TABLE {table} (id INTEGER, name VARCHAR(20), score DOUBLE PRECISION) DISTKEY (id) SORTKEY (id)",
        f"INSERT INTO {table} VALUES (1, 'one', 0.5), (2, 'it''s two', NULL)",
    ]
    batch = redshift.batch_execute_statement(**WAREHOUSE, Sqls=sqls, StatementName="boto3")
    done = wait(redshift, batch["Id"])
    assert done["Status"] == "FINISHED", done
    assert done["HasResultSet"] is False, done
    assert [sub["Id"] for sub in done["SubStatements"]] == [f"{batch['Id']}:1", f"{batch['Id']}:2"], done
    assert [sub["Status"] for sub in done["SubStatements"]] == ["FINISHED", "FINISHED"], done
    assert done["SubStatements"][1]["ResultRows"] == 2, done
    ok("redshift-data: a batch, and what became of each statement")


def check_result(redshift, table):
    statement = run(redshift, f"SELECT id, name, score, id = 1 AS is_one FROM {table} ORDER BY id")
    assert statement["HasResultSet"] and statement["ResultRows"] == 2, statement
    result = redshift.get_statement_result(Id=statement["Id"])
    assert [column["name"] for column in result["ColumnMetadata"]] == ["id", "name", "score", "is_one"], result
    assert result["TotalNumRows"] == 2, result
    assert result["Records"] == [
        [{"longValue": 1}, {"stringValue": "one"}, {"doubleValue": 0.5}, {"booleanValue": True}],
        [{"longValue": 2}, {"stringValue": "it's two"}, {"isNull": True}, {"booleanValue": False}],
    ], result
    unknown = str(uuid.uuid4())
    fails("ResourceNotFoundException", 400, redshift.describe_statement, Id=unknown)
    ok("redshift-data: a query and its typed result")


def check_client_token(redshift, table):
    request = {**WAREHOUSE, "Sqls": [f"INSERT INTO {table} VALUES (3, 'once', 1)"], "ClientToken": uuid.uuid4().hex}
    ids = {redshift.batch_execute_statement(**request)["Id"] for _ in range(3)}
    assert len(ids) == 1, ids
    assert wait(redshift, ids.pop())["Status"] == "FINISHED"
    assert count(redshift, f"{table} WHERE id = 3") == 1
    ok("redshift-data: one client token, one run")


def check_rollback(redshift, table):
    before = count(redshift, table)
    sqls = [f"INSERT INTO {table} VALUES (4, 'never', 1)", "SELECT 1 / 0", f"INSERT INTO {table} VALUES (5, 'never', 1)"]
    done = wait(redshift, redshift.batch_execute_statement(**WAREHOUSE, Sqls=sqls)["Id"])
    assert done["Status"] == "FAILED" and "division by zero" in done["Error"].lower(), done
    assert done["SubStatements"][1]["Status"] == "FAILED", done
    assert count(redshift, table) == before
    ok("redshift-data: a batch that fails leaves nothing behind")


def run(redshift, sql):
    statement = wait(redshift, redshift.execute_statement(**WAREHOUSE, Sql=sql)["Id"])
    assert statement["Status"] == "FINISHED", statement
    return statement


def count(redshift, where):
    statement = run(redshift, f"SELECT count(*) FROM {where}")
    return redshift.get_statement_result(Id=statement["Id"])["Records"][0][0]["longValue"]


def wait(redshift, statement):
    """As programs without long polling do it: ask until it is over."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        described = redshift.describe_statement(Id=statement)
        if described["Status"] in {"FINISHED", "FAILED", "ABORTED"}:
            return described
        time.sleep(0.02)
    raise AssertionError(f"{statement} is {described['Status']} after a minute")


# --- CloudWatch


def check_cloudwatch(cloudwatch):
    namespace = f"boto3/{uuid.uuid4()}"
    dimensions = [{"Name": "Feed", "Value": "flights"}]
    now = datetime.now(timezone.utc)
    values = [(3.0, "flights"), (5.0, "flights"), (100.0, "weather")]
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": "UnprocessedFiles",
                "Dimensions": [{"Name": "Feed", "Value": feed}],
                "Timestamp": now,
                "Value": value,
                "Unit": "Count",
            }
            for value, feed in values
        ],
    )
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName="UnprocessedFiles",
        Dimensions=dimensions,
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        # One period for all, wherever the minute turns.
        Period=24 * 3600,
        Statistics=["SampleCount", "Sum", "Minimum", "Maximum", "Average"],
    )
    points = answer["Datapoints"]
    assert sum(point["SampleCount"] for point in points) == 2, answer
    assert sum(point["Sum"] for point in points) == 8, answer
    assert min(point["Minimum"] for point in points) == 3, answer
    assert max(point["Maximum"] for point in points) == 5, answer
    assert all(point["Unit"] == "Count" for point in points), answer
    listed = cloudwatch.list_metrics(Namespace=namespace, MetricName="UnprocessedFiles")["Metrics"]
    feeds = sorted(metric["Dimensions"][0]["Value"] for metric in listed)
    assert feeds == ["flights", "weather"], listed
    ok("cloudwatch: put metrics of two feeds, read one's statistics, list both")


# --- All of them


def fails(code, status, call, **arguments):
    """The call must fail, with this error code and this HTTP status."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        got = (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])
        assert got == (code, status), f"{call.__name__}: {got}, not {(code, status)}"
    else:
        raise AssertionError(f"{call.__name__}: {answer}, not {code}")


def ok(what):
    print(f"ok {what}", flush=True)


CHECKS = {"s3": check_s3, "redshift-data": check_redshift_data, "cloudwatch": check_cloudwatch}

if __name__ == "__main__":
    main()
