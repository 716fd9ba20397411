//! The sample people's roles, and what they are granted and own.

use super::ID;
use crate::twin::World;

/// One sample person's role.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Whose it is.
    pub(super) username: String,
    /// Its name.
    pub(super) role: String,
    /// Its attributes beside LOGIN.
    pub(super) attributes: &'static str,
    /// The roles that it is a member of, with the options of GRANT.
    pub(super) member_of: Vec<(&'static str, &'static str)>,
    /// Whether it has privileges on single objects and owns some.
    pub(super) writes_code: bool,
}

/// The roles that people are members of.
pub(super) const GROUPS: [&str; 4] = ["analysts", "engineering", "everybody", "shop_owner"];

/// All sample people who have a role.
pub(super) fn all(world: &World) -> Vec<Sample> {
    world
        .people_in(ID)
        .map(|sample| {
            let username = sample.person.username.as_str();
            let traits = &sample.traits;
            let admin = traits.sole_admin_of.contains(ID) || traits.admin_of.contains(ID);
            let mut member_of = vec![("everybody", "")];
            if sample.is_engineer() {
                member_of.extend([("analysts", " WITH ADMIN OPTION"), ("engineering", "")]);
            }
            Sample {
                username: username.to_owned(),
                role: sample.person.login(ID).unwrap_or(username).to_owned(),
                attributes: if admin { "SUPERUSER" } else { "" },
                member_of,
                writes_code: sample.is_engineer(),
            }
        })
        .collect()
}

/// A name as an identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// All roles, as they are to be, in place of what there is of them. `verifier` is the sample password's.
pub(super) fn roles(samples: &[Sample], leaver: &str, password: &str, verifier: &str) -> String {
    let mut all = String::from("BEGIN; ");
    let named: Vec<String> = samples.iter().map(|sample| literal(&sample.role)).collect();
    let listed = named.into_iter().chain([leaver].into_iter().chain(GROUPS).map(literal)).collect::<Vec<_>>();
    all += &format!(
        "DO $seed$ DECLARE name text; BEGIN FOR name IN SELECT rolname FROM pg_roles WHERE rolname = ANY (ARRAY[{}]) \
         LOOP EXECUTE format('DROP OWNED BY %I CASCADE', name); EXECUTE format('DROP ROLE %I', name); END LOOP; END $seed$; ",
        listed.join(", ")
    );
    for group in GROUPS {
        all += &format!("CREATE ROLE {group}; ");
    }
    all += &format!("CREATE ROLE {leaver} LOGIN SUPERUSER PASSWORD {}; ", literal(password));
    for sample in samples {
        let role = quoted(&sample.role);
        all += &format!(
            "CREATE ROLE {role} LOGIN {} CONNECTION LIMIT 7 PASSWORD {}; ",
            sample.attributes,
            literal(verifier)
        );
        for (group, option) in &sample.member_of {
            all += &format!("GRANT {group} TO {role}{option}; ");
        }
    }
    all + "COMMIT"
}

/// What goes from a database before the roles can go.
pub(super) const CLEAR: &str = "BEGIN; DROP SCHEMA IF EXISTS shop CASCADE; DO $seed$ DECLARE name text; BEGIN \
    FOR name IN SELECT pg_get_userbyid(refobjid) FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass \
    AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY refobjid \
    LOOP EXECUTE format('DROP OWNED BY %I CASCADE', name); END LOOP; END $seed$; COMMIT";

/// A shop's objects, and who may do what with them.
pub(super) fn shop(samples: &[Sample]) -> String {
    let mut all = String::from(
        "BEGIN; CREATE SCHEMA shop AUTHORIZATION shop_owner; SET LOCAL ROLE shop_owner; \
         CREATE TABLE shop.orders (id bigserial PRIMARY KEY, buyer text, total numeric); \
         CREATE TABLE shop.customers (id bigint PRIMARY KEY, name text); \
         CREATE FUNCTION shop.revenue() RETURNS numeric LANGUAGE sql AS 'SELECT sum(total) FROM shop.orders'; \
         GRANT USAGE ON SCHEMA shop TO everybody; GRANT SELECT ON ALL TABLES IN SCHEMA shop TO engineering; ",
    );
    for sample in samples.iter().filter(|sample| sample.writes_code) {
        let role = quoted(&sample.role);
        all += &format!(
            "GRANT USAGE, CREATE ON SCHEMA shop TO {role}; GRANT SELECT, UPDATE (total) ON shop.orders TO {role}; \
             GRANT SELECT ON shop.customers TO {role} WITH GRANT OPTION; GRANT EXECUTE ON FUNCTION shop.revenue() TO {role}; \
             ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO {role}; "
        );
    }
    all += "RESET ROLE; ";
    if let Some(first) = samples.iter().find(|sample| sample.writes_code) {
        let role = quoted(&first.role);
        all += &format!(
            "SET LOCAL ROLE {role}; CREATE TABLE shop.experiments (id int); \
             CREATE VIEW shop.totals AS SELECT id, total FROM shop.orders; RESET ROLE; "
        );
    }
    all + "COMMIT"
}
