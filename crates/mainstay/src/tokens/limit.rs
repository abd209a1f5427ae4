//! How often wrong secrets may be tried.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use mainstay_core::Moment;

/// Tries that were not right, in the present window: of each name from each place, of each place, and of all.
///
/// A name alone is never stopped: whoever guesses would lock out the client whose name it is. Names that nobody has are
/// counted as others are, so that whoever guesses names learns nothing. The bound on all together would be a way to
/// lock everybody out, if those that had a right secret from the same place before were not let through it.
#[derive(Debug, Default)]
pub(super) struct Limit {
    hasher: RandomState,
    window: Moment,
    pairs: HashMap<Who, u32>,
    places: HashMap<IpAddr, u32>,
    all: u32,
    /// Who had a right secret, and when last.
    good: HashMap<Who, Moment>,
}

/// A name and a place that it is claimed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Who {
    /// The name's hash: names are as long as whoever claims them likes.
    name: u64,
    place: IpAddr,
}

impl Limit {
    /// A secret is to be tried. It counts as wrong until it is known to be right.
    ///
    /// # Errors
    /// How long to wait: there were too many wrong ones.
    pub(super) fn begin(&mut self, name: &str, from: IpAddr, now: Moment) -> Result<Who, Duration> {
        let who = Who { name: self.hasher.hash_one(name), place: place(from) };
        if now >= self.window + WINDOW {
            self.window = now;
            self.pairs.clear();
            self.places.clear();
            self.all = 0;
        }
        let of_pair = self.pairs.get(&who).copied().unwrap_or_default();
        let of_place = self.places.get(&who.place).copied().unwrap_or_default();
        let is_crowded = of_place >= MOST_OF_A_PLACE || self.all >= MOST;
        if of_pair >= MOST_OF_A_PAIR || (is_crowded && !self.is_good(who, now)) {
            return Err((self.window + WINDOW).since(now));
        }
        self.pairs.insert(who, of_pair + 1);
        self.places.insert(who.place, of_place + 1);
        self.all += 1;
        Ok(who)
    }

    /// It was right.
    pub(super) fn was_right(&mut self, who: Who, now: Moment) {
        let less = |count: &mut u32| *count = count.saturating_sub(1);
        self.pairs.get_mut(&who).into_iter().for_each(less);
        self.places.get_mut(&who.place).into_iter().for_each(less);
        self.all = self.all.saturating_sub(1);
        if self.good.len() >= MOST_GOOD && !self.good.contains_key(&who) {
            let oldest = self.good.iter().min_by_key(|(_, at)| **at).map(|(who, _)| *who);
            if let Some(oldest) = oldest {
                self.good.remove(&oldest);
            }
        }
        self.good.insert(who, now);
    }

    fn is_good(&self, who: Who, now: Moment) -> bool {
        self.good.get(&who).is_some_and(|at| now < *at + TRUSTED)
    }
}

/// An address, or the network that one customer has: of IPv6, 64 bits are one.
fn place(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits((address.to_bits() >> 64) << 64)),
        address => address,
    }
}

/// In which tries are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// Wrong ones of one name from one place in a window.
const MOST_OF_A_PAIR: u32 = 10;

/// Wrong ones from one place in a window, whatever the names.
const MOST_OF_A_PLACE: u32 = 50;

/// Wrong ones of all in a window: as many as two cores can hash in it. Those that had a right secret may go beyond, each
/// as far as its pair may, so that memory is bounded.
const MOST: u32 = 200;

/// How many that had a right secret are remembered.
const MOST_GOOD: usize = 1024;

/// And for how long. Tokens last a day at most.
const TRUSTED: Duration = Duration::from_secs(2 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    /// An address for each number.
    fn at(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    fn start() -> Moment {
        Moment::ZERO + Duration::from_secs(100)
    }

    /// Tries wrong secrets until there are too many; how many were taken.
    fn wrong(limit: &mut Limit, tries: impl Iterator<Item = (String, IpAddr)>, now: Moment) -> u32 {
        let taken = tries.take(1000).take_while(|(name, from)| limit.begin(name, *from, now).is_ok()).count();
        u32::try_from(taken).unwrap()
    }

    #[test]
    fn wrong_secrets_stop_a_name_only_where_they_come_from() {
        let mut limit = Limit::default();
        let guesses = |from| std::iter::repeat_with(move || ("alice".to_owned(), from));
        assert_eq!(wrong(&mut limit, guesses(at(1)), start()), MOST_OF_A_PAIR);
        let later = start() + Duration::from_secs(4);
        assert_eq!(limit.begin("alice", at(1), later), Err(Duration::from_secs(6)));
        assert!(limit.begin("alice", at(2), later).is_ok(), "the client itself");
        assert!(limit.begin("bob", at(1), later).is_ok(), "another client of that place");
        assert!(limit.begin("alice", at(1), start() + WINDOW).is_ok(), "the next window");
    }

    #[test]
    fn right_secrets_do_not_count() {
        let mut limit = Limit::default();
        for _ in 0..1000 {
            let who = limit.begin("alice", at(1), start()).unwrap();
            limit.was_right(who, start());
        }
        assert_eq!((limit.all, limit.places[&at(1)]), (0, 0));
    }

    #[test]
    fn many_names_and_many_places_are_bounded_and_whoever_was_right_before_is_let_through() {
        for (names, bound) in [(true, MOST_OF_A_PLACE), (false, MOST)] {
            let mut limit = Limit::default();
            let who = limit.begin("alice", at(7), start()).unwrap();
            limit.was_right(who, start());
            let of =
                |number: u32| if names { (number.to_string(), at(7)) } else { ("alice".to_owned(), at(100 + number)) };
            assert_eq!(wrong(&mut limit, (0..).map(of), start()), bound);
            let stranger = of(5000);
            assert!(limit.begin(&stranger.0, stranger.1, start()).is_err());
            for _ in 0..MOST_OF_A_PAIR {
                assert!(limit.begin("alice", at(7), start()).is_ok(), "it was right before");
            }
            assert!(limit.begin("alice", at(7), start()).is_err(), "its own wrong ones");
            assert!(limit.pairs.len() <= MOST as usize + 2);
        }
    }

    #[test]
    fn few_are_remembered_and_not_for_ever() {
        let mut limit = Limit::default();
        for number in 0..=MOST_GOOD {
            let from = at(u32::try_from(number).unwrap());
            let now = start() + Duration::from_millis(number as u64);
            let who = limit.begin("alice", from, now).unwrap();
            limit.was_right(who, now);
        }
        assert_eq!(limit.good.len(), MOST_GOOD);
        let who = |from| Who { name: limit.hasher.hash_one("alice"), place: from };
        let soon = start() + Duration::from_secs(5);
        assert_eq!([0, 1].map(|number| limit.is_good(who(at(number)), soon)), [false, true], "the oldest went");
        assert!(!limit.is_good(who(at(1)), soon + TRUSTED));
    }

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        let of = |text: &str| place(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
