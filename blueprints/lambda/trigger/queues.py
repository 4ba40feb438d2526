"""Messages that the trigger sends: to itself, for later, and to the dead-letter queue, with the reason."""

import json

# A reason is for people. SQS takes 256 KB for a message with all its attributes.
REASON_CHARACTERS_MAX = 1000


class Queues:
    def __init__(self, sqs, queue: str, dead_letter_queue: str):
        self.sqs = sqs
        self.queue = queue
        self.dead_letter_queue = dead_letter_queue

    def put_back(self, message: dict, delay_seconds: int) -> None:
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=json.dumps(message), DelaySeconds=delay_seconds)

    def dead_letter(self, body: str, reason: str) -> None:
        attribute = {"DataType": "String", "StringValue": printable(reason)}
        self.sqs.send_message(
            QueueUrl=self.dead_letter_queue, MessageBody=body, MessageAttributes={"reason": attribute}
        )


def printable(reason: str) -> str:
    """A reason as SQS takes it: some characters, and only such as XML has."""
    clean = "".join(letter if letter.isprintable() else " " for letter in reason)
    return clean.strip()[:REASON_CHARACTERS_MAX] or "no reason is known"
