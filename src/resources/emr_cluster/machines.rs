//! Instance types that EMR runs on, as far as they are known here.

use super::words::NONE;

/// Sizes of one ladder, and the families that have them.
struct Ladder {
    sizes: &'static [&'static str],
    families: &'static [&'static str],
}

const LADDERS: [Ladder; 22] = [
    Ladder {
        sizes: &["large", "xlarge", "2xlarge", "4xlarge", "10xlarge", "16xlarge"],
        families: &["m4"],
    },
    Ladder { sizes: &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge"], families: &["c4"] },
    Ladder {
        sizes: &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge"],
        families: &["r4", "i3", "a1"],
    },
    Ladder {
        sizes: &[
            "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge",
        ],
        families: &[
            "m5", "m5a", "m5d", "m5ad", "m5n", "m5dn", "r5", "r5a", "r5b", "r5d", "r5ad", "r5n",
            "r5dn", "c5a", "c5ad",
        ],
    },
    Ladder {
        sizes: &["large", "xlarge", "2xlarge", "3xlarge", "6xlarge", "12xlarge"],
        families: &["m5zn", "z1d"],
    },
    Ladder {
        sizes: &[
            "large", "xlarge", "2xlarge", "4xlarge", "9xlarge", "12xlarge", "18xlarge", "24xlarge",
        ],
        families: &["c5", "c5d"],
    },
    Ladder {
        sizes: &["large", "xlarge", "2xlarge", "4xlarge", "9xlarge", "18xlarge"],
        families: &["c5n"],
    },
    Ladder {
        sizes: &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"],
        families: &[
            "m6g", "m6gd", "m7g", "m7gd", "c6g", "c6gd", "c6gn", "c7g", "c7gd", "c7gn", "r6g",
            "r6gd", "r7g", "r7gd", "x2gd", "i4g", "m7i-flex", "c7i-flex", "m8i-flex", "c8i-flex",
            "r8i-flex",
        ],
    },
    Ladder {
        sizes: &[
            "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge",
            "32xlarge",
        ],
        families: &[
            "m6i", "m6id", "m6in", "m6idn", "c6i", "c6id", "c6in", "r6i", "r6id", "r6in", "r6idn",
            "r7iz", "i4i",
        ],
    },
    Ladder {
        sizes: &[
            "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge",
            "32xlarge", "48xlarge", "96xlarge",
        ],
        families: &[
            "m6a", "c6a", "r6a", "m7a", "c7a", "r7a", "m7i", "c7i", "r7i", "m8g", "m8gd", "c8g",
            "c8gd", "c8gn", "r8g", "r8gd", "x8g", "i8g", "m8a", "c8a", "r8a", "m8i", "c8i", "r8i",
        ],
    },
    Ladder {
        sizes: &[
            "large", "xlarge", "2xlarge", "3xlarge", "6xlarge", "12xlarge", "18xlarge", "24xlarge",
            "48xlarge",
        ],
        families: &["i3en", "i7ie"],
    },
    Ladder {
        sizes: &[
            "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge",
        ],
        families: &["i7i"],
    },
    Ladder {
        sizes: &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge"],
        families: &["im4gn", "is4gen"],
    },
    Ladder { sizes: &["xlarge", "2xlarge", "4xlarge", "8xlarge"], families: &["d2", "d3"] },
    Ladder {
        sizes: &["xlarge", "2xlarge", "4xlarge", "6xlarge", "8xlarge", "12xlarge"],
        families: &["d3en"],
    },
    Ladder { sizes: &["2xlarge", "4xlarge", "8xlarge", "16xlarge"], families: &["h1"] },
    Ladder {
        sizes: &["xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge", "32xlarge"],
        families: &["x1e"],
    },
    Ladder { sizes: &["16xlarge", "24xlarge", "32xlarge"], families: &["x1", "x2idn"] },
    Ladder {
        sizes: &["xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge", "24xlarge", "32xlarge"],
        families: &["x2iedn"],
    },
    Ladder { sizes: &["4xlarge", "8xlarge", "16xlarge"], families: &["g3"] },
    Ladder {
        sizes: &[
            "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge",
            "48xlarge",
        ],
        families: &["g3s", "g4dn", "g5", "g6", "g6e"],
    },
    Ladder {
        sizes: &["xlarge", "2xlarge", "8xlarge", "16xlarge", "24xlarge", "48xlarge"],
        families: &["p2", "p3", "p3dn", "p4d", "p5", "trn1"],
    },
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
        Some(sizes) if sizes.contains(&size) => None,
        Some(sizes) => Some(Doubt::Unknown(nearest(size, sizes).map(|s| format!("{family}.{s}")))),
        None if is_newer(family) && is_size(size) => Some(Doubt::Newer),
        None => {
            let near = nearest(family, &families())
                .filter(|f| sizes(f).is_some_and(|s| s.contains(&size)));
            Some(Doubt::Unknown(near.map(|family| format!("{family}.{size}"))))
        }
    }
}

fn sizes(family: &str) -> Option<&'static [&'static str]> {
    LADDERS.iter().find(|ladder| ladder.families.contains(&family)).map(|ladder| ladder.sizes)
}

fn families() -> Vec<&'static str> {
    LADDERS.iter().flat_map(|ladder| ladder.families.iter().copied()).collect()
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &&str| strsim::damerau_levenshtein(word, known);
    known.iter().copied().min_by_key(distance).filter(|known| distance(known) <= 2)
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
            ("m9g.2xlarge", Some(Doubt::Newer)),
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
