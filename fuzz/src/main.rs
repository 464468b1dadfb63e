//! One program for all targets. Built with `--cfg fuzzing` it is libFuzzer on the target that `TELEX_FUZZ` names;
//! otherwise it checks files and folders, to see a finding again without a fuzzer: `cargo run -- TARGET PATH...`.
//! `cargo run -- seeds FOLDER` writes the messages of the RFCs as inputs to begin with.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod fuzzing {
    use std::sync::LazyLock;

    static CHECK: LazyLock<fn(&[u8])> = LazyLock::new(|| {
        let name = std::env::var("TELEX_FUZZ").unwrap_or_default();
        telex_fuzz::target(&name).unwrap_or_else(|| panic!("TELEX_FUZZ names no target: {name:?}"))
    });

    libfuzzer_sys::fuzz_target!(|octets: &[u8]| CHECK(octets));

    static BY_STEPS: LazyLock<bool> =
        LazyLock::new(|| std::env::var("TELEX_FUZZ").is_ok_and(|name| name == "conversation"));

    libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
        // One time in four the fuzzer does as it likes.
        if *BY_STEPS && seed % 4 != 0 {
            telex_fuzz::conversation::mutate::mutate(&mut data[..max_size], size, seed)
        } else {
            libfuzzer_sys::fuzzer_mutate(data, size, max_size)
        }
    });
}

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let name = arguments.next().unwrap_or_default();
    if name == "seeds" {
        let folder = arguments.next().unwrap_or_else(|| "seeds".into());
        return match telex_fuzz::seeds::write(folder.as_ref()) {
            Ok(()) => std::process::ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}: {error}", folder.display());
                std::process::ExitCode::FAILURE
            }
        };
    }
    if name == "tally" {
        let paths: Vec<_> = arguments.map(Into::into).collect();
        let outcome = telex_fuzz::target("conversation").map(|check| telex_fuzz::replay(check, &paths));
        println!("{outcome:?}");
        for (name, count) in telex_fuzz::conversation::tally::reached() {
            println!("{count:9} {name}");
        }
        return std::process::ExitCode::SUCCESS;
    }
    let Some(check) = name.to_str().and_then(telex_fuzz::target) else {
        let names: Vec<_> = telex_fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "usage: telex-fuzz TARGET FILE|FOLDER...\n       telex-fuzz seeds FOLDER\ntargets: {}",
            names.join(" ")
        );
        return std::process::ExitCode::FAILURE;
    };
    let paths: Vec<std::path::PathBuf> = arguments.map(Into::into).collect();
    match telex_fuzz::replay(check, &paths) {
        Ok(count) => {
            println!("{count} inputs hold");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
