//! How often secrets may be tried.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_core::Moment;

/// Tries of each name and address in the present window. A name that nobody has is counted as well: whoever guesses
/// names learns nothing from it.
#[derive(Debug, Default)]
pub(super) struct Limit {
    window: Moment,
    tries: BTreeMap<String, u32>,
}

impl Limit {
    /// Counts a try of somebody.
    ///
    /// # Errors
    /// How long to wait: there were too many.
    pub(super) fn count(&mut self, who: &str, now: Moment) -> Result<(), Duration> {
        if now >= self.window + WINDOW {
            self.window = now;
            self.tries.clear();
        }
        let wait = (self.window + WINDOW).since(now);
        if !self.tries.contains_key(who) && self.tries.len() >= MOST_NAMES {
            return Err(wait);
        }
        let tries = self.tries.entry(who.to_owned()).or_default();
        if *tries >= MOST_TRIES {
            return Err(wait);
        }
        *tries += 1;
        Ok(())
    }
}

/// In which tries are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// Of one name or address in a window. A token is good for minutes, so clients that are well need far fewer.
const MOST_TRIES: u32 = 10;

/// Different names and addresses in a window; further ones have to wait.
const MOST_NAMES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_bounded_for_each_name_and_for_all() {
        let mut limit = Limit::default();
        let start = Moment::ZERO + Duration::from_secs(100);
        for _ in 0..MOST_TRIES {
            assert_eq!(limit.count("alice", start), Ok(()));
        }
        let later = start + Duration::from_secs(4);
        assert_eq!(limit.count("alice", later), Err(Duration::from_secs(6)));
        assert_eq!(limit.count("bob", later), Ok(()));
        for number in 0..MOST_NAMES {
            let _refused = limit.count(&number.to_string(), later);
        }
        assert_eq!(limit.count("carol", later), Err(Duration::from_secs(6)), "memory is bounded");
        assert_eq!(limit.count("alice", start + WINDOW), Ok(()));
    }
}
