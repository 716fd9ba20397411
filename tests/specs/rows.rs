//! Which description each registry row is held against.

/// A description of a vendor.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// An OpenAPI file, and where below the stand-in's address its paths begin.
    OpenApi(&'static str, &'static str),
    /// AWS' own model of a service.
    Aws(&'static str),
    /// A GraphQL schema.
    GraphQl(&'static str),
    /// A GraphQL schema in a package of npm: its name and version.
    GraphQlOf(&'static str, &'static str),
    /// The standard, for a vendor's SCIM below this path of the stand-in.
    Scim(&'static str),
}

/// What a row is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Follows {
    /// These descriptions together.
    These(&'static [Source]),
    /// The vendor publishes none that a machine can read, or not under terms that let it be kept: why there is none.
    Nothing(&'static str),
}

/// A registry row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) follows: Follows,
}

const fn row(id: &'static str, sources: &'static [Source]) -> Row {
    Row { id, follows: Follows::These(sources) }
}

const fn nothing(id: &'static str, why: &'static str) -> Row {
    Row { id, follows: Follows::Nothing(why) }
}

use Source::{Aws, GraphQl, GraphQlOf, OpenApi, Scim};

/// Every registry row, in alphabetical order.
pub(crate) const ROWS: &[Row] = &[
    nothing(
        "active_directory",
        "LDAP is described by its RFCs; the suite of this row runs against a directory server",
    ),
    row(
        "aws_iam",
        &[
            Aws("aws-iam.service-2.json"),
            Aws("aws-cloudtrail.service-2.json"),
            Aws("aws-identitystore.service-2.json"),
            Aws("aws-sso-admin.service-2.json"),
        ],
    ),
    nothing("badge", "the vendor's reference is pages for people"),
    row("benefits", &[OpenApi("gusto-payroll.json", "")]),
    nothing(
        "bitwarden",
        "its description is generated when the server is built, under a licence that keeps it there",
    ),
    row("equipment", &[OpenApi("jira.json", "")]),
    row("figma", &[OpenApi("figma.json", "/api"), Scim("/scim/v2/964615200748176016")]),
    row("github", &[OpenApi("github.json", ""), GraphQlOf("@octokit/graphql-schema", "15.26.1")]),
    row(
        "google_workspace",
        &[
            OpenApi("google-directory-v1.openapi.json", ""),
            OpenApi("google-reports-v1.openapi.json", ""),
            OpenApi("google-gmail-v1.openapi.json", ""),
            OpenApi("google-licensing-v1.openapi.json", ""),
        ],
    ),
    row("hris", &[OpenApi("bamboohr.json", "")]),
    row("linear", &[GraphQl("linear.graphql")]),
    row("microsoft_365", &[OpenApi("microsoft-graph.json", "/v1.0")]),
    row("notion", &[Scim("/scim/v2")]),
    row("okta", &[OpenApi("okta-management.json", ""), OpenApi("okta-oauth.json", "")]),
    nothing("onepassword", "the Users API is a preview for partners, described on pages for people"),
    row("payroll", &[OpenApi("gusto-payroll.json", "")]),
    nothing("postgresql", "its protocol is not HTTP; the suite of this row runs against the server itself"),
    nothing("salesforce", "the vendor's reference is pages for people and a collection of examples"),
    nothing("servicenow", "the vendor publishes no description of its tables"),
    nothing(
        "sharepoint",
        "drives and sites are in files of Graph's description that are not at hand; users are held by microsoft_365",
    ),
    row("slack", &[OpenApi("slack.json", "/api"), Scim("/scim/v2")]),
    nothing("vpn", "the vendors' references are pages for people"),
];

/// The rows that the registry has. `SYSTEMS=figma,notion` leaves the others out, for whoever works on these.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    let only = std::env::var("SYSTEMS").unwrap_or_default();
    let wanted = move |id: &str| only.is_empty() || only.split(',').any(|one| one == id);
    let held = |id: &str| leaver_adapters::SPECS.iter().any(|spec| spec.id == id);
    ROWS.iter().filter(move |row| held(row.id) && wanted(row.id))
}
