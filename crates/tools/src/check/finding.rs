//! What was found, and what to do about it.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
use zoorum_config::{ConfigError, Origin};

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Area {
    Configuration,
    Files,
    Ports,
    Peers,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Ok,
    Warning,
    Error,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub severity: Severity,
    pub area: Area,
    /// What is so.
    pub found: String,
    /// The file that it is about, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The line in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What to do about it; there is nothing to do if all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Everything that was found, in the order of looking.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub findings: Vec<Finding>,
}

impl Report {
    /// Begins a finding.
    pub(super) fn add(&mut self, area: Area) -> Adding<'_> {
        Adding { report: self, area, file: None, line: None, key: None }
    }

    /// 0 if all is well, 1 with warnings, 2 with errors.
    pub(super) fn exit_code(&self) -> u8 {
        self.findings.iter().map(|finding| finding.severity).max().map_or(0, |worst| worst as u8)
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// For people.
    pub(super) fn write_lines(&self, out: &mut dyn Write) -> io::Result<()> {
        for finding in &self.findings {
            let (severity, area) = match (finding.severity, finding.area) {
                (Severity::Ok, area) => ("ok", area),
                (Severity::Warning, area) => ("WARNING", area),
                (Severity::Error, area) => ("ERROR", area),
            };
            let area = format!("{area:?}").to_lowercase();
            writeln!(out, "{severity:<8} {area:<14} {}", finding.found)?;
            if let Some(remedy) = &finding.remedy {
                writeln!(out, "{:23} → {remedy}", "")?;
            }
        }
        let plural =
            |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        writeln!(out, "{}, {}", plural(errors, "error"), plural(warnings, "warning"))
    }

    /// For programs.
    pub(super) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let whole = serde_json::json!({
            "findings": self.findings,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "exitCode": self.exit_code(),
        });
        serde_json::to_writer_pretty(&mut *out, &whole)?;
        writeln!(out)
    }
}

/// A finding under construction.
pub(super) struct Adding<'a> {
    report: &'a mut Report,
    area: Area,
    file: Option<PathBuf>,
    line: Option<u32>,
    key: Option<String>,
}

impl Adding<'_> {
    /// The file that it is about.
    pub(super) fn in_file(self, file: impl Into<PathBuf>) -> Self {
        Self { file: Some(file.into()), ..self }
    }

    /// Where the setting was made that it is about.
    pub(super) fn at(self, origin: Option<&Origin>) -> Self {
        match origin {
            Some(Origin::File { path, line }) => Self { file: Some(path.clone()), line: Some(*line), ..self },
            Some(Origin::Within { path }) => Self { file: Some(path.clone()), ..self },
            _ => self,
        }
    }

    /// The setting that an error is about.
    pub(super) fn of_setting(self, error: &ConfigError) -> Self {
        let key = error.setting.as_deref().map(|(name, _)| name.clone());
        Self { key, ..self.at(error.origin.as_ref()) }
    }

    /// All is well.
    pub(super) fn ok(self, found: impl Into<String>) {
        self.push(Severity::Ok, found.into(), None);
    }

    /// It works, and probably not as was meant.
    pub(super) fn warning(self, found: impl Into<String>, remedy: impl Into<String>) {
        self.push(Severity::Warning, found.into(), Some(remedy.into()));
    }

    /// It does not work.
    pub(super) fn error(self, found: impl Into<String>, remedy: impl Into<String>) {
        self.push(Severity::Error, found.into(), Some(remedy.into()));
    }

    fn push(self, severity: Severity, found: String, remedy: Option<String>) {
        let Self { report, area, file, line, key } = self;
        report.findings.push(Finding { severity, area, found, file, line, key, remedy });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides_the_exit_code() {
        let mut report = Report::default();
        assert_eq!(report.exit_code(), 0);
        report.add(Area::Files).ok("fine");
        assert_eq!(report.exit_code(), 0);
        report.add(Area::Files).error("bad", "mend it");
        report.add(Area::Ports).warning("odd", "look at it");
        assert_eq!(report.exit_code(), 2);
    }

    #[test]
    fn lines_and_json_say_the_same() {
        let mut report = Report::default();
        report.add(Area::Peers).ok("fine");
        let origin = Origin::File { path: "zoo.cfg".into(), line: 3 };
        report.add(Area::Configuration).at(Some(&origin)).warning("odd", "look at it");
        let (mut lines, mut json) = (Vec::new(), Vec::new());
        report.write_lines(&mut lines).and_then(|()| report.write_json(&mut json)).expect("written");
        let lines = String::from_utf8(lines).expect("text");
        let expected = format!(
            "ok       peers          fine\nWARNING  configuration  odd\n{:23} → look at it\n0 errors, 1 warning\n",
            ""
        );
        assert_eq!(lines, expected);
        let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(json["exitCode"], 1);
        assert_eq!(
            json["findings"][0],
            serde_json::json!({"severity": "ok", "area": "peers", "found": "fine"})
        );
        assert_eq!(json["findings"][1]["line"], 3);
        assert_eq!(json["findings"][1]["remedy"], "look at it");
    }
}
