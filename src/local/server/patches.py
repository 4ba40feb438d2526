"""Where ministack falls short of AWS and the difference would mislead: importing this module puts it right.

Each patch is one function that says what AWS does and what ministack does. They fit the pinned version only.
"""

import firehose_streams  # noqa: F401
import metrics_services  # noqa: F401
import patch_cloudwatch  # noqa: F401
import patch_firehose  # noqa: F401
import patch_glue  # noqa: F401
import patch_iam  # noqa: F401
import patch_kinesis  # noqa: F401
import patch_kms  # noqa: F401
import patch_lambda  # noqa: F401
import patch_logs  # noqa: F401
import patch_messaging  # noqa: F401
import patch_notifications  # noqa: F401
import patch_queue_lock  # noqa: F401
import patch_s3  # noqa: F401
import patch_sqs_move  # noqa: F401
import patch_tagging  # noqa: F401
