//! The statements. Each read gives rows of one JSON text. Names reach them as parameters, and come back quoted by the server
//! wherever they become part of a statement.

/// The words for kinds of objects that privileges are granted on.
pub(super) const KINDS: [&str; 14] = [
    "TABLE",
    "SEQUENCE",
    "COLUMN",
    "ROUTINE",
    "SCHEMA",
    "TYPE",
    "LANGUAGE",
    "FOREIGN SERVER",
    "FOREIGN DATA WRAPPER",
    "LARGE OBJECT",
    "DEFAULT",
    "DATABASE",
    "TABLESPACE",
    "PARAMETER",
];

/// The role of one of two names.
pub(super) const ROLES: &str = "
SELECT json_build_object('id', r.oid::text, 'name', r.rolname, 'login', r.rolcanlogin, 'limit', r.rolconnlimit,
    'until', r.rolvaliduntil::text, 'own', r.rolname IN (session_user, current_user), 'bootstrap', r.oid = 10,
    'attributes', array_to_json(array_remove(ARRAY[
        CASE WHEN r.rolsuper THEN 'SUPERUSER' END, CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
        CASE WHEN r.rolreplication THEN 'REPLICATION' END, CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
        CASE WHEN r.rolcreatedb THEN 'CREATEDB' END], NULL)),
    'only_superuser', r.rolsuper AND NOT EXISTS (SELECT FROM pg_roles o
        WHERE o.rolsuper AND o.rolcanlogin AND o.oid <> r.oid AND o.rolname <> session_user),
    'sees_password', has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT'),
    'version', current_setting('server_version_num')::int)::text
FROM pg_roles r WHERE r.rolname IN ($1, $2) ORDER BY r.rolname";

/// Roles that may log in, by name, after this one.
pub(super) const ROSTER: &str = "
SELECT json_build_object('id', r.oid::text, 'name', r.rolname, 'own', r.rolname IN (session_user, current_user),
    'bootstrap', r.oid = 10, 'privileged',
    r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls)::text
FROM pg_roles r WHERE r.rolcanlogin AND r.rolname::text COLLATE \"C\" > $1::text COLLATE \"C\"
ORDER BY r.rolname::text COLLATE \"C\" LIMIT 200";

/// Whether a password is set; for those who may see it only.
pub(super) const PASSWORD: &str = "SELECT (rolpassword IS NOT NULL)::text FROM pg_authid WHERE oid = $1::oid";

/// The role's backends.
pub(super) const SESSIONS: &str = "
SELECT json_build_object('pid', pid, 'since', (extract(epoch FROM backend_start) * 1000)::bigint)::text
FROM pg_stat_activity WHERE usesysid = $1::oid AND pid <> pg_backend_pid() ORDER BY pid LIMIT 5001";

/// What the role is a member of. Before version 16 there is one row per role, and no options but one.
pub(super) const MEMBERSHIPS: &str = "
SELECT json_build_object('role', r.rolname, 'admin', m.admin_option,
    'grantor', CASE WHEN current_setting('server_version_num')::int >= 160000 THEN pg_get_userbyid(m.grantor) END,
    'inherit', coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true),
    'set', coalesce((to_jsonb(m) ->> 'set_option')::boolean, true),
    'privileged', EXISTS (SELECT FROM pg_roles p WHERE pg_has_role(r.oid, p.oid, 'MEMBER') AND (p.rolsuper
        OR p.rolcreaterole OR p.rolreplication OR p.rolbypassrls OR p.rolname IN ('pg_execute_server_program',
        'pg_read_server_files', 'pg_write_server_files', 'pg_read_all_data', 'pg_write_all_data', 'pg_maintain',
        'rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin'))),
    'sole', NOT EXISTS (SELECT FROM pg_auth_members o WHERE o.roleid = m.roleid AND o.member <> m.member))::text
FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = $1::oid
ORDER BY r.rolname, m.grantor LIMIT 5001";

/// The databases in which anything refers to the role, as the server itself records it for all of them.
pub(super) const DATABASES: &str = "
SELECT json_build_object('name', d.datname, 'entries', count(*),
    'open', d.datallowconn AND has_database_privilege(d.oid, 'CONNECT'))::text
FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = $1::oid
GROUP BY d.oid, d.datname, d.datallowconn ORDER BY d.datname";

/// The objects of the database that is connected to: kind, quoted name, part, privileges, owner.
const HERE: &str = "
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS object, '' AS part,
    c.relacl AS acl, c.relowner AS owner FROM pg_class c WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S')
UNION ALL SELECT 'COLUMN', a.attrelid::regclass::text, a.attname::text, a.attacl, c.relowner FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
UNION ALL SELECT 'ROUTINE', oid::regprocedure::text, '', proacl, proowner FROM pg_proc
UNION ALL SELECT 'SCHEMA', oid::regnamespace::text, '', nspacl, nspowner FROM pg_namespace
UNION ALL SELECT 'TYPE', oid::regtype::text, '', typacl, typowner FROM pg_type
UNION ALL SELECT 'LANGUAGE', quote_ident(lanname), '', lanacl, lanowner FROM pg_language
UNION ALL SELECT 'FOREIGN SERVER', quote_ident(srvname), '', srvacl, srvowner FROM pg_foreign_server
UNION ALL SELECT 'FOREIGN DATA WRAPPER', quote_ident(fdwname), '', fdwacl, fdwowner FROM pg_foreign_data_wrapper
UNION ALL SELECT 'LARGE OBJECT', oid::text, '', lomacl, lomowner FROM pg_largeobject_metadata
UNION ALL SELECT 'DEFAULT', format('FOR ROLE %I', pg_get_userbyid(defaclrole))
        || coalesce(format(' IN SCHEMA %s', nullif(defaclnamespace, 0)::regnamespace), ''),
    CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES'
        WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' ELSE '' END, defaclacl, defaclrole FROM pg_default_acl";
/// The same of what the whole server shares.
const SHARED: &str = "
SELECT 'DATABASE' AS kind, quote_ident(datname) AS object, '' AS part, datacl AS acl, datdba AS owner FROM pg_database
UNION ALL SELECT 'TABLESPACE', quote_ident(spcname), '', spcacl, spcowner FROM pg_tablespace";
/// The same of configuration parameters, which have privileges from version 15 on.
const PARAMETERS: &str = " UNION ALL SELECT 'PARAMETER', parname, '', paracl, 10::oid FROM pg_parameter_acl";

fn objects(shared: bool, version: u32) -> String {
    match shared {
        true if version >= 150_000 => format!("{SHARED}{PARAMETERS}"),
        true => SHARED.to_owned(),
        false => HERE.to_owned(),
    }
}

/// What the role was granted, one row per object and grantor. What it may do as an owner is not granted.
pub(super) fn privileges(shared: bool, version: u32) -> String {
    format!(
        "SELECT json_build_object('kind', o.kind, 'object', o.object, 'part', o.part,
            'grantor', CASE WHEN a.grantor <> o.owner THEN pg_get_userbyid(a.grantor) END,
            'held', json_agg(json_build_array(a.privilege_type, a.is_grantable) ORDER BY a.privilege_type))::text
        FROM ({}) o CROSS JOIN LATERAL aclexplode(o.acl) a WHERE a.grantee = $1::oid AND o.owner <> $1::oid
        GROUP BY o.kind, o.object, o.part, o.owner, a.grantor ORDER BY 1 LIMIT 5001",
        objects(shared, version)
    )
}

/// One object and all that a statement about its privileges needs, quoted; with what the role granted on.
/// Parameters: the role, kind, object, part, grantor.
pub(super) fn object(shared: bool, version: u32) -> String {
    format!(
        "SELECT json_build_object('object', o.object, 'column', quote_ident(o.part), 'part', o.part,
            'role', (SELECT quote_ident(rolname) FROM pg_roles WHERE oid = $1::oid),
            'grantor', (SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = $5),
            'passed_on', (SELECT coalesce(json_agg(json_build_object('privilege', a.privilege_type, 'on', a.is_grantable,
                'to', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)), '[]')
                FROM aclexplode(o.acl) a WHERE a.grantor = $1::oid AND a.grantor <> o.owner))::text
        FROM ({}) o WHERE o.kind = $2 AND o.object = $3 AND o.part = $4",
        objects(shared, version)
    )
}

/// What the role owns here or has to do with in another way, without what belongs to a table of it.
pub(super) const OWNED: &str = "
SELECT json_build_object('kind', i.type, 'name', i.identity, 'owned', d.deptype = 'o', 'shared', d.dbid = 0,
    'runs', d.classid = 'pg_subscription'::regclass
        AND EXISTS (SELECT FROM pg_subscription s WHERE s.oid = d.objid AND s.subenabled))::text
FROM pg_shdepend d CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) i
WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = $1::oid AND d.deptype IN ('o', 'r')
    AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    AND i.type NOT IN ('default acl', 'user mapping')
    AND NOT EXISTS (SELECT FROM pg_depend p WHERE d.classid = 'pg_class'::regclass AND p.classid = d.classid AND p.objid = d.objid
        AND p.deptype IN ('a', 'i') AND p.refclassid = 'pg_class'::regclass)
ORDER BY 1 LIMIT 5001";

/// What uses the role by another way: secrets for other servers, transactions that wait, slots that it reads.
pub(super) const USES: &str = "
SELECT json_build_object('kind', 'user_mapping', 'name', srvname)::text FROM pg_user_mappings WHERE umuser = $1::oid
UNION ALL SELECT json_build_object('kind', 'prepared_transaction', 'name', gid)::text FROM pg_prepared_xacts
    WHERE owner = pg_get_userbyid($1::oid) AND database = current_database()
UNION ALL SELECT json_build_object('kind', 'replication_slot', 'name', s.slot_name)::text FROM pg_replication_slots s
    JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE a.usesysid = $1::oid";

/// Whether pg_cron is here. What only has its name is not read: it could run anything, with leaver's rights.
pub(super) const HAS_CRON: &str = "
SELECT EXISTS (SELECT FROM pg_extension e JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE e.extname = 'pg_cron' AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass
    AND d.objid = to_regclass('cron.job'))::text";

/// The role's jobs of pg_cron.
pub(super) const CRON: &str = "
SELECT json_build_object('kind', 'cron_job', 'name', coalesce(to_jsonb(j) ->> 'jobname', 'job ' || j.jobid),
    'runs', coalesce((to_jsonb(j) ->> 'active')::boolean, true))::text
FROM cron.job j WHERE j.username = pg_get_userbyid($1::oid) ORDER BY j.jobid LIMIT 5001";

/// What leaver's own role lacks.
pub(super) const MISSING: &str = "
SELECT json_build_object('superuser', r.rolsuper, 'createrole', r.rolcreaterole,
    'signal', pg_has_role('pg_signal_backend', 'MEMBER'), 'stats', pg_has_role('pg_read_all_stats', 'MEMBER'),
    'admin', current_setting('server_version_num')::int < 160000 OR NOT EXISTS (SELECT FROM pg_roles p
        WHERE p.rolcanlogin AND NOT p.rolsuper AND p.oid <> r.oid AND NOT pg_has_role(p.oid, 'MEMBER WITH ADMIN OPTION')),
    'owners', (SELECT json_agg(DISTINCT pg_get_userbyid(o.id)) FROM (
        SELECT c.relowner AS id FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        UNION SELECT m.grantor FROM pg_auth_members m JOIN pg_roles p ON p.oid = m.member
            WHERE current_setting('server_version_num')::int >= 160000 AND p.rolcanlogin AND NOT p.rolsuper AND p.oid <> r.oid
    ) o WHERE NOT pg_has_role(o.id, 'USAGE')))::text
FROM pg_roles r WHERE r.rolname = current_user";

/// Statements that the server puts together, with its own quoting. The first parameter is the role.
pub(super) const DISABLE: &str =
    "SELECT format('ALTER ROLE %I NOLOGIN CONNECTION LIMIT 0', rolname) FROM pg_roles WHERE oid = $1::oid";
/// With the limit of connections that it had.
pub(super) const ENABLE: &str = "SELECT format('ALTER ROLE %I LOGIN CONNECTION LIMIT %s', rolname, $2::int) FROM pg_roles WHERE oid = $1::oid";
/// Any authentication by password ends.
pub(super) const NO_PASSWORD: &str =
    "SELECT format('ALTER ROLE %I PASSWORD NULL', rolname) FROM pg_roles WHERE oid = $1::oid";
/// With the attribute's keyword, `NO` before it where it is taken.
pub(super) const ATTRIBUTE: &str =
    "SELECT format('ALTER ROLE %I ', rolname) || $2 FROM pg_roles WHERE oid = $1::oid";
/// Ends the role's backends; the answer comes before they are gone.
pub(super) const TERMINATE: &str = "
SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE usesysid = $1::oid AND pid <> pg_backend_pid()";

/// Takes a membership away. What the role granted on is granted first by whoever granted it to the role, so that nobody else
/// loses anything. Parameters: the member, the role, the grantor (empty before version 16).
pub(super) const LEAVE: &str = "
SELECT coalesce((SELECT string_agg(format('GRANT %I TO %I WITH ADMIN %s, INHERIT %s, SET %s GRANTED BY %I; ', r.rolname,
            pg_get_userbyid(d.member), d.admin_option::text, to_jsonb(d) ->> 'inherit_option', to_jsonb(d) ->> 'set_option', $3), '')
        FROM pg_auth_members d WHERE $3 <> '' AND d.roleid = r.oid AND d.grantor = m.oid AND NOT EXISTS (SELECT
            FROM pg_auth_members o WHERE o.roleid = d.roleid AND o.member = d.member AND o.grantor::regrole = to_regrole(quote_ident($3)))),
        '')
    || format('REVOKE %I FROM %I', r.rolname, m.rolname)
    || CASE WHEN $3 <> '' THEN format(' GRANTED BY %I CASCADE', $3) ELSE '' END
FROM pg_roles m, pg_roles r WHERE m.oid = $1::oid AND r.rolname = $2";

/// Gives a membership, by its former grantor where they still may. Parameters: the member, the role, the grantor, and
/// whether it may be granted on, is inherited, and allows SET ROLE.
pub(super) const JOIN: &str = "
SELECT format('GRANT %I TO %I', r.rolname, m.rolname) || CASE
    WHEN current_setting('server_version_num')::int >= 160000
    THEN format(' WITH ADMIN %s, INHERIT %s, SET %s', $4, $5, $6)
        || coalesce((SELECT format(' GRANTED BY %I', g.rolname) FROM pg_roles g WHERE g.rolname = $3 AND (g.oid = 10 OR EXISTS (
            SELECT FROM pg_auth_members a WHERE a.roleid = r.oid AND a.member = g.oid AND a.admin_option))), '')
    WHEN $4 = 'true' THEN ' WITH ADMIN OPTION' ELSE '' END
FROM pg_roles m, pg_roles r WHERE m.oid = $1::oid AND r.rolname = $2";
