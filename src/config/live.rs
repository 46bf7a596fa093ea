//! A value that a running process can have replaced under it.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that all who hold it see replaced at once. Who has taken it goes on with what was taken.
#[derive(Debug)]
pub struct Live<T>(Arc<RwLock<Arc<T>>>);

impl<T> Live<T> {
    /// The value as it is at the start.
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The value at this moment.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value for everybody.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_sees_the_new_value_but_who_took_the_old_one() {
        let first = Live::new(1);
        let (second, taken) = (first.clone(), first.get());
        first.set(2);
        assert_eq!((*taken, *second.get(), *first.get()), (1, 2, 2));
    }
}
