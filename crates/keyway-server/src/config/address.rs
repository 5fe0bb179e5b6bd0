//! Where a provider is: an address, or a place in a cloud that it follows from.

use keyway_providers::dialect::Dialect;
use keyway_providers::openai::Quirks;

use super::mistake::{Place, Report};
use super::rules::base_url;
use super::view::View;
use super::{cloud, rules};

/// What a provider's routes stand under: as it is said, or as it follows from a region.
pub(super) fn address(view: View<'_>, place: &Place, report: &mut Report<'_>) -> Option<String> {
    let dialect = view.text("dialect").and_then(|name| Dialect::parse(name, Quirks::at("")));
    let is_in_cloud = dialect.is_some_and(cloud::is_in_cloud);
    let takes_project = dialect.is_some_and(cloud::has_projects);
    for (field, fits, whose) in [
        ("region", is_in_cloud, "of Vertex and Bedrock only"),
        ("project", takes_project, "of Vertex only"),
    ] {
        let fits = dialect.is_none() || fits;
        beside(view, (field, fits, whose), place, report);
    }
    if view.value("base_url").is_some() {
        return base_url(view.text("base_url")?).ok();
    }
    let missing = |field: &str, allowed: &str, report: &mut Report<'_>| {
        report.missing(&place.field(field, place.offset), "is missing", allowed);
    };
    let (region, project) = (view.text("region"), view.text("project"));
    if !is_in_cloud {
        missing("base_url", rules::URL.allowed, report);
    } else if view.value("region").is_none() {
        missing("base_url", "a URL, or region in its place", report);
    } else if takes_project && view.value("project").is_none() {
        missing("project", rules::PLACE.allowed, report);
    }
    cloud::address(dialect?, region?, project)
}

/// Reports a field that says something of clouds of who is in none, or says it besides an address.
fn beside(
    view: View<'_>,
    (field, fits, whose): (&str, bool, &str),
    place: &Place,
    report: &mut Report<'_>,
) {
    if view.value(field).is_none() {
        return;
    }
    let place = view.place(field, place);
    if !fits {
        report.wrong(&place, &format!("is {whose}"), "nothing here");
    } else if view.value("base_url").is_some() {
        report.wrong(&place, "says once more where base_url is", "one of the two");
    }
}
