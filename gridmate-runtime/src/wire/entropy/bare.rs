//! The coder by itself: for the fuzzer, and for the tests that replay what it has found. Programs have no business here.

use super::{Reader, ReaderModels, Recorder, Symbols, Writer};
use crate::wire::{Sink, Source, WireError};

/// Objects of a message: the class of each, and whether it is under models.
pub type Objects = [(u16, bool)];

/// What is said of the objects of a message, by their number in it, and how it is heard.
#[doc(hidden)]
pub trait Talk {
    /// Writes an object.
    fn say(&self, object: usize, w: &mut impl Sink);

    /// Reads one.
    ///
    /// # Errors
    /// What the source says, or whatever else is wrong.
    fn hear(&mut self, object: usize, r: &mut impl Source) -> Result<(), WireError>;
}

/// The message of some objects.
///
/// # Errors
/// What the recorder was told to fail with.
///
/// # Panics
/// When the message is longer than was to be expected of what was recorded.
pub fn said(talk: &impl Talk, objects: &Objects) -> Result<Vec<u8>, WireError> {
    let (mut recorder, mut writer) = (Recorder::default(), Writer::default());
    writer.start(&[]);
    for (object, (class, modelled)) in objects.iter().enumerate() {
        let start = recorder.len();
        recorder.begin(*class, *modelled);
        talk.say(object, &mut recorder);
        if let Some(error) = recorder.take_error() {
            return Err(error);
        }
        writer.play(&recorder, Symbols { start, len: recorder.len() - start });
    }
    let bound = writer.len();
    let bytes = writer.finish();
    assert!(bytes.len() <= bound, "{} bytes, and {bound} were announced", bytes.len());
    Ok(bytes.to_vec())
}

/// Has any bytes read as a message of those objects.
///
/// # Errors
/// The first there is.
pub fn hear(talk: &mut impl Talk, objects: &Objects, bytes: &[u8]) -> Result<(), WireError> {
    let mut models = ReaderModels::default();
    let mut reader = Reader::new(&mut models, bytes);
    for (object, (class, modelled)) in objects.iter().enumerate() {
        reader.begin(*class, *modelled);
        talk.hear(object, &mut reader)?;
    }
    Ok(())
}
