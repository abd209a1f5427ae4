//! The text format of metrics (Prometheus exposition format, version 0.0.4).

use std::fmt::Write as _;

use mainstay_proxy::counters::Durations;

/// Metrics as they are written.
#[derive(Debug, Default)]
pub(super) struct Text {
    out: String,
}

/// A metric: all samples of one name.
pub(super) struct Metric<'a> {
    out: &'a mut String,
    name: &'static str,
}

/// Names and values that tell the samples of a metric apart.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Text {
    /// A number that only grows; its name ends in `_total`.
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str) -> Metric<'_> {
        self.metric(name, "counter", help)
    }

    /// A number that grows and shrinks.
    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> Metric<'_> {
        self.metric(name, "gauge", help)
    }

    /// Durations, in seconds.
    pub(super) fn histogram(&mut self, name: &'static str, help: &'static str) -> Metric<'_> {
        self.metric(name, "histogram", help)
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.out
    }

    fn metric(&mut self, name: &'static str, kind: &str, help: &str) -> Metric<'_> {
        put(&mut self.out, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Metric { out: &mut self.out, name }
    }
}

impl Metric<'_> {
    /// A whole number.
    pub(super) fn int(&mut self, labels: Labels<'_>, value: u64) {
        self.sample("", labels, None, format_args!("{value}"));
    }

    /// Any number.
    pub(super) fn float(&mut self, labels: Labels<'_>, value: f64) {
        self.sample("", labels, None, format_args!("{value}"));
    }

    /// What a histogram has counted.
    pub(super) fn durations(&mut self, labels: Labels<'_>, durations: &Durations) {
        for (bound, count) in durations.doublings() {
            let bound = bound.as_secs_f64().to_string();
            self.sample("_bucket", labels, Some(&bound), format_args!("{count}"));
        }
        let count = durations.count();
        self.sample("_bucket", labels, Some("+Inf"), format_args!("{count}"));
        self.sample("_sum", labels, None, format_args!("{}", durations.sum().as_secs_f64()));
        self.sample("_count", labels, None, format_args!("{count}"));
    }

    fn sample(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: std::fmt::Arguments<'_>) {
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        let all = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut between = '{';
        for (name, value) in all {
            self.out.push(between);
            between = ',';
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(self.out, value);
            self.out.push('"');
        }
        if between == ',' {
            self.out.push('}');
        }
        put(self.out, format_args!(" {value}\n"));
    }
}

fn escape(out: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a String takes everything");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mainstay_proxy::counters::Histogram;

    use super::*;

    #[test]
    fn samples_stand_below_their_metric() {
        let mut text = Text::default();
        let mut metric = text.counter("a_total", "What it is.");
        metric.int(&[], 3);
        metric.int(&[("node", "unix:/a\"b\\\n"), ("kind", "x")], 4);
        text.gauge("b", "Another.").float(&[], 0.25);
        let expect = "# HELP a_total What it is.\n# TYPE a_total counter\na_total 3\n\
                      a_total{node=\"unix:/a\\\"b\\\\\\n\",kind=\"x\"} 4\n\
                      # HELP b Another.\n# TYPE b gauge\nb 0.25\n";
        assert_eq!(text.finish(), expect);
    }

    #[test]
    fn buckets_add_up() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_micros(150));
        histogram.record(Duration::from_secs(1000));
        let mut text = Text::default();
        text.histogram("h_seconds", "Time.").durations(&[("node", "a")], &histogram.read());
        let text = text.finish();
        for line in [
            "h_seconds_bucket{node=\"a\",le=\"0.00005\"} 0",
            "h_seconds_bucket{node=\"a\",le=\"0.0002\"} 1",
            "h_seconds_bucket{node=\"a\",le=\"104.8576\"} 1",
            "h_seconds_bucket{node=\"a\",le=\"+Inf\"} 2",
            "h_seconds_sum{node=\"a\"} 1000.00015",
            "h_seconds_count{node=\"a\"} 2",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }
}
