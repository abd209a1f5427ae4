//! One report of several.

use serde_json::{Value, json};

/// What several sets reported of one drill, as if it were one. Those without a report are faults.
pub(super) fn merge(reports: &[Result<Value, String>]) -> Value {
    let had: Vec<&Value> = reports.iter().filter_map(|report| report.as_ref().ok()).collect();
    let runs: Vec<&Value> = had.iter().flat_map(|report| report["runs"].as_array().into_iter().flatten()).collect();
    let sum = |what: &str| had.iter().filter_map(|report| report[what].as_u64()).sum::<u64>();
    let broken = had.iter().flat_map(|report| report["broken"].as_array().into_iter().flatten().cloned());
    let without = reports.iter().filter_map(|report| report.as_ref().err()).map(|why| Value::from(why.as_str()));
    json!({
        "ttl_ms": had.first().map_or(Value::Null, |report| report["ttl_ms"].clone()),
        "count": runs.len(),
        "active_ms": spread(&runs, "active_ms"),
        "control_ms": spread(&runs, "control_ms"),
        "ready_ms": spread(&runs, "ready_ms"),
        "resumed_ms": spread(&runs, "resumed_ms"),
        "longest_gap_ms": spread(&runs, "longest_gap_ms"),
        "requests": sum("requests"),
        "lost": sum("lost"),
        "stale_writes": sum("stale_writes"),
        "broken": broken.chain(without).collect::<Vec<_>>(),
    })
}

/// The middle and the worst of a figure; nothing when no run has it.
fn spread(runs: &[&Value], what: &str) -> Value {
    let mut figures: Vec<f64> = runs.iter().filter_map(|run| run[what].as_f64()).collect();
    figures.sort_by(f64::total_cmp);
    match (figures.get(figures.len() / 2), figures.last()) {
        (Some(median), Some(worst)) => json!({ "median": median, "worst": worst }),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_added_up() {
        let report = |active: f64, lost: u64, broken: &[&str]| {
            Ok(
                json!({ "ttl_ms": 900, "lost": lost, "broken": broken, "runs": [{ "active_ms": active }, { "active_ms": null }] }),
            )
        };
        let merged = merge(&[report(5.0, 1, &[]), report(9.0, 2, &["a"]), report(1.0, 0, &[]), Err("b".to_owned())]);
        assert_eq!(merged["active_ms"], json!({ "median": 5.0, "worst": 9.0 }));
        assert_eq!((&merged["lost"], &merged["count"], &merged["ready_ms"]), (&3.into(), &6.into(), &Value::Null));
        assert_eq!(merged["broken"], json!(["a", "b"]));
    }
}
