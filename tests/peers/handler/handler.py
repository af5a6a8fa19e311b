"""What an event is measured against: a Lambda handler as one writes it in Python, with boto3 and redis-py.

It reads the object that the event tells of, transforms it as `supplier-permissions` does, and writes the two
hashes in one transaction. It keeps no tickets and no owners, removes nothing, and runs nobody else's code.
"""

import json
import os
from urllib.request import Request, urlopen

import boto3
import redis
from botocore.config import Config

RUNTIME = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"

s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
cache = redis.Redis(host=os.environ["REDIS_HOST"], port=int(os.environ["REDIS_PORT"]))


def supplier_permissions(config):
    suppliers = [entry for entry in config if "supplier" in entry]
    permissions = {entry["supplier"]: json.dumps(entry["permissions"]) for entry in suppliers if "permissions" in entry}
    codes = {code: entry["supplier"] for entry in suppliers for code in entry.get("ods_codes", [])}
    return {"supplier_permissions": permissions, "ods_code_to_supplier": codes}


def handle(event):
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]
        config = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        with cache.pipeline(transaction=True) as pipeline:
            for name, fields in supplier_permissions(config).items():
                pipeline.delete(name)
                if fields:
                    pipeline.hset(name, mapping=fields)
            pipeline.execute()
    return {"status": "success"}


while True:
    with urlopen(f"{RUNTIME}/invocation/next") as response:
        request_id, event = response.headers["Lambda-Runtime-Aws-Request-Id"], json.load(response)
    answer = json.dumps(handle(event)).encode()
    urlopen(Request(f"{RUNTIME}/invocation/{request_id}/response", data=answer)).close()
