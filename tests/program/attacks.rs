//! Tests hostile files, folders and limits: the attacks of the soak, each once.
#![cfg(unix)]

use crate::soak::attacks::round;

#[test]
fn every_attack_is_withstood() {
    let wrong = round();
    assert!(wrong.is_empty(), "{} attacks succeed:\n{}", wrong.len(), wrong.join("\n"));
}
