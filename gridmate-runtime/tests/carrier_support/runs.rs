//! A compressor for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gridmate_runtime::carrier::{CompressionConfig, Compressor};
use gridmate_runtime::limits;

/// Runs of equal bytes, each as its length and the byte. Counts how often it is asked.
#[derive(Debug)]
pub struct Runs {
    id: u8,
    dictionary: u32,
    asked: Arc<AtomicUsize>,
}

impl Compressor for Runs {
    fn id(&self) -> u8 {
        self.id
    }

    fn dictionary(&self) -> u32 {
        self.dictionary
    }

    fn compress(&mut self, mut input: &[u8], out: &mut [u8]) -> Option<usize> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        assert_eq!(out.len(), limits::COMPRESSED_BYTES);
        let mut len = 0;
        while let Some(&byte) = input.first() {
            let run = input.iter().take(255).take_while(|&&b| b == byte).count();
            out.get_mut(len..len + 2)?.copy_from_slice(&[u8::try_from(run).ok()?, byte]);
            len += 2;
            input = &input[run..];
        }
        Some(len)
    }

    fn decompress(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize> {
        let (pairs, []) = input.as_chunks::<2>() else { return None };
        let mut len = 0;
        for [run, byte] in pairs {
            let end = len + usize::from(*run);
            out.get_mut(len..end)?.fill(*byte);
            len = end;
        }
        Some(len)
    }
}

pub fn runs(id: u8, dictionary: u32) -> CompressionConfig {
    counted(id, dictionary, &Arc::default())
}

pub fn counted(id: u8, dictionary: u32, asked: &Arc<AtomicUsize>) -> CompressionConfig {
    let asked = asked.clone();
    CompressionConfig::Custom(Arc::new(move || Box::new(Runs { id, dictionary, asked: asked.clone() })))
}
