//! Which calls a step of a plan implies: a table, and nothing of how the program comes to them.

use std::collections::BTreeSet;

/// A kind, when, and the calls. `+` is a creation, `-` a deletion, `x` one of what holds data, `>`
/// a replacement beside the old one; `~a,b` an update of these fields, `~!a,b` one of others. What
/// is created is also updated, and what is replaced is deleted and created.
const TABLE: &str = "
kms-key + kms:CreateKey kms:CancelKeyDeletion
kms-key ~name kms:CreateAlias
kms-key ~enabled kms:EnableKey kms:DisableKey
kms-key ~tags,deletion_window_days kms:TagResource kms:UntagResource
kms-key ~description kms:UpdateKeyDescription
kms-key ~policy kms:PutKeyPolicy
kms-key ~rotation,rotation_period_days kms:EnableKeyRotation kms:DisableKeyRotation
kms-key - kms:ScheduleKeyDeletion
iam-role + iam:CreateRole
iam-role ~trust iam:UpdateAssumeRolePolicy
iam-role ~description,max_session iam:UpdateRole
iam-role ~boundary iam:PutRolePermissionsBoundary iam:DeleteRolePermissionsBoundary
iam-role ~policies iam:PutRolePolicy iam:DeleteRolePolicy
iam-role ~managed_policies iam:AttachRolePolicy iam:DetachRolePolicy
iam-role ~instance_profile iam:CreateInstanceProfile iam:AddRoleToInstanceProfile
iam-role ~instance_profile iam:RemoveRoleFromInstanceProfile iam:DeleteInstanceProfile
iam-role ~instance_profile,tags iam:TagInstanceProfile iam:UntagInstanceProfile
iam-role ~tags iam:TagRole iam:UntagRole
iam-role - iam:RemoveRoleFromInstanceProfile iam:DeleteInstanceProfile iam:DetachRolePolicy
iam-role - iam:DeleteRolePolicy iam:DeleteRole
log-group + logs:CreateLogGroup
log-group ~tags logs:TagResource logs:UntagResource
log-group ~retention_days logs:PutRetentionPolicy logs:DeleteRetentionPolicy
log-group ~key logs:AssociateKmsKey logs:DisassociateKmsKey
log-group - logs:DeleteLogGroup
s3-bucket + s3:PUT_bucket
s3-bucket ~tags s3:PUT_?tagging s3:DELETE_?tagging
s3-bucket ~ownership s3:PUT_?ownershipControls
s3-bucket ~public_access_block s3:PUT_?publicAccessBlock
s3-bucket ~encryption s3:PUT_?encryption
s3-bucket ~versioning s3:PUT_?versioning
s3-bucket ~policy,tls_only s3:PUT_?policy s3:DELETE_?policy
s3-bucket ~lifecycle s3:PUT_?lifecycle s3:DELETE_?lifecycle
s3-bucket - s3:DELETE_bucket
s3-bucket x s3:POST_?delete s3:DELETE_object
sns-topic + sns:CreateTopic
sns-topic ~tags sns:TagResource sns:UntagResource
sns-topic ~subscriptions sns:Subscribe sns:Unsubscribe sns:SetSubscriptionAttributes
sns-topic ~!tags,subscriptions sns:SetTopicAttributes
sns-topic - sns:Unsubscribe sns:DeleteTopic
sqs-queue + sqs:CreateQueue
sqs-queue ~tags sqs:TagQueue sqs:UntagQueue
sqs-queue ~!tags sqs:SetQueueAttributes
sqs-queue - sqs:DeleteQueue
glue-database + glue:CreateDatabase
glue-database ~tags glue:TagResource glue:UntagResource
glue-database ~tags,description,location,parameters glue:UpdateDatabase
glue-database - glue:DeleteDatabase
glue-database x glue:BatchDeleteTable
glue-table + glue:CreateTable
glue-table ~! glue:UpdateTable
glue-table - glue:DeleteTable
s3-object + s3:PUT_object
s3-object ~! s3:PUT_object
s3-object - s3:DELETE_object
s3-folder + s3:PUT_object
s3-folder ~! s3:PUT_object s3:POST_?delete
s3-folder - s3:POST_?delete
kinesis-stream + kinesis:CreateStream
kinesis-stream ~tags kinesis:AddTagsToStream kinesis:RemoveTagsFromStream
kinesis-stream ~mode kinesis:UpdateStreamMode
kinesis-stream ~shards kinesis:UpdateShardCount
kinesis-stream ~retention_hours kinesis:IncreaseStreamRetentionPeriod
kinesis-stream ~retention_hours kinesis:DecreaseStreamRetentionPeriod
kinesis-stream ~shard_metrics kinesis:EnableEnhancedMonitoring kinesis:DisableEnhancedMonitoring
kinesis-stream ~key kinesis:StartStreamEncryption kinesis:StopStreamEncryption
kinesis-stream - kinesis:DeleteStream
emr-security-configuration + elasticmapreduce:CreateSecurityConfiguration
emr-security-configuration - elasticmapreduce:DeleteSecurityConfiguration
lambda-function + lambda:POST_functions
lambda-function ~tags lambda:POST_tags lambda:DELETE_tags
lambda-function ~reserved_concurrency lambda:PUT_functions/concurrency
lambda-function ~reserved_concurrency lambda:DELETE_functions/concurrency
lambda-function ~permissions lambda:POST_functions/policy lambda:DELETE_functions/policy
lambda-function ~code_sha256,architecture lambda:PUT_functions/code
lambda-function ~sources lambda:POST_event-source-mappings lambda:PUT_event-source-mappings
lambda-function ~sources lambda:DELETE_event-source-mappings
lambda-function ~!tags,reserved_concurrency,permissions,code_sha256,sources \
lambda:PUT_functions/configuration
lambda-function - lambda:DELETE_event-source-mappings lambda:DELETE_functions
firehose-stream + firehose:CreateDeliveryStream
firehose-stream ~tags firehose:TagDeliveryStream firehose:UntagDeliveryStream
firehose-stream ~encryption firehose:StartDeliveryStreamEncryption
firehose-stream ~encryption firehose:StopDeliveryStreamEncryption
firehose-stream ~!tags,encryption firehose:UpdateDestination
firehose-stream - firehose:DeleteDeliveryStream
s3-notification + s3:PUT_?notification
s3-notification ~! s3:PUT_?notification
s3-notification - s3:PUT_?notification
emr-cluster + elasticmapreduce:RunJobFlow
emr-cluster ~tags elasticmapreduce:AddTags elasticmapreduce:RemoveTags
emr-cluster ~termination_protection elasticmapreduce:SetTerminationProtection
emr-cluster ~terminate_after_steps elasticmapreduce:SetKeepJobFlowAliveWhenNoSteps
emr-cluster ~unhealthy_node_replacement elasticmapreduce:SetUnhealthyNodeReplacement
emr-cluster ~step_concurrency elasticmapreduce:ModifyCluster
emr-cluster ~idle_timeout elasticmapreduce:PutAutoTerminationPolicy
emr-cluster ~idle_timeout elasticmapreduce:RemoveAutoTerminationPolicy
emr-cluster ~managed_scaling elasticmapreduce:PutManagedScalingPolicy
emr-cluster ~managed_scaling elasticmapreduce:RemoveManagedScalingPolicy
emr-cluster ~core,task elasticmapreduce:ModifyInstanceGroups elasticmapreduce:AddInstanceGroups
emr-cluster ~fleets elasticmapreduce:AddInstanceFleet elasticmapreduce:ModifyInstanceFleet
emr-cluster > elasticmapreduce:AddTags
emr-cluster - elasticmapreduce:TerminateJobFlows
cloudwatch-alarm + monitoring:PutMetricAlarm
cloudwatch-alarm ~tags monitoring:TagResource monitoring:UntagResource
cloudwatch-alarm ~!tags monitoring:PutMetricAlarm
cloudwatch-alarm - monitoring:DeleteAlarms
cloudwatch-composite-alarm + monitoring:PutCompositeAlarm
cloudwatch-composite-alarm ~tags monitoring:TagResource monitoring:UntagResource
cloudwatch-composite-alarm ~!tags monitoring:PutCompositeAlarm
cloudwatch-composite-alarm - monitoring:DeleteAlarms
cloudwatch-dashboard + monitoring:PutDashboard
cloudwatch-dashboard ~tags monitoring:TagResource monitoring:UntagResource
cloudwatch-dashboard ~body monitoring:PutDashboard
cloudwatch-dashboard - monitoring:DeleteDashboards
";

/// What is to become of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Create,
    Update,
    Replace,
    Delete,
}

/// What a step of a plan says of its doing.
#[derive(Debug)]
pub struct Doing {
    pub verb: Verb,
    /// The first words of the paths that differ.
    pub fields: BTreeSet<String>,
    pub loses_data: bool,
}

impl Doing {
    fn covers(&self, when: &str) -> bool {
        let Self { verb, fields, loses_data } = self;
        let (ends, begins) = match verb {
            Verb::Create => (false, true),
            Verb::Update => (false, false),
            Verb::Replace => (true, true),
            Verb::Delete => (true, false),
        };
        let Some(named) = when.strip_prefix('~') else {
            return match when {
                "+" => begins,
                "-" => ends,
                "x" => ends && *loses_data,
                _ => *verb == Verb::Replace,
            };
        };
        let others = named.strip_prefix('!');
        let among = |field: &String| others.unwrap_or(named).split(',').any(|name| name == field);
        begins || *verb == Verb::Update && fields.iter().any(|f| among(f) != others.is_some())
    }
}

/// The kinds that make a call, and when.
pub fn rows(call: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let call = call.replace(' ', "_");
    TABLE.lines().filter_map(move |line| {
        let (kind, rest) = line.split_once(' ')?;
        let (when, calls) = rest.split_once(' ')?;
        calls.split(' ').any(|one| one == call).then_some((kind, when))
    })
}

/// Whether the table has a step of this kind make this call.
pub fn implies(kind: &str, doing: &Doing, call: &str) -> bool {
    rows(call).any(|(row, when)| row == kind && doing.covers(when))
}

#[test]
fn a_table_of_calls_knows_every_kind() {
    let told: BTreeSet<_> = TABLE.lines().filter_map(|line| line.split(' ').next()).collect();
    let all = pipeline::resources::KINDS.iter().map(|kind| kind.name()).chain([""]);
    assert_eq!(told, all.collect());
}

#[test]
fn an_update_implies_the_calls_of_its_fields_and_no_other() {
    let doing = |verb, field: &str| {
        let fields = field.split(',').map(str::to_owned).collect();
        Doing { verb, fields, loses_data: false }
    };
    for (kind, verb, field, call, expected) in [
        ("kinesis-stream", Verb::Update, "shards", "kinesis:UpdateShardCount", true),
        ("kinesis-stream", Verb::Update, "tags", "kinesis:UpdateShardCount", false),
        ("kinesis-stream", Verb::Update, "shards", "kinesis:DeleteStream", false),
        ("kinesis-stream", Verb::Create, "", "kinesis:UpdateShardCount", true),
        ("kinesis-stream", Verb::Create, "", "kinesis:DeleteStream", false),
        ("kinesis-stream", Verb::Delete, "", "kinesis:CreateStream", false),
        ("kinesis-stream", Verb::Replace, "name", "kinesis:DeleteStream", true),
        ("sqs-queue", Verb::Update, "tags", "sqs:SetQueueAttributes", false),
        ("sqs-queue", Verb::Update, "tags,delay", "sqs:SetQueueAttributes", true),
        ("s3-bucket", Verb::Delete, "", "s3:POST ?delete", false),
        ("s3-bucket", Verb::Delete, "", "s3:DELETE bucket", true),
        ("emr-cluster", Verb::Delete, "", "elasticmapreduce:AddTags", false),
        ("emr-cluster", Verb::Replace, "release", "elasticmapreduce:AddTags", true),
    ] {
        let found = implies(kind, &doing(verb, field), call);
        assert_eq!(found, expected, "{kind} {verb:?} {field} {call}");
    }
}
