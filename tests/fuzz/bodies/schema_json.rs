//! Any text as a schema, and any bytes as the digest of one.

use gridmate_runtime::schema::{Compatibility, JsonErrorKind, Snapshot};

/// What a text must be besides well written: it names its own checksum. Asked for, it is told, so that any text gets past it.
const UNKNOWN: &str = "{ \"fingerprint\": \"0\", \"chunks\": ";

pub(crate) fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for text in [text.to_string(), format!("{UNKNOWN}{text}")] {
        match Snapshot::from_json(&text) {
            Ok(snapshot) => accepted(&snapshot, input),
            Err(error) => {
                let line = text.split('\n').nth(error.line - 1).expect("a line of the text");
                assert!((1..=line.chars().count() + 1).contains(&error.column), "{error}");
                if let JsonErrorKind::Fingerprint(right) = error.kind {
                    let text = text.replacen("\"0\"", &format!("\"{right:016x}\""), 1);
                    if let Ok(snapshot) = Snapshot::from_json(&text) {
                        assert_eq!(snapshot.fingerprint(), right);
                        accepted(&snapshot, input);
                    }
                }
            }
        }
    }
}

fn accepted(snapshot: &Snapshot, input: &[u8]) {
    let json = snapshot.to_json();
    assert_eq!(Snapshot::from_json(&json).as_ref(), Ok(snapshot));
    assert_eq!(snapshot.diff(snapshot).compatibility(), Compatibility::Equal);
    let more = if snapshot.chunks.is_empty() { Compatibility::Equal } else { Compatibility::Breaking };
    assert_eq!(snapshot.diff(&Snapshot::default()).compatibility(), more);

    let all = snapshot.common(snapshot).expect("a schema has all of itself");
    assert_eq!(all.datasets().len(), snapshot.chunks.len());
    for limit in [16, 300, 1_100] {
        let digest = snapshot.digest(limit);
        assert!(digest.len() <= limit);
        assert_eq!(snapshot.first_difference(&digest), None, "a schema does not differ from itself");
    }
    let _ = snapshot.first_difference(input);
}
