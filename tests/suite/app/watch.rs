//! Which changes of files are noticed: all, whenever they happen.

use std::{fs, path::PathBuf};

use sockgate::{
    app::watch::{self, Watch},
    config::{Loaded, Provenance},
};

fn loaded(files: &[&PathBuf]) -> Loaded {
    let files = files.iter().map(|file| (*file).clone()).collect();
    Loaded { config: None, draft: None, problems: Vec::new(), provenance: Provenance::default(), files }
}

#[test]
fn a_file_that_changes_while_it_is_read_has_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sockgate.toml");
    fs::write(&file, "").expect("a file");
    let mut read = String::new();
    let (_, mut watch) = watch::settle(|| {
        read = fs::read_to_string(&file).expect("a file");
        fs::write(&file, format!("{read}x")).expect("a file");
        loaded(&[&file])
    });
    assert_ne!(fs::read_to_string(&file).expect("a file"), read, "what is there is not what was read");
    assert_eq!(watch.changed(), [file]);
    assert!(watch.changed().is_empty(), "once");
}

#[test]
fn a_configuration_that_names_another_file_meanwhile_is_loaded_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let mut loads = 0;
    let (found, mut watch) = watch::settle(|| {
        loads += 1;
        if loads == 1 { loaded(&[&first]) } else { loaded(&[&first, &second]) }
    });
    assert_eq!(found.files, [first, second.clone()]);
    fs::write(&second, "").expect("a file");
    assert_eq!(watch.changed(), [second], "a file that comes has changed");
}

#[test]
fn of_two_watches_every_file_is_watched() {
    let folder = tempfile::tempdir().expect("a folder");
    let [both, old, new] = ["both", "old", "new"].map(|name| folder.path().join(name));
    let before = Watch::new(&[both.clone(), old.clone()]);
    fs::write(&both, "").expect("a file");
    let mut watch = Watch::new(&[both.clone(), new.clone()]).and(before);
    assert!(watch.changed().is_empty(), "the later look at a file counts");
    for file in [&old, &new] {
        fs::write(file, "").expect("a file");
    }
    let mut changed = watch.changed();
    changed.sort();
    assert_eq!(changed, [new, old]);
}
