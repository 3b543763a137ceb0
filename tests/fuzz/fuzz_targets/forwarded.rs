//! Forwarding headers: a stranger changes nothing, a trusted peer breaks nothing. A line a header, in turns.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use sockgate::{
    http::{
        forwarded::{self, Fresh, SPOKEN_FOR, Standing},
        headers::{self, NameSet},
    },
    net::Peer,
};

const NAMES: [&str; 6] = ["x-forwarded-for", "forwarded", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "traceparent"];

fuzz_target!(|text: &[u8]| {
    let mut headers = HeaderMap::new();
    for (line, name) in text.split(|byte| *byte == b'\n').zip(NAMES.iter().cycle()) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(*name, value);
        }
    }
    let address = [10, 0, 0, 1].into();
    let peer = Peer { address, port: 1, secure: true, http2: false, resumed: false };

    let stranger = forwarded::client(&peer, &headers, &[]);
    assert_eq!((stranger.address, stranger.standing), (address, Standing::Stranger));

    let trusted = ["10.0.0.0/8".parse().expect("a network")];
    let client = forwarded::client(&peer, &headers, &trusted);
    let host = "app".parse().expect("a host");
    let fresh = Fresh { request: [1; 16], trace: [2; 16], span: [3; 8] };
    let mut told = headers::without(&headers, &NameSet::new(SPOKEN_FOR), 0);
    forwarded::set(&mut told, &headers, &client, &peer, &host, &fresh);
    let again = forwarded::client(&peer, &told, &trusted);
    assert_eq!(again.address, client.address);
    assert_eq!(again.secure, client.secure);
});
