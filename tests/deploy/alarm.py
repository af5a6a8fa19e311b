"""When an alarm of the template rings, as CloudWatch evaluates one.

A period breaches by its statistic, or where it has no data and the alarm takes that so. An alarm rings while so many
of its last periods breach. CloudWatch also looks a few periods further back where some are empty, which is left out.
"""

COMPARISONS = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}
STATISTICS = {"Sum": sum, "Maximum": max, "Minimum": min}


def rings(alarm, data, seconds):
    """The ends of periods, in seconds, at which it rings. `data` are values by the second; before and between them is
    nothing."""
    period = alarm["Period"]
    of_period = {}
    for second, value in data:
        of_period.setdefault(second // period, []).append(value)
    last = [breaches(alarm, of_period.get(place, [])) for place in range(-alarm["EvaluationPeriods"], 0)]
    ringing = []
    for place in range(seconds // period):
        last = last[1:] + [breaches(alarm, of_period.get(place, []))]
        if sum(last) >= alarm["DatapointsToAlarm"]:
            ringing.append((place + 1) * period)
    return ringing


def breaches(alarm, values):
    """Whether a period with these values does."""
    if not values:
        return {"breaching": True, "notBreaching": False}[alarm["TreatMissingData"]]
    value, threshold = STATISTICS[alarm["Statistic"]](values), alarm["Threshold"]
    return value > threshold if COMPARISONS[alarm["ComparisonOperator"]] == ">" else value < threshold
