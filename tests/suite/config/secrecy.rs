//! A secret stands in many places and is wrong in many ways; none of them may show it.

use sockgate::cli::check::{to_json, to_text};

use super::workshop::{BASE, Workshop};

const HIDDEN: &str = "correct-horse-battery-staple";

fn is_hidden_in(workshop: &Workshop, how: &str) {
    let loaded = workshop.load();
    let mut everything = format!("{:?}\n{}\n{}", loaded, to_text(&loaded), to_json(&loaded));
    for problem in &loaded.problems {
        everything.push_str(&problem.to_string());
    }
    assert!(
        !everything.contains(HIDDEN),
        "{how}:\n{}",
        everything.lines().filter(|line| line.contains(HIDDEN)).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn secrets_in_files_of_every_wrong_form_stay_hidden() {
    for text in [
        format!("[auth]\nsecret = \"{HIDDEN}\""),
        format!("[auth]\nsecret = \"{HIDDEN}-{HIDDEN}\""),
        format!("[auth]\nsecret = [\"{HIDDEN}\"]"),
        format!("[auth]\nsecret = {{ value = \"{HIDDEN}\" }}"),
        format!("auth = \"{HIDDEN}\""),
        format!("[auth]\nkeys = [\"{HIDDEN}\"]"),
        format!("[[auth.keys]]\nsecret = \"{HIDDEN}\"\npem = \"{HIDDEN}\""),
        format!("[[auth.keys]]\nsecret = [\"{HIDDEN}\"]"),
        format!("[[auth.keys]]\njwk = \"{HIDDEN}\"\nalgorithms = [\"XX\"]"),
        format!("[auth]\nsecret = \"{HIDDEN}\"\nsecret_file = \"x\""),
        format!("[auth]\nsecret = {HIDDEN}"),
        format!("[auth]\nsecret = \"{HIDDEN}"),
        format!("[auth]\nsecret = '{HIDDEN}' {HIDDEN}"),
        format!("[auth]\nsecrt = \"{HIDDEN}\""),
        format!("[auth.identity]\ntoken_secret = \"{HIDDEN}\"\ntoken = \"X-Id\""),
        format!("[auth.authorizer]\nurl = \"http://ana:{HIDDEN}@app/\"\nclient_secret = \"{HIDDEN}\""),
        format!("[auth.authorizer]\nclient_secret = [\"{HIDDEN}\"]"),
        format!("[seal]\nkeys = [\"{HIDDEN}\", \"{HIDDEN}\"]"),
        format!("[seal]\nkeys = \"{HIDDEN}\""),
        format!("[seal]\nkeys = [[\"{HIDDEN}\"]]"),
        format!("seal = [\"{HIDDEN}\"]"),
        format!("[admin]\ntoken = \"{HIDDEN}\""),
        format!("[admin]\ntoken = {{ text = \"{HIDDEN}\" }}"),
        format!("[[route]]\npath = \"/a/\"\n[route.auth]\nsecret = \"{HIDDEN}\""),
        format!("[[route]]\npath = \"/a/\"\nauth = \"{HIDDEN}\""),
        format!("[[upstream]]\nname = \"app\"\nmembers = [\"http://ana:{HIDDEN}@app:1\"]"),
        format!(
            "[[upstream]]\nname = \"app\"\nmembers = [\"http://ana:{HIDDEN}@app:1\", {{ url = \"http://ana:{HIDDEN}@app:2\", weight = 1 }}]"
        ),
        format!("[auth]\njwks_url = \"https://ana:{HIDDEN}@id.example/\"\noidc_issuer = \"http://{HIDDEN}@id.example\""),
        format!("[origin]\nallow = [\"https://ana:{HIDDEN}@app.example\"]"),
    ] {
        is_hidden_in(&Workshop::new().file("base.toml", BASE).file("more.toml", &text), &text);
    }
}

#[test]
fn secrets_in_variables_and_flags_stay_hidden() {
    for (name, value) in [
        ("JWT_SECRET", HIDDEN.to_string()),
        ("REDIS_URL", format!("redis://:{HIDDEN}@redis")),
        ("SOCKGATE_AUTH__SECRET", HIDDEN.to_string()),
        ("SOCKGATE_AUTH__SECRT", HIDDEN.to_string()),
        ("SOCKGATE_AUTH", HIDDEN.to_string()),
        ("SOCKGATE_JWT_SECRET", HIDDEN.to_string()),
        ("SOCKGATE_AUTH__SECRET__0", HIDDEN.to_string()),
        ("SOCKGATE_AUTH__KEYS__0__SECRET", HIDDEN.to_string()),
        ("SOCKGATE_AUTH__KEYS__0__SECRET__X", HIDDEN.to_string()),
        ("SOCKGATE_AUTH__KEYS", HIDDEN.to_string()),
        ("SOCKGATE_SEAL__KEYS", format!("{HIDDEN},{HIDDEN}")),
        ("SOCKGATE_SEAL__KEYS__0", HIDDEN.to_string()),
        ("SOCKGATE_SEAL__KEYS__7", HIDDEN.to_string()),
        ("SOCKGATE_ADMIN__TOKEN", HIDDEN.to_string()),
        ("SOCKGATE_UPSTREAM", format!("http://ana:{HIDDEN}@app:1")),
        ("SOCKGATE_ORIGIN__ALLOW", format!("https://ana:{HIDDEN}@app.example")),
        ("CORS_ORIGIN", format!("https://ana:{HIDDEN}@app.example")),
        ("FRONTEND_URL", format!("https://ana:{HIDDEN}@app.example/x")),
    ] {
        is_hidden_in(&Workshop::ready().env(name, &value), name);
        is_hidden_in(&Workshop::new().env(name, &value), name);
        if let Some(path) = sockgate::config::env::path_of(name) {
            is_hidden_in(&Workshop::ready().set(&path.join("."), &value), name);
        }
    }
}

#[test]
fn secrets_in_secret_files_stay_hidden() {
    for content in [HIDDEN.to_string(), format!("{HIDDEN}\n{HIDDEN}\n"), format!("{HIDDEN}-{HIDDEN}")] {
        let workshop = Workshop::ready()
            .beside("hidden", &content)
            .file("more.toml", "[auth]\nsecret_file = \"hidden\"\n[seal]\nkey_files = [\"hidden\", \"hidden\"]\n[admin]\ntoken_file = \"hidden\"\n[[auth.keys]]\njwk_file = \"hidden\"\n");
        is_hidden_in(&workshop, &content);
    }
}
