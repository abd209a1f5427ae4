//! What differs between versions of PostgreSQL, on each that is supported.

use mainstay_store::{Finding, check, init};

use super::kit::{Kit, plan};
use super::{admin, fencing};
use crate::suite::conforms;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_on_13() {
    works(13).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_on_14() {
    works(14).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_on_15() {
    works(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_on_16() {
    works(16).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_on_17() {
    works(17).await;
}

/// One server, made as new for each part.
async fn works(major: u32) {
    let Some(kit) = Kit::of(major, &["max_prepared_transactions=10"]).await else { return };
    admin::says_which_rights_are_missing(&kit).await;
    kit.clear().await;
    admin::takes_roles_that_are_there(&kit).await;
    kit.clear().await;
    admin::serves_a_superuser(&kit).await;
    kit.clear().await;
    admin::has_a_script_for_an_administrator(&kit).await;
    kit.clear().await;
    admin::misses_a_leases_database(&kit).await;
    kit.clear().await;
    init(&kit.settings(None), &[plan()]).await.unwrap();
    let found = check(&kit.settings(None), &[plan()]).await;
    let version = format!("PostgreSQL {major}, as `mainstay` in database `mainstay`");
    assert!(found.findings.contains(&Finding::Good(version)), "{found:#?}");
    conforms(|| kit.store()).await;
    fencing::bars_the_holder_before(&kit).await;
    fencing::rolls_back_what_was_prepared(&kit).await;
}
