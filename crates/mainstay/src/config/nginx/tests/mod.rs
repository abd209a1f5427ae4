//! Tests of the importer as a whole.

mod rows;
mod rows_proxy;
mod rules;
