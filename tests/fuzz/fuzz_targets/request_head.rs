//! Request heads: a line for the target, one for the host, one for Connection and Upgrade each.
#![no_main]

use http::Request;
use libfuzzer_sys::fuzz_target;
use sockgate::{
    config::listen::Listen,
    http::{
        Head,
        head::{self, HeadShape},
    },
};

fuzz_target!(|text: &[u8]| {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let request = Request::builder().uri(line()).header("host", line()).header("connection", line()).header("upgrade", line());
    let Ok(request) = request.body(()) else { return };
    let Ok(head) = Head::read(&request.into_parts().0, &HeadShape::new(&Listen::default())) else { return };
    assert!(!head.path.contains("//") && !head.path.contains("/../") && !head.path.contains('\\'));
    assert_eq!(head.host.to_string().parse(), Ok(head.host.clone()));
    assert!(!head.query.without(&["token"]).has("token"));
    if let Ok(ask) = head::engine(&head) {
        assert_eq!(head.query.one("sid").unwrap().as_deref(), ask.sid.as_deref());
        assert_eq!(head.query.one("EIO").unwrap().as_deref(), Some("4"));
        assert!(!head.query.has("j"));
    }
});
