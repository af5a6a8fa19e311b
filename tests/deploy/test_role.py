"""The function's role: least privilege, each action with its reason."""

import re
import unittest

from stack import ROOT, Stack
from test_template import EXISTING_BUCKET, EXISTING_CACHE, KEY, SERVERLESS, variants

# What knows no resources, or must be allowed before there are any.
EVERYWHERE = {"BePutIntoTheVpc", "WriteTraces", "ButNotByTheFunctionsOwnCode"}

ALWAYS = {
    "s3:GetObject": ["arn:aws:s3:::config/*"],
    "s3:ListBucket": ["arn:aws:s3:::config"],
    "sqs:ReceiveMessage": ["<EventQueue.Arn>", "<WorkQueue.Arn>"],
    "sqs:DeleteMessage": ["<EventQueue.Arn>", "<WorkQueue.Arn>"],
    "sqs:GetQueueAttributes": ["<EventQueue.Arn>", "<WorkQueue.Arn>"],
    "sqs:SendMessage": ["<WorkQueue.Arn>"],
    "logs:CreateLogStream": ["<Log.Arn>"],
    "logs:PutLogEvents": ["<Log.Arn>"],
} | {
    f"ec2:{action}": ["*"]
    for action in (
        "CreateNetworkInterface",
        "DescribeNetworkInterfaces",
        "DescribeSubnets",
        "DeleteNetworkInterface",
        "AssignPrivateIpAddresses",
        "UnassignPrivateIpAddresses",
    )
}
COMPILED = {"s3:PutObject": ["arn:aws:s3:::config/compiled/*"]}


def allowed(stack):
    """Actions and their resources."""
    actions = {}
    for statement in stack.statements().values():
        if statement["Effect"] == "Allow":
            for action in listed(statement["Action"]):
                assert action not in actions, f"{action} is allowed twice"
                actions[action] = listed(statement["Resource"])
    return actions


def listed(value):
    return value if isinstance(value, list) else [value]


class Role(unittest.TestCase):
    def test_it_allows_what_is_used_and_nothing_else(self):
        plain = EXISTING_CACHE | {"KeepCompiled": "false"}
        self.assertEqual(allowed(Stack(**plain)), ALWAYS)
        self.assertEqual(allowed(Stack(**EXISTING_CACHE)), ALWAYS | COMPILED)
        self.assertEqual(allowed(Stack(**EXISTING_CACHE, **EXISTING_BUCKET)), ALWAYS | COMPILED)
        traced = {"xray:PutTraceSegments": ["*"], "xray:PutTelemetryRecords": ["*"]}
        self.assertEqual(allowed(Stack(**plain, Tracing="Active")), ALWAYS | traced)

    def test_a_key_of_yours_is_used_through_s3_alone(self):
        key = [KEY["KmsKeyArn"]]
        plain = EXISTING_CACHE | KEY
        without = Stack(**plain, KeepCompiled="false")
        self.assertEqual(allowed(without), ALWAYS | {"kms:Decrypt": key})
        stack = Stack(**plain)
        encrypted = {"kms:Decrypt": key, "kms:GenerateDataKey": key}
        self.assertEqual(allowed(stack), ALWAYS | COMPILED | encrypted)
        through = {"StringEquals": {"kms:ViaService": "s3.eu-west-2.amazonaws.com"}}
        for name in ("ReadWhatTheKeyEncrypts", "EncryptCompiledPlugins"):
            self.assertEqual(stack.statements()[name]["Condition"], through)

    def test_it_signs_in_to_one_cache_as_one_user(self):
        elasticache = "arn:aws:elasticache:eu-west-2:123456789012"
        own = allowed(Stack())["elasticache:Connect"]
        self.assertEqual(own, [f"{elasticache}:replicationgroup:<Cache>", f"{elasticache}:user:<CacheWriter>"])
        there = allowed(Stack(**SERVERLESS))["elasticache:Connect"]
        self.assertEqual(there, [f"{elasticache}:serverlesscache:flags", f"{elasticache}:user:writer"])
        provisioned = SERVERLESS | {"RedisIamServerless": "false"}
        there = allowed(Stack(**provisioned))["elasticache:Connect"]
        self.assertEqual(there[0], f"{elasticache}:replicationgroup:flags")

    def test_its_own_code_has_none_of_the_network_actions(self):
        denied = Stack().statements()["ButNotByTheFunctionsOwnCode"]
        self.assertEqual((denied["Effect"], denied["Action"], denied["Resource"]), ("Deny", "ec2:*", "*"))
        self.assertIn("lambda:SourceFunctionArn", denied["Condition"]["ArnLike"])

    def test_nothing_is_allowed_everywhere_that_could_be_named(self):
        for stack in variants():
            self.assertNotIn("ManagedPolicyArns", stack.properties("FunctionRole"))
            for name, statement in stack.statements().items():
                self.assertEqual("*" in listed(statement["Resource"]), name in EVERYWHERE, name)
                if statement["Effect"] == "Allow":
                    self.assertNotIn("*", "".join(listed(statement["Action"])), name)

    def test_each_action_has_its_reason_in_the_documentation(self):
        text = (ROOT / "docs" / "deployment.md").read_text()
        told = set(re.findall(r"`([a-z0-9]+:[A-Z][A-Za-z]+)`", text))
        given = {action for stack in variants() for action in allowed(stack)}
        self.assertEqual(given - told, set())
        # Those that Lambda takes for the interface in the VPC stand as one line there.
        self.assertEqual(told - given, set())

    def test_the_endpoint_of_sqs_lets_the_function_send_and_nobody_else(self):
        endpoint = Stack().properties("SqsEndpoint")
        self.assertFalse(endpoint["PrivateDnsEnabled"], "others in the VPC keep their way to SQS")
        [statement] = endpoint["PolicyDocument"]["Statement"]
        self.assertEqual(
            statement,
            {
                "Effect": "Allow",
                "Principal": {"AWS": "<FunctionRole.Arn>"},
                "Action": "sqs:SendMessage",
                "Resource": "<WorkQueue.Arn>",
            },
        )


if __name__ == "__main__":
    unittest.main()
