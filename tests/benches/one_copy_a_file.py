"""What many write first: a function that S3 invokes for each file, and that gives the warehouse one COPY for it.

    ENDPOINT=http://127.0.0.1:PORT python one_copy_a_file.py BUCKET TABLE KEY…

`make bench` counts its requests beside Sluice's. It is kind to them: it asks for a statement's end only once a second,
and it has no ledger, no retry, no limit and no measures, so a file may be loaded twice, or never.
"""

import os
import sys
import time

import boto3
from botocore.config import Config

WAREHOUSE = {"WorkgroupName": "demo", "Database": "dev"}
POLL_SECONDS = 1
FIRST_LOOK_SECONDS = 0.5


def client(service):
    return boto3.client(
        service,
        endpoint_url=os.environ["ENDPOINT"],
        region_name="us-east-1",
        aws_access_key_id="by-hand",
        aws_secret_access_key="sluice",
        config=Config(s3={"addressing_style": "path"}),
    )


def handler(event, s3, redshift):
    bucket, table, key = event["bucket"], event["table"], event["key"]
    copy = f"COPY {table} FROM 's3://{bucket}/{key}' IAM_ROLE default FORMAT AS CSV"
    statement = redshift.execute_statement(Sql=copy, **WAREHOUSE)["Id"]
    wait(redshift, statement)
    processed = key.replace("incoming/", "processed/", 1)
    s3.copy_object(Bucket=bucket, Key=processed, CopySource={"Bucket": bucket, "Key": key})
    s3.delete_object(Bucket=bucket, Key=key)


def wait(redshift, statement):
    pause = FIRST_LOOK_SECONDS
    while True:
        time.sleep(pause)
        description = redshift.describe_statement(Id=statement)
        if description["Status"] == "FINISHED":
            return
        if description["Status"] in ("FAILED", "ABORTED"):
            raise RuntimeError(description["Error"])
        pause = POLL_SECONDS


def main():
    bucket, table, *keys = sys.argv[1:]
    s3, redshift = client("s3"), client("redshift-data")
    for key in keys:
        began = time.monotonic()
        handler({"bucket": bucket, "table": table, "key": key}, s3, redshift)
        print(time.monotonic() - began, flush=True)


if __name__ == "__main__":
    main()
