//! The exceptions to "every field is compared, and updated in place".

/// A mark on the field at a path; `*` stands for any one key or index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub path: &'static str,
    pub mark: Mark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// AWS cannot change it in place: another value means another resource.
    Replace,
    /// AWS never tells it, so it is never compared.
    WriteOnly,
    /// Its value is never shown.
    Secret,
}

pub const fn replace(path: &'static str) -> Rule {
    Rule { path, mark: Mark::Replace }
}

pub const fn write_only(path: &'static str) -> Rule {
    Rule { path, mark: Mark::WriteOnly }
}

pub const fn secret(path: &'static str) -> Rule {
    Rule { path, mark: Mark::Secret }
}

impl Rule {
    /// Whether the rule speaks of `path` or of something that contains it.
    pub fn covers(&self, path: &str) -> bool {
        let mut steps = path.split('.');
        self.path
            .split('.')
            .all(|want| steps.next().is_some_and(|step| want == "*" || want == step))
    }

    /// Whether it speaks of something in `path` too: of all that is said there or of a part.
    pub fn concerns(&self, path: &str) -> bool {
        let mut steps = self.path.split('.').zip(path.split('.'));
        steps.all(|(want, step)| want == "*" || want == step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_covers_its_path_and_what_is_below_it() {
        for (rule, path, covered) in [
            ("name", "name", true),
            ("name", "names", false),
            ("groups.*.type", "groups.core.type", true),
            ("groups.*.type", "groups.core.count", false),
            ("groups.*.type", "groups.core", false),
            ("groups", "groups.core.count", true),
        ] {
            assert_eq!(replace(rule).covers(path), covered, "{rule} covers {path}");
        }
    }

    #[test]
    fn a_rule_concerns_what_it_covers_and_what_holds_its_path() {
        for (path, concerned) in [
            ("users", true),
            ("users.ann", true),
            ("users.ann.password", true),
            ("users.ann.password.0", true),
            ("users.ann.name", false),
            ("user", false),
        ] {
            assert_eq!(secret("users.*.password").concerns(path), concerned, "{path}");
        }
    }
}
