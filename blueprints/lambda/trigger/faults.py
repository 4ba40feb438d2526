"""What can go wrong, told apart by what is to be done about it.

Everything else fails its message, which SQS repeats.
"""

from botocore.exceptions import ClientError

THROTTLED = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}


class Later(Exception):
    """Nothing is wrong, and nothing can be done yet: the hour is looked at again after some seconds."""

    def __init__(self, seconds: float, reason: str):
        super().__init__(reason)
        self.seconds = seconds
        self.reason = reason


class Unhandled(Exception):
    """Repeating cannot help: the message goes to the dead-letter queue with this reason."""


class Raced(Exception):
    """Somebody else wrote the object in between: look again."""


def code(error: Exception) -> str:
    return error.response["Error"].get("Code", "") if isinstance(error, ClientError) else ""


def status(error: Exception) -> int:
    return error.response["ResponseMetadata"].get("HTTPStatusCode", 0) if isinstance(error, ClientError) else 0


def says(error: Exception, words: str) -> bool:
    return isinstance(error, ClientError) and words in error.response["Error"].get("Message", "")


def is_refusal(error: Exception) -> bool:
    """Whether AWS says that it did nothing. Any other failure may come after the call took effect."""
    return 400 <= status(error) < 500


def is_throttle(error: Exception) -> bool:
    return code(error) in THROTTLED
