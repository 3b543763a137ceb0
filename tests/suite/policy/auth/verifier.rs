//! Tokens judged whole: HARDENING's list of forgeries and odd claims, each against a gate that accepts the honest token.

use std::time::{Duration, SystemTime};

use jsonwebtoken::Algorithm as Signed;
use serde_json::{Value, json};
use sockgate::{
    config::{
        Period, Secret,
        auth::{Algorithm, Auth, Key, When},
    },
    policy::auth::{Identity, TokenRefusal, Verifier},
};

use super::issuer::{
    ED25519, NOW, OTHER_RSA, P256, P384, RSA, SECRET, Signer, encode, good, good_but, good_without, now, with_secret,
};

fn verifier(auth: &Auth) -> Verifier {
    Verifier::new(auth, &[], None).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn with_pem(signer: &Signer, algorithms: &[Algorithm]) -> Auth {
    let key = Key { pem: Some(signer.public_pem.clone()), algorithms: algorithms.to_vec(), ..Key::default() };
    Auth { keys: vec![key], ..Auth::default() }
}

fn judge(auth: &Auth, token: &str) -> Result<(), TokenRefusal> {
    verifier(auth).verify(token, now()).map(drop)
}

/// The verdict on a token of the shared secret.
fn judge_claims(auth: &Auth, claims: &Value) -> Result<(), TokenRefusal> {
    judge(auth, &Signer::secret(SECRET).token(claims))
}

#[test]
fn an_honest_token_of_every_algorithm_names_its_subject() {
    let cases: [(&Signer, Signed, Algorithm); 9] = [
        (&RSA, Signed::RS256, Algorithm::RS256),
        (&RSA, Signed::RS384, Algorithm::RS384),
        (&RSA, Signed::RS512, Algorithm::RS512),
        (&RSA, Signed::PS256, Algorithm::PS256),
        (&RSA, Signed::PS384, Algorithm::PS384),
        (&RSA, Signed::PS512, Algorithm::PS512),
        (&P256, Signed::ES256, Algorithm::ES256),
        (&P384, Signed::ES384, Algorithm::ES384),
        (&ED25519, Signed::EdDSA, Algorithm::EdDSA),
    ];
    for (signer, signed, algorithm) in cases {
        let token = signer.sign_as(signed, &json!({ "alg": format!("{signed:?}") }).to_string(), &good().to_string());
        let identity = verifier(&with_pem(signer, &[algorithm])).verify(&token, now()).expect("an honest token");
        assert_eq!((identity.subject(), identity.expires()), (Some("ana"), Some(NOW + 600)), "{algorithm:?}");
        assert_eq!(identity.roles(), ["admin", "editor"]);
    }
    for (signed, algorithm) in
        [(Signed::HS256, Algorithm::HS256), (Signed::HS384, Algorithm::HS384), (Signed::HS512, Algorithm::HS512)]
    {
        let auth = Auth { algorithms: vec![algorithm], ..with_secret() };
        let header = json!({ "alg": format!("{signed:?}") }).to_string();
        assert_eq!(judge(&auth, &Signer::secret(SECRET).sign_as(signed, &header, &good().to_string())), Ok(()), "{algorithm:?}");
    }
}

#[test]
fn the_token_never_chooses_its_algorithm() {
    let secret = Signer::secret(SECRET);
    let claims = good().to_string();
    for name in ["none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "ES512", "RS1"] {
        let header = json!({ "alg": name }).to_string();
        assert_eq!(judge(&with_secret(), &secret.sign(&header, &claims)), Err(TokenRefusal::Algorithm), "{name:?}");
        let unsigned = format!("{}.{}.", encode(&header), encode(&claims));
        assert_eq!(judge(&with_secret(), &unsigned), Err(TokenRefusal::Algorithm), "{name:?} without a signature");
    }
    let longer = secret.sign_as(Signed::HS384, "{\"alg\":\"HS384\"}", &claims);
    assert_eq!(judge(&with_secret(), &longer), Err(TokenRefusal::Algorithm));
    let lying = secret.sign_as(Signed::HS384, "{\"alg\":\"HS256\"}", &claims);
    assert_eq!(judge(&with_secret(), &lying), Err(TokenRefusal::Signature));
    let padded = RSA.sign_as(Signed::PS256, "{\"alg\":\"PS256\"}", &claims);
    assert_eq!(judge(&with_pem(&RSA, &[]), &padded), Err(TokenRefusal::Algorithm));
    let padded_lying = RSA.sign_as(Signed::PS256, "{\"alg\":\"RS256\"}", &claims);
    assert_eq!(judge(&with_pem(&RSA, &[]), &padded_lying), Err(TokenRefusal::Signature));
}

#[test]
fn a_public_key_is_no_secret() {
    // RS to HS: the public key, which everybody has, used as the secret.
    let forger = Signer::secret(&RSA.public_pem);
    assert_eq!(judge(&with_pem(&RSA, &[]), &forger.token(&good())), Err(TokenRefusal::Algorithm));
    let both = Auth { secret: with_secret().secret, ..with_pem(&RSA, &[]) };
    assert_eq!(judge(&both, &forger.token(&good())), Err(TokenRefusal::Signature));
    assert_eq!(judge(&both, &Signer::secret(SECRET).token(&good())), Ok(()));
    assert_eq!(judge(&both, &RSA.token(&good())), Ok(()));
}

#[test]
fn forged_signatures_are_refused() {
    let honest = P256.token(&good());
    let (signed, signature) = honest.rsplit_once('.').expect("three parts");
    let auth = with_pem(&P256, &[]);
    assert_eq!(judge(&auth, &honest), Ok(()));
    let der = {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let raw = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let number = |part: &[u8]| [&[2, 33, 0][..], part].concat();
        let (r, s) = (number(&raw[..32]), number(&raw[32..]));
        [&[0x30, (r.len() + s.len()) as u8][..], &r, &s].concat()
    };
    let forgeries = [
        ("psychic", encode([0; 64])),
        ("zero s", encode([[1; 32], [0; 32]].concat())),
        ("order", encode([0xff; 64])),
        ("der", encode(der)),
        ("empty", String::new()),
        ("short", encode([1; 63])),
        ("long", encode([1; 65])),
        ("padded", format!("{signature}==")),
        ("not base64url", format!("{}+/", &signature[..84])),
        ("of another key", OTHER_RSA.token(&good()).rsplit_once('.').expect("three parts").1.to_owned()),
    ];
    for (name, forgery) in forgeries {
        assert_eq!(judge(&auth, &format!("{signed}.{forgery}")), Err(TokenRefusal::Signature), "{name}");
    }
    let others = honest.split_once('.').expect("three parts").0;
    let moved = format!("{others}.{}.{signature}", encode(good_but("sub", json!("eve")).to_string()));
    assert_eq!(judge(&auth, &moved), Err(TokenRefusal::Signature));
    assert_eq!(judge(&with_pem(&RSA, &[]), &OTHER_RSA.token(&good())), Err(TokenRefusal::Signature));
    assert_eq!(
        judge(
            &with_pem(&ED25519, &[]),
            &format!("{}.{}", ED25519.token(&good()).rsplit_once('.').expect("parts").0, encode([0; 64]))
        ),
        Err(TokenRefusal::Signature)
    );
}

#[test]
fn a_token_does_not_bring_its_own_key() {
    let header = json!({
        "alg": "RS256", "jwk": OTHER_RSA.jwk("x"), "jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/cert", "x5c": ["MII"],
    });
    let forged = OTHER_RSA.sign(&header.to_string(), &good().to_string());
    assert_eq!(judge(&with_pem(&RSA, &[]), &forged), Err(TokenRefusal::Signature));
    let honest = RSA.sign(&header.to_string(), &good().to_string());
    assert_eq!(judge(&with_pem(&RSA, &[]), &honest), Ok(()), "such members are ignored");
}

#[test]
fn the_shape_of_a_token_has_no_tolerance() {
    use TokenRefusal::{Critical, DuplicateKey, Malformed, TooLarge};
    let secret = Signer::secret(SECRET);
    let honest = secret.token(&good());
    let header = "{\"alg\":\"HS256\"}";
    let deep = format!("{{\"sub\":\"ana\",\"exp\":{},\"x\":{}{}}}", NOW + 9, "[".repeat(3000), "]".repeat(3000));
    let cases = [
        (String::new(), Malformed),
        ("..".into(), Malformed),
        ("a.b".into(), Malformed),
        ("not a token at all".into(), Malformed),
        (format!("{honest}.{honest}"), Malformed),
        (format!("{honest}."), Malformed),
        (format!(" {honest}"), Malformed),
        (format!("={honest}"), Malformed),
        (secret.sign("[]", "{}"), Malformed),
        (secret.sign("{\"alg\":[\"HS256\"]}", &good().to_string()), Malformed),
        (secret.sign("{}", &good().to_string()), Malformed),
        (secret.sign("{\"alg\":\"HS256\",\"kid\":{}}", &good().to_string()), Malformed),
        (secret.sign("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", &good().to_string()), Critical),
        (secret.sign("{\"alg\":\"none\",\"alg\":\"HS256\"}", &good().to_string()), DuplicateKey),
        (secret.sign(header, "[]"), Malformed),
        (secret.sign(header, "not json"), Malformed),
        (secret.sign(header, &format!("{{\"sub\":\"ana\",\"sub\":\"eve\",\"exp\":{}}}", NOW + 9)), DuplicateKey),
        (secret.sign(header, &format!("{{\"sub\":\"ana\",\"exp\":{},\"\\u0065xp\":1}}", NOW + 9)), DuplicateKey),
        (secret.sign(header, &format!("{{\"sub\":\"ana\",\"exp\":{},\"user\":{{\"a\":1,\"a\":2}}}}", NOW + 9)), DuplicateKey),
        (secret.sign(header, "{\"sub\":\"ana\",\"exp\":1e400}"), Malformed),
        (secret.sign(header, &deep), TooLarge),
        (secret.token(&good_but("x", json!("y".repeat(60_000)))), TooLarge),
    ];
    for (token, refusal) in cases {
        assert_eq!(judge(&with_secret(), &token), Err(refusal), "{}", &token[..token.len().min(120)]);
    }
}

#[test]
fn expiry_is_required_of_the_right_type_and_has_leeway() {
    use TokenRefusal::{Expired, IssuedInFuture, MissingExpiry, NotYetValid, Timestamp};
    let auth = with_secret();
    assert_eq!(judge_claims(&auth, &good_without("exp")), Err(MissingExpiry));
    assert_eq!(judge_claims(&Auth { require_expiry: false, ..with_secret() }, &good_without("exp")), Ok(()));
    for value in [json!("9"), json!("1900000000"), json!(null), json!(true), json!(-1), json!([NOW + 9]), json!({}), json!(1e300)]
    {
        assert_eq!(judge_claims(&auth, &good_but("exp", value.clone())), Err(Timestamp), "{value}");
        let lax = Auth { require_expiry: false, ..with_secret() };
        assert_eq!(judge_claims(&lax, &good_but("exp", value.clone())), Err(Timestamp), "{value} is not skipped");
    }
    for name in ["nbf", "iat"] {
        for value in [json!("9"), json!(null), json!(false), json!(-5), json!([1])] {
            assert_eq!(judge_claims(&auth, &good_but(name, value.clone())), Err(Timestamp), "{name} {value}");
        }
    }
    let cases = [
        ("exp", NOW - 59, Ok(())),
        ("exp", NOW - 60, Err(Expired)),
        ("exp", 0, Err(Expired)),
        ("nbf", NOW + 60, Ok(())),
        ("nbf", NOW + 61, Err(NotYetValid)),
        ("iat", NOW + 60, Ok(())),
        ("iat", NOW + 61, Err(IssuedInFuture)),
    ];
    for (name, moment, outcome) in cases {
        assert_eq!(judge_claims(&auth, &good_but(name, json!(moment))), outcome, "{name} {moment}");
    }
    let strict = Auth { leeway: Period::seconds(0), ..with_secret() };
    assert_eq!(judge_claims(&strict, &good_but("exp", json!(NOW))), Err(Expired));
    assert_eq!(judge_claims(&strict, &good_but("exp", json!(NOW + 1))), Ok(()));
    let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let token = Signer::secret(SECRET).token(&good());
    assert_eq!(verifier(&auth).verify(&token, before_1970).map(drop), Err(IssuedInFuture));
}

#[test]
fn issuer_and_audience_are_required_once_they_are_configured() {
    use TokenRefusal::{Audience, Issuer};
    let auth = Auth { issuer: vec!["https://id.example.com".into(), "two".into()], ..with_secret() };
    assert_eq!(judge_claims(&auth, &good_but("iss", json!("two"))), Ok(()));
    let wrong = [
        json!("https://id.example.com/"),
        json!("https://id.example.co"),
        json!("HTTPS://ID.EXAMPLE.COM"),
        json!(""),
        json!(null),
        json!(["two"]),
        json!({ "two": 1 }),
        json!(2),
    ];
    for value in wrong {
        assert_eq!(judge_claims(&auth, &good_but("iss", value.clone())), Err(Issuer), "{value}");
    }
    assert_eq!(judge_claims(&auth, &good()), Err(Issuer));
    let auth = Auth { audience: vec!["app".into(), "other".into()], ..with_secret() };
    for value in [json!("app"), json!(["x", "app"]), json!(["other"])] {
        assert_eq!(judge_claims(&auth, &good_but("aud", value.clone())), Ok(()), "{value}");
    }
    for value in [
        json!("ap"),
        json!("app2"),
        json!("APP"),
        json!(["x"]),
        json!([]),
        json!({ "app": 1 }),
        json!(["app", 1]),
        json!(null),
        json!([["app"]]),
    ] {
        assert_eq!(judge_claims(&auth, &good_but("aud", value.clone())), Err(Audience), "{value}");
    }
    assert_eq!(judge_claims(&auth, &good()), Err(Audience));
    assert_eq!(judge_claims(&with_secret(), &good_but("aud", json!("anybody"))), Ok(()), "not configured, not looked at");
}

#[test]
fn subject_roles_tenant_and_required_claims_have_paths_and_types() {
    let auth = Auth {
        subject: "user.id".into(),
        roles: "realm.roles".into(),
        tenant: "org".into(),
        required: [("status".into(), json!("active")), ("user.level".into(), json!(3))].into(),
        ..with_secret()
    };
    let claims = json!({ "exp": NOW + 9, "user": { "id": 17, "level": 3.0 }, "realm": { "roles": "a b" }, "org": "acme", "status": "active" });
    let identity = verifier(&auth).verify(&Signer::secret(SECRET).token(&claims), now()).expect("an honest token");
    assert_eq!((identity.subject(), identity.tenant()), (Some("17"), Some("acme")));
    assert_eq!(identity.roles(), ["a", "b"]);
    let but = |path: &[&str], value: Value| {
        let mut changed = claims.clone();
        *path.iter().fold(&mut changed, |at, step| &mut at[step]) = value;
        judge_claims(&auth, &changed)
    };
    let status = || Err(TokenRefusal::Claim("status".into()));
    for value in [json!("Active"), json!(["active"]), json!(null), json!(true)] {
        assert_eq!(but(&["status"], value.clone()), status(), "{value}");
    }
    assert_eq!(but(&["user", "level"], json!(4)), Err(TokenRefusal::Claim("user.level".into())));
    assert_eq!(but(&["user", "level"], json!("3")), Err(TokenRefusal::Claim("user.level".into())));
    assert_eq!(but(&["realm", "roles"], json!({})), Err(TokenRefusal::Roles));
    assert_eq!(but(&["org"], json!("a b")), Err(TokenRefusal::Tenant));
    assert_eq!(but(&["user"], json!("17")), Err(TokenRefusal::Subject));
    for value in [json!(""), json!("a\r\nb"), json!("a\0"), json!("\u{202e}a"), json!({}), json!(null), json!(1.5)] {
        assert_eq!(but(&["user", "id"], value.clone()), Err(TokenRefusal::Subject), "{value}");
    }
    assert_eq!(judge_claims(&with_secret(), &good_without("sub")), Err(TokenRefusal::Subject));
}

#[test]
fn several_keys_are_good_at_once_and_ids_choose_among_them() {
    let named = |id: &str, signer: &Signer| Key { id: id.into(), pem: Some(signer.public_pem.clone()), ..Key::default() };
    let auth = Auth { keys: vec![named("old", &RSA), named("new", &OTHER_RSA), named("", &P256)], ..Auth::default() };
    assert_eq!(judge(&auth, &RSA.token_of("old", &good())), Ok(()));
    assert_eq!(judge(&auth, &OTHER_RSA.token_of("new", &good())), Ok(()));
    assert_eq!(judge(&auth, &RSA.token_of("new", &good())), Err(TokenRefusal::Signature), "the id names another key");
    assert_eq!(judge(&auth, &RSA.token(&good())), Ok(()), "without an id every key is asked");
    assert_eq!(judge(&auth, &P256.token_of("anything", &good())), Ok(()), "a key without an id is always asked");
    assert_eq!(judge(&auth, &RSA.token_of("gone", &good())), Err(TokenRefusal::Algorithm), "only the key without an id is asked");
    let auth = Auth { keys: vec![named("old", &RSA)], ..Auth::default() };
    assert_eq!(judge(&auth, &RSA.token_of("gone", &good())), Err(TokenRefusal::UnknownKey));
}

#[test]
fn an_identity_keeps_only_the_claims_somebody_needs() {
    let mut auth = with_secret();
    auth.identity.claims.insert("X-Auth-Email".into(), "email".into());
    let verifier = Verifier::new(&auth, &["user.shard".into()], None).unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut claims = good_but("email", json!("ana@example.com"));
    claims["user"] = json!({ "shard": 4, "secret": "x" });
    let identity = verifier.verify(&Signer::secret(SECRET).token(&claims), now()).expect("an honest token");
    assert_eq!(identity.claim("email"), Some(&json!("ana@example.com")));
    assert_eq!(identity.claim("user.shard"), Some(&json!(4)));
    assert_eq!(identity.as_sealed().claims.len(), 2);
    assert!(!format!("{identity:?}").contains("example.com"), "claims do not print");
}

#[test]
fn a_person_is_issuer_tenant_and_subject() {
    let auth = Auth { tenant: "org".into(), ..with_secret() };
    let person = |issuer: &str, tenant: &str| {
        let mut claims = good_but("iss", json!(issuer));
        claims["org"] = json!(tenant);
        verifier(&auth).verify(&Signer::secret(SECRET).token(&claims), now()).expect("an honest token")
    };
    let ana = person("one", "acme");
    assert_eq!(ana.person().map(|person| person.to_string()).as_deref(), Some("ana (tenant acme, issuer one)"));
    assert_eq!(ana.person(), person("one", "acme").person());
    for other in [person("two", "acme"), person("one", "globex")] {
        assert_ne!(ana.person(), other.person());
    }
    for odd in [json!(1), json!(["one"]), json!(null), json!("x".repeat(600))] {
        let verdict = judge(&with_secret(), &Signer::secret(SECRET).token(&good_but("iss", odd)));
        assert_eq!(verdict, Err(TokenRefusal::Issuer), "also where any issuer will do");
    }
}

#[test]
fn a_seal_from_before_issuers_were_kept_still_opens() {
    let old = r#"{"subject":"ana","roles":["admin"],"tenant":null,"expires":null,"claims":{}}"#;
    let ana = Identity::sealed(serde_json::from_str(old).expect("the form of older gates"));
    let with_issuer = verifier(&with_secret()).verify(&Signer::secret(SECRET).token(&good_but("iss", json!("one"))), now());
    assert_eq!(ana.person().map(|person| person.subject), Some("ana"));
    assert_ne!(ana.person(), with_issuer.expect("an honest token").person(), "what the seal does not say is not guessed");
}

#[test]
fn without_a_key_no_token_is_good() {
    let open = verifier(&Auth { when: When::None, ..Auth::default() });
    assert_eq!(open.verify(&Signer::secret(SECRET).token(&good()), now()).map(drop), Err(TokenRefusal::Algorithm));
}

#[test]
fn every_problem_of_the_configuration_is_told_at_once() {
    let auth = Auth {
        from: vec!["nowhere".into()],
        secret: Some(Secret::from("short".to_owned())),
        jwks_url: Some("ftp://x".into()),
        subject: String::new(),
        keys: vec![Key::default()],
        ..Auth::default()
    };
    let problems = Verifier::new(&auth, &[], None).expect_err("nothing is right here");
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["auth.from[0]", "auth.secret", "auth.keys[0]", "auth.jwks_url", "auth.subject"]);
    assert!(problems.iter().all(|problem| !problem.to_string().contains("short\"")), "a secret is never printed");
    let nothing = Verifier::new(&Auth::default(), &[], None).expect_err("there is no key");
    assert_eq!(nothing[0].key, "auth.when");
}

#[test]
fn refusals_have_stable_names_and_hide_the_token() {
    let token = Signer::secret("another secret that nobody here has got").token(&good());
    let refusal = verifier(&with_secret()).verify(&token, now()).expect_err("another secret");
    assert_eq!(refusal.name(), "token_signature");
    assert!(!refusal.message().contains(&token[..10]));
}
