//! Makes schema and roles, in one transaction.

use std::fmt::Write as _;

use tokio_postgres::{Client, Error};

use crate::postgres::line::{self, Way};
use crate::postgres::quote::{block, identifier, literal};
use crate::postgres::sql::SCHEMA;
use crate::postgres::trouble::sentence;
use crate::postgres::{Url, way};
use crate::{AdminFault, LeasePlan, Settings};

/// Makes what is missing.
pub(crate) async fn init(url: &Url, settings: &Settings, plans: &[LeasePlan]) -> Result<Vec<String>, AdminFault> {
    let way = way(url, settings).map_err(AdminFault::Because)?;
    let (host, client) = primary(&way).await.map_err(AdminFault::Because)?;
    let say = |error: Error| AdminFault::Because(sentence(&error, &host));
    let about = About::read(&client).await.map_err(say)?;
    let mut statements = missing_databases(&client, plans).await.map_err(say)?;
    statements.extend(missing_rights(&client, &about, plans).await.map_err(say)?);
    if !statements.is_empty() {
        return Err(AdminFault::Rights { user: about.user, statements });
    }
    let mut done = vec![format!("{host}: schema `mainstay` in database `{}`", about.database)];
    let mut text = String::from("BEGIN;\n");
    text.push_str(SCHEMA);
    for plan in plans {
        if let Some(group) = &plan.group {
            let made = role(&client, group).await.map_err(say)?.is_none();
            done.push(format!("group role `{group}`{}", if made { "" } else { " was there already" }));
        }
        for name in &plan.roles {
            let found = role(&client, name).await.map_err(say)?;
            done.push(match found {
                None => format!("login role `{name}` of lease `{}`, barred until it holds it", plan.lease),
                Some(role) if role.can_login => format!(
                    "login role `{name}` was there already and may log in: the first to take lease `{}` bars it",
                    plan.lease
                ),
                Some(_) => format!("login role `{name}` was there already"),
            });
        }
        text.push_str(&roles_of(plan, &about.user, By::Itself));
        done.extend(advice(plan));
    }
    text.push_str("COMMIT;");
    client.batch_execute(&text).await.map_err(say)?;
    Ok(done)
}

/// All of it as SQL, for every version that is supported.
pub(crate) fn script(url: &Url, plans: &[LeasePlan]) -> String {
    let user = url.user().unwrap_or("mainstay");
    let database = url.database().unwrap_or(user);
    let mut text = format!(
        "-- Run this as a superuser in database {database}.\n\
         -- It makes a schema and roles for Mainstay and touches nothing else. What is there already stays.\n\
         BEGIN;\n{}GRANT CREATE ON DATABASE {} TO {};\nSET ROLE {};\n{SCHEMA}RESET ROLE;\n",
        make_role(user, "LOGIN"),
        identifier(database),
        identifier(user),
        identifier(user),
    );
    if plans.iter().any(|plan| !plan.roles.is_empty()) {
        let _infallible = writeln!(text, "ALTER ROLE {} CREATEROLE;", identifier(user));
    }
    for plan in plans {
        text.push_str(&roles_of(plan, user, By::Administrator));
    }
    text.push_str("COMMIT;\n");
    for note in plans.iter().flat_map(advice) {
        let _infallible = writeln!(text, "-- {note}");
    }
    text
}

/// What a role is, as far as it matters here.
pub(super) struct Role {
    pub(super) can_login: bool,
    pub(super) superuser: bool,
}

/// A role, if there is one of this name.
pub(super) async fn role(client: &Client, name: &str) -> Result<Option<Role>, Error> {
    let query = "SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = $1";
    let row = client.query_opt(query, &[&name]).await?;
    Ok(row.map(|row| Role { can_login: row.get(0), superuser: row.get(1) }))
}

/// Who we are at the server.
pub(super) struct About {
    pub(super) user: String,
    pub(super) database: String,
    pub(super) version: i32,
    pub(super) superuser: bool,
    pub(super) create_role: bool,
    can_create: bool,
    has_schema: bool,
}

impl About {
    pub(super) async fn read(client: &Client) -> Result<Self, Error> {
        let query =
            "SELECT current_user::text, current_database()::text, current_setting('server_version_num')::integer,
            rolsuper, rolcreaterole, has_database_privilege(current_database(), 'CREATE'),
            to_regclass('mainstay.version') IS NOT NULL FROM pg_roles WHERE rolname = current_user";
        let row = client.query_one(query, &[]).await?;
        Ok(Self {
            user: row.get(0),
            database: row.get(1),
            version: row.get(2),
            superuser: row.get(3),
            create_role: row.get(4),
            can_create: row.get(5),
            has_schema: row.get(6),
        })
    }

    pub(super) fn major(&self) -> u32 {
        u32::try_from(self.version / 10_000).unwrap_or(0)
    }
}

/// The statements that give the store's user what it lacks.
pub(super) async fn missing_rights(client: &Client, about: &About, plans: &[LeasePlan]) -> Result<Vec<String>, Error> {
    let mut statements = Vec::new();
    if about.superuser {
        return Ok(statements);
    }
    let user = identifier(&about.user);
    if !about.can_create && !about.has_schema {
        statements.push(format!("GRANT CREATE ON DATABASE {} TO {user};", identifier(&about.database)));
    }
    let mut create = false;
    for (plan, name) in plans.iter().flat_map(|plan| plan.roles.iter().chain(&plan.group).map(move |name| (plan, name)))
    {
        let is_there = role(client, name).await?.is_some();
        // To bar a role takes the same right as to make one.
        create |= !is_there || plan.roles.contains(name);
        if is_there && about.major() >= GRANTS_HAVE_OPTIONS {
            let query = "SELECT pg_has_role($1, 'USAGE WITH ADMIN OPTION')";
            if !client.query_one(query, &[&&**name]).await?.get::<_, bool>(0) {
                statements.push(format!("GRANT {} TO {user} WITH {OPTIONS};", identifier(name)));
            }
        }
    }
    if create && !about.create_role {
        statements.push(format!("ALTER ROLE {user} CREATEROLE;"));
    }
    Ok(statements)
}

/// The statements that make the databases that are not there.
async fn missing_databases(client: &Client, plans: &[LeasePlan]) -> Result<Vec<String>, Error> {
    let mut statements = Vec::new();
    for database in plans.iter().filter_map(|plan| plan.database.as_ref()) {
        if !has_database(client, database).await? {
            statements.push(format!("CREATE DATABASE {};", identifier(database)));
        }
    }
    statements.dedup();
    Ok(statements)
}

/// Whether the server has a database of this name.
pub(super) async fn has_database(client: &Client, name: &str) -> Result<bool, Error> {
    let query = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    Ok(client.query_one(query, &[&name]).await?.get(0))
}

/// Connects to the primary, where there may be no store yet.
pub(super) async fn primary(way: &Way) -> Result<(String, Client), String> {
    let mut faults = Vec::new();
    for (host, config) in way.url.targets(way.password.as_ref(), way.limit) {
        match line::bare(&host, &config, way).await {
            Ok(client) => return Ok((host, client)),
            Err(fault) => faults.push(fault),
        }
    }
    Err(faults.join("; "))
}

/// Group and login roles of one lease: the group owns what any of them creates, so that the next can use it.
fn roles_of(plan: &LeasePlan, user: &str, by: By) -> String {
    let mut text = String::new();
    if let Some(group) = &plan.group {
        text.push_str(&make_role(group, "NOLOGIN"));
        text.push_str(&to_user(group, user, by));
    }
    for role in &plan.roles {
        text.push_str(&make_role(role, "NOLOGIN"));
        text.push_str(&to_user(role, user, by));
        if let Some(group) = &plan.group {
            let (role, group) = (identifier(role), identifier(group));
            let _infallible = writeln!(text, "GRANT {group} TO {role};\nALTER ROLE {role} SET role = {group};");
        }
        let _infallible = writeln!(
            text,
            "INSERT INTO mainstay.role (lease, role) VALUES ({}, {}) ON CONFLICT DO NOTHING;",
            literal(&plan.lease),
            literal(role)
        );
    }
    text
}

/// Who makes roles.
#[derive(Clone, Copy, Debug)]
enum By {
    /// The store's user. Who makes a role, or was given it, has the option to administer it, and cannot give that to
    /// himself.
    Itself,
    /// Somebody who makes them for him.
    Administrator,
}

/// The store's user acts for the role, to end its sessions and its prepared transactions. A superuser may anyway.
fn to_user(role: &str, user: &str, by: By) -> String {
    let (named, who) = (literal(role), literal(user));
    let grant = format!("GRANT {} TO {}", identifier(role), identifier(user));
    let (options, administers) = match by {
        By::Itself => (OWN_OPTIONS, String::new()),
        By::Administrator => (OPTIONS, format!(" AND pg_has_role({who}, {named}, 'USAGE WITH ADMIN OPTION')")),
    };
    let body = format!(
        "BEGIN
            IF current_setting('server_version_num')::integer >= {GRANTS_HAVE_OPTIONS}0000 THEN
                IF NOT (pg_has_role({who}, {named}, 'USAGE') AND pg_has_role({who}, {named}, 'SET'){administers}) THEN
                    EXECUTE {};
                END IF;
            ELSIF NOT pg_has_role({who}, {named}, 'USAGE') THEN
                EXECUTE {};
            END IF;
        END",
        literal(&format!("{grant} WITH {options}")),
        literal(&grant),
    );
    format!("{};\n", block(&body))
}

fn make_role(name: &str, kind: &str) -> String {
    let body = format!(
        "BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {}) THEN CREATE ROLE {} {kind}; END IF; END",
        literal(name),
        identifier(name)
    );
    format!("{};\n", block(&body))
}

/// What is not done here, because it is the user's database.
fn advice(plan: &LeasePlan) -> Option<String> {
    let (group, database) = (plan.group.as_ref()?, plan.database.as_ref()?);
    Some(format!(
        "for you to do in database `{database}`: give `{group}` what the nodes need, for example \
         GRANT CREATE ON DATABASE {} TO {}; REASSIGN OWNED BY the nodes' user until now TO {}",
        identifier(database),
        identifier(group),
        identifier(group)
    ))
}

/// From this version on a grant says what it is for.
pub(super) const GRANTS_HAVE_OPTIONS: u32 = 16;
/// To alter a role, to end its sessions, and to act as it.
pub(super) const OPTIONS: &str = "ADMIN TRUE, INHERIT TRUE, SET TRUE";
/// Those that he who may administer a role can give to himself.
const OWN_OPTIONS: &str = "INHERIT TRUE, SET TRUE";
