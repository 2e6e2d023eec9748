//! What every connection, the scheduler and the owner of a simulator share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::{clock::Clock, world::World};

/// The world behind its lock, the clock, and a bell that rings whenever something changed.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    pub(crate) clock: Clock,
    changed: watch::Sender<u64>,
    /// A callback was put into `due`.
    pub(crate) planned: Notify,
}

impl Shared {
    pub(crate) fn new(world: World, clock: Clock) -> Self {
        Self { world: Mutex::new(world), clock, changed: watch::Sender::new(0), planned: Notify::new() }
    }

    /// Looks at the world or changes it. Never held over an await.
    pub(crate) fn world<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        let mut world: MutexGuard<'_, World> = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        look(&mut world)
    }

    /// Rings the bell.
    pub(crate) fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
        self.planned.notify_one();
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
