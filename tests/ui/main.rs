//! What the macros say to wrong input: each case must fail to compile with exactly these errors.
//!
//! Only errors whose text is ours are here (`rpc_return_type` is, but for its notes); what rustc says may change with any release. `TRYBUILD=overwrite` writes them anew.

#[test]
fn ui() {
    trybuild::TestCases::new().compile_fail("ui/cases/*.rs");
}
