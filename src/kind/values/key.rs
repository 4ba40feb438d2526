//! KMS keys as AWS spells them: an id, an ARN that ends with the id, an alias.

/// Whether two spellings are certainly one key.
pub fn same_key(one: &str, other: &str) -> bool {
    fn id(key: &str) -> &str {
        key.split_once(":key/").map_or(key, |(_, id)| id)
    }
    id(one) == id(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_and_its_id_are_one_key() {
        let arn = "arn:aws:kms:eu-west-1:123456789012:key/1234";
        assert!(same_key(arn, "1234") && same_key("1234", arn) && same_key("alias/a", "alias/a"));
        assert!(!same_key(arn, "alias/1234") && !same_key("none", arn));
    }
}
