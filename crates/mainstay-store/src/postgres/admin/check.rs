//! Looks whether a store in PostgreSQL is fit.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio_postgres::{Client, Error};

use super::init::{About, GRANTS_HAVE_OPTIONS, OPTIONS, has_database, primary, role};
use super::pooler;
use crate::postgres::line::{self, Way};
use crate::postgres::quote::identifier;
use crate::postgres::sql::{SCHEMA_VERSION, TIMELINE};
use crate::postgres::trouble::{POOLER, sentence};
use crate::postgres::url::Trust;
use crate::postgres::{Url, way};
use crate::{Check, Finding, LeasePlan, Settings, Tier};
use Finding::{Fault, Good, Note};

/// Looks at everything; stops where nothing further can be seen.
pub(crate) async fn check(url: &Url, settings: &Settings, plans: &[LeasePlan]) -> Check {
    let mut findings = Vec::new();
    let tier = match way(url, settings) {
        Ok(way) => look(&way, plans, &mut findings).await,
        Err(fault) => Err(fault),
    };
    match tier {
        Ok(tier) => Check { findings, tier: Some(tier) },
        Err(fault) => {
            findings.push(Fault(fault));
            Check { findings, tier: None }
        }
    }
}

async fn look(way: &Way, plans: &[LeasePlan], findings: &mut Vec<Finding>) -> Result<Tier, String> {
    hosts(way, findings).await;
    let (host, client) = primary(way).await?;
    let say = |error: Error| sentence(&error, &host);
    let about = About::read(&client).await.map_err(say)?;
    let major = about.major();
    findings.push(match major {
        ..13 => return Err(format!("{host} is PostgreSQL {major}: the store needs 13 or newer")),
        13..=17 => Good(format!("PostgreSQL {major}, as `{}` in database `{}`", about.user, about.database)),
        18.. => Note(format!("PostgreSQL {major}: Mainstay is tried with 13 to 17")),
    });
    encryption(way, &client, findings).await.map_err(say)?;
    if pooler::is_between(way, &host).await? {
        return Err(format!("{host}: {POOLER}"));
    }
    findings.push(Good("no pooler that hands statements around is in between".to_owned()));
    schema(&host, &client).await?;
    findings.push(Good(format!("schema `mainstay`, version {SCHEMA_VERSION}")));
    clock(&client, findings).await.map_err(say)?;
    let lossless = replication(&client, findings).await.map_err(say)?;
    let mut fenced = !plans.is_empty();
    if !about.superuser && !about.create_role && plans.iter().any(|plan| !plan.roles.is_empty()) {
        let user = identifier(&about.user);
        findings.push(Fault(format!("`{}` may not bar any role: ALTER ROLE {user} CREATEROLE;", about.user)));
        fenced = false;
    }
    for plan in plans {
        fenced &= roles(&client, &about, plan, findings).await.map_err(say)?;
    }
    if !fenced && !lossless {
        findings.push(Note(
            "without roles nothing but time keeps two holders apart, and a promoted standby may have lost the last \
             commits: nobody takes over by itself unless `takeover_unfenced = true`"
                .to_owned(),
        ));
    }
    Ok(if fenced { Tier::Fenced } else { Tier::Advisory })
}

async fn hosts(way: &Way, findings: &mut Vec<Finding>) {
    let targets = way.url.targets(way.password.as_ref(), way.limit);
    if targets.len() < 2 {
        return;
    }
    for (host, config) in targets {
        let begun = Instant::now();
        findings.push(match line::bare(&host, &config, way).await {
            Ok(_) => Good(format!("{host} is a primary, reached in {}", mainstay_core::Span(begun.elapsed()))),
            Err(fault) if fault.contains("is a standby") => Good(format!("{host} is a standby")),
            Err(fault) => Note(fault),
        });
    }
}

async fn encryption(way: &Way, client: &Client, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let query = "SELECT ssl, coalesce(version, '') FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let row = client.query_one(query, &[]).await?;
    let (encrypted, version): (bool, String) = (row.get(0), row.get(1));
    findings.push(match (encrypted, way.url.trust(), way.tls.compares()) {
        (true, Trust::Any, false) => Note(format!(
            "encrypted ({version}), but the server's certificate is compared with nothing: give `ca`, and \
             `sslmode=verify-full` in the url"
        )),
        (true, ..) => Good(format!("encrypted ({version}), the server's certificate is compared")),
        (false, ..) => Note("not encrypted: give `sslmode=verify-full` in the url, and `ca`".to_owned()),
    });
    Ok(())
}

async fn schema(host: &str, client: &Client) -> Result<(), String> {
    let query = client.query_one("SELECT max(version) FROM mainstay.version", &[]).await;
    let version: Option<i32> = query.map_err(|error| sentence(&error, host))?.get(0);
    if version != Some(SCHEMA_VERSION) {
        return Err(format!(
            "{host}: the schema `mainstay` has version {}, this Mainstay knows {SCHEMA_VERSION}",
            version.unwrap_or(0)
        ));
    }
    for (table, right) in TABLES {
        let query = "SELECT has_table_privilege($1, $2)";
        let may = client.query_one(query, &[&format!("mainstay.{table}"), right]).await;
        if !may.map_err(|error| sentence(&error, host))?.get::<_, bool>(0) {
            return Err(format!(
                "{host}: the store's user lacks {right} on mainstay.{table}: GRANT {right} ON mainstay.{table} TO it"
            ));
        }
    }
    Ok(())
}

/// No clock is compared with another machine's, so this only says what somebody would want to know.
async fn clock(client: &Client, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let begun = Instant::now();
    let row = client.query_one("SELECT extract(epoch FROM clock_timestamp())::float8", &[]).await?;
    let (there, took) = (row.get::<_, f64>(0), begun.elapsed().as_secs_f64());
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() - took / 2.0;
    let apart = there - here;
    findings.push(if apart.abs() > CLOCKS_APART {
        Note(format!(
            "the server's clock is {:.1} s {} this machine's: leases do not mind, but logs will not match",
            apart.abs(),
            if apart > 0.0 { "ahead of" } else { "behind" }
        ))
    } else {
        Good("the server's clock and this machine's agree".to_owned())
    });
    Ok(())
}

/// Says what a promotion may lose, and whether that is nothing.
async fn replication(client: &Client, findings: &mut Vec<Finding>) -> Result<bool, Error> {
    let query = format!(
        "SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit'), {TIMELINE},
             (SELECT count(*) FROM pg_stat_replication),
             (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum'))"
    );
    let row = client.query_one(&query, &[]).await?;
    let (names, commit): (String, String) = (row.get(0), row.get(1));
    let (timeline, standbys, synchronous): (i64, i64, i64) = (row.get(2), row.get(3), row.get(4));
    let waits = !names.trim().is_empty() && !matches!(commit.as_str(), "off" | "local");
    findings.push(match (waits, standbys, synchronous) {
        (false, 0, _) => Note(format!("timeline {timeline}, no standby: the database itself is not protected")),
        (false, ..) => Note(format!(
            "timeline {timeline}, {standbys} standbys, asynchronous: promoting one may lose the last commits"
        )),
        (true, _, 0) => Note(format!(
            "timeline {timeline}, synchronous (`{names}`), but no such standby is seen: commits wait for one, or this \
             user may not see them (GRANT pg_monitor)"
        )),
        (true, ..) => Good(format!("timeline {timeline}, synchronous with {synchronous} of {standbys} standbys")),
    });
    Ok(waits)
}

/// Looks at the roles of one lease. Whether they fence.
async fn roles(client: &Client, about: &About, plan: &LeasePlan, findings: &mut Vec<Finding>) -> Result<bool, Error> {
    let lease = &plan.lease;
    if plan.roles.is_empty() {
        findings.push(Note(format!("lease `{lease}` has no roles: its holders are not fenced")));
        return Ok(false);
    }
    let mut good = true;
    if let Some(database) = &plan.database
        && !has_database(client, database).await?
    {
        findings.push(Fault(format!(
            "database `{database}` of lease `{lease}` is not there: CREATE DATABASE {}; or name another",
            identifier(database)
        )));
    }
    for name in plan.roles.iter().chain(&plan.group) {
        let fault = match role(client, name).await? {
            None => Some(format!("role `{name}` of lease `{lease}` is not there: run `mainstay store init`")),
            Some(role) if role.superuser => {
                Some(format!("role `{name}` of lease `{lease}` is a superuser: nothing bars it"))
            }
            Some(_) => lacking(client, about, name, plan.roles.contains(name)).await?,
        };
        good &= fault.is_none();
        findings.extend(fault.map(Fault));
    }
    let Some(group) = &plan.group else {
        findings.push(Note(format!(
            "lease `{lease}` has no group role: what one node creates the next may not be able to use"
        )));
        return Ok(good);
    };
    let names: Vec<&str> = plan.roles.iter().map(|name| &**name).collect();
    let query = "SELECT rolname::text FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND rolname <> ALL ($2::text[])
        AND rolname <> current_user AND pg_has_role(oid, $1::text, 'MEMBER')";
    let others = client.query(query, &[&&**group, &names]).await?;
    for other in others {
        findings.push(Note(format!(
            "`{}` is a member of `{group}` too, and is not barred when lease `{lease}` changes hands",
            other.get::<_, String>(0)
        )));
    }
    if good {
        findings.push(Good(format!("lease `{lease}`: {} roles that can be barred, group `{group}`", names.len())));
    }
    Ok(good)
}

/// Which right over a role the store's user lacks: to act for it, and to bar it.
async fn lacking(client: &Client, about: &About, name: &str, is_barred: bool) -> Result<Option<String>, Error> {
    if about.superuser {
        return Ok(None);
    }
    let is_new = about.major() >= GRANTS_HAVE_OPTIONS;
    let rights: &[&str] = match (is_new, is_barred) {
        (false, _) => &["USAGE"],
        (true, false) => &["USAGE", "SET"],
        (true, true) => &["USAGE", "SET", "USAGE WITH ADMIN OPTION"],
    };
    let query = "SELECT bool_and(pg_has_role($1::text, wanted)) FROM unnest($2::text[]) AS wanted";
    let has: bool = client.query_one(query, &[&name, &rights]).await?.get(0);
    let options = if is_new { format!(" WITH {OPTIONS}") } else { String::new() };
    let grant = format!("GRANT {} TO {}{options};", identifier(name), identifier(&about.user));
    Ok((!has).then(|| format!("`{}` may not act for `{name}`: {grant}", about.user)))
}

/// What is used of each table.
const TABLES: &[(&str, &str)] = &[
    ("lease", "INSERT"),
    ("lease", "UPDATE"),
    ("member", "INSERT"),
    ("member", "UPDATE"),
    ("role", "INSERT"),
    ("history", "INSERT"),
    ("history", "DELETE"),
];
/// How far clocks may be apart before it is worth to say so, in seconds.
const CLOCKS_APART: f64 = 1.0;
