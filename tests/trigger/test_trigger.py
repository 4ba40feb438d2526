"""What happens to hours: each test is a story from objects in the lake to steps, records and dead letters."""

import json

import fakes
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.parsers import ResponseParserError
from world import BASE, CLUSTER, HOUR, JOB, TAGS, World, notification


def test_many_objects_told_of_often_and_in_any_order_make_one_step():
    world = World()
    for name in ("c", "a", "b"):
        world.deliver(name, times=3)
    world.settle(most=2)
    assert len(world.names()) == 1
    assert world.states() == ["COMPLETED"]
    assert len(world.aws.emr.clusters) == 1
    assert world.dead() == []
    record = world.records()[0]
    assert record == {
        "version": 1,
        "job": "process",
        "input": world.claim()["hash"],
        "params": {"hour": HOUR, "mode": "full"},
        "cluster": "j-1",
        "step": "s-1",
        "seconds": 90,
        "state": "completed",
        "log": "s3://lake/logs/emr/j-1/steps/s-1/",
    }
    assert world.aws.s3.json(f"{BASE}/last/process.json") == record
    assert world.names() == ["process#" + record["input"]]
    assert world.aws.emr.steps()[0].args == ["spark-submit", "job.py", f"--hours={HOUR}"]
    assert world.aws.s3.objects[f"{BASE}/scripts/abc/job.py"]["Body"] == b"print()"


def test_what_was_done_is_not_done_again():
    world = World()
    world.deliver("a")
    world.settle()
    world.deliver("b", "2013-01-15T11")
    world.notify("streaming-data/year=2013/month=01/day=15/hour=10/a")
    world.settle()
    assert len(world.names()) == 2


def test_a_late_object_makes_the_hour_run_again():
    world = World()
    world.deliver("a")
    world.settle()
    world.deliver("late")
    world.settle()
    assert len(set(world.names())) == 2
    assert len(world.records()) == 2
    assert len(world.aws.emr.clusters) == 1


def test_an_object_that_comes_while_the_hour_runs_waits_for_its_end():
    world = World()
    world.deliver("a")
    world.wait(120)
    world.invoke(world.event())
    assert world.claim()["state"] == "submitted"
    world.deliver("late")
    world.settle()
    assert world.states() == ["COMPLETED", "COMPLETED"]
    first, second = world.aws.emr.steps()
    assert second.sent >= first.ended


def test_deleting_the_record_of_a_success_makes_the_hour_due_again():
    world = World()
    world.deliver("a")
    world.settle()
    del world.aws.s3.objects[f"{BASE}/runs/process/{world.claim()['hash']}.json"]
    world.tell({"hour": HOUR})
    world.settle()
    assert len(set(world.names())) == 2


def test_a_success_on_record_counts_although_the_leases_are_gone():
    world = World()
    world.deliver("a")
    world.settle()
    del world.aws.s3.objects[f"{BASE}/leases/hours/{HOUR}.json"]
    world.tell({"hour": HOUR})
    world.settle()
    assert len(world.names()) == 1


def test_a_step_that_is_there_already_is_followed_although_the_leases_are_gone():
    world = World()
    world.deliver("a")
    world.wait(120)
    world.invoke(world.event())
    del world.aws.s3.objects[f"{BASE}/leases/hours/{HOUR}.json"]
    world.settle()
    assert len(world.names()) == 1 and len(world.records()) == 1


def test_one_message_follows_a_step_however_many_ask_for_its_hour():
    world = World()
    world.deliver("a")
    world.wait(120)
    world.invoke(world.event())
    for _ in range(5):
        world.notify("streaming-data/year=2013/month=01/day=15/hour=10/a")
        world.invoke(world.event())
    assert len(world.aws.sqs.queues["arrivals"]) == 1


def test_objects_that_come_and_go_leave_the_figures_of_what_is_there():
    world = World()
    world.deliver("a")
    world.settle()
    world.deliver("b")
    world.settle()
    del world.aws.s3.objects["streaming-data/year=2013/month=01/day=15/hour=10/b"]
    world.tell({"hour": HOUR})
    world.settle()
    assert len(set(world.names())) == 3
    assert world.states() == ["COMPLETED"] * 3


def test_another_script_makes_an_hour_that_is_told_of_run_again():
    world = World()
    world.deliver("a")
    world.settle()
    script = {"uri": JOB["script"]["uri"].replace("abc", "def"), "content": ""}
    world.describe(CLUSTER, {**JOB, "script": script})
    world.tell({"hour": HOUR})
    world.settle()
    assert len(set(world.names())) == 2


def test_an_hour_waits_until_it_is_finished_and_quiet():
    world = World(now=1358245800.0)  # 10:30 of the hour
    world.deliver("a")
    world.invoke(world.event())
    waiting = world.aws.sqs.queues["arrivals"]
    assert [json.loads(message.body) for message in waiting] == [{"hour": HOUR}]
    world.settle()
    assert world.aws.emr.steps()[0].sent >= 1358247600.0
    assert len(world.names()) == 1
    assert max(message.receives for message in waiting) <= 1


def test_an_hour_that_was_emptied_is_no_work():
    world = World()
    world.tell({"hour": HOUR})
    world.settle()
    assert world.names() == [] and world.dead() == []


def test_an_hour_of_many_pages_is_read_whole():
    world = World()
    for number in range(2500):
        world.aws.s3.keep(f"streaming-data/year=2013/month=01/day=15/hour=10/{number}", b"x", f'"{number}"')
    world.tell({"hour": HOUR})
    world.settle()
    world.aws.s3.keep("streaming-data/year=2013/month=01/day=15/hour=10/999", b"x", '"other"')
    world.tell({"hour": HOUR})
    world.settle()
    assert len(set(world.names())) == 2


def test_the_live_cluster_is_used_and_its_namesakes_are_not():
    world = World()
    emr = world.aws.emr
    emr.begin({**CLUSTER, "Tags": []})
    emr.begin({**CLUSTER, "Tags": [TAGS[0], {"Key": "pipeline:id", "Value": "other"}]})
    emr.begin({**CLUSTER, "Tags": [*TAGS, {"Key": "pipeline:retired", "Value": "2013"}]})
    ours = emr.begin(CLUSTER)
    emr.end(emr.begin(CLUSTER))
    world.deliver("a")
    world.settle()
    assert world.states() == ["COMPLETED"] and len(ours.steps) == 1
    assert len(emr.clusters) == 5


def test_of_two_clusters_of_our_own_the_older_takes_the_steps():
    world = World()
    emr = world.aws.emr
    older = emr.begin(CLUSTER)
    world.wait(1)
    younger = emr.begin(CLUSTER)
    lease(world, {"version": 1, "cluster": younger.id})
    emr.clusters.reverse()
    world.deliver("a")
    world.settle()
    assert world.states() == ["COMPLETED"] and len(older.steps) == 1
    assert len(emr.clusters) == 2


def lease(world: World, content: dict) -> None:
    """What the program writes before it starts a cluster, and after."""
    world.aws.s3.keep(f"{BASE}/starts/spark.json", json.dumps(content).encode())


def test_while_the_program_starts_a_cluster_no_other_is_started():
    world = World()
    world.aws.emr.lag = 150
    world.deliver("a")
    world.wait(120)
    lease(world, {"version": 1, "cluster": None})
    world.invoke(world.event())
    world.aws.emr.begin(CLUSTER)
    world.settle()
    assert world.states() == ["COMPLETED"] and len(world.aws.emr.clusters) == 1


@pytest.mark.parametrize("content", [{"cluster": None}, {"cluster": None, "free": True}, {"cluster": "j-9"}])
def test_a_lease_that_lapsed_or_was_given_back_or_tells_of_a_dead_cluster_is_taken_over(content):
    world = World()
    lease(world, {"version": 1, **content})
    world.deliver("a")
    world.settle()
    assert world.states() == ["COMPLETED"] and len(world.aws.emr.clusters) == 1


def test_after_the_cluster_ended_one_new_one_is_started():
    world = World()
    world.aws.emr.lag = 100
    world.deliver("a")
    world.settle()
    world.aws.emr.end(world.aws.emr.clusters[0], message="Terminated by the auto-termination policy")
    for hour in ("2013-01-15T11", "2013-01-15T12"):
        world.deliver("b", hour)
    world.settle(most=1)
    assert world.states() == ["COMPLETED"] * 3
    assert len(world.aws.emr.clusters) == 2


def test_a_cluster_that_ends_between_look_and_submission_is_replaced():
    world = World()
    first = world.aws.emr.begin(CLUSTER)
    world.deliver("a")

    def end(name):
        if name == "AddJobFlowSteps" and first.ended is None:
            world.aws.emr.end(first)

    world.aws.before = end
    world.wait(120)
    world.invoke(world.event())
    assert [len(cluster.steps) for cluster in world.aws.emr.clusters] == [0, 1]
    world.settle()
    assert world.states() == ["COMPLETED"]


def test_a_step_that_its_cluster_took_along_runs_on_another():
    world = World()
    world.deliver("a")
    world.wait(120)
    world.invoke(world.event())
    world.aws.emr.end(world.aws.emr.clusters[0], "INSTANCE_FAILURE", "")
    world.settle()
    assert world.states() == ["CANCELLED", "COMPLETED"]
    assert world.dead() == [] and len(world.records()) == 1


def test_a_cluster_that_ends_while_steps_are_looked_at_is_no_fault_of_theirs():
    world = World()
    world.deliver("a")
    world.deliver("b", "2013-01-15T11")
    world.wait(120)
    world.invoke(world.event())
    world.wait(60)

    def end(name):
        if name == "DescribeCluster":
            world.aws.after = lambda _: None
            world.aws.emr.end(world.aws.emr.clusters[0])

    world.aws.after = end
    world.settle()
    assert world.states() == ["CANCELLED"] * 2 + ["COMPLETED"] * 2
    assert world.dead() == []


def test_the_third_cluster_that_ends_is_the_last():
    world = World()
    world.deliver("a")
    begin = world.aws.emr.begin

    def doomed(request):
        cluster = begin(request)
        cluster.ended = world.aws.now + 200
        return cluster

    world.aws.emr.begin = doomed
    world.aws.emr.state = lambda cluster: _doomed_state(world.aws.emr, cluster)
    world.settle()
    assert world.states() == ["CANCELLED"] * 3
    [letter] = world.dead()
    assert "the last of 3 tries" in letter.reason
    world.aws.emr.begin = begin
    world.aws.sqs.redrive()
    world.settle()
    assert world.states()[-1] == "COMPLETED" and len(set(world.names())) == 4


def _doomed_state(emr, cluster):
    if cluster.ended is not None and emr.aws.now < cluster.ended:
        return "STARTING"
    return fakes.Emr.state(emr, cluster)


def test_a_failed_step_is_a_dead_letter_and_runs_again_when_redriven():
    world = World()
    world.aws.emr.failing = {HOUR}
    world.deliver("a")
    world.settle()
    [letter] = world.dead()
    assert letter.reason == (
        f"step s-1 of hour {HOUR} on j-1 failed: ValueError: no; log s3://lake/logs/emr/j-1/steps/s-1/"
    )
    assert world.records() == []
    assert world.aws.s3.json(f"{BASE}/last/process.json")["state"] == "failed"
    world.notify("streaming-data/year=2013/month=01/day=15/hour=10/a")
    world.settle()
    assert len(world.names()) == 1, "nobody asked for it"

    world.aws.emr.failing = set()
    copy = letter.body
    world.aws.sqs.redrive()
    world.settle()
    assert world.states() == ["FAILED", "COMPLETED"]
    assert len(set(world.names())) == 2 and world.dead() == []
    world.aws.sqs.put("arrivals", copy)
    world.settle()
    assert len(world.names()) == 2, "a failure is tried again once for each redrive"


def test_a_redriven_failure_that_fails_is_a_dead_letter_again():
    world = World()
    world.aws.emr.failing = {HOUR}
    world.deliver("a")
    for _ in range(3):
        world.settle()
        [letter] = world.dead()
        world.aws.sqs.redrive()
    assert json.loads(letter.body)["again"] == world.claim()["hash"]
    assert world.states() == ["FAILED"] * 3


def test_a_step_that_somebody_cancelled_is_a_dead_letter():
    world = World()
    world.deliver("a")
    world.wait(120)
    world.invoke(world.event())
    step = world.aws.emr.steps()[0]
    step.state, step.ended = "CANCELLED", world.aws.now
    world.settle()
    assert "cancelled" in world.dead()[0].reason
    assert len(world.names()) == 1


@pytest.mark.parametrize(
    "body, reason",
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"Records": "x"}', "neither"),
        ('{"Records": [{"eventName": 1}]}', "neither"),
        ('{"hour": "yesterday"}', "`yesterday` is not an hour"),
        ('{"hour": 7}', "is not an hour"),
        ('{"hour": "2013-01-15T10", "again": 1}', "again"),
        (notification("streaming-data/loose.gz"), "loose.gz"),
        (notification("elsewhere/year=2013/month=01/day=15/hour=10/a"), "streaming-data/"),
        (notification("streaming-data/year=2013/month=13/day=15/hour=10/a"), "does not exist"),
        (notification("streaming-data/year=2013/month=01/day=15/hour=10/a", bucket="other"), "other"),
    ],
)
def test_what_cannot_be_handled_is_a_dead_letter_with_the_reason(body, reason):
    world = World()
    world.deliver("a")
    world.aws.sqs.put("arrivals", body)
    world.settle()
    [letter] = world.dead()
    assert letter.body == body and reason in letter.reason
    assert world.states() == ["COMPLETED"], "its neighbours are not touched"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "lake"}),
        notification("streaming-data/year=2013/month=01/day=15/hour=10/"),
        notification("streaming-data/year=2013/month=01/day=15/hour=10/a", event="LifecycleExpiration:Delete"),
    ],
)
def test_what_brings_no_events_is_let_go(body):
    world = World()
    world.aws.s3.keep("streaming-data/year=2013/month=01/day=15/hour=10/a", b"a")
    world.aws.sqs.put("arrivals", body)
    world.settle()
    assert world.dead() == [] and world.names() == []


def test_an_hour_far_ahead_is_a_dead_letter():
    world = World()
    world.deliver("a", "2099-01-01T00")
    world.settle()
    assert "ahead" in world.dead()[0].reason


def test_a_fault_that_lasts_fails_its_own_messages_and_ends_as_a_dead_letter():
    world = World()
    world.deliver("a")
    world.deliver("b", "2013-01-15T11")
    working = world.aws.s3.list_objects_v2

    def broken(Bucket, Prefix, **more):
        if "hour=10" in Prefix:
            raise fakes.refusal("SlowDown", "Reduce your request rate", 503)
        return working(Bucket, Prefix, **more)

    world.aws.s3.list_objects_v2 = broken
    world.settle()
    [letter] = world.dead()
    assert "SlowDown" in letter.reason
    assert world.states() == ["COMPLETED"]
    world.aws.s3.list_objects_v2 = working
    world.aws.sqs.redrive()
    world.settle()
    assert world.states() == ["COMPLETED"] * 2


def test_only_the_messages_of_the_hour_that_failed_are_named():
    world = World()
    world.deliver("a", times=2)
    world.deliver("b", "2013-01-15T11")
    world.wait(120)
    world.aws.before = lambda name: _fail_once(world, name, "AddJobFlowSteps", fakes.refusal("AccessDenied", "no"))
    failed = world.invoke(world.event())
    assert failed == ["m1", "m2"]
    assert world.claim()["state"] == "free"


def _fail_once(world, name, call, error):
    if name == call:
        world.aws.before = lambda _: None
        raise error


@pytest.mark.parametrize(
    "call, error",
    [
        ("AddJobFlowSteps", fakes.refusal("ThrottlingException", "Rate exceeded")),
        ("AddJobFlowSteps", fakes.refusal("ValidationException", "Maximum number of active steps exceeded.")),
        ("AddJobFlowSteps", fakes.refusal("ValidationException", "Specified job flow ID not valid.")),
        ("RunJobFlow", fakes.refusal("ThrottlingException", "Rate exceeded")),
        ("PutObject", fakes.refusal("ConditionalRequestConflict", "in progress", 409)),
        ("PutObject", fakes.refusal("PreconditionFailed", "no", 412)),
    ],
)
def test_what_passes_is_waited_for_and_is_no_failure(call, error):
    world = World()
    world.deliver("a")
    world.wait(120)
    world.aws.before = lambda name: _fail_once(world, name, call, error)
    assert world.invoke(world.event()) == []
    world.wait(61)
    world.invoke(world.event())
    assert len(world.names()) == 1, "the next look is enough"
    world.settle()
    assert world.states() == ["COMPLETED"] and len(world.aws.emr.clusters) == 1


@pytest.mark.parametrize("call", ["RunJobFlow", "AddJobFlowSteps"])
@pytest.mark.parametrize("reached", ["reached", "not reached"])
@pytest.mark.parametrize(
    "error",
    [ReadTimeoutError(endpoint_url="emr"), fakes.refusal("InternalFailure", "", 500), ResponseParserError("no JSON")],
)
@pytest.mark.parametrize("lag", [0, 100])
def test_a_lost_answer_is_resolved_by_looking(call, reached, error, lag):
    world = World()
    world.aws.emr.lag = lag
    world.deliver("a")
    world.wait(120)
    lost = lambda name: _lose_once(world, name, call, error)
    if reached == "reached":
        world.aws.after = lost
    else:
        world.aws.before = lost
    world.settle()
    assert world.states() == ["COMPLETED"]
    assert len(world.aws.emr.clusters) == 1 and world.dead() == []


def _lose_once(world, name, call, error):
    if name == call:
        world.aws.before = world.aws.after = lambda _: None
        raise error


def test_a_put_that_the_sdk_repeats_is_our_own():
    world = World()
    world.deliver("a")
    put = world.aws.s3._put

    def twice(key, body, *conditions):
        put(key, body, *conditions)
        return put(key, body, *conditions)

    world.aws.s3._put = twice
    world.settle()
    assert world.states() == ["COMPLETED"] and world.dead() == []


def test_with_no_time_left_messages_are_put_back_whole():
    world = World()
    asked = [{"hour": HOUR, "follow": True}, {"hour": "2013-01-15T11", "again": "0" * 16}]
    for message in asked:
        world.tell(message)
    assert world.invoke(world.event(), seconds=10) == []
    assert [json.loads(message.body) for message in world.aws.sqs.queues["arrivals"]] == asked


def test_the_log_is_where_the_cluster_writes_it():
    for cluster, log in [
        ({**CLUSTER, "LogUri": "s3://a/"}, "s3://a/j-1/steps/s-1/"),
        ({**CLUSTER, "LogUri": None}, None),
    ]:
        world = World()
        world.describe(cluster, JOB)
        world.deliver("a")
        world.settle()
        assert world.records()[0]["log"] == log


def test_descriptions_that_cannot_work_are_named():
    for cluster, job, reason in [
        ({**CLUSTER, "Tags": []}, JOB, "pipeline:owner"),
        (CLUSTER, {**JOB, "step": {"Name": "%{nothing}"}}, "%{nothing}"),
        (CLUSTER, {**JOB, "params": {"hours": ""}}, "no parameter `hour`"),
    ]:
        world = World()
        world.describe(cluster, job)
        world.deliver("a")
        world.settle()
        assert reason in world.dead()[0].reason
        assert world.aws.emr.clusters == []
