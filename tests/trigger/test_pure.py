"""The decisions that need no AWS, as tables."""

import json

import hours
import messages
import pytest
import settings
import verdict
from claims import COMPLETED, FAILED, FREE, SENDING, Claim, fingerprint, record_that_counts, wanted
from cluster import UNKNOWN, Status
from job import fill
from messages import Poke
from queues import printable
from steps import Progress
from verdict import End
from world import HOUR

TEN = 1358244000.0


@pytest.mark.parametrize(
    "key, hour",
    [
        ("streaming-data/year=2013/month=01/day=15/hour=10/a.gz", HOUR),
        ("streaming-data/year=2013/month=01/day=15/hour=10/deep/er/a.gz", HOUR),
        ("streaming-data/year=2013/month=12/day=31/hour=23/a", "2013-12-31T23"),
        ("streaming-data/year=2013/month=02/day=29/hour=10/a", None),
        ("streaming-data/year=2013/month=01/day=15/hour=24/a", None),
        ("streaming-data/year=2013/month=1/day=15/hour=10/a", None),
        ("streaming-data/x/year=2013/month=01/day=15/hour=10/a", None),
        ("streaming-data/year=२०१३/month=01/day=15/hour=10/a", None),
        ("processed-data/year=2013/month=01/day=15/hour=10/a", None),
        ("streaming-data/a", None),
    ],
)
def test_the_hour_of_a_key(key, hour):
    if hour is None:
        with pytest.raises(ValueError):
            hours.of_key(key, "streaming-data/")
    else:
        assert hours.of_key(key, "streaming-data/") == hour
        assert key.startswith("streaming-data/" + hours.partition(hour))


@pytest.mark.parametrize("text", ["2013-01-15", "2013-01-15T1", "2013-1-15T10", "2013-01-15T10:00", "", "x"])
def test_what_is_no_hour(text):
    with pytest.raises(ValueError):
        hours.start(text)


@pytest.mark.parametrize(
    "newest, now, remaining",
    [
        (TEN + 60, TEN + 60, 3540),  # not finished
        (TEN + 60, TEN + 3599, 1),
        (TEN + 60, TEN + 3600, 0),  # finished, and long quiet
        (TEN + 3590, TEN + 3600, 110),  # finished, not quiet
        (TEN + 9000, TEN + 9060, 60),  # a late object
        (TEN + 9000, TEN + 9120, 0),
        (TEN - 60, TEN - 30, 3630),  # a clock that is ahead
    ],
)
def test_an_hour_is_due_when_it_is_finished_and_quiet(newest, now, remaining):
    assert hours.remaining(HOUR, newest, now, 120) == remaining


@pytest.mark.parametrize(
    "seconds, now, delay",
    [
        (0, 0, 1),
        (0.2, 0, 1),
        (59.1, 0, 60),
        (900, 10, 900),
        (901, 0, 900),
        (901, 10, 890),
        (3540, 899.5, 1),
        (10**9, 1800, 900),
    ],
)
def test_how_long_a_message_is_put_back_for(seconds, now, delay):
    assert hours.delay(seconds, now) == delay


def test_hours_that_begin_within_a_day_are_waited_for():
    assert not hours.is_far_ahead(HOUR, TEN - 24 * 3600)
    assert hours.is_far_ahead(HOUR, TEN - 24 * 3600 - 1)


CLAIM = Claim(HOUR, "f" * 16, attempt=2, tries=1, state=FREE)


@pytest.mark.parametrize(
    "claim, found, recorded, again, expected",
    [
        (None, "f" * 16, False, None, (1, 1)),
        (None, "f" * 16, True, None, None),
        (CLAIM, "f" * 16, False, None, (2, 1)),
        (CLAIM.to(SENDING), "f" * 16, False, None, (2, 1)),
        (CLAIM.to(SENDING), "0" * 16, False, None, (3, 1)),
        (CLAIM.to(COMPLETED), "f" * 16, True, None, None),
        (CLAIM.to(COMPLETED), "f" * 16, False, None, (3, 1)),
        (CLAIM.to(COMPLETED), "0" * 16, False, None, (3, 1)),
        (CLAIM.to(FAILED), "f" * 16, False, None, None),
        (CLAIM.to(FAILED), "f" * 16, False, "0" * 16, None),
        (CLAIM.to(FAILED), "f" * 16, False, CLAIM.hash, (3, 1)),
        (CLAIM.to(FAILED), "0" * 16, False, None, (3, 1)),
        (CLAIM.after_loss(), "f" * 16, False, None, (3, 2)),
        (CLAIM.after_loss(), "0" * 16, False, None, (4, 1)),
    ],
)
def test_what_is_wanted_of_an_hour(claim, found, recorded, again, expected):
    answer = wanted(claim, HOUR, found, recorded, again)
    if expected is None:
        assert isinstance(answer, str)
    else:
        assert (answer.fingerprint, answer.attempt, answer.tries) == (found, *expected)


def test_only_the_success_of_the_same_objects_counts():
    assert record_that_counts(None, "f" * 16) == "f" * 16
    assert record_that_counts(CLAIM.to(COMPLETED), "f" * 16) == CLAIM.hash
    assert record_that_counts(CLAIM.to(COMPLETED), "0" * 16) is None
    assert record_that_counts(CLAIM.to(FAILED), "f" * 16) is None


def test_each_attempt_has_a_hash_of_its_own_and_the_first_is_the_fingerprint():
    hashes = [Claim(HOUR, "f" * 16, attempt, 1, FREE).hash for attempt in range(1, 5)]
    assert hashes[0] == "f" * 16 and len(set(hashes)) == 4
    assert all(len(found) == 16 and set(found) <= set("0123456789abcdef") for found in hashes)


def test_a_fingerprint_tells_objects_and_jobs_apart():
    found = {fingerprint(objects, job) for objects in "ab" for job in ({"x": 1}, {"x": 2})}
    assert len(found) == 4
    assert fingerprint("a", {"x": 1, "y": 2}) == fingerprint("a", {"y": 2, "x": 1})


RUNNING, TERMINATING = Status("RUNNING"), Status("TERMINATING", "USER_REQUEST", "Terminated by user request")
LOST_NODES = Status("TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE", "All slaves died", ended=1000.0)
IDLE = Status("TERMINATED", "USER_REQUEST", "Terminated by the auto-termination policy: idle", ended=1000.0)


@pytest.mark.parametrize(
    "progress, cluster, end",
    [
        (Progress("PENDING"), RUNNING, End.GOING),
        (Progress("RUNNING"), TERMINATING, End.GOING),
        (Progress("CANCEL_PENDING"), RUNNING, End.GOING),
        (Progress("RUNNING"), LOST_NODES, End.LOST),
        (Progress("PENDING"), UNKNOWN, End.LOST),
        (Progress("COMPLETED"), LOST_NODES, End.COMPLETED),
        (Progress("FAILED", ended=900.0), RUNNING, End.FAILED),
        (Progress("FAILED", ended=900.0), LOST_NODES, End.LOST),
        (Progress("FAILED", ended=600.0), LOST_NODES, End.FAILED),
        (Progress("FAILED", ended=900.0), TERMINATING, End.LOST),
        (Progress("FAILED", ended=900.0), IDLE, End.FAILED),
        (Progress("CANCELLED"), RUNNING, End.FAILED),
        (Progress("CANCELLED"), TERMINATING, End.LOST),
        (Progress("INTERRUPTED"), LOST_NODES, End.LOST),
        (None, RUNNING, End.LOST),
    ],
)
def test_what_became_of_a_step(progress, cluster, end):
    judged = verdict.of(progress, cluster)
    assert judged.end == end
    assert bool(judged.reason) == (end in (End.FAILED, End.LOST))


def test_the_pokes_of_an_hour_are_one_that_asks_all_that_they_ask():
    look, follow, again = Poke(HOUR), Poke(HOUR, follows=True), Poke(HOUR, again="f" * 16)
    assert messages.merged([look, look]) == look
    assert messages.merged([look, follow]) == follow
    assert messages.merged([again, look, follow]) == Poke(HOUR, True, "f" * 16)


@pytest.mark.parametrize("poke", [Poke(HOUR), Poke(HOUR, True), Poke(HOUR, again="f" * 16), Poke(HOUR, True, "0")])
def test_a_poke_that_is_put_back_asks_the_same(poke):
    assert messages.read(json.dumps(messages.repeated(poke)), "lake", "streaming-data/") == [poke]


def test_placeholders_are_filled_wherever_they_are():
    filled = fill({"a": ["x%{hour}y%{hash}", 1, None], "b": {"c": "%{hour}"}}, {"hour": "h", "hash": "f"})
    assert filled == {"a": ["xhyf", 1, None], "b": {"c": "h"}}


@pytest.mark.parametrize(
    "reason, shown",
    [("plain", "plain"), ("two\nlines\x00", "two lines"), ("", "no reason is known"), ("x" * 2000, "x" * 1000)],
)
def test_a_reason_is_such_as_sqs_takes(reason, shown):
    assert printable(reason) == shown


@pytest.mark.parametrize("text", ["bucket/key", "s3://bucket", "s3:///key", "https://bucket/key"])
def test_what_is_no_place_in_s3(text):
    with pytest.raises(ValueError):
        settings.uri(text)
