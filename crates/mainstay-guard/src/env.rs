use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::Arc;

/// What is added to an environment. The values may hold a password, so they are never shown.
#[derive(Clone, Default)]
pub(crate) struct Env(Arc<[(OsString, OsString)]>);

impl Env {
    pub(crate) fn new(settings: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(settings.into_iter().collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_shown() {
        let env = Env::new([("PASSWORD".into(), "hunter2".into())]);
        assert_eq!(format!("{env:?}"), "{\"PASSWORD\"}");
        assert_eq!(env.iter().collect::<Vec<_>>(), [(OsStr::new("PASSWORD"), OsStr::new("hunter2"))]);
    }
}
