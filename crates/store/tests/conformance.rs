//! Both implementations do what is asked of every one.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]

mod stores;

mod in_memory {
    use super::stores::model;
    tocsin_store::conformance_cases!(model);
}

mod on_disk {
    use super::stores::sqlite;
    tocsin_store::conformance_cases!(sqlite);
}
