//! How long the queue is.
