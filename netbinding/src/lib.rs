//! Bind chunks to worlds.
