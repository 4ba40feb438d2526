//! A folder beside the blueprint: which of its files count, and the one zip that they make.
//!
//! Who reads the blueprint makes the zip for its digest, and a kind makes it again to send it: of
//! the same files the bytes are the same, on any machine and at any time.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Deeper than anyone nests on purpose; a link to its own folder has no end.
const FOLDERS_DEEP_MAX: usize = 16;
/// Code with its libraries has thousands of files; more are not code.
const ZIPPED_FILES_MAX: usize = 20_000;
const MEGABYTE: u64 = 1024 * 1024;
/// What Lambda unpacks, layers included.
const UNZIPPED_MAX: u64 = 250 * MEGABYTE;
/// What Lambda takes in a call.
const ZIPPED_MAX: u64 = 50 * MEGABYTE;
/// The quickest levels make larger zips; above this one there is little to gain.
const LEVEL: i64 = 6;

/// Why a folder cannot be used, as what is said of it.
#[derive(Debug)]
pub enum Unfit {
    Empty,
    TooMany(usize),
    TooDeep,
    TooLarge,
    TooLargeZipped(u64),
    Unreadable(PathBuf, io::Error),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("has no file"),
            Self::TooMany(most) => write!(f, "holds more than {most} files"),
            Self::TooDeep => write!(f, "has folders more than {FOLDERS_DEEP_MAX} deep"),
            Self::TooLarge => {
                write!(f, "holds more than {} MB", UNZIPPED_MAX / MEGABYTE)
            }
            Self::TooLargeZipped(bytes) => {
                let (is, most) = (bytes.div_ceil(MEGABYTE), ZIPPED_MAX / MEGABYTE);
                write!(f, "has {is} MB as a zip, and {most} MB is the most")
            }
            Self::Unreadable(path, error) => {
                write!(f, "cannot be read: {}: {error}", path.display())
            }
        }
    }
}

/// The files of a folder by their paths below it, with `/`.
pub fn files(folder: &Path, most: usize) -> Result<BTreeMap<String, PathBuf>, Unfit> {
    let mut found = BTreeMap::new();
    gather(folder, "", 0, most, &mut found)?;
    Ok(found)
}

/// Names that begin with a dot stay behind, and so do Python's caches.
fn stays_behind(name: &str) -> bool {
    name.starts_with('.') || name == "__pycache__"
}

fn gather(
    folder: &Path,
    prefix: &str,
    depth: usize,
    most: usize,
    found: &mut BTreeMap<String, PathBuf>,
) -> Result<(), Unfit> {
    if depth > FOLDERS_DEEP_MAX {
        return Err(Unfit::TooDeep);
    }
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if stays_behind(&name) {
            continue;
        }
        let relative = format!("{prefix}{name}");
        if path.is_dir() {
            gather(&path, &format!("{relative}/"), depth + 1, most, found)?;
        } else {
            if found.len() == most {
                return Err(Unfit::TooMany(most));
            }
            found.insert(relative, path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> Unfit {
    |error| Unfit::Unreadable(path.to_owned(), error)
}

/// A zip and its SHA-256 in base64, which is how Lambda says what code it has.
pub struct Zipped {
    pub bytes: Vec<u8>,
    pub sha256: String,
}

/// The files of a folder as a zip: sorted, of one time, each readable by all and executable if it
/// is so here.
pub fn zipped(folder: &Path) -> Result<Zipped, Unfit> {
    let files = files(folder, ZIPPED_FILES_MAX)?;
    if files.is_empty() {
        return Err(Unfit::Empty);
    }
    let mut entries = Vec::new();
    let mut size = 0;
    for (name, path) in files {
        let about = fs::metadata(&path).map_err(unreadable(&path))?;
        size += about.len();
        if size > UNZIPPED_MAX {
            return Err(Unfit::TooLarge);
        }
        let mut content = Vec::new();
        let file = File::open(&path).map_err(unreadable(&path))?;
        file.take(UNZIPPED_MAX).read_to_end(&mut content).map_err(unreadable(&path))?;
        entries.push(Entry { name, content, mode: mode(&about) });
    }
    let bytes = pack(&entries).map_err(unreadable(folder))?;
    let length = bytes.len() as u64;
    if length > ZIPPED_MAX {
        return Err(Unfit::TooLargeZipped(length));
    }
    let sha256 = aws_smithy_types::base64::encode(Sha256::digest(&bytes));
    Ok(Zipped { bytes, sha256 })
}

struct Entry {
    name: String,
    content: Vec<u8>,
    mode: u32,
}

fn pack(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for Entry { name, content, mode } in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(LEVEL))
            .last_modified_time(DateTime::default())
            .unix_permissions(*mode);
        zip.start_file(name, options)?;
        zip.write_all(content)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Readable by all, whatever the mask of who checked it out.
#[cfg(unix)]
fn mode(about: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    const BY_OWNER: u32 = 0o100;
    if about.permissions().mode() & BY_OWNER == 0 { 0o644 } else { 0o755 }
}

#[cfg(not(unix))]
fn mode(_about: &fs::Metadata) -> u32 {
    0o644
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A folder with a file and one below it, as someone would have it at that time.
    fn folder(mask: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/__pycache__")).expect("made");
        for (name, content, mode) in [
            ("b/tool.sh", "#!/bin/sh\n", 0o777),
            ("a.py", "def handle(event, context):\n    return event\n", 0o666),
            (".env", "SECRET=1", 0o666),
            ("b/__pycache__/a.pyc", "x", 0o666),
        ] {
            fs::write(at(name), content).expect("written");
            let mode = fs::Permissions::from_mode(mode & !mask);
            fs::set_permissions(at(name), mode).expect("set");
        }
        folder
    }

    /// Were it another one after an upgrade of a crate, every function would be sent anew: this is
    /// then to be said in the release's notes.
    #[test]
    fn the_same_files_make_the_same_zip_for_ever() {
        let one = zipped(folder(0o022).path()).expect("a zip");
        let other = zipped(folder(0o077).path()).expect("a zip");
        assert_eq!(one.bytes, other.bytes);
        assert_eq!(one.sha256, "ng1MNf35Ye0e2RMtGuq1obxS7eQIFh9vXvM0Nz7HGGQ=");
    }

    #[test]
    fn what_is_zipped_is_what_is_there_and_can_be_run() {
        let zipped = zipped(folder(0o077).path()).expect("a zip");
        let mut archive = zip::ZipArchive::new(Cursor::new(zipped.bytes)).expect("a zip");
        let names: Result<Vec<_>, _> = archive.file_names().collect();
        assert_eq!(names.expect("names"), ["a.py", "b/tool.sh"]);
        for (name, mode, content) in [
            ("a.py", 0o644, "def handle(event, context):\n    return event\n"),
            ("b/tool.sh", 0o755, "#!/bin/sh\n"),
        ] {
            let mut file = archive.by_name(name).expect("it is there");
            assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(mode), "{name}");
            let mut text = String::new();
            file.read_to_string(&mut text).expect("text");
            assert_eq!(text, content);
        }
    }

    #[test]
    fn another_name_content_or_mode_makes_another_zip() {
        let first = zipped(folder(0).path()).expect("a zip").sha256;
        let changes: [fn(&Path) -> io::Result<()>; 3] = [
            |folder| fs::rename(folder.join("a.py"), folder.join("c.py")),
            |folder| fs::write(folder.join("a.py"), "pass\n"),
            |folder| fs::set_permissions(folder.join("a.py"), fs::Permissions::from_mode(0o755)),
        ];
        for change in changes {
            let folder = folder(0);
            change(folder.path()).expect("changed");
            assert_ne!(zipped(folder.path()).expect("a zip").sha256, first);
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let empty = tempfile::tempdir().expect("a folder");
        fs::write(empty.path().join(".hidden"), "x").expect("written");
        let large = tempfile::tempdir().expect("a folder");
        let file = File::create(large.path().join("model.bin")).expect("made");
        file.set_len(UNZIPPED_MAX + 1).expect("a file with a hole");
        let endless = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(".", endless.path().join("again")).expect("a link");
        for (folder, why) in [
            (empty.path(), "has no file"),
            (large.path(), "holds more than 250 MB"),
            (endless.path(), "has folders more than 16 deep"),
        ] {
            let Err(unfit) = zipped(folder) else { panic!("{why}") };
            assert_eq!(unfit.to_string(), why);
        }
        assert!(matches!(files(folder(0).path(), 1), Err(Unfit::TooMany(1))));
        assert_eq!(
            Unfit::TooLargeZipped(ZIPPED_MAX + 1).to_string(),
            "has 51 MB as a zip, and 50 MB is the most"
        );
    }
}
