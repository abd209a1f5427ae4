//! What must hold for any bytes, held by the tests here and by the fuzz targets, which include this folder.

pub(crate) mod checks;
pub(crate) mod chunked_model;
pub(crate) mod forward_model;
pub(crate) mod head_model;
pub(crate) mod http2;
