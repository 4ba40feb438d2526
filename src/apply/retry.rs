//! How long to wait before a refused call is made again, and when to stop. Pure.

use std::time::Duration;

use crate::cloud::Class;

/// Seconds before each further try; the last one repeats.
const BACKOFF: [u64; 5] = [1, 2, 4, 8, 15];

/// A role, key or policy is usable everywhere within two minutes; Lambda and its like take five.
const NOT_YET_FOR: Duration = Duration::from_secs(5 * 60);
/// A bucket's conflicting operations may take this long to clear.
const CONFLICT_FOR: Duration = Duration::from_secs(10 * 60);
/// The SDK has already tried each call several times.
const TROUBLE_FOR: Duration = Duration::from_secs(60);
/// So that emptying something that fills as quickly does not spin.
const EMPTYING_PAUSE: Duration = Duration::from_millis(200);
/// Emptying goes on for as long as there is something to delete.
const EMPTYING_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait before the next try after `attempt` refusals over `elapsed`; `None`: give up.
pub fn after(class: Class, attempt: u32, elapsed: Duration) -> Option<Duration> {
    let patience = match class {
        Class::NotYet => NOT_YET_FOR,
        Class::Conflict => CONFLICT_FOR,
        Class::Throttled | Class::Lost | Class::Unheard | Class::Broken => TROUBLE_FOR,
        Class::NotEmpty => return (elapsed < EMPTYING_FOR).then_some(EMPTYING_PAUSE),
        Class::Denied | Class::Invalid => return None,
    };
    (elapsed < patience).then(|| backoff(attempt))
}

fn backoff(attempt: u32) -> Duration {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    Duration::from_secs(BACKOFF[index.min(BACKOFF.len() - 1)])
}

/// The wait between looks: quick at first, for what AWS does at once.
pub fn poll(look: u32) -> Duration {
    const POLLS: [u64; 8] = [300, 700, 1_000, 2_000, 3_000, 5_000, 10_000, 15_000];
    let index = usize::try_from(look).unwrap_or(usize::MAX);
    Duration::from_millis(POLLS[index.min(POLLS.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_tried_again_for_as_long_as_it_may_take() {
        let minute = Duration::from_secs(60);
        for (class, attempt, elapsed, wait) in [
            (Class::NotYet, 1, Duration::ZERO, Some(1)),
            (Class::NotYet, 9, 4 * minute, Some(15)),
            (Class::NotYet, 20, 5 * minute, None),
            (Class::Conflict, 3, 9 * minute, Some(4)),
            (Class::Throttled, 2, minute, None),
            (Class::Denied, 1, Duration::ZERO, None),
            (Class::Invalid, 1, Duration::ZERO, None),
            (Class::NotEmpty, 1000, minute, Some(0)),
            (Class::NotEmpty, 1000, 24 * 60 * minute, None),
        ] {
            let after = after(class, attempt, elapsed).map(|wait| wait.as_secs());
            assert_eq!(after, wait, "{class:?} after {attempt} refusals in {elapsed:?}");
        }
    }
}
