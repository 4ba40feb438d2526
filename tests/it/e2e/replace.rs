//! A cluster whose property EMR cannot change: a new one, then the end of the old one.

use serde_json::json;

use super::Project;

const BLUEPRINT: &str = r#"name: NAME
region: eu-west-1
resources:
  spark:
    kind: emr-cluster
    name: NAME-spark
    release: emr-7.8.0
    applications: [Spark]
    lifecycle: persistent
    service_role: EMR_DefaultRole
    instance_profile: EMR_EC2_DefaultRole
    primary: { type: m5.xlarge }
"#;

#[test]
fn a_persistent_cluster_is_replaced_and_the_old_one_ends_after_the_new_one_stands() {
    let project = Project::with("replaced", BLUEPRINT);
    project.apply().code(0);
    let old = project.outside("answer(clusters('NAME-spark', ALIVE)[0])");
    let old = old.as_str().expect("an id");
    project.edit("blueprint.yaml", "emr-7.8.0", "emr-7.9.0");
    project.plan().code(2).answers(&[
        "± spark",
        "replace emr-cluster replaced-spark",
        "release: emr-7.8.0 -> emr-7.9.0",
        "AWS cannot change `release` in place",
        &format!("- spark ({old})  delete"),
    ]);
    let ended = format!("spark ({old}): gone");
    project.apply().code(0).says(&["spark: replaced", &ended, "Applied: 2 changed"]);
    project.plan().code(0);
    let found = project.outside(&format!(
        "emr = client('emr')
alive = [emr.describe_cluster(ClusterId=id)['Cluster'] for id in clusters('NAME-spark', ALIVE)]
old = emr.describe_cluster(ClusterId={old:?})['Cluster']
answer([[c['ReleaseLabel'] for c in alive], old['Status']['State']])"
    ));
    assert_eq!(found, json!([["emr-7.9.0"], "TERMINATED"]));
}
