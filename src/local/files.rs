//! The server's own files, carried in the program.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Trouble, doing};

pub const REQUIREMENTS: &str = include_str!("server/requirements.txt");

macro_rules! server {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("server/", $name)))),*]
    };
}

const FILES: &[(&str, &str)] = server![
    "alarm_series.py",
    "alarms.py",
    "aws_client.py",
    "emr.py",
    "emr_catalog.py",
    "emr_clusters.py",
    "emr_describe.py",
    "emr_fleets.py",
    "emr_groups.py",
    "emr_instances.py",
    "emr_life.py",
    "emr_pace.py",
    "emr_policies.py",
    "emr_security.py",
    "emr_steps.py",
    "emr_store.py",
    "firehose_checks.py",
    "firehose_convert.py",
    "firehose_delivery.py",
    "firehose_encode.py",
    "firehose_hive.py",
    "firehose_prefix.py",
    "firehose_process.py",
    "firehose_record.py",
    "firehose_streams.py",
    "firehose_transform.py",
    "front.py",
    "image.py",
    "kept.py",
    "metrics.py",
    "metrics_services.py",
    "patch_cloudwatch.py",
    "patch_firehose.py",
    "patch_glue.py",
    "patch_iam.py",
    "patch_kinesis.py",
    "patch_kms.py",
    "patch_lambda.py",
    "patch_logs.py",
    "patch_messaging.py",
    "patch_notifications.py",
    "patch_queue_lock.py",
    "patch_s3.py",
    "patch_sqs_move.py",
    "patch_tagging.py",
    "patches.py",
    "patching.py",
    "serve.py",
    "spark.py",
    "spark_args.py",
    "spark_guard.py",
    "spark_java.py",
    "spark_logs.py",
    "spark_stage.py",
    "warm.py",
];

fn hash<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update(text.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

pub fn requirements_hash() -> String {
    hash([REQUIREMENTS].into_iter())
}

/// Changes with the server's files, and so tells one version's server from another's.
pub fn version() -> String {
    hash(FILES.iter().flat_map(|(name, text)| [*name, *text]))
}

/// Writes the files where Python can run them.
pub fn write(cache: &Path) -> Result<PathBuf, Trouble> {
    let folder = cache.join(format!("server-{}", version()));
    fs::create_dir_all(&folder).map_err(doing(format!("make {}", folder.display())))?;
    for (name, text) in FILES {
        let path = folder.join(name);
        fs::write(&path, text).map_err(doing(format!("write {}", path.display())))?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_server_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/local/server");
        let mut there: Vec<_> = fs::read_dir(folder)
            .expect("the folder is there")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(".py"))
            .collect();
        there.sort();
        let carried: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(carried, there);
    }
}
