"""SQS: one thread at a time in the queues.

ministack's other threads (event source mappings, S3, SNS, EventBridge, Lambda) add to a queue, or take from it, while
a request makes its list of messages anew: what came meanwhile is lost.
"""

import threading

from ministack.services import eventbridge, lambda_svc, s3, sns, sqs

from patching import wrap

_lock = sqs._queues_lock = threading.RLock()
_OF_QUEUES = (
    "_act_send_message",
    "_act_send_message_batch",
    "_act_delete_message",
    "_act_delete_message_batch",
    "_act_change_visibility",
    "_act_change_visibility_batch",
    "_act_purge_queue",
    "_expire_retained",
    "_dlq_sweep",
    "_collect_msgs",
)


def _alone(function, *arguments, **named):
    with _lock:
        return function(*arguments, **named)


for _name in _OF_QUEUES:
    wrap(sqs, _name)(_alone)
wrap(s3, "_deliver_event_to_sqs")(_alone)
wrap(sns, "_deliver_to_sqs")(_alone)
wrap(eventbridge, "_dispatch_to_sqs")(_alone)


@wrap(lambda_svc, "_route_async_failure")
def route_alone(route, target_arn, *rest):
    """Where the target is a queue; a topic may call functions, which must not wait for this lock."""
    return _alone(route, target_arn, *rest) if ":sqs:" in target_arn else route(target_arn, *rest)
