use std::time::Duration;

use proptest::prelude::*;
use sockgate::config::{Flow, Period, Rate, Size};

#[test]
fn values_are_read_with_their_unit_and_printed_as_one_would_write_them() {
    for (text, printed) in [
        ("25s", "25s"),
        ("250ms", "250ms"),
        ("60s", "1m"),
        ("90m", "90m"),
        ("24h", "1d"),
        ("7d", "7d"),
        ("25", "25s"),
        ("1.5s", "1500ms"),
        ("0", "0s"),
        ("2 min", "2m"),
    ] {
        assert_eq!(text.parse::<Period>().map(|period| period.to_string()), Ok(printed.to_string()), "{text}");
    }
    for (text, printed) in [
        ("500 B", "500 B"),
        ("16 KiB", "16 KiB"),
        ("1 MiB", "1 MiB"),
        ("1000000", "1 MB"),
        ("100MB", "100 MB"),
        ("1.5 KiB", "1536 B"),
        ("0", "0 B"),
    ] {
        assert_eq!(text.parse::<Size>().map(|size| size.to_string()), Ok(printed.to_string()), "{text}");
    }
    for (text, printed) in
        [("100/1m", "100/1m"), ("20/1s burst 60", "20/1s burst 60"), ("5/s", "5/1s"), ("off", "off"), ("100/60s", "100/1m")]
    {
        assert_eq!(text.parse::<Rate>().map(|rate| rate.to_string()), Ok(printed.to_string()), "{text}");
    }
    for (text, printed) in [
        ("1 MiB/1s burst 4 MiB", "1 MiB/1s burst 4 MiB"),
        ("64KiB/60s", "64 KiB/1m"),
        ("1.5 KiB/s burst 1536", "1536 B/1s"),
        ("off", "off"),
    ] {
        assert_eq!(text.parse::<Flow>().map(|flow| flow.to_string()), Ok(printed.to_string()), "{text}");
    }
}

#[test]
fn what_is_no_value_says_what_to_write() {
    for text in ["", "s", "soon", "-1s", "1 fortnight", "1e3", "99999999999d", "1s1s", "NaN"] {
        let error = text.parse::<Period>().expect_err(text);
        assert!(error.to_string().contains("write for example"), "{error}");
    }
    for text in ["", "KiB", "-1", "1 XB", "1e8", "99999999999999 GiB"] {
        assert!(text.parse::<Size>().is_err(), "{text}");
    }
    for text in ["", "100", "/1m", "100/", "0/1m", "100/0s", "-1/1m", "1/1m burst 0", "1/1m burst x", "99999999999/1s"] {
        assert!(text.parse::<Rate>().is_err(), "{text}");
    }
    for text in
        ["", "1 MiB", "/1s", "1 MiB/", "0/1s", "1 MiB/0s", "-1/1s", "1 MiB/1s burst 0", "1 MiB/1s burst", "1 XB/1s", "1/1s/1s"]
    {
        let error = text.parse::<Flow>().expect_err(text);
        assert!(error.to_string().contains("write"), "{error}");
    }
}

proptest! {
    #[test]
    fn printing_a_period_loses_nothing(millis in 0_u64..3_000_000_000) {
        let period = Period(Duration::from_millis(millis));
        prop_assert_eq!(period.to_string().parse::<Period>(), Ok(period));
    }

    #[test]
    fn printing_a_size_loses_nothing(bytes in 0_u64..1_000_000_000_000) {
        prop_assert_eq!(Size(bytes).to_string().parse::<Size>(), Ok(Size(bytes)));
    }

    #[test]
    fn printing_a_rate_loses_nothing(count in 1_u32.., seconds in 1_u64..100_000, burst in 1_u32..) {
        let rate = Rate::Limited { count, per: Duration::from_secs(seconds), burst };
        prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
    }

    #[test]
    fn printing_a_flow_loses_nothing(size in 1_u64..1_000_000_000, seconds in 1_u64..100_000, burst in 1_u64..1_000_000_000) {
        let flow = Flow::Limited { size: Size(size), per: Duration::from_secs(seconds), burst: Size(burst) };
        prop_assert_eq!(flow.to_string().parse::<Flow>(), Ok(flow));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,24}") {
        let _ = (text.parse::<Period>(), text.parse::<Size>(), text.parse::<Rate>(), text.parse::<Flow>());
    }
}
