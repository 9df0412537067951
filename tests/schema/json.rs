//! To JSON and back.

use gridmate_runtime::schema::{JsonErrorKind, Snapshot};
use gridmate_tests::chunks::registry;
use proptest::prelude::*;

use super::strategy::wild;

proptest! {
    #[test]
    fn every_schema_comes_back(snapshot in wild()) {
        let json = snapshot.to_json();
        prop_assert_eq!(Snapshot::from_json(&json), Ok(snapshot));
    }

    #[test]
    fn a_text_cut_short_is_an_error_at_its_end(snapshot in wild(), cut in any::<prop::sample::Index>()) {
        let json = snapshot.to_json();
        let json = json.trim_end();
        let cut = &json[..json.floor_char_boundary(cut.index(json.len()))];
        let error = Snapshot::from_json(cut).unwrap_err();
        prop_assert!(error.line <= cut.matches('\n').count() + 1);
    }

    #[test]
    fn no_text_panics(text in "\\PC*", brackets in "[\\[\\]{}\",:\\\\u0-9a-f\n ]*") {
        let _ = (Snapshot::from_json(&text), Snapshot::from_json(&brackets));
    }

    #[test]
    fn no_change_of_a_text_panics(snapshot in wild(), at in any::<prop::sample::Index>(), put in "\\PC{0,4}|[\\\\ud0-9\"]{0,8}") {
        let mut json = snapshot.to_json();
        let at = json.floor_char_boundary(at.index(json.len()));
        let end = json.ceil_char_boundary((at + 2).min(json.len()));
        json.replace_range(at..end, &put);
        let _ = Snapshot::from_json(&json);
    }
}

#[test]
fn a_registry_reads_as_what_it_is() {
    let registry = registry();
    let read = Snapshot::from_json(&registry.to_json()).unwrap();
    assert_eq!(read.to_string(), registry.to_string());
    assert_eq!(read.fingerprint(), registry.fingerprint());
}

#[test]
fn one_line_per_dataset_and_rpc() {
    let json = registry().to_json();
    let line = "        { \"name\": \"position\", \"shape\": \"linear<quantize(-100..=100, step 0.01)>\" },";
    assert!(json.lines().any(|l| l == line), "{json}");
    let line = "        { \"name\": \"perish\", \"args\": [], \"flags\": \"reliable post_attached\" },";
    assert!(json.lines().any(|l| l == line), "{json}");
}

#[test]
fn escapes_of_other_writers_are_read() {
    let text = r#"{"fingerprint":"F","chunks":[{"name":"\u0041\t\/\ud83d\ude80\"","datasets":[],"rpcs":[]}]}"#;
    let JsonErrorKind::Fingerprint(right) = Snapshot::from_json(text).unwrap_err().kind else { panic!() };
    let read = Snapshot::from_json(&text.replace("\"F\"", &format!("\"{right:016x}\""))).unwrap();
    assert_eq!(read.chunks[0].name, "A\t/🚀\"");
    for half in [r"\ud83d", r"\ude80", r"\ude80\ude80", r"\ud83dx", r"\u12", r"\u+123", r"\x"] {
        let error = Snapshot::from_json(&format!("{{\"fingerprint\": \"{half}\"")).unwrap_err();
        assert_eq!((error.line, error.column, error.kind), (1, 18, JsonErrorKind::Escape), "{half}");
    }
}

#[test]
fn mistakes_have_a_place() {
    let json = registry().to_json();
    let swapped = json.replace("\"gauge\"", "\"zebra\"");
    let error = Snapshot::from_json(&swapped).unwrap_err();
    assert_eq!(error.kind, JsonErrorKind::Order);
    assert_eq!(error.line, json.lines().position(|line| line.contains("journal")).unwrap());
    let error = Snapshot::from_json(&json.replace("\"rpcs\"", "\"calls\"")).unwrap_err();
    assert!(error.to_string().ends_with(": expected \"rpcs\""), "{error}");
    let error = Snapshot::from_json(&json.replace("u32", "u64")).unwrap_err();
    assert!(matches!(error.kind, JsonErrorKind::Fingerprint(_)) && error.line == 2, "{error}");
}
