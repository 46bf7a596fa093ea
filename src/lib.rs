//! polar-sync.
