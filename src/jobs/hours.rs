//! Hours, as jobs that run once for each write them: `2013-01-15T10`. Pure.

use std::fmt;

/// More than a year of hours at once is a slip of the pen.
const HOURS_MAX: i64 = 10_000;

/// An hour of a day, counted from the beginning of 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(i64);

/// All hours from one to another, both included. A date alone means its first hour as the beginning
/// and its last one as the end.
pub fn span(from: &str, to: &str) -> Result<Vec<Hour>, String> {
    let (first, last) = (read(from, 0)?, read(to, 23)?);
    let number = last.0 - first.0 + 1;
    if number < 1 {
        return Err(format!("{from} comes after {to}"));
    }
    if number > HOURS_MAX {
        return Err(format!(
            "{from} to {to} are {number} hours, and {HOURS_MAX} are the most at once"
        ));
    }
    Ok((first.0..=last.0).map(Hour).collect())
}

/// `2013-01-15T10`, or `2013-01-15` for the hour that is given beside it.
fn read(text: &str, otherwise: i64) -> Result<Hour, String> {
    let wrong = || format!("`{text}` is not an hour: write 2013-01-15T10, or 2013-01-15 for a day");
    let (date, hour) = match text.split_once('T') {
        Some((date, hour)) => (date, number(hour, 2).ok_or_else(wrong)?),
        None => (text, otherwise),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts[..] else { return Err(wrong()) };
    let date = (number(year, 4), number(month, 2), number(day, 2));
    let (Some(year), Some(month), Some(day)) = date else { return Err(wrong()) };
    let days = days(year, month, day);
    // What is no date comes back as another one.
    if hour > 23 || self::date(days) != (year, month, day) {
        return Err(wrong());
    }
    Ok(Hour(days * 24 + hour))
}

/// So many digits as a number.
fn number(digits: &str, length: usize) -> Option<i64> {
    let plain = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// Days from 1970 to a date; years begin in March here, so that a leap day is the last of one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date so many days from 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0.div_euclid(24));
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}", self.0.rem_euclid(24))
    }
}

/// Hours in words: those in a row as `2013-01-15T10..2013-01-15T12`.
pub fn listed(hours: impl IntoIterator<Item = Hour>) -> String {
    let mut runs: Vec<(Hour, Hour)> = Vec::new();
    for hour in hours {
        match runs.last_mut() {
            Some((_, last)) if last.0 + 1 == hour.0 => *last = hour,
            _ => runs.push((hour, hour)),
        }
    }
    let one = |(first, last): &(Hour, Hour)| {
        if first == last { first.to_string() } else { format!("{first}..{last}") }
    };
    runs.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_includes_both_ends_and_a_date_is_its_whole_day() {
        for (from, to, number, first, last) in [
            ("2013-01-15T10", "2013-01-16T04", 19, "2013-01-15T10", "2013-01-16T04"),
            ("2013-01-15T10", "2013-01-15T10", 1, "2013-01-15T10", "2013-01-15T10"),
            ("2013-01-15", "2013-01-15", 24, "2013-01-15T00", "2013-01-15T23"),
            ("2013-01-15", "2013-01-16T00", 25, "2013-01-15T00", "2013-01-16T00"),
            ("2013-01-15T22", "2013-01-16", 26, "2013-01-15T22", "2013-01-16T23"),
            ("2024-02-28T23", "2024-03-01T00", 26, "2024-02-28T23", "2024-03-01T00"),
            ("2023-02-28T23", "2023-03-01T00", 2, "2023-02-28T23", "2023-03-01T00"),
            ("1999-12-31", "2000-01-01", 48, "1999-12-31T00", "2000-01-01T23"),
            ("1969-12-31T23", "1970-01-01T00", 2, "1969-12-31T23", "1970-01-01T00"),
        ] {
            let hours = span(from, to).expect(from);
            assert_eq!(hours.len(), number, "{from} to {to}");
            assert_eq!(
                (hours[0].to_string(), hours[number - 1].to_string()),
                (first.into(), last.into())
            );
            assert!(hours.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn what_is_no_hour_is_refused_with_one_that_is() {
        for text in [
            "",
            "today",
            "2013-1-15",
            "2013-01-15T1",
            "2013-01-15T24",
            "2013-01-15T10:00",
            "2013-01-15 10",
            "2013-13-01",
            "2013-00-01",
            "2013-01-32",
            "2023-02-29",
            "1900-02-29",
            "+013-01-01",
            "2013-01-15T+1",
        ] {
            let refused = span(text, "2013-01-16").expect_err(text);
            let expected = "is not an hour: write 2013-01-15T10, or 2013-01-15 for a day";
            assert!(refused.ends_with(expected), "{refused}");
        }
        for (from, to, expected) in [
            ("2013-01-16", "2013-01-15", "2013-01-16 comes after 2013-01-15"),
            ("2013-01-15T11", "2013-01-15T10", "2013-01-15T11 comes after 2013-01-15T10"),
            ("2013-01-01", "2014-12-31", "are 17520 hours, and 10000 are the most at once"),
        ] {
            let refused = span(from, to).expect_err(from);
            assert!(refused.ends_with(expected), "{refused}");
        }
    }

    #[test]
    fn every_day_comes_back_as_itself() {
        for number in (-800_000..800_000).step_by(7) {
            let (year, month, day) = date(number);
            assert_eq!(days(year, month, day), number);
        }
    }

    #[test]
    fn hours_in_a_row_are_listed_as_one() {
        let mut hours = span("2013-01-15T22", "2013-01-16T02").expect("they are hours");
        assert_eq!(listed(hours.clone()), "2013-01-15T22..2013-01-16T02");
        hours.remove(1);
        assert_eq!(listed(hours), "2013-01-15T22, 2013-01-16T00..2013-01-16T02");
        assert_eq!(listed([]), "");
    }
}
