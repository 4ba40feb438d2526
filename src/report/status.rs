//! What is live, for people: a line a thing, and first what needs a look.

use std::fmt::Write;

use crate::blueprint::Desired;
use crate::kind::Place;
use crate::status::reading::{Health, RUNNING, Reading, Value, WAITING};
use crate::status::{Existence, Job, Resource, Run, Status};

use super::style::Style;
use super::{ending, title};

/// Steps that are named; of more there is only their number.
const NAMED_MAX: usize = 3;

/// A thing that is told of in a line, and what is told below it.
struct Row {
    health: Health,
    id: String,
    kind: &'static str,
    told: String,
    below: Vec<String>,
}

/// `other` is another command about the same blueprint, as one would type it: its name, and what it
/// has besides.
pub fn status(
    (desired, place): (&Desired, &Place),
    status: &Status,
    style: Style,
    other: &dyn Fn(&str, &str) -> String,
) -> String {
    let mut out = format!("{}\n\n", style.name(&title(desired, place)));
    let resources = status.resources.iter().map(|one| resource(one, status.at));
    let jobs = status.jobs.iter().map(|one| job(one, other, status.at));
    let rows: Vec<_> = jobs.chain(resources).collect();
    if status.is_bare() {
        let _ = writeln!(out, "Nothing is there: `{}` makes it", other("apply", ""));
        return out;
    }
    let (mut first, rest): (Vec<_>, Vec<_>) =
        rows.iter().partition(|row| row.health >= Health::Attention);
    first.sort_by_key(|row| std::cmp::Reverse(row.health));
    let of = |cell: fn(&Row) -> &str| rows.iter().map(|row| cell(row).len()).max().unwrap_or(0);
    let widths = (of(|row| &row.id), of(|row| row.kind));
    for row in &first {
        line(row, widths, style, &mut out);
    }
    if !first.is_empty() && !rest.is_empty() {
        out.push('\n');
    }
    for row in &rest {
        line(row, widths, style, &mut out);
    }
    let _ = writeln!(out, "\n{}", summary(status));
    out
}

fn line(row: &Row, (id, kind): (usize, usize), style: Style, out: &mut String) {
    let word = match row.health {
        Health::Bad => style.bad("bad "),
        Health::Attention => style.care("look"),
        Health::Unknown => style.faint("?   "),
        Health::Good => style.good("ok  "),
    };
    let name = style.name(&format!("{:id$}", row.id));
    let sort = style.faint(&format!("{:kind$}", row.kind));
    let _ = writeln!(out, "  {word}  {name}  {sort}  {}", row.told);
    for told in &row.below {
        let _ = writeln!(out, "        {told}");
    }
}

fn resource(resource: &Resource, now: i64) -> Row {
    let mut below = Vec::new();
    let mut words: Vec<String> = match &resource.exists {
        Existence::There => Vec::new(),
        Existence::Dormant => vec!["dormant; starts when a job runs".into()],
        Existence::Absent => vec!["not there".into()],
        Existence::Unknown(fault) => {
            below.extend(ending::advice(fault).map(|advice| format!("hint: {advice}")));
            vec![format!("cannot be looked at: {fault}")]
        }
    };
    let mut readings = resource.readings.iter().filter(|one| !is_step(one)).peekable();
    while let Some(reading) = readings.next() {
        if reading.what == "reason" {
            below.push(said(reading, now));
            continue;
        }
        let next = readings.peek().map(|next| span(next.what));
        let told = said(reading, now);
        // What was counted within the same time says so once.
        match span(reading.what) {
            Some(span) if next == Some(Some(span)) => {
                words.push(told.trim_end_matches(span).to_owned());
            }
            _ => words.push(told),
        }
    }
    let number = |what| resource.readings.iter().filter(|one| one.what == what).count();
    words.extend(steps(number(RUNNING), number(WAITING)));
    let (id, told) = (resource.id.to_string(), words.join(", "));
    Row { health: resource.health, id, kind: resource.kind, told, below }
}

fn is_step(reading: &Reading) -> bool {
    [RUNNING, WAITING].contains(&reading.what)
}

/// ` in 1 h`: within which time something was counted.
fn span(what: &str) -> Option<&str> {
    what.rfind(" in ").map(|at| &what[at..]).filter(|span| span.contains(char::is_numeric))
}

/// `1 step runs, 17 wait`: which ones is told of their jobs.
fn steps(running: usize, waiting: usize) -> Option<String> {
    let does = |number: usize, verb: &str| match number {
        0 => None,
        1 => Some(format!("1 step {verb}s")),
        _ => Some(format!("{number} steps {verb}")),
    };
    match (does(running, "run"), wait(waiting)) {
        (Some(run), Some(wait)) => Some(format!("{run}, {wait}")),
        (run, _) => run.or_else(|| does(waiting, "wait")),
    }
}

/// `17 wait`.
fn wait(number: usize) -> Option<String> {
    match number {
        0 => None,
        1 => Some("1 waits".into()),
        _ => Some(format!("{number} wait")),
    }
}

/// `runs now: process#a, process#b and 2 more`.
fn runs_now(names: &[String]) -> Option<String> {
    let named = names.get(..NAMED_MAX).unwrap_or(names).join(", ");
    match names.len() {
        0 => None,
        number if number > NAMED_MAX => {
            Some(format!("runs now: {named} and {} more", number - NAMED_MAX))
        }
        _ => Some(format!("runs now: {named}")),
    }
}

/// `ALARM`, `for 12m`, `3 visible`, `idle 4m`.
fn said(reading: &Reading, now: i64) -> String {
    match (reading.what, &reading.value) {
        ("state" | "reason", Value::Text(text)) => text.clone(),
        ("last", Value::Text(text)) => format!("the last one, {text}"),
        ("since", Value::At(at)) => format!("for {}", length(now - at)),
        (what, Value::Text(text)) => format!("{what} {text}"),
        (what, Value::Count(number)) => counted(*number, what),
        (what, Value::Seconds(seconds)) => format!("{what} {}", length(seconds.cast_signed())),
        (what, Value::At(at)) => format!("{what} {} ago", length(now - at)),
    }
}

/// `2 shards`, `1 shard`, `1 record in 5 min`: its first word is what is counted.
fn counted(number: u64, what: &str) -> String {
    let (word, rest) = what.split_at(what.find(' ').unwrap_or(what.len()));
    match word.strip_suffix('s') {
        Some(one) if number == 1 => format!("1 {one}{rest}"),
        _ => format!("{number} {what}"),
    }
}

fn job(job: &Job, other: &dyn Fn(&str, &str) -> String, now: i64) -> Row {
    let mut words = Vec::new();
    let mut below = Vec::new();
    let now_and_next = [runs_now(&job.running), wait(job.waiting.len())];
    let now_and_next: Vec<_> = now_and_next.into_iter().flatten().collect();
    if !now_and_next.is_empty() {
        words.push(now_and_next.join(", "));
    }
    match &job.last {
        Ok(Some(run)) => {
            words.push(ran(run, now));
            if run.state != "completed" {
                below.push(format!("hint: `{}` shows why", other("logs", job.id.as_str())));
            }
        }
        Ok(None) if words.is_empty() => words.push("has not run yet".into()),
        Ok(None) => {}
        Err(fault) => words.push(format!("its last run cannot be read: {fault}")),
    }
    if job.succeeded > 1 {
        words.push(format!("{} inputs done", job.succeeded));
    }
    let (id, told) = (job.id.to_string(), words.join("; "));
    Row { health: job.health, id, kind: "job", told, below }
}

/// `completed 3m ago in 41s, hours=2013-01-15T10, step s-1 on j-1`.
fn ran(run: &Run, now: i64) -> String {
    let took = length(run.seconds.cast_signed());
    let mut told = format!("{} {} ago in {took}", run.state, length(now - run.ended));
    for (name, value) in run.params.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(told, ", {name}={value}");
    }
    let _ = write!(told, ", step {} on {}", run.step, run.cluster);
    told
}

/// A length of time in its largest unit that has two or more.
fn length(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

fn summary(status: &Status) -> String {
    let words = [
        (Health::Bad, "bad"),
        (Health::Attention, "to look at"),
        (Health::Unknown, "not known"),
        (Health::Good, "ok"),
    ];
    let counts = words.map(|(health, word)| (status.count(health), word));
    let told = counts.iter().filter(|(count, _)| *count > 0);
    told.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_short() {
        for (seconds, told) in [
            (-3, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7_199, "119m"),
            (7_200, "2h"),
            (172_800, "2d"),
            (31_536_000, "365d"),
        ] {
            assert_eq!(length(seconds), told);
        }
    }
}
