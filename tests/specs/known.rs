//! Where an adapter or stand-in differs from the description on purpose: each difference with its reason. One that no
//! exchange needs any more fails the suite.

/// A difference that is known.
#[derive(Debug)]
pub(crate) struct Known {
    /// The registry row.
    pub(crate) row: &'static str,
    /// The suite's line about it, or how it begins; `{}` stands for anything without a space.
    pub(crate) line: &'static str,
    /// Why it is right nevertheless.
    pub(crate) why: &'static str,
}

impl Known {
    /// Whether a line is the one that this is about.
    pub(crate) fn explains(&self, line: &str) -> bool {
        let mut rest = line;
        for (index, part) in self.line.split("{}").enumerate() {
            let at = if index == 0 { rest.starts_with(part).then_some(0) } else { rest.find(part) };
            let Some(at) = at.filter(|at| !rest[..*at].contains(' ')) else { return false };
            rest = &rest[at + part.len()..];
        }
        true
    }
}

const fn known(row: &'static str, line: &'static str, why: &'static str) -> Known {
    Known { row, line, why }
}

const STATUS: &str = "Google's discovery documents name no statuses; its reference shows an empty answer as 204 and what is not there as 404";
const NEXT: &str = "stands in the vendor's own @odata.nextLink, which is followed as it is";
const SHOWN: &str = "the vendor departs from the standard so, as the examples in its guide show";
const DERIVED: &str =
    "a field of the derived type that the entry names; the saved description was trimmed to the base type";

/// All of them.
pub(crate) const KNOWN: &[Known] = &[
    known(
        "aws_iam",
        "DescribePermissionSet: the model has no such operation",
        "described in the service's whole model; the saved one was cut down",
    ),
    known(
        "equipment",
        "GET /rest/api/3/mypermissions: no description has this operation",
        "described in Jira's whole document; the saved one was cut to what changes something",
    ),
    known(
        "figma",
        "GET /v1/activity_logs: query parameter cursor is not described",
        "Figma's page on activity logs has it; its description forgot it",
    ),
    known(
        "figma",
        "SCIM GET /Users/{id}: answer  has urn:ietf:params:scim:schemas:extension:figma:enterprise:2.0:User and does not name it",
        SHOWN,
    ),
    known(
        "figma",
        "SCIM GET /Users: answer /Resources/* has urn:ietf:params:scim:schemas:extension:figma:enterprise:2.0:User and does not name it",
        SHOWN,
    ),
    known(
        "figma",
        "SCIM PATCH /Users/{id}: answer  has urn:ietf:params:scim:schemas:extension:figma:enterprise:2.0:User and does not name it",
        SHOWN,
    ),
    known("figma", "SCIM GET /Users/{id}: answer /emails is no list", SHOWN),
    known("figma", "SCIM GET /Users: answer /Resources/*/emails is no list", SHOWN),
    known("figma", "SCIM PATCH /Users/{id}: answer /emails is no list", SHOWN),
    known(
        "notion",
        "SCIM GET /Users/{id}: answer  has urn:ietf:params:scim:schemas:extension:notion:2.0:User and does not name it",
        SHOWN,
    ),
    known(
        "notion",
        "SCIM GET /Users: answer /Resources/* has urn:ietf:params:scim:schemas:extension:notion:2.0:User and does not name it",
        SHOWN,
    ),
    known(
        "notion",
        "SCIM PATCH /Users/{id}: answer  has urn:ietf:params:scim:schemas:extension:notion:2.0:User and does not name it",
        SHOWN,
    ),
    known(
        "notion",
        "SCIM POST /Users: answer  has urn:ietf:params:scim:schemas:extension:notion:2.0:User and does not name it",
        SHOWN,
    ),
    known(
        "google_workspace",
        "DELETE /admin/directory/v1/groups/{groupKey}/members/{memberKey}: status 204 is not described",
        STATUS,
    ),
    known(
        "google_workspace",
        "DELETE /admin/directory/v1/users/{userKey}/asps/{codeId}: status 204 is not described",
        STATUS,
    ),
    known(
        "google_workspace",
        "DELETE /admin/directory/v1/users/{userKey}/tokens/{clientId}: status 204 is not described",
        STATUS,
    ),
    known(
        "google_workspace",
        "DELETE /gmail/v1/users/{userId}/settings/delegates/{delegateEmail}: status 204 is not described",
        STATUS,
    ),
    known("google_workspace", "GET /admin/directory/v1/users/{userKey}: status 404 is not described", STATUS),
    known(
        "google_workspace",
        "GET /apps/licensing/v1/product/{productId}/sku/{skuId}/user/{userId}: status 404 is not described",
        STATUS,
    ),
    known(
        "google_workspace",
        "POST /admin/directory/v1/customer/{customerId}/devices/mobile/{resourceId}/action: status 204 is not described",
        STATUS,
    ),
    known(
        "google_workspace",
        "POST /admin/directory/v1/users/{userKey}/signOut: status 204 is not described",
        STATUS,
    ),
    known(
        "google_workspace",
        "POST /admin/directory/v1/users/{userKey}/verificationCodes/invalidate: status 204 is not described",
        STATUS,
    ),
    known(
        "google_workspace",
        "POST /gmail/v1/users/{userId}/settings/delegates: the path is described with other methods only",
        "users.settings.delegates.create of Gmail v1; the saved description was trimmed before it was needed",
    ),
    known(
        "google_workspace",
        "POST /token: no description has this operation",
        "the token endpoint of RFC 7523, which no API description of Google has",
    ),
    known("microsoft_365", "GET /auditLogs/signIns: query parameter $skiptoken is not described", NEXT),
    known("microsoft_365", "GET /users: query parameter $skiptoken is not described", NEXT),
    known(
        "microsoft_365",
        "GET /users/{user-id}/appRoleAssignments: query parameter $skiptoken is not described",
        NEXT,
    ),
    known(
        "microsoft_365",
        "GET /users/{user-id}/authentication/methods: query parameter $skiptoken is not described",
        NEXT,
    ),
    known(
        "microsoft_365",
        "GET /users/{user-id}/memberOf: query parameter $skiptoken is not described",
        NEXT,
    ),
    known(
        "microsoft_365",
        "GET /users/{user-id}/oauth2PermissionGrants: query parameter $skiptoken is not described",
        NEXT,
    ),
    known(
        "microsoft_365",
        "GET /users/{user-id}/registeredDevices: query parameter $skiptoken is not described",
        NEXT,
    ),
    known(
        "microsoft_365",
        "GET /users/{user-id}/authentication/methods: answer 200 /value/*/createdDateTime is not described",
        DERIVED,
    ),
    known(
        "microsoft_365",
        "GET /users/{user-id}/authentication/methods: answer 200 /value/*/displayName is not described",
        DERIVED,
    ),
    known(
        "microsoft_365",
        "GET /users/{user-id}/authentication/methods: answer 200 /value/*/phoneType is not described",
        DERIVED,
    ),
    known(
        "microsoft_365",
        "GET /users/{user-id}/ownedObjects: answer 200 /value/*/displayName is not described",
        DERIVED,
    ),
    known(
        "microsoft_365",
        "GET /users/{user-id}/ownedObjects: answer 200 /value/*/keyCredentials is not described",
        DERIVED,
    ),
    known(
        "microsoft_365",
        "GET /users/{user-id}/ownedObjects: answer 200 /value/*/passwordCredentials is not described",
        DERIVED,
    ),
    known(
        "microsoft_365",
        "POST /example.com/oauth2/v2.0/token: no description has this operation",
        "Entra's token endpoint, which is no part of Graph and of no description of it",
    ),
    known(
        "okta",
        "DELETE /api/v1/users/{}/grants/{}: no description has this operation",
        "revokeUserGrant of the management API; the saved description was trimmed to the deletion of all grants",
    ),
    known(
        "okta",
        "GET /api/v1/users/{id}/groups: query parameter after is not described",
        "Okta's guide says that any list may go on by its Link header; the adapter sends what stands there, and nothing of its own",
    ),
    known(
        "okta",
        "GET /api/v1/users/{userId}/clients: query parameter after is not described",
        "Okta's guide says that any list may go on by its Link header; the adapter sends what stands there, and nothing of its own",
    ),
    known(
        "slack",
        "GET /api/admin.users.session.list: no description has this operation",
        "newer than Slack's description, which stands still since 2021; described on the method's page",
    ),
    known(
        "slack",
        "GET /audit/v1/logs: no description has this operation",
        "the Audit Logs API has an address of its own and pages for people only",
    ),
    known(
        "slack",
        "GET /usergroups.list: query parameter team_id is not described",
        "newer than Slack's description; the method's page asks for it with a token of the whole organisation",
    ),
    known(
        "slack",
        "GET /usergroups.users.list: query parameter team_id is not described",
        "newer than Slack's description; the method's page asks for it with a token of the whole organisation",
    ),
    known(
        "slack",
        "POST /usergroups.users.update: body/team_id is not described",
        "newer than Slack's description; the method's page asks for it with a token of the whole organisation",
    ),
];
