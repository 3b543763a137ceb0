//! Payloads of CONNECT packets: the token in them, and the identity that is put into them. What goes on to the app is one JSON
//! object, and what it says of the identity the gate has said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockgate::{
    config::auth::Auth,
    policy::auth::{Identity, Merge, Places, SealedIdentity, connect, strict_object},
};

fuzz_target!(|payload: &str| {
    let mut auth = Auth { pass_token: false, ..Auth::default() };
    auth.identity.connect_field = "id".into();
    let Ok(places) = Places::parse(&auth.from) else { return };
    let ana = Identity::sealed(SealedIdentity { subject: Some("ana".into()), ..SealedIdentity::default() });
    let token = connect::token(payload, "token");
    let _ = connect::token(payload, "id.token");
    match Merge::new(&auth, &places).apply(payload, Some(&ana)) {
        Ok(merged) => {
            assert!(merged.ends_with(r#""id":{"subject":"ana","roles":[],"tenant":null,"claims":{}}}"#), "{merged}");
            // What is below the first level is the app's business and may be odd; then the strict reader refuses the whole.
            if let Ok(members) = strict_object(merged.as_bytes()) {
                assert!(!members.contains_key("token"));
            }
        }
        Err(_) => assert!(token.is_err()),
    }
});
