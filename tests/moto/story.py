"""A deployment in moto: bucket -> EventBridge -> SQS with a dead-letter queue, as template.yaml has them.

Lines of JSON on stdin say what to do, and each is answered by one on stdout; the first one out is {"endpoint": URL}.
What is done with the queue is what an event source mapping does, and what an operator's redrive does.
"""

import json
import sys

import boto3
from moto.server import ThreadedMotoServer

REGION, ACCOUNT, BUCKET = "eu-west-2", "123456789012", "config"
BATCH, RECEIVES = 10, 5

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://127.0.0.1:{port}"


def client(service):
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, **keys)


s3, sqs, events = (client(service) for service in ("s3", "sqs", "events"))
s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def queue(name, **attributes):
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


failed, failed_arn = queue("FailedEvents")
redrive = {"deadLetterTargetArn": failed_arn, "maxReceiveCount": RECEIVES}
events_queue, events_arn = queue("Events", RedrivePolicy=json.dumps(redrive))
keys = [{"anything-but": {"prefix": "compiled/"}}]
pattern = {
    "source": ["aws.s3"],
    "detail-type": ["Object Created", "Object Deleted"],
    "detail": {"bucket": {"name": [BUCKET]}, "object": {"key": keys}},
}
events.put_rule(Name="changes", EventPattern=json.dumps(pattern))
events.put_targets(Rule="changes", Targets=[{"Id": "queue", "Arn": events_arn}])
s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}})
taken = {}


def put(objects):
    """Objects with these bodies; a path stands for a file's content."""
    for key, body in objects.items():
        content = open(body["path"], "rb").read() if isinstance(body, dict) else body.encode()
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)


def delete(key):
    """moto tells EventBridge of no deletion."""
    s3.delete_object(Bucket=BUCKET, Key=key)


def roll_back(key):
    """The version before the current one, put again."""
    versions = s3.list_object_versions(Bucket=BUCKET, Prefix=key)["Versions"]
    before = [version["VersionId"] for version in versions if not version["IsLatest"]][0]
    s3.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": key, "VersionId": before})


def messages(url):
    return sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=BATCH, AttributeNames=["All"]).get("Messages", [])


def receive():
    """A batch as the function gets it; nothing where the queue is empty."""
    batch = messages(events_queue)
    taken.update((message["MessageId"], message["ReceiptHandle"]) for message in batch)
    members = {"eventSource": "aws:sqs", "eventSourceARN": events_arn, "awsRegion": REGION, "messageAttributes": {}}
    records = [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "md5OfBody": message["MD5OfBody"],
            **members,
        }
        for message in batch
    ]
    return {"Records": records}


def settle(failures):
    """Deletes what was received, except these, which are there again at once."""
    for message, handle in taken.items():
        if message in failures:
            sqs.change_message_visibility(QueueUrl=events_queue, ReceiptHandle=handle, VisibilityTimeout=0)
        else:
            sqs.delete_message(QueueUrl=events_queue, ReceiptHandle=handle)
    taken.clear()


def send_failed_again():
    """What SQS's redrive does; how many messages that were."""
    count = 0
    while batch := messages(failed):
        for message in batch:
            sqs.send_message(QueueUrl=events_queue, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=failed, ReceiptHandle=message["ReceiptHandle"])
            count += 1
    return count


print(json.dumps({"endpoint": endpoint}), flush=True)
actions = {action.__name__: action for action in (put, delete, roll_back, receive, settle, send_failed_again)}
for line in sys.stdin:
    name, *arguments = json.loads(line)
    print(json.dumps(actions[name](*arguments)), flush=True)
server.stop()
