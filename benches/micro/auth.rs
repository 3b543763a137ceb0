//! Tokens: found, verified once a session, recognised with every later request of it.
//!
//! Keys and tokens are texts, so that every run measures the same bytes; the private halves were thrown away. Time is an
//! argument, so the tokens never expire here.

use std::{
    hint::black_box,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderValue;
use sockgate::{
    config::{
        Secret,
        auth::{Auth, Key},
    },
    policy::auth::{Carrier, Places, TokenRefusal, Verifier, token_tag},
};

use super::{Operation, again};

pub fn hs256() -> Operation {
    accepted(with_secret(), HS256)
}

pub fn es256() -> Operation {
    accepted(with_key(P256), ES256)
}

pub fn rs256() -> Operation {
    accepted(with_key(RSA), RS256)
}

/// What somebody who guesses costs.
pub fn forged_hs256() -> Operation {
    let verifier = verifier(with_secret());
    let forged = HS256.replacen("GoepgDtF", "GoepgDtG", 1);
    assert_eq!(verifier.verify(&forged, now()).err(), Some(TokenRefusal::Signature));
    again(move || verifier.verify(black_box(&forged), now()))
}

/// What a poll of an open session costs instead of a verification: the fingerprint is compared with the sealed one.
pub fn same_token() -> Operation {
    let sealed = token_tag(RS256);
    let is_same = move |token: &str| verify_slices_are_equal(&sealed, &token_tag(token)).is_ok();
    assert!(is_same(RS256) && !is_same(HS256));
    again(move || is_same(black_box(RS256)))
}

/// A token in the Authorization header, looked for there and in a cookie.
pub fn find() -> Operation {
    let places = Places::parse(&["header", "cookie:session"].map(String::from)).expect("two places");
    let value = HeaderValue::from_str(&format!("Bearer {RS256}")).expect("a header");
    let found = move || {
        let carrier = Carrier { authorization: vec![black_box(&value)], cookies: &|_| Vec::new(), query: &[], subprotocols: &[] };
        places.find(&carrier).map(|found| found.map(|found| found.token.len()))
    };
    assert_eq!(found(), Ok(Some(RS256.len())));
    again(found)
}

fn accepted(auth: Auth, token: &'static str) -> Operation {
    let verifier = verifier(auth);
    assert_eq!(verifier.verify(token, now()).expect("an honest token").subject(), Some("ana"));
    again(move || verifier.verify(black_box(token), now()))
}

fn verifier(auth: Auth) -> Verifier {
    Verifier::new(&auth, &[], None).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn with_secret() -> Auth {
    Auth { secret: Some(Secret::from(SECRET.to_owned())), ..expecting() }
}

fn with_key(pem: &str) -> Auth {
    Auth { keys: vec![Key { pem: Some(pem.into()), ..Key::default() }], ..expecting() }
}

/// What the tokens below say.
fn expecting() -> Auth {
    Auth { issuer: vec!["https://login.example.com".into()], audience: vec!["chat".into()], ..Auth::default() }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// `{"iss":"https://login.example.com","sub":"ana","aud":"chat","exp":1800000600,"iat":1799999990,"roles":["admin","editor"]}`.
const HS256: &str = "\
    eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwic3ViIjoiYW5hIiwiYXVkIjoiY\
    2hhdCIsImV4cCI6MTgwMDAwMDYwMCwiaWF0IjoxNzk5OTk5OTkwLCJyb2xlcyI6WyJhZG1pbiIsImVkaXRvciJdfQ.GoepgDtF-dFcJ-vFGhpd\
    yD389vH27S3tlk9PskpQJm4";
/// The same, signed with the private half of `P256`.
const ES256: &str = "\
    eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwic3ViIjoiYW5hIiwiYXVkIjoiY\
    2hhdCIsImV4cCI6MTgwMDAwMDYwMCwiaWF0IjoxNzk5OTk5OTkwLCJyb2xlcyI6WyJhZG1pbiIsImVkaXRvciJdfQ.e_HG-SCfZKDBUElPPPs7\
    EdatNZPYTSzFJ2mfXUjtsYbVRjBMhAv1v-BkppU76-FRRMJZ_WX-trug1yFnXuxLBA";
/// The same, signed with the private half of `RSA`.
const RS256: &str = "\
    eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwic3ViIjoiYW5hIiwiYXVkIjoiY\
    2hhdCIsImV4cCI6MTgwMDAwMDYwMCwiaWF0IjoxNzk5OTk5OTkwLCJyb2xlcyI6WyJhZG1pbiIsImVkaXRvciJdfQ.ufQip36EFIRv89EhWTUb\
    k3GEuhpBFDnpEFUAxgo5zXZoXeJO26BI7jQ4hrsaPOw911kEw3SL37XkX7ddezKEngkKoteS-DCIQBeYAYZy6lmwjymQDabqDfZ0EZC9R8Ih25\
    LxlN6lbtY1RFd3xtRopx3YLoUBeydpcOB8H88e-RipvbuDgLu_bROWuozo5Vu6avl2c3jKEOCKFwvVAtoCi0f2sbCNwDFfO58oFdvoq6qGIhfA\
    N_tKgVvwK84V3eSHl2yOpCuRBEFaHF3LhbumG7a5an_DRCr7fXXJMStK5C9jqm_sxcmLeiCgOquGBnzGEscJT2Nx_uFFmXWb9ehPHQ";
const SECRET: &str = "a secret of the right length, used nowhere else";
const P256: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE68/WGW/8ZmK0lALPf21BVQ3RcQq5
TNglP4pBN5RrAo+6rIuYz9Wla+IcaN/+q6TtHtrsoVksSNj/TxCGdTE7cQ==
-----END PUBLIC KEY-----
";
const RSA: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvC7qtz2p/oG/odNkcQ3X
yKFVTSZME3RK78Cr1o7hJXa3v5pkdMDyoyJSZ6VnaQZUjjydBEDh+2tjt8sYHsfY
rtINLc8SYq1f2jxWuJZIeFRlyogID2WsKYmiF9P+ayYgrIg4qoiqWDeCijwowTie
xT5oztfVed5w9B6Nsmkk/shQzxp6HL914msSuU2F0HhILUvp366N66HT3U2vsSMh
TZSoEmW265fpY+vs5U4DFGpuSPHX5SmYATtIu4PT7sXnUatYXi3EjNkuPZTkTheZ
bGymIsHino0RNdvefrgAKPH1dome7Awhz3AEr8T50P42lMMG6572F3LqIc90yvkx
ZwIDAQAB
-----END PUBLIC KEY-----
";
