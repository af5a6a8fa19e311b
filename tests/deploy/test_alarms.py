"""Alarms and dashboard, beside the code's list of metrics and the runbook."""

import json
import re
import unittest

from alarm import COMPARISONS, rings
from stack import ROOT, Stack

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()

# What somebody must hear of: metric, statistic, comparison, threshold.
ALARMS = {
    "FailedEventsAlarm": ("ApproximateNumberOfMessagesVisible", "Maximum", ">", 0),
    "FailedWorkAlarm": ("ApproximateNumberOfMessagesVisible", "Maximum", ">", 0),
    "EventsWaitAlarm": ("ApproximateAgeOfOldestMessage", "Maximum", ">", 900),
    "WorkWaitsAlarm": ("ApproximateAgeOfOldestMessage", "Maximum", ">", 3600),
    "ObjectsFailedAlarm": ("ObjectsFailed", "Sum", ">", 0),
    "InvocationsAlarm": ("Errors", "Sum", ">", 0),
    "NewVersionAlarm": ("Errors", "Sum", ">", 0),
    "FreshnessAlarm": ("Freshness", "p99", ">", 300_000),
    "ThrottlesAlarm": ("Throttles", "Sum", ">", 0),
    "DurationAlarm": ("Duration", "Maximum", ">", 58_000),
    "SyncAlarm": ("SyncCompleted", "Sum", "<", 1),
    "FuelAlarm": ("FuelHeadroom", "Minimum", "<", 10),
    "BudgetAlarm": ("BudgetRefusals", "Sum", ">", 0),
}

# Where within a minute a message comes.
OFFSETS = range(0, 60, 7)


def source(name):
    return (ROOT / "host" / "src" / name).read_text()


def found(pattern, text):
    """The numbers of a pattern."""
    [match] = re.findall(pattern, text)
    return [float(number) for number in ((match,) if isinstance(match, str) else match)]


def deadline(timeout):
    """When an invocation with so many seconds starts nothing more, as bin/bootstrap.rs has it."""
    text = source("bin/bootstrap.rs")
    least, most = found(r"RESERVE: .* = \[Duration::from_millis\((\d+)\), Duration::from_secs\((\d+)\)\]", text)
    [part] = found(r"\(left / (\d+)\)\.clamp\(least, most\)", text)
    return timeout - min(max(timeout / part, least / 1000), most)


def end(timeout):
    """When it gives up noting what has become of its work, as `soon_after` in invocation.rs has it."""
    text = source("invocation.rs")
    [most] = found(r"MOST: Duration = Duration::from_secs\((\d+)\)", text)
    [part] = found(r"deadline \+ \(left / (\d+)\)\.min\(MOST\)", text)
    return deadline(timeout) + min(deadline(timeout) / part, most)


def metrics():
    """The code's list: names and units."""
    text = source("metrics/list.rs")
    return dict(re.findall(r"^ {4}([A-Z][A-Za-z0-9]+) = \((?:Unit::)?(Count|Milliseconds|Percent), ", text, re.M))


def widgets(stack):
    return json.loads(stack.properties("Dashboard")["DashboardBody"])["widgets"]


def drawn(stack):
    """What the dashboard draws: namespace, metric, dimension, its value."""
    lines = [line for widget in widgets(stack) for line in widget["properties"].get("metrics", [])]
    return {tuple(line[:4]) for line in lines}


class Alarms(unittest.TestCase):
    def setUp(self):
        self.stack = Stack(AlarmTopicArn="arn:aws:sns:eu-west-2:123456789012:alarms")
        self.alarms = self.stack.of_type("AWS::CloudWatch::Alarm")

    def test_they_are_those_that_somebody_must_hear_of(self):
        alarms = {
            name: (
                alarm["MetricName"],
                alarm.get("Statistic") or alarm["ExtendedStatistic"],
                COMPARISONS[alarm["ComparisonOperator"]],
                alarm["Threshold"],
            )
            for name, alarm in self.alarms.items()
        }
        self.assertEqual(alarms, ALARMS)

    def test_each_tells_the_topic_and_says_what_it_is(self):
        for name, alarm in self.alarms.items():
            for actions in ("AlarmActions", "OKActions"):
                self.assertEqual(alarm[actions], [self.stack.parameters["AlarmTopicArn"]], name)
            self.assertTrue(alarm["AlarmDescription"].endswith("."), name)
        self.assertNotIn("AlarmActions", Stack().properties("SyncAlarm"))

    def test_each_queue_is_watched(self):
        watched = {
            (alarm["MetricName"], dimension["Value"])
            for alarm in self.alarms.values()
            for dimension in alarm["Dimensions"]
            if dimension["Name"] == "QueueName"
        }
        expected = {("ApproximateNumberOfMessagesVisible", f"<{name}.QueueName>") for name in ("FailedEvents", "FailedWork")}
        expected |= {("ApproximateAgeOfOldestMessage", f"<{name}.QueueName>") for name in ("EventQueue", "WorkQueue")}
        self.assertEqual(watched, expected)

    def test_a_day_and_an_hour_without_a_sync_is_an_alarm_also_where_nothing_is_said(self):
        alarm = self.alarms["SyncAlarm"]
        self.assertEqual(alarm["Period"] * alarm["EvaluationPeriods"], 25 * 3600)
        self.assertEqual(alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"])
        self.assertEqual(alarm["TreatMissingData"], "breaching")
        for name in set(self.alarms) - {"SyncAlarm"}:
            self.assertEqual(self.alarms[name]["TreatMissingData"], "notBreaching", name)

    def attempts(self, queue, start):
        """When each attempt at a message of a queue begins that ends the function."""
        queue = self.stack.properties(queue)
        attempts = queue["RedrivePolicy"]["maxReceiveCount"]
        return [start + attempt * queue["VisibilityTimeout"] for attempt in range(attempts)]

    def test_a_message_that_ends_the_function_each_six_minutes_rings(self):
        alarm = self.alarms["InvocationsAlarm"]
        for queue in ("EventQueue", "WorkQueue"):
            for start in OFFSETS:
                ends = self.attempts(queue, start)
                others = [(second, 0) for second in range(0, 3600, 30)]  # invocations that end well
                for beside in ([], others):
                    ringing = rings(alarm, [(second, 1) for second in ends] + beside, 3600)
                    self.assertTrue(ringing, f"never, from {start} s on, in {queue}")
                    self.assertLess(ringing[0], ends[2], "by the second attempt")
                    # It rings once, not with each attempt anew.
                    self.assertEqual(ringing, list(range(ringing[0], ringing[-1] + 60, 60)))
                    self.assertGreater(ringing[-1], ends[-1])
        # What its next attempt mends is for nobody to get up for.
        self.assertEqual(rings(alarm, [(0, 1)], 3600), [])

    def test_a_new_version_is_rolled_back_by_what_ends_it_once(self):
        alarm = self.alarms["NewVersionAlarm"]
        canary = 5 * 60
        for start in OFFSETS:
            first, second = self.attempts("EventQueue", start)[:2]
            self.assertGreater(second, canary, "the next attempt comes too late")
            self.assertLessEqual(rings(alarm, [(first, 1)], canary)[0], 60)
        # A time-out is told when it is over, under the minute in which it began.
        timeout = self.stack.properties("Function")["Timeout"]
        self.assertTrue([known for known in rings(alarm, [(0, 1)], canary) if known >= timeout + 120])

    def test_what_ends_the_version_before_does_not_roll_a_new_one_back(self):
        [version] = self.stack.of_type("AWS::Lambda::Version")
        [alias] = self.stack.of_type("AWS::Lambda::Alias").values()
        self.assertEqual(alias["FunctionVersion"], f"<{version}.Version>")
        dimensions = {of["Name"]: of["Value"] for of in self.alarms["NewVersionAlarm"]["Dimensions"]}
        self.assertEqual(dimensions.pop("ExecutedVersion"), alias["FunctionVersion"])
        self.assertEqual(dimensions, {of["Name"]: of["Value"] for of in self.alarms["InvocationsAlarm"]["Dimensions"]})

    def test_a_long_sync_is_no_alarm_and_what_goes_on_after_its_deadline_is(self):
        alarm = self.alarms["DurationAlarm"]
        timeout = self.stack.properties("Function")["Timeout"]
        # Each part works up to the deadline, and has the rest sent within half a second.
        parts = [(start, (deadline(timeout) + 0.5) * 1000) for start in range(0, 7200, 58)]
        self.assertEqual(rings(alarm, parts, 7200), [])
        for start in OFFSETS:
            late = [(second, end(timeout) * 1000) for second in self.attempts("EventQueue", start)]
            self.assertTrue(rings(alarm, late, 3600), f"never, from {start} s on")
        self.assertLess(deadline(timeout) * 1000, alarm["Threshold"])
        self.assertLess(alarm["Threshold"], end(timeout) * 1000)
        self.assertLess(end(timeout), timeout)
        told = f"more than {alarm['Threshold'] // 1000} of their {timeout} s"
        self.assertIn(told, alarm["AlarmDescription"])
        self.assertIn(told, RUNBOOK)

    def test_a_new_stack_is_an_alarm_until_its_first_sync_has_ended(self):
        alarm = self.alarms["SyncAlarm"]
        hour = 3600
        ended = [(2 * hour + 60, 1)]
        self.assertEqual(rings(alarm, ended, 27 * hour), [hour, 2 * hour])

    def test_the_dashboard_shows_every_alarm_and_draws_its_metric(self):
        shown = [arn for widget in widgets(self.stack) for arn in widget["properties"].get("alarms", [])]
        self.assertEqual(shown, [f"<{name}.Arn>" for name in self.alarms])
        for name, alarm in self.alarms.items():
            dimension = alarm["Dimensions"][0]
            line = (alarm["Namespace"], alarm["MetricName"], dimension["Name"], dimension["Value"])
            self.assertIn(line, drawn(self.stack), name)

    def test_the_template_has_the_metrics_of_the_code_and_no_others(self):
        in_code = metrics()
        self.assertGreater(len(in_code), 15, "the list in the code was not found")
        namespace = self.stack.properties("Function")["Environment"]["Variables"]["METRICS_NAMESPACE"]
        alarming = {a["MetricName"] for a in self.alarms.values() if a["Namespace"] == namespace}
        self.assertEqual(alarming - set(in_code), set(), "alarms on metrics that nobody writes")
        on_dashboard = {line[1] for line in drawn(self.stack) if line[0] == namespace}
        self.assertEqual(on_dashboard, set(in_code), "the dashboard draws what is written")

    def test_the_runbook_has_a_chapter_for_each(self):
        chapters = re.findall(r"^### ([A-Za-z]+Alarm)$", RUNBOOK, re.M)
        self.assertEqual(chapters, list(ALARMS))
        for name in chapters:
            chapter = re.search(rf"^### {name}$(.*?)^##", RUNBOOK, re.M | re.S)[1]
            for part in ("**Means**", "**Safe**", "**Do**"):
                self.assertIn(part, chapter, name)


if __name__ == "__main__":
    unittest.main()
