//! `Queues` by SQS, which moves messages by itself once it is told to.

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::start_message_move_task::StartMessageMoveTaskError;
use aws_sdk_sqs::types::{ListMessageMoveTasksResultEntry, QueueAttributeName};
use aws_sdk_sqs::{Client, config};

use crate::cloud::{Boxed, Class, Depth, Fault, Message, Move, MoveState, Queues};

use super::{Aws, During};

/// The message attribute in which a program says why it gave a message up.
const REASON: &str = "reason";

impl Aws {
    fn sqs(&self) -> Client {
        self.client()
    }
}

impl Queues for Aws {
    fn depth<'a>(&'a self, url: &'a str) -> Boxed<'a, Result<Depth, Fault>> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as Taken,
        };
        Box::pin(async move {
            let call = self.sqs().get_queue_attributes().queue_url(url);
            let call = call.set_attribute_names(Some(vec![Waiting, Delayed, Taken]));
            let found = call.send().await.during("sqs:GetQueueAttributes")?;
            let attributes = found.attributes();
            let number = |name: &QueueAttributeName| {
                attributes.and_then(|all| all.get(name)?.parse::<u64>().ok()).unwrap_or_default()
            };
            Ok(Depth { waiting: number(&Waiting), hidden: number(&Taken) + number(&Delayed) })
        })
    }

    fn peek<'a>(&'a self, url: &'a str, number: u8) -> Boxed<'a, Result<Vec<Message>, Fault>> {
        Box::pin(async move {
            let call = self.sqs().receive_message().queue_url(url).visibility_timeout(0);
            let call = call.max_number_of_messages(i32::from(number)).wait_time_seconds(1);
            let call = call.message_attribute_names(REASON);
            let found = call.send().await.during("sqs:ReceiveMessage")?;
            let messages = found.messages().iter().map(|message| {
                let reason =
                    message.message_attributes().and_then(|all| all.get(REASON)?.string_value());
                let body = message.body().unwrap_or_default().to_owned();
                Message { body, reason: reason.map(str::to_owned) }
            });
            Ok(messages.collect())
        })
    }

    fn start_move<'a>(
        &'a self,
        from: &'a str,
        to: Option<&'a str>,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            let once = config::Config::builder().retry_config(RetryConfig::disabled());
            let call = self.sqs().start_message_move_task().source_arn(from);
            let call = call.set_destination_arn(to.map(str::to_owned));
            let sent: Result<_, SdkError<StartMessageMoveTaskError, _>> =
                call.customize().config_override(once).send().await;
            sent.during("sqs:StartMessageMoveTask").map(|_| ()).map_err(busy)
        })
    }

    fn last_move<'a>(&'a self, from: &'a str) -> Boxed<'a, Result<Option<Move>, Fault>> {
        Box::pin(async move {
            let call = self.sqs().list_message_move_tasks().source_arn(from).max_results(10);
            let found = call.send().await.during("sqs:ListMessageMoveTasks")?;
            Ok(found.results().iter().map(moved).max_by_key(|task| task.started))
        })
    }
}

/// "There is already a task running. Only one active task is allowed for a source queue arn at a
/// given time." It may be ours, of which we did not hear.
fn busy(fault: Fault) -> Fault {
    if fault.message.contains("already a task running") {
        fault.class(Class::Conflict)
    } else {
        fault
    }
}

fn moved(task: &ListMessageMoveTasksResultEntry) -> Move {
    let state = match task.status() {
        Some("COMPLETED") => MoveState::Completed,
        Some("CANCELLED") => MoveState::Cancelled,
        Some("FAILED") => {
            MoveState::Failed(task.failure_reason().unwrap_or("SQS gives no reason").to_owned())
        }
        // A move that is being cancelled still moves.
        _ => MoveState::Running,
    };
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    Move {
        started: task.started_timestamp(),
        state,
        moved: number(task.approximate_number_of_messages_moved()),
        of: task.approximate_number_of_messages_to_move().map(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqs_says_of_a_move_is_read() {
        for (status, reason, state) in [
            ("RUNNING", None, MoveState::Running),
            ("CANCELLING", None, MoveState::Running),
            ("COMPLETED", None, MoveState::Completed),
            ("CANCELLED", None, MoveState::Cancelled),
            (
                "FAILED",
                Some("CouldNotDetermineMessageSource"),
                MoveState::Failed("CouldNotDetermineMessageSource".into()),
            ),
            ("FAILED", None, MoveState::Failed("SQS gives no reason".into())),
        ] {
            let task = ListMessageMoveTasksResultEntry::builder()
                .status(status)
                .set_failure_reason(reason.map(str::to_owned))
                .started_timestamp(5)
                .approximate_number_of_messages_moved(3)
                .approximate_number_of_messages_to_move(7)
                .build();
            assert_eq!(moved(&task), Move { started: 5, state, moved: 3, of: Some(7) }, "{status}");
        }
    }
}
