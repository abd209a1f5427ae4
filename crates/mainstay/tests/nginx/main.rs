//! Reading nginx files, from outside.

use mainstay::config;

mod check;
mod corpus;
mod golden;
