//! Origin patterns: what is read prints as itself and reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockgate::config::pattern::Pattern;

fuzz_target!(|text: &str| {
    if let Ok(pattern) = text.parse::<Pattern>() {
        let printed = pattern.to_string();
        let again = printed.parse::<Pattern>();
        assert_eq!(again.map(|pattern| pattern.to_string()), Ok(printed));
    }
});
