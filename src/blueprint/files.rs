//! The kinds whose content is files beside the blueprint: the files are found, and their digests
//! become fields.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

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
    Folder,
}

const SOURCES: [Source; 2] = [
    Source { kind: "s3-object", field: "source", digest: "sha256", holds: Holds::File },
    Source { kind: "s3-folder", field: "source", digest: "files", holds: Holds::Folder },
];

/// A folder of more files is no folder of scripts.
pub(super) const FILES_MAX: usize = 1_000;
const FOLDERS_DEEP_MAX: usize = 16;

pub(super) fn source_of(kind: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.kind == kind)
}

/// Why a file cannot be used.
pub(super) enum Unusable {
    Missing(PathBuf),
    NotA(Holds, PathBuf),
    TooMany,
    TooDeep,
    Unreadable(PathBuf, io::Error),
}

impl Unusable {
    /// What is told of the field that names it.
    pub fn finding(&self, field: &str, written: &str, spot: Spot) -> Finding {
        let what = match self {
            Self::Missing(path) => format!("`{field}` does not exist: {}", path.display()),
            Self::NotA(Holds::File, path) => format!("`{field}` is not a file: {}", path.display()),
            Self::NotA(Holds::Folder, path) => {
                format!("`{field}` is not a folder: {}", path.display())
            }
            Self::TooMany => format!("`{field}` holds more than {FILES_MAX} files"),
            Self::TooDeep => format!("`{field}` has folders more than {FOLDERS_DEEP_MAX} deep"),
            Self::Unreadable(path, error) => {
                format!("`{field}` cannot be read: {}: {error}", path.display())
            }
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
        Holds::Folder if !found.is_dir() => Err(Unusable::NotA(holds, path)),
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
            let mut files = Map::new();
            gather(path, "", 0, &mut files)?;
            Ok(files.into())
        }
    }
}

/// Names that begin with a dot stay behind, and so do Python's caches.
fn stays_behind(name: &str) -> bool {
    name.starts_with('.') || name == "__pycache__"
}

fn gather(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Map<String, Value>,
) -> Result<(), Unusable> {
    if depth > FOLDERS_DEEP_MAX {
        return Err(Unusable::TooDeep);
    }
    let unreadable = |error| Unusable::Unreadable(folder.to_owned(), error);
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if stays_behind(&name) {
            continue;
        }
        let relative = format!("{prefix}{name}");
        if path.is_dir() {
            gather(&path, &format!("{relative}/"), depth + 1, files)?;
        } else {
            if files.len() == FILES_MAX {
                return Err(Unusable::TooMany);
            }
            files.insert(relative, sha256(&path)?.into());
        }
    }
    Ok(())
}

fn sha256(path: &Path) -> Result<String, Unusable> {
    let unreadable = |error| Unusable::Unreadable(path.to_owned(), error);
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
