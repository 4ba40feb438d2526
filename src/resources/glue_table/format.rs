//! What `format: parquet` stands for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A file format by its everyday name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    Parquet,
    /// One JSON object a line.
    Json,
    Orc,
    /// Commas and double quotes.
    Csv,
}

/// The classes that read and write a format.
pub struct Classes {
    pub input: &'static str,
    pub output: &'static str,
    pub library: &'static str,
    pub parameters: &'static [(&'static str, &'static str)],
}

const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";
const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
/// Set by some writers, never read by any.
pub const SERIALIZATION: &str = "serialization.format";

impl Format {
    const ALL: [Self; 4] = [Self::Parquet, Self::Json, Self::Orc, Self::Csv];

    /// As crawlers and Glue jobs call it, in the parameter `classification`.
    pub fn classification(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Json => "json",
            Self::Orc => "orc",
            Self::Csv => "csv",
        }
    }

    pub fn classes(self) -> Classes {
        match self {
            Self::Parquet => Classes {
                input: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                output: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                library: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
                parameters: &[(SERIALIZATION, "1")],
            },
            Self::Json => Classes {
                input: TEXT_INPUT,
                output: TEXT_OUTPUT,
                library: "org.openx.data.jsonserde.JsonSerDe",
                parameters: &[(SERIALIZATION, "1")],
            },
            Self::Orc => Classes {
                input: "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
                output: "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
                library: "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
                parameters: &[(SERIALIZATION, "1")],
            },
            Self::Csv => Classes {
                input: TEXT_INPUT,
                output: TEXT_OUTPUT,
                library: "org.apache.hadoop.hive.serde2.OpenCSVSerde",
                parameters: &[("separatorChar", ","), ("quoteChar", "\""), ("escapeChar", "\\")],
            },
        }
    }

    /// The parameters of its library where nothing else is said.
    pub fn parameters(self) -> BTreeMap<String, String> {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.classes().parameters.iter().map(pair).collect()
    }

    /// The format whose classes these are.
    pub fn of(input: Option<&str>, output: Option<&str>, library: Option<&str>) -> Option<Self> {
        Self::ALL.into_iter().find(|format| {
            let classes = format.classes();
            (input, output, library)
                == (Some(classes.input), Some(classes.output), Some(classes.library))
        })
    }
}
