//! Every privilege that anybody has on anything of ours, as a table: what is new in it was decided, not forgotten.

use super::logins::{Home, texts};

/// What is ours, with the privileges that others than its owner have on it.
const MATRIX: &str = "
    WITH thing AS (
        SELECT c.oid, c.relname::text AS name, c.relnamespace, c.relowner AS owner, c.relacl AS acl,
            CASE c.relkind WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END AS sort
        FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        UNION ALL
        SELECT p.oid, p.proname || '()', p.pronamespace, p.proowner,
            coalesce(p.proacl, acldefault('f', p.proowner)), 'function'
        FROM pg_proc p
        UNION ALL
        SELECT n.oid, n.nspname, n.oid, n.nspowner, n.nspacl, 'schema' FROM pg_namespace n
    ), granted AS (
        SELECT t.oid, e.grantee, e.privilege_type
            || CASE WHEN e.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS privilege
        FROM thing t, aclexplode(t.acl) e WHERE e.grantee <> t.owner
        UNION ALL
        SELECT t.oid, e.grantee, e.privilege_type || CASE WHEN e.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
            || ' (' || string_agg(a.attname, ', ' ORDER BY a.attname) || ')'
        FROM thing t JOIN pg_attribute a ON a.attrelid = t.oid, aclexplode(a.attacl) e
        WHERE t.sort IN ('table', 'view') AND e.grantee <> t.owner
        GROUP BY t.oid, e.grantee, e.privilege_type, e.is_grantable
    ), line AS (
        SELECT granted.oid, '    ' || coalesce(r.rolname, 'PUBLIC') || ': '
            || string_agg(privilege, ', ' ORDER BY privilege) AS line
        FROM granted LEFT JOIN pg_roles r ON r.oid = grantee GROUP BY granted.oid, r.rolname
    )
    SELECT t.sort || ' ' || CASE WHEN t.sort = 'schema' THEN t.name ELSE n.nspname || '.' || t.name END || E'\\n'
        || coalesce(string_agg(line, E'\\n' ORDER BY line), '    nobody')
    FROM thing t JOIN pg_namespace n ON n.oid = t.relnamespace LEFT JOIN line ON line.oid = t.oid
    WHERE n.nspname IN ('polar_sync', 'api_v1')
    GROUP BY t.sort, t.name, n.nspname, t.oid
    ORDER BY n.nspname, t.sort = 'schema' DESC, t.sort, t.name";

#[tokio::test]
async fn who_may_do_what_is_as_it_was_decided() {
    let home = Home::new().await;
    let matrix = texts(&mut home.owner().await, MATRIX).await;
    insta::assert_snapshot!("matrix", matrix.join("\n"));
}

#[tokio::test]
async fn everything_belongs_to_whoever_migrated() {
    let home = Home::new().await;
    let others = "SELECT d.classid::regclass || ' ' || d.objid || ' ' || r.rolname
        FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
        WHERE d.deptype = 'o' AND r.rolname LIKE 'polar\\_sync\\_%'";
    assert_eq!(texts(&mut home.owner().await, others).await, [""; 0]);
    let attributes = "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'polar\\_sync\\_%'
        AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)";
    assert_eq!(texts(&mut home.owner().await, attributes).await, [""; 0]);
}
