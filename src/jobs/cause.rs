//! Why a Spark job failed, from its driver's output. Pure.

/// The exception that the driver's output tells of first, with the line of the script it came from;
/// where there is none, what the driver itself calls an error.
pub fn cause(output: &str) -> Option<String> {
    traceback(output).or_else(|| exception(output)).or_else(|| error(output))
}

/// A Python traceback: its last line, and the innermost frame that is not a library's.
fn traceback(output: &str) -> Option<String> {
    let start = output.find("Traceback (most recent call last):")?;
    let mut place = None;
    for line in output[start..].lines().skip(1) {
        if let Some(frame) = line.trim_start().strip_prefix("File \"") {
            place = frame_place(frame).or(place);
        } else if !line.starts_with([' ', '\t']) && !line.trim().is_empty() {
            let line = line.trim_end();
            return Some(
                place.map_or_else(|| line.to_owned(), |place| format!("{line} ({place})")),
            );
        }
    }
    None
}

/// `/tmp/x/job.py", line 7, in main` as `job.py:7`, unless it is a library's.
fn frame_place(frame: &str) -> Option<String> {
    let (file, rest) = frame.split_once("\", line ")?;
    if ["/pyspark/", "/py4j/", "/site-packages/", "/lib/python"]
        .iter()
        .any(|library| file.contains(library))
    {
        return None;
    }
    let line: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("{}:{line}", file.rsplit('/').next()?))
}

/// A JVM exception: `Exception in thread "main" java.lang.X: message`, or the class at a line's
/// start.
fn exception(output: &str) -> Option<String> {
    output.lines().find_map(|line| {
        let line = line.trim();
        if let Some((_, rest)) = line.split_once("Exception in thread ") {
            return rest.split_once("\" ").map(|(_, thrown)| thrown.to_owned());
        }
        let class = line.split([':', ' ']).next()?;
        let named =
            class.contains('.') && (class.ends_with("Exception") || class.ends_with("Error"));
        named.then(|| line.to_owned())
    })
}

/// A line that begins with `error:`, or says it after the script's name, as argparse does.
fn error(output: &str) -> Option<String> {
    let line = output.lines().map(str::trim).find(|line| {
        let start = line.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("error:"));
        start || line.split_once(".py: error: ").is_some_and(|(name, _)| !name.contains(' '))
    })?;
    Some(line.to_owned())
}

/// The last line that says something.
pub fn last_line(output: &str) -> Option<&str> {
    output.lines().rev().map(str::trim).find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: &str = r#"starting
Traceback (most recent call last):
  File "/stage/job.py", line 12, in <module>
    main()
  File "/stage/job.py", line 7, in main
    spark.read.json(path)
  File "/usr/lib/spark/python/pyspark/sql/readwriter.py", line 425, in json
    return self._df(self._jreader.json(x))
pyspark.errors.exceptions.captured.AnalysisException: [PATH_NOT_FOUND] Path not found: s3://b/x.
Traceback (most recent call last):
ValueError: later
"#;

    #[test]
    fn the_first_exception_is_the_cause() {
        for (output, expected) in [
            (
                PYTHON,
                Some(
                    "pyspark.errors.exceptions.captured.AnalysisException: [PATH_NOT_FOUND] \
                     Path not found: s3://b/x. (job.py:7)",
                ),
            ),
            (
                "INFO x\nException in thread \"main\" java.lang.OutOfMemoryError: Java heap space\n\
                 \tat a.b\n",
                Some("java.lang.OutOfMemoryError: Java heap space"),
            ),
            (
                "org.apache.spark.SparkException: Job aborted",
                Some("org.apache.spark.SparkException: Job aborted"),
            ),
            ("no input for 2013-01-15T10", None),
            (
                "hour=10 no input\nerror: no input in any hour\nerror: another",
                Some("error: no input in any hour"),
            ),
            ("Error: Unrecognized option: --hour", Some("Error: Unrecognized option: --hour")),
            (
                "usage: job.py [-h] --hours HOURS\njob.py: error: argument --hours: not an hour\n",
                Some("job.py: error: argument --hours: not an hour"),
            ),
            (
                "error: hour=10 failed\nTraceback (most recent call last):\n\
                 \x20 File \"/s/job.py\", line 3, in f\nValueError: x",
                Some("ValueError: x (job.py:3)"),
            ),
            ("error: gave up\njava.io.IOException: gone", Some("java.io.IOException: gone")),
            ("0 error: lines, no errors: fine, ünd", None),
        ] {
            assert_eq!(cause(output).as_deref(), expected);
        }
    }

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        assert_eq!(last_line("a\nb\n\n  \n"), Some("b"));
    }
}
