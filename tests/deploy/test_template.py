"""template.yaml, translated: what AWS would be asked for."""

import itertools
import json
import subprocess
import sys
import unittest
from pathlib import Path

from stack import ROOT, Stack, source

EXISTING_CACHE = {"RedisHost": "cache.example", "CacheSecurityGroupId": "sg-1"}
SERVERLESS = EXISTING_CACHE | {
    "RedisCluster": "true",
    "RedisUsername": "writer",
    "RedisIamCacheName": "flags",
    "RedisIamServerless": "true",
}
EXISTING_BUCKET = {"CreateBucket": "false", "ObjectPrefix": "flags/"}
KEY = {"KmsKeyArn": "arn:aws:kms:eu-west-2:123456789012:key/0a1b"}


def variants():
    """Every choice with every other."""
    choices = [
        [{}, EXISTING_BUCKET],
        [{}, EXISTING_CACHE, SERVERLESS, EXISTING_CACHE | {"RedisPasswordSecret": "redis"}],
        [{}, KEY],
        [{}, {"KeepCompiled": "false"}],
        [{}, {"CreateSqsEndpoint": "false", "S3RouteTableIds": "rtb-1"}],
        [{}, {"AlarmTopicArn": "arn:aws:sns:eu-west-2:123456789012:alarms", "Tracing": "Active"}],
    ]
    for chosen in itertools.product(*choices):
        parameters = {name: value for choice in chosen for name, value in choice.items()}
        yield Stack(**parameters)


class Template(unittest.TestCase):
    def test_cfn_lint_finds_nothing(self):
        lint = Path(sys.executable).with_name("cfn-lint")
        found = subprocess.run(
            [lint, "--regions", "eu-west-2", "--", ROOT / "template.yaml"], capture_output=True, text=True
        )
        self.assertEqual((found.returncode, found.stdout), (0, ""), found.stdout + found.stderr)

    def test_every_choice_refers_only_to_what_is_there(self):
        for stack in variants():
            self.assertEqual(stack.refused(), [], stack.parameters)

    def test_choices_that_contradict_each_other_are_refused(self):
        def refused(**parameters):
            return " ".join(Stack(**parameters).refused())

        self.assertIn("always a cluster", refused(**SERVERLESS | {"RedisCluster": "false"}))
        self.assertIn("needs RedisIamCacheName", refused(**SERVERLESS | {"RedisIamCacheName": ""}))
        self.assertIn("RedisUsername is missing", refused(**SERVERLESS | {"RedisUsername": ""}))
        self.assertIn("exclude each other", refused(**SERVERLESS | {"RedisPasswordSecret": "s"}))
        self.assertIn("over TLS only", refused(**SERVERLESS | {"RedisTls": "false"}))
        for name, value in [
            ("RedisIamCacheName", "flags"),
            ("RedisUsername", "writer"),
            ("RedisPasswordSecret", "redis"),
            ("CacheSecurityGroupId", "sg-1"),
            ("RedisCluster", "true"),
            ("RedisTls", "false"),
            ("RedisPort", 6380),
        ]:
            self.assertIn("RedisHost is missing", refused(**{name: value}), name)

    def test_the_documentation_has_every_parameter(self):
        text = (ROOT / "docs" / "deployment.md").read_text()
        missing = [name for name in source()["Parameters"] if f"`{name}`" not in text]
        self.assertEqual(missing, [])
        groups = source()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        shown = [name for group in groups for name in group["Parameters"]]
        self.assertEqual(sorted(shown), sorted(source()["Parameters"]))


class Way(unittest.TestCase):
    """The way of an event."""

    def test_every_bucket_is_heard_through_one_rule(self):
        for bucket in ({}, EXISTING_BUCKET):
            stack = Stack(**bucket)
            pattern = stack.properties("ChangeRule")["EventPattern"]
            self.assertEqual(pattern["source"], ["aws.s3"])
            self.assertEqual(pattern["detail-type"], ["Object Created", "Object Deleted"])
            self.assertEqual(pattern["detail"]["bucket"], {"name": ["config"]})
            # Nothing else triggers the function: no notification of the bucket, no permission to invoke it.
            self.assertEqual(stack.of_type("AWS::Lambda::Permission"), {})
            self.assertEqual(len(stack.of_type("AWS::Lambda::EventSourceMapping")), 2)

    def test_a_bucket_that_is_made_sends_its_events(self):
        sent = Stack().properties("ConfigBucket")["NotificationConfiguration"]
        self.assertEqual(sent, {"EventBridgeConfiguration": {"EventBridgeEnabled": True}})
        self.assertNotIn("ConfigBucket", Stack(**EXISTING_BUCKET).resources)

    def test_compiled_plugins_are_not_heard_of(self):
        key = Stack().properties("ChangeRule")["EventPattern"]["detail"]["object"]["key"]
        self.assertEqual(key, [{"anything-but": {"prefix": "compiled/"}}])
        key = Stack(**EXISTING_BUCKET).properties("ChangeRule")["EventPattern"]["detail"]["object"]["key"]
        self.assertEqual(key, [{"prefix": "flags/"}, {"prefix": "plugins/"}])

    def test_failed_messages_are_named_and_end_as_they_were(self):
        stack = Stack()
        queues = stack.of_type("AWS::SQS::Queue")
        timeout = stack.properties("Function")["Timeout"]
        dead = {}
        for name, mapping in stack.of_type("AWS::Lambda::EventSourceMapping").items():
            self.assertEqual(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"], name)
            self.assertEqual(mapping["FunctionName"], "<FunctionAliaslive>", name)
            queue = mapping["EventSourceArn"][1:-len(".Arn>")]
            window = mapping.get("MaximumBatchingWindowInSeconds", 0)
            self.assertGreaterEqual(queues[queue]["VisibilityTimeout"], 6 * timeout + window, queue)
            redrive = queues[queue]["RedrivePolicy"]
            self.assertGreaterEqual(redrive["maxReceiveCount"], 5, "as AWS advises, for throttled polls count too")
            dead[queue] = redrive["deadLetterTargetArn"]
        self.assertEqual(dead, {"EventQueue": "<FailedEvents.Arn>", "WorkQueue": "<FailedWork.Arn>"})
        for name, queue in queues.items():
            self.assertTrue(queue["SqsManagedSseEnabled"], name)
            self.assertEqual(queue["MessageRetentionPeriod"], 14 * 24 * 3600, name)
        self.assertNotIn("EventInvokeConfig", json.dumps(stack.resources))

    def test_what_eventbridge_cannot_hand_over_ends_in_the_same_dead_letter_queue(self):
        stack = Stack()
        ends = {"ChangeRule": "Event", "DailyRule": "Work", "DeployedRule": "Work"}
        self.assertEqual(set(stack.of_type("AWS::Events::Rule")), set(ends))
        for name, rule in stack.of_type("AWS::Events::Rule").items():
            [target] = rule["Targets"]
            self.assertEqual(target["Arn"], f"<{ends[name]}Queue.Arn>", name)
            failed = "FailedEvents" if ends[name] == "Event" else "FailedWork"
            self.assertEqual(target["DeadLetterConfig"], {"Arn": f"<{failed}.Arn>"}, name)

    def test_only_the_rules_may_send_to_the_queues_and_only_over_tls(self):
        stack = Stack()
        senders = {"EventQueuesPolicy": {"ChangeRule"}, "WorkQueuesPolicy": {"DailyRule", "DeployedRule"}}
        covered = []
        for name, policy in stack.of_type("AWS::SQS::QueuePolicy").items():
            allow, deny = policy["PolicyDocument"]["Statement"]
            arns = [f"{queue[:-1]}.Arn>" for queue in policy["Queues"]]
            covered += policy["Queues"]
            self.assertEqual(allow["Effect"], "Allow")
            self.assertEqual(allow["Principal"], {"Service": "events.amazonaws.com"})
            self.assertEqual((allow["Action"], allow["Resource"]), ("sqs:SendMessage", arns))
            rules = allow["Condition"]["ArnEquals"]["aws:SourceArn"]
            rules = {rules} if isinstance(rules, str) else set(rules)
            self.assertEqual(rules, {f"<{rule}.Arn>" for rule in senders[name]})
            self.assertEqual((deny["Effect"], deny["Action"], deny["Resource"]), ("Deny", "sqs:*", arns))
            self.assertEqual(deny["Condition"], {"Bool": {"aws:SecureTransport": "false"}})
        self.assertEqual(sorted(covered), sorted(f"<{name}>" for name in stack.of_type("AWS::SQS::Queue")))

    def test_a_full_sync_follows_each_deployment_and_comes_daily(self):
        for parameters, prefix in (({}, ""), (EXISTING_BUCKET, "flags/")):
            stack = Stack(**parameters)
            for rule in ("DailyRule", "DeployedRule"):
                [target] = stack.properties(rule)["Targets"]
                asked = json.loads(target["Input"])
                self.assertEqual(asked, {"sync": {"prefix": prefix, "everything": True, "strict": True}}, rule)
            self.assertEqual(stack.properties("DailyRule")["ScheduleExpression"], "rate(1 day)")
            detail = stack.properties("DeployedRule")["EventPattern"]["detail"]
            self.assertIn(":stack/the-config-of-flags/", detail["stack-id"][0])
            self.assertIn("CREATE_COMPLETE", detail["status-details"]["status"])
            self.assertIn("UPDATE_COMPLETE", detail["status-details"]["status"])


class Function(unittest.TestCase):
    def test_it_is_deployed_by_and_by_and_rolled_back_on_the_alarm_of_the_new_version(self):
        stack = Stack()
        [group] = stack.of_type("AWS::CodeDeploy::DeploymentGroup").values()
        self.assertEqual(group["AlarmConfiguration"]["Alarms"], [{"Name": "<NewVersionAlarm>"}])
        self.assertIn("DEPLOYMENT_STOP_ON_ALARM", group["AutoRollbackConfiguration"]["Events"])
        self.assertTrue(group["DeploymentConfigName"].endswith("Canary10Percent5Minutes"))
        for alarm in ("InvocationsAlarm", "NewVersionAlarm"):
            self.assertIn({"Name": "Resource", "Value": "<Function>:live"}, stack.properties(alarm)["Dimensions"])

    def test_messages_are_not_throttled_and_operators_get_in(self):
        parameters = Stack().parameters
        workers = parameters["EventConcurrency"] + parameters["WorkConcurrency"]
        self.assertLess(workers, parameters["ReservedConcurrency"])
        function = Stack().properties("Function")
        self.assertEqual(function["ReservedConcurrentExecutions"], parameters["ReservedConcurrency"])

    def test_a_loop_is_allowed_where_the_rest_of_a_sync_is_sent(self):
        function = Stack().properties("Function")
        self.assertEqual(function["RecursiveLoop"], "Allow")
        self.assertEqual(function["Environment"]["Variables"]["SYNC_QUEUE_URL"], "<WorkQueue>")

    def test_its_variables_are_those_of_the_program(self):
        readme = (ROOT / "README.md").read_text()
        for stack in variants():
            variables = stack.properties("Function")["Environment"]["Variables"]
            for name in variables:
                self.assertIn(f"`{name}`", readme)
            self.assertNotEqual(variables.get("AWS_ENDPOINT_URL_SQS"), "", "an empty endpoint is not none")

    def test_a_cache_of_its_own_takes_tokens_over_tls_from_one_user(self):
        stack = Stack()
        cache = stack.properties("Cache")
        self.assertEqual(cache["Engine"], "valkey")
        self.assertTrue(cache["TransitEncryptionEnabled"] and cache["AtRestEncryptionEnabled"])
        self.assertEqual(cache["TransitEncryptionMode"], "required")
        self.assertEqual(cache["UserGroupIds"], ["<CacheUsers>"])
        for name in ("CacheWriter", "CacheReader"):
            user = stack.properties(name)
            self.assertEqual(user["AuthenticationMode"], {"Type": "iam"})
            self.assertEqual(user["UserId"], user["UserName"], "of an IAM user they are one")
            self.assertRegex(user["UserId"], "^redis-sync-(writer|reader)-0a1b2c3d$", "of the stack, whatever its name")
        self.assertNotIn("+@write", stack.properties("CacheReader")["AccessString"])
        self.assertEqual(stack.properties("CacheParameters")["Properties"], {"maxmemory-policy": "noeviction"})
        variables = stack.properties("Function")["Environment"]["Variables"]
        told = {name: variables[name] for name in variables if name.startswith("REDIS_")}
        self.assertEqual(
            told,
            {
                "REDIS_HOST": "<Cache.PrimaryEndPoint.Address>",
                "REDIS_PORT": 6379,
                "REDIS_TLS": "true",
                "REDIS_CLUSTER": "false",
                "REDIS_USERNAME": "<CacheWriter>",
                "REDIS_PASSWORD": "",
                "REDIS_IAM_CACHE_NAME": "<Cache>",
                "REDIS_IAM_SERVERLESS": "false",
                "REDIS_KEY_PREFIX": "",
            },
        )

    def test_secrets_are_made_and_read_when_it_is_deployed(self):
        generated = Stack().properties("CompiledKey")["GenerateSecretString"]
        self.assertGreaterEqual(generated["PasswordLength"], 32)
        stack = Stack(**EXISTING_CACHE, RedisPasswordSecret="redis")
        variables = stack.properties("Function")["Environment"]["Variables"]
        self.assertEqual(variables["REDIS_PASSWORD"], "{{resolve:secretsmanager:redis:SecretString}}")
        self.assertEqual(
            variables["COMPILED_CACHE_KEY"], "{{resolve:secretsmanager:<CompiledKey>:SecretString}}"
        )


class Kept(unittest.TestCase):
    """What outlives the stack, and who may touch it."""

    def test_what_cannot_be_made_again_is_kept(self):
        resources = Stack().resources
        for name in ("ConfigBucket", "Log"):
            self.assertEqual(resources[name]["DeletionPolicy"], "RetainExceptOnCreate", name)
            self.assertEqual(resources[name]["UpdateReplacePolicy"], "Retain", name)

    def test_the_bucket_has_versions_and_forgets_what_is_not_needed(self):
        bucket = Stack().properties("ConfigBucket")
        self.assertEqual(bucket["VersioningConfiguration"], {"Status": "Enabled"})
        self.assertTrue(all(bucket["PublicAccessBlockConfiguration"].values()))
        earlier, compiled = bucket["LifecycleConfiguration"]["Rules"]
        self.assertEqual(earlier["NoncurrentVersionExpiration"], {"NoncurrentDays": 90})
        self.assertEqual((compiled["Prefix"], compiled["ExpirationInDays"]), ("compiled/", 90))

    def test_the_bucket_is_reached_over_tls_and_native_code_put_by_the_function_alone(self):
        tls, compiled = Stack().properties("ConfigBucketPolicy")["PolicyDocument"]["Statement"]
        self.assertEqual((tls["Effect"], tls["Action"]), ("Deny", "s3:*"))
        self.assertEqual(tls["Resource"], ["arn:aws:s3:::config", "arn:aws:s3:::config/*"])
        self.assertEqual(tls["Condition"], {"Bool": {"aws:SecureTransport": "false"}})
        self.assertEqual((compiled["Effect"], compiled["Action"]), ("Deny", "s3:PutObject"))
        self.assertEqual(compiled["Condition"], {"ArnNotEquals": {"aws:PrincipalArn": "<FunctionRole.Arn>"}})

    def test_the_log_is_the_functions_and_ends(self):
        stack = Stack()
        self.assertEqual(stack.properties("Log")["RetentionInDays"], 30)
        logging = stack.properties("Function")["LoggingConfig"]
        self.assertEqual((logging["LogFormat"], logging["LogGroup"]), ("JSON", "<Log>"))


if __name__ == "__main__":
    unittest.main()
