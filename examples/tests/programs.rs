//! Every example runs to its end and says what it should.

use std::process::Command;

fn output(program: &str) -> String {
    let output = Command::new(program).output().expect("the program was built with this test");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {}\n{text}\n{errors}", output.status);
    text
}

#[test]
fn registrar() {
    let text = output(env!("CARGO_BIN_EXE_registrar"));
    assert!(text.starts_with("listening on udp 127.0.0.1:"), "{text}");
    assert!(text.contains("AuthenticationFailed"), "{text}");
    assert!(text.contains("asks for 0 s and hears: Registered { expires: 0ns }"), "{text}");
}

#[test]
fn echo_caller() {
    let text = output(env!("CARGO_BIN_EXE_echo_caller"));
    assert!(text.contains("50 packets sent, 50 echoed, round trip "), "{text}");
}

#[test]
fn sim_ladder() {
    let text = output(env!("CARGO_BIN_EXE_sim_ladder"));
    assert!(text.contains("INVITE") && text.contains("BYE"), "{text}");
}
