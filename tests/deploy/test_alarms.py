"""Alarms and dashboard, beside the code's list of metrics and the runbook."""

import json
import re
import unittest

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
    "FreshnessAlarm": ("Freshness", "p99", ">", 300_000),
    "ThrottlesAlarm": ("Throttles", "Sum", ">", 0),
    "DurationAlarm": ("Duration", "Maximum", ">", 48_000),
    "SyncAlarm": ("SyncCompleted", "Sum", "<", 1),
    "FuelAlarm": ("FuelHeadroom", "Minimum", "<", 10),
    "BudgetAlarm": ("BudgetRefusals", "Sum", ">", 0),
}
COMPARISONS = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}


def metrics():
    """The code's list: names and units."""
    text = (ROOT / "host" / "src" / "metrics" / "list.rs").read_text()
    found = re.findall(r"^ {4}([A-Z][A-Za-z0-9]+) = \((?:Unit::)?(Count|Milliseconds|Percent), ", text, re.M)
    return dict(found)


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
        found = {
            name: (
                alarm["MetricName"],
                alarm.get("Statistic") or alarm["ExtendedStatistic"],
                COMPARISONS[alarm["ComparisonOperator"]],
                alarm["Threshold"],
            )
            for name, alarm in self.alarms.items()
        }
        self.assertEqual(found, ALARMS)

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

    def test_duration_is_four_fifths_of_the_timeout(self):
        timeout = self.stack.properties("Function")["Timeout"]
        self.assertEqual(self.alarms["DurationAlarm"]["Threshold"], timeout * 1000 * 0.8)

    def test_a_day_and_an_hour_without_a_sync_is_an_alarm_also_where_nothing_is_said(self):
        alarm = self.alarms["SyncAlarm"]
        self.assertEqual(alarm["Period"] * alarm["EvaluationPeriods"], 25 * 3600)
        self.assertEqual(alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"])
        self.assertEqual(alarm["TreatMissingData"], "breaching")
        for name in set(self.alarms) - {"SyncAlarm"}:
            self.assertEqual(self.alarms[name]["TreatMissingData"], "notBreaching", name)

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
