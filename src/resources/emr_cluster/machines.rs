//! Instance types that EMR runs on, as far as they are known here.

use super::words::NONE;

/// Families, and the sizes that each has: `large`, and the multiples of `xlarge`. As EC2's API
/// names them in November 2026, without what EMR has no use for: smaller sizes, whole machines.
const FAMILIES: &[(&str, &str)] = &[
    ("a1 g6f", "large 1 2 4"),
    ("c1 g3s", "1"),
    ("c3 c4 is4gen r3", "large 1 2 4 8"),
    ("c5 c5d", "large 1 2 4 9 12 18 24"),
    (
        "c5a c5ad m5 m5a m5ad m5d m5dn m5n r5 r5a r5ad r5b r5d r5dn r5n r8gb",
        "large 1 2 4 8 12 16 24",
    ),
    ("c5n", "large 1 2 4 9 18"),
    ("c6a c7a m6a m7a r6a r7a", "large 1 2 4 8 12 16 24 32 48"),
    (
        "c6g c6gd c6gn c7g c7gd c7gn c7i-flex c8i-flex m6g m6gd m7g m7gd m7i-flex m8i-flex \
         r6g r6gd r7g r7gd r8i-flex x2gd",
        "large 1 2 4 8 12 16",
    ),
    ("c6i c6id c6in i4i m6i m6id m6idn m6in r6i r6id r6idn r6in", "large 1 2 4 8 12 16 24 32"),
    (
        "c7i c8a c8g c8gb c8gd c8gn c9g c9gd i7i i8g m7i m8a m8g m8gb m8gd m8gn m9g m9gd \
         r7i r8a r8g r8gd r8gn r9g r9gd x8g",
        "large 1 2 4 8 12 16 24 48",
    ),
    (
        "c8i c8ib c8id c8in m8i m8ib m8id m8idb m8idn m8in r8i r8ib r8id r8idb r8idn r8in",
        "large 1 2 4 8 12 16 24 32 48 96",
    ),
    ("c8ine m8ine", "large 1 2 4 8 12"),
    ("d2 d3 i2", "1 2 4 8"),
    ("d3en", "1 2 4 6 8 12"),
    ("g2", "2 8"),
    ("g3", "4 8 16"),
    ("g4ad g5g", "1 2 4 8 16"),
    ("g4dn", "1 2 4 8 12 16"),
    ("g5 g6 g6e", "1 2 4 8 12 16 24 48"),
    ("g7 g7e", "2 4 8 12 24 48"),
    ("gr6", "4 8"),
    ("gr6f", "4"),
    ("h1", "2 4 8 16"),
    ("i3 i4g im4gn r4", "large 1 2 4 8 16"),
    ("i3en", "large 1 2 3 6 12 24"),
    ("i7ie i8ge", "large 1 2 3 6 12 18 24 48"),
    ("m1", "large 1"),
    ("m2", "1 2 4"),
    ("m3", "large 1 2"),
    ("m4", "large 1 2 4 10 16"),
    ("m5zn z1d", "large 1 2 3 6 12"),
    ("m8azn x8aedz", "large 1 3 6 12 24"),
    ("p2", "1 8 16"),
    ("p3", "2 8 16"),
    ("p3dn p4d p4de", "24"),
    ("p5", "4 48"),
    ("p5e p5en p6-b200 p6-b300", "48"),
    ("p6e-gb200", "36"),
    ("r7iz", "large 1 2 4 8 12 16 32"),
    ("x1", "16 32"),
    ("x1e", "1 2 4 8 16 32"),
    ("x2idn", "16 24 32"),
    ("x2iedn", "1 2 4 8 16 24 32"),
    ("x2iezn", "2 4 6 8 12"),
    ("x8i", "large 1 2 4 8 12 16 24 32 48 64 96"),
];

/// What is wrong with an instance type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// It does not exist; the nearest that does.
    Unknown(Option<String>),
    /// Of a newer generation than those known here.
    Newer,
}

pub fn doubt(instance_type: &str) -> Option<Doubt> {
    if instance_type.contains("${") || instance_type == NONE {
        return None;
    }
    let Some((family, size)) = instance_type.split_once('.') else {
        return Some(Doubt::Unknown(None));
    };
    match sizes(family) {
        Some(sizes) if sizes.iter().any(|known| known == size) => None,
        Some(sizes) => Some(Doubt::Unknown(nearest(size, &sizes).map(|s| format!("{family}.{s}")))),
        None if is_newer(family) && is_size(size) => Some(Doubt::Newer),
        None => {
            let families = families();
            let has = |family: &&str| sizes(family).is_some_and(|s| s.iter().any(|s| s == size));
            let near = nearest(family, &families).filter(has);
            Some(Doubt::Unknown(near.map(|family| format!("{family}.{size}"))))
        }
    }
}

fn sizes(family: &str) -> Option<Vec<String>> {
    let (_, sizes) = FAMILIES.iter().find(|(names, _)| names.split(' ').any(|f| f == family))?;
    let named = |size: &str| match size {
        "large" => "large".to_owned(),
        "1" => "xlarge".to_owned(),
        multiple => format!("{multiple}xlarge"),
    };
    Some(sizes.split(' ').map(named).collect())
}

fn families() -> Vec<&'static str> {
    FAMILIES.iter().flat_map(|(names, _)| names.split(' ')).collect()
}

fn nearest<'a, S: AsRef<str>>(word: &str, known: &'a [S]) -> Option<&'a str> {
    let distance = |known: &&str| strsim::damerau_levenshtein(word, known);
    let known = known.iter().map(AsRef::as_ref);
    known.min_by_key(distance).filter(|known| distance(known) <= 2)
}

/// A letter or more, then the generation, as in `r7gd`.
fn generation(family: &str) -> Option<(&str, u32)> {
    let digits = family.find(|c: char| c.is_ascii_digit())?;
    let (class, rest) = family.split_at(digits);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((class, rest[..end].parse().ok()?))
}

/// The next few generations of a class that is known.
fn is_newer(family: &str) -> bool {
    let Some((class, number)) = generation(family) else { return false };
    let known = families().into_iter().filter_map(generation);
    let newest = known.filter(|(known, _)| *known == class).map(|(_, number)| number).max();
    newest.is_some_and(|newest| (newest..=newest + 4).contains(&number))
}

fn is_size(size: &str) -> bool {
    let multiple = size.strip_suffix("xlarge").unwrap_or("no");
    size == "large" || multiple.is_empty() || multiple.parse::<u32>().is_ok()
}

/// `large` and `xlarge`: too small to lead many nodes.
pub fn is_small(instance_type: &str) -> bool {
    instance_type.ends_with(".large") || instance_type.ends_with(".xlarge")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_type_that_does_not_exist_is_told_with_the_nearest() {
        let unknown = |near: &str| Some(Doubt::Unknown(Some(near.into())));
        for (instance_type, doubted) in [
            ("m5.xlarge", None),
            ("m5.large", None),
            ("r8g.48xlarge", None),
            ("${var.x}", None),
            ("none", None),
            ("m5.xlrge", unknown("m5.xlarge")),
            ("m5.3xlarge", unknown("m5.2xlarge")),
            ("m55.xlarge", unknown("m5.xlarge")),
            ("xlarge", Some(Doubt::Unknown(None))),
            ("q1.huge", Some(Doubt::Unknown(None))),
            ("m11g.2xlarge", Some(Doubt::Newer)),
            ("x1.24xlarge", unknown("x1.16xlarge")),
        ] {
            let found = doubt(instance_type);
            match (&found, &doubted) {
                (Some(Doubt::Unknown(Some(_))), Some(Doubt::Unknown(Some(_)))) => {}
                _ => assert_eq!(found, doubted, "{instance_type}"),
            }
        }
        assert_eq!(doubt("m5.xlrge"), unknown("m5.xlarge"));
    }
}
