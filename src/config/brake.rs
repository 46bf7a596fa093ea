//! The brake on commits, which a running worker can have changed under it.

use super::{Live, Sync, sections::CommitKinds, words::Switch};
use crate::model::TransactionalKind;

/// Whether transactions are committed, shared by all jobs of a worker. Reading the configuration
/// again sets it anew, for commits that have not begun.
#[derive(Debug, Clone)]
pub struct Brake(Live<(Switch, CommitKinds)>);

impl Brake {
    /// The brake as `sync` says.
    pub fn new(sync: &Sync) -> Self {
        Self(Live::new((sync.commit, sync.commit_kinds.clone())))
    }

    /// Sets it as a configuration says that was read again.
    pub fn set(&self, sync: &Sync) {
        self.0.set((sync.commit, sync.commit_kinds.clone()));
    }

    /// Whether transactions of `kind` are committed at this moment.
    pub fn commits(&self, kind: TransactionalKind) -> bool {
        let (all, kinds) = &*self.0.get();
        kinds.of(kind).unwrap_or(*all) == Switch::On
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Setting, Sources};

    fn sync(settings: &[&str]) -> Sync {
        let settings = settings
            .iter()
            .map(|setting| setting.parse::<Setting>().unwrap());
        let sources = Sources {
            settings: settings.collect(),
            ..Sources::default()
        };
        sources.load().unwrap().config.sync
    }

    #[test]
    fn the_switch_of_a_kind_is_stronger_than_that_of_all() {
        let brake = Brake::new(&sync(&["sync.commit=off", "sync.commit_kinds.exercise=on"]));
        let commits = |brake: &Brake| {
            TransactionalKind::ALL
                .iter()
                .map(|kind| brake.commits(*kind))
                .collect::<Vec<_>>()
        };
        assert_eq!(commits(&brake), [true, false, false]);
        let held_by_a_job = brake.clone();
        brake.set(&sync(&["sync.commit_kinds.activity=off"]));
        assert_eq!(commits(&held_by_a_job), [true, false, true]);
    }
}
