//! Certificates, keys and anchors of the plan that is run: read again when their files change, and watched for the day
//! on which they end.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use mainstay_tls::{Client, Fault, Refreshed, Server, Shown, seconds_now};

use crate::params::Plan;

/// A `[tls.NAME]` as it is used.
#[derive(Clone, Debug)]
pub enum Used {
    /// By a listener.
    Server(Arc<Server>),
    /// Towards nodes.
    Client(Arc<Client>),
}

impl Used {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Server(server) => &server.settings.name,
            Self::Client(client) => &client.settings.name,
        }
    }

    /// What of it ends on a day.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        match self {
            Self::Server(server) => server.live().current().shown.clone(),
            Self::Client(client) => client.live().current().shown.clone(),
        }
    }

    /// Whether its files hold something that is not good, so that what was read before is used.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        match self {
            Self::Server(server) => server.live().is_behind(),
            Self::Client(client) => client.live().is_behind(),
        }
    }

    /// Which of its files those are.
    #[must_use]
    pub fn bad_files(&self) -> Vec<PathBuf> {
        match self {
            Self::Server(server) => server.live().bad_files(),
            Self::Client(client) => client.live().bad_files(),
        }
    }

    /// How often its files were taken anew, and how often they were refused.
    #[must_use]
    pub fn exchanges(&self) -> (u64, u64) {
        match self {
            Self::Server(server) => (server.live().generation(), server.live().failures()),
            Self::Client(client) => (client.live().generation(), client.live().failures()),
        }
    }

    fn refresh(&self) -> Refreshed {
        match self {
            Self::Server(server) => server.refresh(),
            Self::Client(client) => client.refresh(),
        }
    }
}

impl Plan {
    /// Every `[tls.NAME]` in use, each once.
    #[must_use]
    pub fn tls(&self) -> Vec<Used> {
        let mut servers: Vec<&Arc<Server>> = Vec::new();
        for server in self.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
            if !servers.iter().any(|known| Arc::ptr_eq(known, server)) {
                servers.push(server);
            }
        }
        let pools = self.pools.iter().filter_map(|pool| pool.tls.as_ref());
        let checks = self.checkers.iter().filter_map(|checker| checker.tls.as_ref().map(|tls| &tls.client));
        let mut clients: Vec<&Arc<Client>> = Vec::new();
        for client in pools.chain(checks) {
            if !clients.iter().any(|known| Arc::ptr_eq(known, client)) {
                clients.push(client);
            }
        }
        let servers = servers.into_iter().cloned().map(Used::Server);
        servers.chain(clients.into_iter().cloned().map(Used::Client)).collect()
    }

    /// Goes on with what `old` uses wherever the settings are the same, so that sessions and connections last; what was
    /// read for this plan is taken over by it.
    pub(crate) fn keep_tls(&mut self, old: &Self) {
        for used in old.tls() {
            match used {
                Used::Server(kept) => {
                    let mut adopted = false;
                    for server in self.listeners.iter_mut().filter_map(|listener| listener.tls.as_mut()) {
                        if **server == *kept {
                            if !std::mem::replace(&mut adopted, true) {
                                kept.adopt(server);
                            }
                            *server = Arc::clone(&kept);
                        }
                    }
                }
                Used::Client(kept) => {
                    let mut adopted = false;
                    let pools = self.pools.iter_mut().filter_map(|pool| pool.tls.as_mut());
                    let checks = self.checkers.iter_mut().filter_map(|one| one.tls.as_mut().map(|tls| &mut tls.client));
                    for client in pools.chain(checks) {
                        if **client == *kept {
                            if !std::mem::replace(&mut adopted, true) {
                                kept.adopt(client);
                            }
                            *client = Arc::clone(&kept);
                        }
                    }
                }
            }
        }
    }
}

/// Looks at the files again and again, as long as there is a front.
pub(crate) async fn watch(plan: Weak<Mutex<Arc<Plan>>>) {
    let mut warned: HashMap<Shown, i64> = HashMap::new();
    loop {
        let Some(shared) = plan.upgrade() else { return };
        let used = shared.lock().unwrap_or_else(PoisonError::into_inner).tls();
        drop(shared);
        let looked = tokio::task::spawn_blocking(move || {
            used.into_iter().map(|used| (used.refresh(), used)).collect::<Vec<_>>()
        });
        // It does not panic, and is not aborted.
        let Ok(looked) = looked.await else { return };
        for (refreshed, used) in &looked {
            tell(used, refreshed);
        }
        let ending =
            looked.iter().flat_map(|(_, used)| used.shown().into_iter().map(move |shown| (used.name(), shown)));
        for (name, shown) in ending {
            warn_of_end(name, shown, &mut warned);
        }
        tokio::time::sleep(APART).await;
    }
}

fn tell(used: &Used, refreshed: &Refreshed) {
    let tls = &**used.name();
    let say = |fault: &Fault| tracing::warn!(tls, help = fault.help, "{fault}");
    match refreshed {
        Refreshed::Same => {}
        Refreshed::New(notes) => {
            tracing::info!(tls, "certificates, keys and anchors were read again");
            notes.iter().for_each(say);
        }
        Refreshed::Bad(faults) => {
            tracing::error!(tls, "the new certificates, keys or anchors are not good; those from before are kept");
            faults.iter().for_each(say);
        }
    }
}

/// Says once a day that something is about to end.
fn warn_of_end(tls: &str, shown: Shown, warned: &mut HashMap<Shown, i64>) {
    let now = seconds_now();
    let left = (shown.not_after - now).div_euclid(DAY);
    let today = now.div_euclid(DAY);
    if !shown.ends_soon(now) || warned.get(&shown) == Some(&today) {
        return;
    }
    let (file, subject) = (shown.path.display().to_string(), shown.subject.clone());
    if left < 0 {
        tracing::error!(tls, file, subject, "has expired");
    } else {
        tracing::warn!(tls, file, subject, days_left = left, "expires soon");
    }
    // What is not used any more goes with its first new day.
    warned.retain(|_, day| *day == today);
    warned.insert(shown, today);
}

/// Time between two looks at the files.
const APART: Duration = Duration::from_secs(5);
/// In seconds.
const DAY: i64 = 86_400;
