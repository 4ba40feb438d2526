//! What a program may never see that waits as it should, or runs on a busy machine: shown by calls
//! that do not wait.

use std::thread::sleep;

use serde_json::{Value, json};

use super::super::call::Call;
use super::super::http::{Answer, Request, exchange};
use super::super::proxy::{Deed, Rule};
use super::kinesis::CREATES_FOR;
use super::{All, Hard};
use crate::e2e::machine::Machine;

fn request(service: &str, method: &str, path: &str, target: &str, body: String) -> Request {
    let signed = format!("Credential=crash/20300101/eu-west-1/{service}/aws4_request");
    let mut headers = vec![("authorization".to_owned(), format!("AWS4-HMAC-SHA256 {signed}"))];
    let kind = match target {
        "" => "application/x-www-form-urlencoded",
        _ => "application/x-amz-json-1.1",
    };
    headers.push(("content-type".to_owned(), kind.to_owned()));
    headers.push(("host".to_owned(), "aws".to_owned()));
    if !target.is_empty() {
        headers.push(("x-amz-target".to_owned(), target.to_owned()));
    }
    Request { method: method.into(), path: path.into(), headers, body: body.into_bytes() }
}

fn json_call(service: &str, operation: &str, body: &Value) -> Call {
    Call::new(request(service, "POST", "/", &format!("Aws.{operation}"), body.to_string()))
}

fn iam_call(body: &str) -> Call {
    Call::new(request("iam", "POST", "/", "", body.to_owned()))
}

fn nowhere() -> All {
    All::new(0)
}

fn done(aws: &mut All, call: &Call) {
    assert!(matches!(aws.before(call), Deed::Forward), "{} is refused", call.name());
    let body = b"{}".to_vec();
    aws.after(call, &mut Answer { status: 200, headers: Vec::new(), body });
}

/// What a call is refused with.
#[track_caller]
fn refused(aws: &mut All, call: &Call) -> String {
    match aws.before(call) {
        Deed::Answer(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
        _ => panic!("{} is taken", call.name()),
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the time that makes a stream old goes by")]
fn what_was_young_when_it_was_kept_is_as_young_when_it_is_restored() {
    let mut aws = nowhere();
    let stream = json!({"StreamName": "s"});
    done(&mut aws, &json_call("kinesis", "CreateStream", &stream));
    let kept = aws.keep();
    sleep(CREATES_FOR);
    let encrypt = json_call("kinesis", "StartStreamEncryption", &stream);
    done(&mut aws, &encrypt);
    let said = refused(&mut kept.restore(), &encrypt);
    assert!(said.contains("in state CREATING"), "{said}");
}

#[test]
fn a_stream_that_is_being_made_takes_no_change() {
    let mut aws = nowhere();
    let stream = json!({"StreamName": "s"});
    done(&mut aws, &json_call("kinesis", "CreateStream", &stream));
    for operation in ["StartStreamEncryption", "AddTagsToStream", "DeleteStream"] {
        let said = refused(&mut aws, &json_call("kinesis", operation, &stream));
        assert!(said.contains("ResourceInUseException"), "{said}");
    }
}

#[test]
fn a_sixth_stream_waits_for_the_five_before_it() {
    let mut aws = nowhere();
    let create =
        |number| json_call("kinesis", "CreateStream", &json!({"StreamName": format!("s{number}")}));
    // As many as a second takes, of two kinds.
    for number in 0..4 {
        done(&mut aws, &create(number));
    }
    done(&mut aws, &json_call("kinesis", "DeleteStream", &json!({"StreamName": "old"})));
    let said = refused(&mut aws, &create(5));
    assert!(said.contains("simultaneously be in CREATING or DELETING"), "{said}");
}

#[test]
fn a_function_that_is_being_made_takes_no_code() {
    let mut aws = nowhere();
    let (functions, body) = ("/2015-03-31/functions", json!({"FunctionName": "f"}).to_string());
    done(&mut aws, &Call::new(request("lambda", "POST", functions, "", body)));
    let code = format!("{functions}/f/code");
    let said = refused(&mut aws, &Call::new(request("lambda", "PUT", &code, "", "{}".into())));
    assert!(said.contains("ResourceConflictException"), "{said}");
}

#[test]
fn two_policies_at_once_are_not_attached_to_one_role() {
    let mut aws = nowhere();
    let attach = iam_call("Action=AttachRolePolicy&RoleName=r&PolicyArn=a");
    assert!(matches!(aws.before(&attach), Deed::Forward));
    let said = refused(&mut aws, &attach);
    assert!(said.contains("ConcurrentModification"), "{said}");
}

#[test]
fn a_log_group_and_a_database_settle_before_their_next_change() {
    let group = json!({"logGroupName": "g"});
    let (database, table) = (json!({"DatabaseInput": {"Name": "d"}}), json!({"DatabaseName": "d"}));
    for (service, first, next, code) in [
        ("logs", ("CreateLogGroup", &group), ("PutRetentionPolicy", &group), "OperationAborted"),
        ("glue", ("CreateDatabase", &database), ("CreateTable", &table), "ConcurrentModification"),
    ] {
        let mut aws = nowhere();
        done(&mut aws, &json_call(service, first.0, first.1));
        let said = refused(&mut aws, &json_call(service, next.0, next.1));
        assert!(said.contains(code), "{said}");
    }
}

#[test]
fn a_second_has_room_for_so_many_calls() {
    let mut aws = nowhere();
    let describe = json_call("firehose", "DescribeDeliveryStream", &json!({}));
    let taken = (0..12).filter(|_| matches!(aws.before(&describe), Deed::Forward)).count();
    assert!((5..12).contains(&taken), "{taken}");
    let said = refused(&mut aws, &describe);
    assert!(said.contains("Rate exceeded"), "{said}");
}

/// What is answered by an AWS that is hard to deal with.
fn answer(hard: &Hard, request: &Request) -> Vec<u8> {
    let answer = exchange(hard.proxy.port, request).expect("it answers");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.body
}

fn create_role(name: &str) -> Request {
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
    iam_call(&format!("Action=CreateRole&RoleName={name}&AssumeRolePolicyDocument={trust}")).request
}

#[test]
fn a_role_made_just_now_is_not_among_the_accounts_roles() {
    let machine = Machine::start();
    let hard = Hard::before(machine.port());
    let list = iam_call("Action=GetAccountAuthorizationDetails&Filter.member.1=Role").request;
    let lists = |name: &str| String::from_utf8_lossy(&answer(&hard, &list)).contains(name);
    assert!(!lists("young"));
    // Of a machine that is held up in between for longer than the list lags, the next one tells.
    let late = (0..9).any(|number| {
        let name = format!("young-{number}-");
        answer(&hard, &create_role(&name));
        !lists(&name)
    });
    assert!(late, "each is listed at once");
}

#[test]
fn a_cluster_of_a_role_made_just_now_is_taken_and_ends() {
    let machine = Machine::start();
    let hard = Hard::before(machine.port());
    let ask = |request| serde_json::from_slice(&answer(&hard, &request)).unwrap_or(Value::Null);
    ask(create_role("young"));
    let emr =
        |operation: &str, body: &Value| json_call("elasticmapreduce", operation, body).request;
    let cluster: Value = ask(emr(
        "RunJobFlow",
        &json!({"Name": "c", "ReleaseLabel": "emr-7.9.0", "ServiceRole": "young",
            "JobFlowRole": "other", "Instances": {"MasterInstanceType": "m5.xlarge",
            "InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": true}}),
    ));
    let told: Value = ask(emr("DescribeCluster", &json!({"ClusterId": cluster["JobFlowId"]})));
    let status = &told["Cluster"]["Status"];
    assert_eq!(status["StateChangeReason"]["Code"], "VALIDATION_ERROR", "{status}");
}
