//! A Spark job as the arguments of `spark-submit`. Pure.

use std::collections::BTreeMap;

/// EMR's own runner of commands on the primary node.
pub const JAR: &str = "command-runner.jar";

/// In client mode the driver's output is the step's own log, which is where people look for it.
pub fn submit(conf: &BTreeMap<String, String>, script: &str, args: &[String]) -> Vec<String> {
    let mut submit = vec!["spark-submit".to_owned()];
    if !conf.contains_key("spark.submit.deployMode") {
        submit.extend(["--deploy-mode".to_owned(), "client".to_owned()]);
    }
    for (key, value) in conf {
        submit.extend(["--conf".to_owned(), format!("{key}={value}")]);
    }
    submit.push(script.to_owned());
    submit.extend_from_slice(args);
    submit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_comes_before_the_script_and_arguments_after_it() {
        let conf = BTreeMap::from([("spark.sql.adaptive.enabled".to_owned(), "true".to_owned())]);
        let args = submit(&conf, "s3://b/job.py", &["--hour".into(), "10".into()]);
        let expected = "spark-submit --deploy-mode client --conf spark.sql.adaptive.enabled=true \
                        s3://b/job.py --hour 10";
        assert_eq!(args.join(" "), expected);
    }

    #[test]
    fn a_deploy_mode_of_ones_own_is_kept() {
        let conf = BTreeMap::from([("spark.submit.deployMode".to_owned(), "cluster".to_owned())]);
        assert!(!submit(&conf, "job.py", &[]).contains(&"--deploy-mode".to_owned()));
    }
}
