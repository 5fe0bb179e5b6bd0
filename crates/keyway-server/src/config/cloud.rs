//! Providers in a cloud: their addresses follow from a region and a project.

use keyway_providers::dialect::Dialect;

/// Google's location that is none: wherever there is room.
pub(crate) const GLOBAL: &str = "global";
/// How China's regions at Amazon begin, which stand under a domain of their own.
const CHINA: &str = "cn-";
/// Bytes of the longest region and project; nobody has longer ones.
const NAME_BYTES_MAX: usize = 64;

/// Whether a region or a project can stand in an address: no text of another form may choose the host.
pub(crate) fn is_place(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a provider that speaks `dialect` has an address that follows from its region.
pub(crate) const fn is_in_cloud(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Bedrock | Dialect::Vertex | Dialect::VertexAnthropic)
}

/// Whether it takes a project as well.
pub(crate) const fn has_projects(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Vertex | Dialect::VertexAnthropic)
}

/// The address of who speaks `dialect` in `region`, for `project`, both of which [`is_place`]; `None` where
/// it is in no cloud, or the project is missing.
pub(crate) fn address(dialect: Dialect, region: &str, project: Option<&str>) -> Option<String> {
    let publisher = match dialect {
        Dialect::Bedrock => {
            let china = if region.starts_with(CHINA) { ".cn" } else { "" };
            return Some(format!("https://bedrock-runtime.{region}.amazonaws.com{china}"));
        }
        Dialect::Vertex => "google",
        Dialect::VertexAnthropic => "anthropic",
        _ => return None,
    };
    let host = if region == GLOBAL { String::new() } else { format!("{region}-") };
    let project = project?;
    Some(format!(
        "https://{host}aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/publishers/{publisher}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_follows_from_a_region_and_a_project() {
        let vertex = "aiplatform.googleapis.com/v1/projects/acme-1/locations";
        for (dialect, region, expected) in [
            (
                Dialect::Bedrock,
                "eu-central-1",
                "https://bedrock-runtime.eu-central-1.amazonaws.com".to_owned(),
            ),
            (
                Dialect::Bedrock,
                "cn-north-1",
                "https://bedrock-runtime.cn-north-1.amazonaws.com.cn".to_owned(),
            ),
            (Dialect::Vertex, "global", format!("https://{vertex}/global/publishers/google")),
            (
                Dialect::VertexAnthropic,
                "us-east5",
                format!("https://us-east5-{vertex}/us-east5/publishers/anthropic"),
            ),
        ] {
            assert_eq!(address(dialect, region, Some("acme-1")), Some(expected));
        }
        assert_eq!(address(Dialect::Vertex, "global", None), None);
        assert_eq!(address(Dialect::Cohere, "global", Some("acme-1")), None);
    }

    #[test]
    fn no_region_chooses_a_host() {
        for text in ["", "a.example", "a/b", "a@b", "a:1", "A", "-a", "a-", "ä", "a\n"] {
            assert!(!is_place(text), "{text:?}");
        }
        assert!(is_place("europe-west1"));
    }
}
