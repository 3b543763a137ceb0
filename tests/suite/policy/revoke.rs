//! Revocations by themselves: whom each strikes and for how long, that none is forgotten, and that the file keeps them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sockgate::policy::{
    auth::{Identity, SealedIdentity},
    revoke::{Flaw, Full, Kept, Named, Revocation, Revocations, SessionName, Struck, Target, TargetError, Written},
};

const NOW: u64 = 1_800_000_000;
const MOST: usize = 100;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn identity(subject: &str, tenant: Option<&str>, issuer: Option<&str>, token_id: Option<&str>, issued: Option<u64>) -> Identity {
    let text = |text: Option<&str>| text.map(str::to_string);
    Identity::sealed(SealedIdentity {
        subject: Some(subject.into()),
        tenant: text(tenant),
        issuer: text(issuer),
        token_id: text(token_id),
        issued,
        ..SealedIdentity::default()
    })
}

fn ana() -> Identity {
    identity("ana", Some("acme"), Some("https://id.example"), Some("t-1"), Some(NOW - 60))
}

fn subject(name: &str) -> Target {
    Target::Subject { subject: name.into(), tenant: None, issuer: None }
}

fn revocation(target: Target) -> Revocation {
    Revocation { target, issued_until: None, since: NOW, until: NOW + 100, reason: "stolen".into() }
}

fn some(text: &str) -> Option<String> {
    Some(text.into())
}

#[test]
fn a_target_is_one_thing_and_well_formed() {
    let named = Named::default;
    let long = "x".repeat(600);
    let rows = [
        (named(), Err(TargetError::Nothing)),
        (Named { tenant: some("acme"), ..named() }, Err(TargetError::Nothing)),
        (Named { subject: some("ana"), token_id: some("t"), ..named() }, Err(TargetError::Several)),
        (Named { token_id: some("t"), session: some("5f1c2a9b03de4471"), ..named() }, Err(TargetError::Several)),
        (Named { subject: some(""), ..named() }, Err(TargetError::Impossible("subject"))),
        (Named { subject: some(&long), ..named() }, Err(TargetError::Impossible("subject"))),
        (Named { subject: some("ana"), tenant: some(""), ..named() }, Err(TargetError::Impossible("tenant"))),
        (Named { subject: some("ana"), issuer: some(&long), ..named() }, Err(TargetError::Impossible("issuer"))),
        (Named { token_id: some("t"), tenant: some("acme"), ..named() }, Err(TargetError::Tenant)),
        (Named { session: some("5f1c2a9b03de4471"), issuer: some("i"), ..named() }, Err(TargetError::Issuer)),
        (Named { session: some("5F1C2A9B03DE4471"), ..named() }, Err(TargetError::Session)),
        (Named { session: some("5f1c2a9b03de447"), ..named() }, Err(TargetError::Session)),
        (Named { session: some("+f1c2a9b03de4471"), ..named() }, Err(TargetError::Session)),
        (Named { subject: some("ana"), ..named() }, Ok(subject("ana"))),
        (
            Named { token_id: some("t-1"), issuer: some("i"), ..named() },
            Ok(Target::TokenId { id: "t-1".into(), issuer: some("i") }),
        ),
        (Named { session: some("5f1c2a9b03de4471"), ..named() }, Ok(Target::Session(SessionName(0x5f1c_2a9b_03de_4471)))),
    ];
    for (written, wanted) in rows {
        let read = Target::try_from(written.clone());
        assert_eq!(read, wanted, "{written:?}");
        if let Ok(target) = read {
            assert_eq!(target.to_named(), written);
        }
    }
}

#[test]
fn a_revocation_strikes_whom_it_names_and_nobody_else() {
    let of = |subject: &str, tenant: Option<&str>, issuer: Option<&str>| Target::Subject {
        subject: subject.into(),
        tenant: tenant.map(str::to_string),
        issuer: issuer.map(str::to_string),
    };
    let token = |id: &str, issuer: Option<&str>| Target::TokenId { id: id.into(), issuer: issuer.map(str::to_string) };
    let session = SessionName(7);
    for (target, struck) in [
        (of("ana", None, None), Some(Struck::Token)),
        (of("ana", Some("acme"), Some("https://id.example")), Some(Struck::Token)),
        (of("ana", Some("other"), None), None),
        (of("ana", None, Some("https://other.example")), None),
        (of("an", None, None), None),
        (of("Ana", None, None), None),
        // A name of one kind is no name of another.
        (of("t-1", None, None), None),
        (token("ana", None), None),
        (token("t-1", None), Some(Struck::Token)),
        (token("t-1", Some("https://id.example")), Some(Struck::Token)),
        (token("t-1", Some("https://other.example")), None),
        (Target::Session(session), Some(Struck::Session)),
        (Target::Session(SessionName(8)), None),
    ] {
        let revocations = Revocations::default();
        assert_eq!(revocations.judge(Some(&ana()), Some(session), at(NOW)), None);
        revocations.add(revocation(target.clone()), MOST, at(NOW)).expect("there is room");
        assert_eq!(revocations.judge(Some(&ana()), Some(session), at(NOW)), struck, "{target}");
        assert_eq!(revocations.judge(None, None, at(NOW)), None, "nobody is nobody");
        assert!(revocations.lift(&target).is_some() && revocations.lift(&target).is_none());
        assert_eq!((revocations.judge(Some(&ana()), Some(session), at(NOW)), revocations.len()), (None, 0));
    }
}

#[test]
fn a_login_after_the_revocation_is_let_in_unless_all_are_refused() {
    let login = |issued| identity("ana", None, None, None, issued);
    for (issued_until, issued, is_struck) in [
        (Some(NOW), Some(NOW - 1), true),
        (Some(NOW), Some(NOW), true),
        (Some(NOW), Some(NOW + 1), false),
        (Some(NOW), None, true),
        (None, Some(NOW + 1), true),
        (None, None, true),
    ] {
        let revocations = Revocations::default();
        revocations.add(Revocation { issued_until, ..revocation(subject("ana")) }, MOST, at(NOW)).expect("there is room");
        let struck = revocations.judge(Some(&login(issued)), None, at(NOW + 2));
        assert_eq!(struck.is_some(), is_struck, "issued {issued:?}, revoked until {issued_until:?}");
    }
}

#[test]
fn it_holds_to_its_end_and_is_swept_then() {
    let revocations = Revocations::default();
    revocations.add(revocation(subject("ana")), MOST, at(NOW)).expect("there is room");
    revocations.sweep(at(NOW + 99));
    assert_eq!((revocations.judge(Some(&ana()), None, at(NOW + 99)), revocations.len()), (Some(Struck::Token), 1));
    assert_eq!((revocations.judge(Some(&ana()), None, at(NOW + 100)), revocations.len()), (None, 1));
    revocations.sweep(at(NOW + 100));
    assert!(revocations.is_empty() && revocations.list(0, 10).is_empty());
}

#[test]
fn the_same_target_twice_holds_for_as_much_as_both() {
    let revocations = Revocations::default();
    let first = Revocation { issued_until: Some(NOW - 5), until: NOW + 500, ..revocation(subject("ana")) };
    let next = Revocation { issued_until: Some(NOW), since: NOW + 1, reason: String::new(), ..revocation(subject("ana")) };
    revocations.add(first, MOST, at(NOW)).expect("there is room");
    let held = revocations.add(next, 1, at(NOW)).expect("one more of the same takes no room");
    assert_eq!((held.issued_until, held.until, held.since, held.reason.as_str()), (Some(NOW), NOW + 500, NOW + 1, "stolen"));
    let held = revocations.add(revocation(subject("ana")), 1, at(NOW)).expect("no room is needed");
    assert_eq!((held.issued_until, held.until, revocations.len()), (None, NOW + 500, 1), "all are more than some");
}

#[test]
fn none_is_forgotten_for_another() {
    let revocations = Revocations::default();
    for name in ["a", "b", "c"] {
        revocations.add(revocation(subject(name)), 3, at(NOW)).expect("there is room");
    }
    assert_eq!(revocations.add(revocation(subject("d")), 3, at(NOW)), Err(Full(3)));
    for name in ["a", "b", "c"] {
        assert!(revocations.judge(Some(&identity(name, None, None, None, None)), None, at(NOW)).is_some(), "{name}");
    }
    let held = revocations.add(revocation(subject("d")), 3, at(NOW + 100));
    assert!(held.is_ok() && revocations.len() == 1, "those whose time is over make room");
}

#[test]
fn they_are_listed_in_the_order_they_were_made() {
    let revocations = Revocations::default();
    for number in 0..5 {
        revocations.add(revocation(Target::Session(SessionName(number))), MOST, at(NOW)).expect("there is room");
    }
    let names = |page: &[(u64, std::sync::Arc<Revocation>)]| -> Vec<Target> {
        page.iter().map(|(_, held)| held.target.clone()).collect()
    };
    let first = revocations.list(0, 3);
    assert_eq!(names(&first), [0, 1, 2].map(|number| Target::Session(SessionName(number))));
    let rest = revocations.list(first.last().expect("three").0, 3);
    assert_eq!(names(&rest), [3, 4].map(|number| Target::Session(SessionName(number))));
    assert!(revocations.list(u64::MAX, 3).is_empty());
}

#[test]
fn what_is_saved_is_there_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("revocations.json");
    let all = [
        Revocation {
            issued_until: Some(NOW),
            ..revocation(Target::Subject { subject: "ana".into(), tenant: some("a"), issuer: some("größe\n") })
        },
        revocation(Target::TokenId { id: "t-1".into(), issuer: None }),
        Revocation { reason: String::new(), ..revocation(Target::Session(SessionName(7))) },
    ];
    let open = |now| Revocations::open(Some(&file), at(now)).expect("the file is good");
    let revocations = open(NOW);
    assert_eq!((revocations.kept(), revocations.len(), file.exists()), (Kept::OnDisk, 0, false), "no file says nothing");
    for (number, revocation) in all.iter().enumerate() {
        revocations.add(revocation.clone(), MOST, at(NOW)).expect("there is room");
        assert_eq!(revocations.save().expect("it can be written"), Kept::OnDisk);
        assert_eq!(open(NOW).len(), number + 1);
    }
    let again: Vec<Revocation> = open(NOW).list(0, 10).into_iter().map(|(_, held)| held.as_ref().clone()).collect();
    assert_eq!(again, all);
    assert_eq!(open(NOW + 100).len(), 0, "what has ended is not taken up again");
    revocations.lift(&all[1].target);
    revocations.save().expect("it can be written");
    assert_eq!(open(NOW).len(), 2);

    let mode = fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let left: Vec<_> = fs::read_dir(directory.path()).expect("a directory").collect();
    assert_eq!(left.len(), 1, "nothing is left beside it");
}

#[test]
fn saving_by_many_at_once_loses_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("revocations.json");
    let revocations = Revocations::open(Some(&file), at(NOW)).expect("no file yet");
    thread::scope(|scope| {
        for number in 0..16 {
            let (revocations, file) = (&revocations, &file);
            scope.spawn(move || {
                let target = Target::Session(SessionName(number));
                revocations.add(revocation(target.clone()), MOST, at(NOW)).expect("there is room");
                revocations.save().expect("it can be written");
                let on_disk = Revocations::open(Some(file), at(NOW)).expect("whole at every moment");
                assert!(on_disk.list(0, 100).iter().any(|(_, held)| held.target == target), "on the disk when it is said so");
            });
        }
    });
    assert_eq!(Revocations::open(Some(&file), at(NOW)).expect("whole").len(), 16);
}

#[test]
fn a_file_that_is_not_understood_is_never_taken_for_an_empty_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("revocations.json");
    let entry = serde_json::to_string(&Written::from(&revocation(subject("ana")))).expect("it can be written");
    let document = |entry: &str| format!("{{\"version\":1,\"revocations\":[{entry}]}}");
    for text in [
        String::new(),
        "{}".into(),
        "null".into(),
        document(&entry).replace("\"version\":1", "\"version\":2"),
        document(&entry)[..40].to_string(),
        document(&entry) + "x",
        document(&format!("{entry},{{}}")),
        document(&entry.replace("subject", "sub")),
        document(&entry.replace("\"ana\"", "\"\"")),
        document(&entry.replace("\"ana\"", "7")),
        document(&entry.replace("\"until\"", "\"unto\"")),
        document(&format!("{},\"session\":\"5f1c2a9b03de4471\"}}", entry.trim_end_matches('}'))),
        "\u{0}".repeat(100),
    ] {
        fs::write(&file, &text).expect("it can be written");
        let error = Revocations::open(Some(&file), at(NOW)).expect_err("it is no list of revocations");
        assert!(matches!(error.flaw, Flaw::Garbled(_)), "{text:?}: {error}");
        assert!(error.to_string().contains("revocations.json"));
    }
    fs::write(&file, document(&entry)).expect("it can be written");
    assert_eq!(Revocations::open(Some(&file), at(NOW)).expect("a good one").len(), 1);
    let error = Revocations::open(Some(directory.path()), at(NOW)).expect_err("a directory is no file");
    assert!(matches!(error.flaw, Flaw::Unreadable(_)));
}

#[test]
fn what_cannot_be_written_is_told_and_holds_all_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("revocations.json");
    let revocations = Revocations::open(Some(&file), at(NOW)).expect("no file yet");
    revocations.add(revocation(subject("ana")), MOST, at(NOW)).expect("there is room");
    // Nothing can take the place of a directory.
    fs::create_dir(&file).expect("a directory");
    for _ in 0..2 {
        assert!(matches!(revocations.save().expect_err("it cannot be written").flaw, Flaw::Unwritable(_)));
    }
    assert!(revocations.judge(Some(&ana()), None, at(NOW)).is_some());
    fs::remove_dir(&file).expect("it is empty");
    assert_eq!(revocations.save().expect("now it can"), Kept::OnDisk, "what was not written is not forgotten");
    assert_eq!(Revocations::open(Some(&file), at(NOW)).expect("whole").len(), 1);
    assert!(Revocations::open(Some(Path::new("/")), at(NOW)).is_err());
}
