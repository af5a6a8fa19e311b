use super::*;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;

/// CloudWatch's units, as the specification of the format lists them.
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

fn metrics() -> Metrics {
    Metrics::new("RedisSync", "f", "INFO")
}

fn ended() -> Ended {
    Ended {
        duration: Duration::from_millis(5),
        has_failed: true,
        memory_percent: 12.5,
    }
}

/// Checks a line against the format's specification; the line.
fn valid(line: &str) -> Value {
    assert!(line.len() < 1 << 20 && !line.contains('\n'));
    let value: Value = serde_json::from_str(line).unwrap();
    let aws = value["_aws"].as_object().unwrap();
    assert!(aws["Timestamp"].as_u64().unwrap() > 1_700_000_000_000);
    let directives = aws["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty());
    for directive in directives {
        let namespace = directive["Namespace"].as_str().unwrap();
        assert!((1..=255).contains(&namespace.len()));
        for set in directive["Dimensions"].as_array().unwrap() {
            let set = set.as_array().unwrap();
            assert!(set.len() <= 30);
            for dimension in set {
                let text = value[dimension.as_str().unwrap()].as_str().unwrap();
                assert!(text.len() <= 1024 && text.is_ascii() && !text.trim().is_empty());
                assert!(!text.starts_with(':') && !text.contains(|c: char| c.is_ascii_control()));
            }
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        for metric in metrics {
            assert!(UNITS.contains(&metric["Unit"].as_str().unwrap()));
            match &value[metric["Name"].as_str().unwrap()] {
                Value::Number(_) => {}
                Value::Array(values) => {
                    assert!((1..=100).contains(&values.len()));
                    assert!(values.iter().all(Value::is_number));
                }
                other => panic!("{metric}: {other}"),
            }
        }
    }
    value
}

/// The names of a line's metrics that have just these dimensions.
fn with_dimensions<'a>(line: &'a Value, dimensions: &Value) -> BTreeSet<&'a str> {
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap().iter();
    let mine = directives.filter(|directive| directive["Dimensions"] == *dimensions);
    mine.flat_map(|directive| directive["Metrics"].as_array().unwrap())
        .map(|metric| metric["Name"].as_str().unwrap())
        .collect()
}

#[test]
fn an_invocation_tells_what_it_counted_once() {
    let (metrics, tally) = (metrics(), Tally::default());
    tally.add(Count::ObjectsSynced, 2);
    tally.add(Count::FailedPlugin, 1);
    let lines = metrics.invocation("id", &tally, ended());
    let line = valid(&lines[0]);
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&line["FunctionName"], &line["level"]),
        (&"f".into(), &"INFO".into())
    );
    assert_eq!(
        (&line["Duration"], &line["InvocationsFailed"]),
        (&5.0.into(), &1.into())
    );
    assert_eq!(
        (&line["ObjectsSynced"], &line["FailedPlugin"]),
        (&2.into(), &1.into())
    );
    assert_eq!(
        (&line["ObjectsFailed"], &line["FailedRoute"]),
        (&0.into(), &Value::Null)
    );
    assert_eq!(line["MemoryBudgetUsed"], 12.5);
    assert_eq!(line["ColdStart"], Value::Null, "never 0");
    let mut always = list::all().filter(|metric| metric.written == Written::Always);
    assert!(always.all(|metric| line[metric.name].is_number()));
    let again = valid(&metrics.invocation("id", &tally, ended())[0]);
    assert_eq!(
        (&again["ObjectsSynced"], &again["FailedPlugin"]),
        (&0.into(), &Value::Null)
    );
    assert_eq!(valid(&metrics.cold_start("id"))["ColdStart"], 1);
}

#[test]
fn a_sync_that_did_not_complete_is_told_from_none() {
    let (metrics, tally) = (metrics(), Tally::default());
    let told = |tally| valid(&metrics.invocation("id", tally, ended())[0])["SyncCompleted"].clone();
    assert_eq!(told(&tally), Value::Null);
    tally.add_sync(false);
    assert_eq!(told(&tally), 0);
    tally.add_sync(true);
    assert_eq!(told(&tally), 1);
}

#[test]
fn what_has_objectives_is_told_by_route_where_the_manifest_names_it() {
    let (metrics, tally) = (metrics(), Tally::default());
    let flags: RouteName = Some("flags/".into());
    for route in [&flags, &None] {
        tally.measure(route, Sample::Freshness, 1500.0);
        tally.measure(route, Sample::RunTime, 2.0);
        tally.add_failed(route);
    }
    let lines = metrics.invocation("id", &tally, ended());
    let [_, unnamed, named] = &lines[..] else {
        panic!("{lines:?}");
    };
    let (unnamed, named) = (valid(unnamed), valid(named));
    let function = serde_json::json!([["FunctionName"]]);
    assert_eq!(
        with_dimensions(&unnamed, &function),
        ["Freshness", "RunTime"].into()
    );
    assert_eq!(with_dimensions(&named, &function), ["RunTime"].into());
    let both = serde_json::json!([["FunctionName"], ["FunctionName", "Route"]]);
    assert_eq!(with_dimensions(&named, &both), ["Freshness"].into());
    let route = serde_json::json!([["FunctionName", "Route"]]);
    assert_eq!(with_dimensions(&named, &route), ["ObjectsFailed"].into());
    assert_eq!(
        (&named["Route"], &named["Freshness"]),
        (&"flags/".into(), &1500.0.into())
    );
}

#[test]
fn a_line_has_a_hundred_values_at_the_most_and_none_is_lost() {
    let (metrics, tally) = (metrics(), Tally::default());
    let mut lines = Vec::new();
    for value in 0..250_u32 {
        let sample = (Sample::Freshness, f64::from(value));
        lines.extend(metrics.measure("id", &tally, &None, sample));
    }
    lines.extend(metrics.invocation("id", &tally, ended()));
    let values = lines.iter().flat_map(|line| {
        let line = valid(line);
        line["Freshness"].as_array().cloned().unwrap_or_default()
    });
    let values: BTreeSet<u64> = values
        .map(|value| value.as_f64().unwrap().to_string().parse().unwrap())
        .collect();
    assert_eq!(values.len(), 250);
}

#[test]
fn what_comes_after_an_invocations_line_is_in_the_next_one() {
    let (metrics, first, second) = (metrics(), Tally::default(), Tally::default());
    metrics.invocation("1", &first, ended());
    first.add(Count::CompiledHits, 1);
    first.add_sync(true);
    first.measure(&None, Sample::CompileTime, 7.0);
    metrics.leave(&first);
    let lines = metrics.invocation("2", &second, ended());
    let (line, measured) = (valid(&lines[0]), valid(&lines[1]));
    assert_eq!(
        (&line["CompiledHits"], &line["SyncCompleted"]),
        (&1.into(), &1.into())
    );
    assert_eq!(measured["CompileTime"], 7.0);
}

#[test]
fn lambda_drops_no_line_for_its_level() {
    for (told, level) in [
        ("", "INFO"),
        ("DEBUG", "INFO"),
        ("info", "INFO"),
        ("warn", "WARN"),
        ("ERROR", "ERROR"),
        ("FATAL", "FATAL"),
    ] {
        let metrics = Metrics::new("n", "f", told);
        assert_eq!(valid(&metrics.cold_start("id"))["level"], level, "{told}");
    }
}

#[test]
fn every_metric_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = list::all().map(|metric| metric.name).collect();
    assert_eq!(names.len(), list::all().count());
    assert!(list::all().all(|metric| UNITS.contains(&metric.unit.name())));
}

proptest! {
    #[test]
    fn whatever_is_measured_the_lines_are_valid(
        samples in proptest::collection::vec((0_usize..8, 0.0_f64..1e12, 0_usize..3), 0..500),
    ) {
        let (metrics, tally) = (metrics(), Tally::default());
        let routes: [RouteName; 3] = [None, Some("a".into()), Some("b".into())];
        let mut lines = Vec::new();
        for (sample, value, route) in samples {
            let sample = (Sample::ALL[sample], value);
            lines.extend(metrics.measure("id", &tally, &routes[route], sample));
        }
        lines.extend(metrics.invocation("id", &tally, ended()));
        lines.iter().for_each(|line| { valid(line); });
    }
}

#[test]
fn the_reference_has_the_same_table() {
    let row = |metric: list::Metric| {
        let by_route = if metric.is_by_route() {
            ", also by route"
        } else {
            ""
        };
        let written = match metric.written {
            Written::Always => "always",
            Written::IfAny => "if any",
        };
        let list::Metric { name, meaning, .. } = metric;
        let unit = metric.unit.name();
        format!("| `{name}` | {unit}{by_route} | {written} | {meaning} |\n")
    };
    let table: String = list::all().map(row).collect();
    let reference = include_str!("../../../docs/reference.md");
    assert!(
        reference.contains(&format!("| --- | --- | --- | --- |\n{table}")),
        "the table of docs/reference.md must be:\n{table}"
    );
}
