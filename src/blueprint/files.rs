//! The kinds whose content is files beside the blueprint: the files are found, and their digests
//! become fields.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::folder::{Unfit, files, zipped};

use super::nearest::nearest;
use super::problem::Finding;
use super::tree::Spot;

/// A field that names something beside the blueprint, and the field that its digest fills.
pub(super) struct Source {
    kind: &'static str,
    pub field: &'static str,
    /// The loader writes it; people do not.
    pub digest: &'static str,
    pub holds: Holds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    File,
    /// Each file has a digest of its own.
    Folder,
    /// The folder is one zip, and that has a digest.
    Zip,
}

const SOURCES: [Source; 3] = [
    Source { kind: "s3-object", field: "source", digest: "sha256", holds: Holds::File },
    Source { kind: "s3-folder", field: "source", digest: "files", holds: Holds::Folder },
    Source { kind: "lambda-function", field: "code", digest: "code_sha256", holds: Holds::Zip },
];

/// A folder of more files is no folder of scripts.
const FILES_MAX: usize = 1_000;

pub(super) fn source_of(kind: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.kind == kind)
}

/// Why a file cannot be used.
pub(super) enum Unusable {
    Missing(PathBuf),
    NotA(Holds, PathBuf),
    Unfit(Unfit),
}

impl Unusable {
    /// What is told of the field that names it.
    pub fn finding(&self, field: &str, written: &str, spot: Spot) -> Finding {
        let what = match self {
            Self::Missing(path) => format!("`{field}` does not exist: {}", path.display()),
            Self::NotA(Holds::File, path) => format!("`{field}` is not a file: {}", path.display()),
            Self::NotA(Holds::Folder | Holds::Zip, path) => {
                format!("`{field}` is not a folder: {}", path.display())
            }
            Self::Unfit(unfit) => format!("`{field}` {unfit}"),
        };
        let Self::Missing(path) = self else { return Finding::error(spot, what) };
        let near = neighbour(path).map(|near| Path::new(written).with_file_name(near));
        Finding::error(spot, what).hint(match near {
            Some(near) => format!("did you mean `{}`?", near.display()),
            None => "paths begin at the blueprint's folder".into(),
        })
    }
}

/// The path from the blueprint's folder, absolute, if there is what it should be.
pub(super) fn find(blueprint: &Path, written: &str, holds: Holds) -> Result<PathBuf, Unusable> {
    let folder = blueprint.parent().unwrap_or(Path::new(""));
    let path = folder.join(written);
    let path = std::path::absolute(&path).unwrap_or(path);
    let Ok(found) = fs::metadata(&path) else { return Err(Unusable::Missing(path)) };
    match holds {
        Holds::File if !found.is_file() => Err(Unusable::NotA(holds, path)),
        Holds::Folder | Holds::Zip if !found.is_dir() => Err(Unusable::NotA(holds, path)),
        _ => Ok(path),
    }
}

/// What stands where a file was looked for, under a similar name.
fn neighbour(missing: &Path) -> Option<String> {
    let wanted = missing.file_name()?.to_str()?;
    let beside = fs::read_dir(missing.parent()?).ok()?.take(FILES_MAX);
    let names: Vec<String> =
        beside.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

/// The value of the digest field.
pub(super) fn digest(path: &Path, holds: Holds) -> Result<Value, Unusable> {
    match holds {
        Holds::File => sha256(path).map(Value::String),
        Holds::Folder => {
            let mut digests = Map::new();
            for (name, path) in files(path, FILES_MAX).map_err(Unusable::Unfit)? {
                digests.insert(name, sha256(&path)?.into());
            }
            Ok(digests.into())
        }
        Holds::Zip => Ok(zipped(path).map_err(Unusable::Unfit)?.sha256.into()),
    }
}

fn sha256(path: &Path) -> Result<String, Unusable> {
    let unreadable = |error: io::Error| Unusable::Unfit(Unfit::Unreadable(path.to_owned(), error));
    let mut file = File::open(path).map_err(unreadable)?;
    let mut digest = Sha256::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        digest.update(&buffer[..read]);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
