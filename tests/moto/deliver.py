"""Puts objects into moto's S3 and prints the events that moto delivers of them, as Lambda would get them.

Lines of JSON on stdout: first {"endpoint": URL}, then for each channel {"channel", "key", "event"}. Each line
after the first waits for a line on stdin, so that whoever reads them works on one object at a time.
"""

import json
import sys

import boto3
from moto.server import ThreadedMotoServer

REGION, ACCOUNT, BUCKET = "eu-west-2", "123456789012", "config"

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://127.0.0.1:{port}"


def client(service):
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, **keys)


s3, sqs, sns, events = (client(service) for service in ("s3", "sqs", "sns", "events"))
s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})


def queue(name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def received(url, arn):
    """What an event source mapping makes of the messages in a queue."""
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    members = {"eventSource": "aws:sqs", "eventSourceARN": arn, "awsRegion": REGION, "messageAttributes": {}}
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "md5OfBody": message["MD5OfBody"],
                **members,
            }
            for message in messages
        ]
    }


direct, wrapped, bridged = queue("direct"), queue("wrapped"), queue("bridged")
topic = sns.create_topic(Name="changes")["TopicArn"]
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=wrapped[1])
events.put_rule(Name="changes", EventPattern=json.dumps({"source": ["aws.s3"]}))
events.put_targets(Rule="changes", Targets=[{"Id": "queue", "Arn": bridged[1]}])

created = ["s3:ObjectCreated:*"]
channels = {
    "sqs": (direct, {"QueueConfigurations": [{"QueueArn": direct[1], "Events": created}]}),
    "sns": (wrapped, {"TopicConfigurations": [{"TopicArn": topic, "Events": created}]}),
    "eventbridge": (bridged, {"EventBridgeConfiguration": {}}),
}

print(json.dumps({"endpoint": endpoint}), flush=True)
for channel, (target, configuration) in channels.items():
    sys.stdin.readline()
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)
    received(*target)  # the test event
    key = f"by {channel}+é.txt"
    s3.put_object(Bucket=BUCKET, Key=key, Body=channel.encode())
    print(json.dumps({"channel": channel, "key": key, "event": received(*target)}), flush=True)
sys.stdin.readline()
server.stop()
