use super::workshop::{SECRET, Workshop};

/// What a file adds to a good configuration, and what must be said: severity, key, part of the reason.
fn rows() -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
    vec![
        ("[listen]\naddress = \"nowhere\"", "refused", "listen.address", "no address to listen on"),
        ("[listen]\naddress = \":8443\"", "refused", "listen.address", "no address to listen on"),
        ("[listen]\naddress = \"0.0.0.0:8443\"", "refused", "listen.address", "plain HTTP to other machines"),
        ("[listen]\naddress = \"[::]:8443\"", "refused", "listen.address", "plain HTTP to other machines"),
        ("[listen]\nplain = \"0.0.0.0:8080\"", "refused", "listen.plain", "plain HTTP to other machines"),
        ("[listen]\nplain = \"127.0.0.1:8443\"", "refused", "listen.plain", "the same address as listen.address"),
        ("[listen]\nbehind_proxy = true", "warning", "listen.behind_proxy", "no proxy is trusted"),
        ("[listen]\nproxy_protocol = true", "refused", "listen.proxy_protocol", "nobody could connect"),
        ("[listen]\npublic_origins = [\"https://*.example.com\"]", "refused", "listen.public_origins.0", "no exact origin"),
        ("[listen]\nworkers = 4000", "refused", "listen.workers", "too many"),
        ("[listen]\nhead_deadline = 0", "refused", "listen.head_deadline", "no time at all"),
        ("[listen]\nwrite_deadline = \"0s\"", "refused", "listen.write_deadline", "no time at all"),
        ("[listen]\nhead_size = \"1 KiB\"", "refused", "listen.head_size", "no size for a request head"),
        ("[listen]\nurl_size = \"64 KiB\"", "refused", "listen.url_size", "no size for a URL"),
        ("[tls]\ncertificate = \"a.crt\"", "refused", "tls.certificate", "no key beside it"),
        ("[tls]\nkey = \"a.key\"", "refused", "tls.key", "no certificate"),
        ("[tls]\ngenerate = true\ncertificate = \"a\"\nkey = \"b\"", "refused", "tls.generate", "shall be generated"),
        ("[seal]\nkeys = [\"short\"]", "refused", "seal.keys.0", "has 5 bytes and needs 32"),
        ("[admin]\naddress = \"0.0.0.0:9090\"", "refused", "admin.address", "without a token"),
        ("[admin]\ntoken = \"short\"", "refused", "admin.token", "has 5 bytes and needs 16"),
        ("[revocation]\nmost = 0", "refused", "revocation.most", "too few or too many"),
        ("[revocation]\nlongest_token = 0", "refused", "revocation.longest_token", "no time at all"),
        ("[log]\nlevel = \"warn,inof\"", "refused", "log.level", "\"inof\" names no level"),
        ("[log]\nlevel = \"\"", "refused", "log.level", "no level"),
        ("[log]\ndebug_for = [\"ana\"]", "refused", "log.debug_for.0", "nobody to follow"),
        ("[auth]\nfrom = []", "refused", "auth.from", "looked for nowhere"),
        ("[auth]\nfrom = [\"header\", \"body\"]", "refused", "auth.from.1", "no place for a token"),
        ("[auth]\nfrom = [\"query:sid\"]", "refused", "auth.from.0", "no place for a token"),
        ("[auth]\nfrom = [\"cookie:\"]", "refused", "auth.from.0", "no place for a token"),
        ("[auth]\nfrom = [\"connect:user..token\"]", "refused", "auth.from.0", "no place for a token"),
        ("[auth]\nfrom = [\"connect:\"]", "refused", "auth.from.0", "no place for a token"),
        ("[auth]\nfrom = [\"connect:token\"]", "refused", "auth.from", "none is looked at here"),
        ("[auth]\nwhen = \"connect\"\nwaiting = 0", "refused", "auth.waiting", "none may"),
        ("[auth]\nwhen = \"connect\"\nwaiting_per_address = 0", "refused", "auth.waiting_per_address", "none may"),
        ("[auth]\nwhen = \"connect\"\nconnect_deadline = 0", "refused", "auth.connect_deadline", "no time at all"),
        ("[auth]\nconnect_by_app = [\"/admin\", \"admin\"]", "refused", "auth.connect_by_app.1", "no namespace"),
        ("[auth]\nconnect_by_app = [\"/admin?x\"]", "refused", "auth.connect_by_app.0", "no namespace"),
        ("[auth]\nrefresh_event = \"connect\"", "refused", "auth.refresh_event", "Socket.IO itself uses"),
        ("[auth]\nexpiry_event = \"disconnecting\"", "refused", "auth.expiry_event", "Socket.IO itself uses"),
        ("[auth]\nend_event = \"a\\nb\"", "refused", "auth.end_event", "no name of an event"),
        ("[auth]\nexpiry_warning = \"1m\"\nexpiry_event = \"\"", "refused", "auth.expiry_event", "no event warns"),
        ("[auth.identity]\nconnect_field = \"token\"", "refused", "auth.identity.connect_field", "another meaning"),
        ("[auth.identity]\nconnect_field = \"PID\"", "refused", "auth.identity.connect_field", "another meaning"),
        ("[auth.authorizer]\nurl = \"who\"", "refused", "auth.authorizer.url", "no URL"),
        ("[auth.authorizer]\nurl = \"ftp://a/\"", "refused", "auth.authorizer.url", "neither https nor http"),
        ("[auth.authorizer]\nurl = \"http://id.example/\"", "warning", "auth.authorizer.url", "read and answered by anybody"),
        ("[auth.authorizer]\nurl = \"http://203.0.113.7/\"", "warning", "auth.authorizer.url", "read and answered by anybody"),
        ("[auth.authorizer]\nurl = \"http://u:p@app/\"", "refused", "auth.authorizer.url", "user name or password"),
        ("[auth.authorizer]\nurl = \"http://app/\"\ndeadline = 0", "refused", "auth.authorizer.deadline", "no time at all"),
        ("[auth.authorizer]\nurl = \"http://app/\"\nin_flight = 0", "refused", "auth.authorizer.in_flight", "none at all"),
        ("[auth.authorizer]\nurl = \"http://app/\"\ncache_keys = 0", "refused", "auth.authorizer.cache_keys", "none at all"),
        ("[auth.authorizer]\nurl = \"http://app/\"\ncache = \"1h\"", "warning", "auth.authorizer.cache", "still opens sessions"),
        (
            "[auth.authorizer]\nurl = \"http://app/\"\nclient_id = \"a\"",
            "refused",
            "auth.authorizer.client_id",
            "the token alone",
        ),
        (
            "[auth.authorizer]\nurl = \"http://app/\"\nkind = \"introspection\"",
            "warning",
            "auth.authorizer.kind",
            "does not say who it is",
        ),
        (
            "[auth.authorizer]\nurl = \"http://app/\"\nkind = \"introspection\"\nclient_id = \"a\"",
            "refused",
            "auth.authorizer.client_id",
            "no secret that belongs to it",
        ),
        (
            "[auth.authorizer]\nurl = \"http://app/\"\nkind = \"introspection\"\nclient_secret = \"a\"",
            "refused",
            "auth.authorizer.client_secret",
            "no name that it belongs to",
        ),
        ("[auth]\nsecret = \"short\"", "refused", "auth.secret", "has 5 bytes and needs 32"),
        ("[auth]\nalgorithms = [\"RS256\"]", "refused", "auth.algorithms", "no JWKS is named"),
        ("[auth]\njwks_url = \"nonsense\"", "refused", "auth.jwks_url", "no URL"),
        ("[auth]\njwks_url = \"http://id.example/jwks\"", "warning", "auth.jwks_url", "anybody's"),
        ("[auth]\noidc_issuer = \"https://u:p@id.example\"", "refused", "auth.oidc_issuer", "user name or password"),
        ("[[auth.keys]]\nid = \"a\"", "refused", "auth.keys.0", "exactly one of"),
        (
            "[[auth.keys]]\npem = \"x\"\nalgorithms = [\"HS256\"]",
            "refused",
            "auth.keys.0.algorithms",
            "do not belong to this kind",
        ),
        (
            "[[auth.keys]]\npem = \"x\"\nalgorithms = [\"RS256\", \"ES256\"]",
            "refused",
            "auth.keys.0.algorithms",
            "different kinds",
        ),
        ("[auth]\nsubject = \"\"", "refused", "auth.subject", "no claim"),
        ("[auth.identity]\ntoken = \"X-Identity\"", "refused", "auth.identity.token", "no secret to sign"),
        ("[auth.identity]\nsubject = \"X Subject\"", "refused", "auth.identity.subject", "no name of a header"),
        ("[origin]\nallow = [\"*\"]", "refused", "origin.allow.0", "every page on the internet"),
        ("[origin]\nallow = [\"null\"]", "warning", "origin.allow.0", "any page can make a frame"),
        ("[origin]\nallow = [\"app.example\"]", "refused", "origin.allow.0", "it has no scheme"),
        ("[origin]\nhosts = [\"https://app.example\"]", "refused", "origin.hosts.0", "not a host name"),
        ("[origin]\nheaders = [\"*\"]", "refused", "origin.headers.0", "means nothing"),
        ("[[access.rule]]\nneeds = { roles = \"a\" }", "refused", "access.rule.0", "about nothing"),
        ("[[access.rule]]\njoin = \"/a\"\nsend = \"b\"", "refused", "access.rule.0", "more than one thing"),
        ("[[access.rule]]\njoin = []", "refused", "access.rule.0.join", "the list is empty"),
        ("[[access.rule]]\njoin = [\"admin\"]", "refused", "access.rule.0.join.0", "does not start with /"),
        ("[[access.rule]]\njoin = [\"/a?b\"]", "refused", "access.rule.0.join.0", "no namespace"),
        ("[[access.rule]]\nsend = [\"^a.*$\"]", "refused", "access.rule.0.send.0", "regular expression"),
        ("[[access.rule]]\nsend = [\"a\"]\nin = [\"chat\"]", "refused", "access.rule.0.in.0", "does not start with /"),
        ("[[access.rule]]\njoin = [\"/a\"]\nin = [\"/\"]", "refused", "access.rule.0.in", "only events"),
        ("[[access.rule]]\nsend = [\"a\"]\nin = []", "refused", "access.rule.0.in", "the list is empty"),
        ("[[access.rule]]\nrequest = [\"/a/**/b\"]", "refused", "access.rule.0.request.0", "two stars"),
        (
            "[[access.rule]]\njoin = [\"/a\"]\ndeny = true\nneeds = { roles = \"a\" }",
            "refused",
            "access.rule.0.deny",
            "yet there are needs",
        ),
        ("[[access.rule]]\njoin = [\"/a\"]\nneeds = { level = [] }", "refused", "access.rule.0.needs.level", "nobody could meet"),
        ("[[access.rule]]\njoin = [\"/a\"]\nneeds = { user.plan = \"x\" }", "refused", "access.rule.0.needs.user", "a table"),
        (
            "[[access.rule]]\njoin = [\"/a\"]\nneeds = { tenant = \"x\" }",
            "refused",
            "access.rule.0.needs.tenant",
            "auth.tenant names no claim",
        ),
        (
            "[auth]\nwhen = \"none\"\n[[access.rule]]\njoin = [\"/a\"]\nneeds = { roles = \"x\" }",
            "warning",
            "access.rule.0.needs",
            "nobody is known here",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[[route.access.rule]]\nrequest = [\"/a\"]",
            "warning",
            "route.0.access.rule.0.request",
            "nothing on this kind of route",
        ),
        ("[limit]\nkeys = 0", "refused", "limit.keys", "one bucket"),
        ("[limit]\nnamespaces = 0", "refused", "limit.namespaces", "must join a namespace"),
        ("[[limit.event]]\nrate = \"5/1s\"", "refused", "limit.event.0.events", "names no event"),
        ("[[limit.event]]\nevents = [\"\"]\nrate = \"5/1s\"", "refused", "limit.event.0.events.0", "is empty"),
        ("[[limit.event]]\nevents = [\"*\"]", "refused", "limit.event.0.rate", "limits nothing"),
        ("[[limit.event]]\nevents = [\"*\"]\nsize = 0", "refused", "limit.event.0.size", "no message is that small"),
        ("[[limit.event]]\nevents = [\"*\"]\nsize = \"2 MB\"", "warning", "limit.event.0.size", "ends every message above 1 MB"),
        (
            "[[limit.event]]\nevents = [\"*\"]\nrate = \"5/1s\"\nin = [\"/\", \"chat\"]",
            "refused",
            "limit.event.0.in.1",
            "does not start with /",
        ),
        ("[socketio]\nfragments = 10", "warning", "socketio.fragments", "those above 640 KiB end their session"),
        ("[[limit.event]]\nevents = [\"*\"]\nsize = 9\nin = [\"/a?b\"]", "refused", "limit.event.0.in.0", "no namespace"),
        (
            "[auth]\nwhen = \"none\"\n[[limit.event]]\nevents = [\"*\"]\nrate = \"5/1s\"\nper = \"user\"",
            "warning",
            "limit.event.0.per",
            "each session counts for itself",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[[route.limit.event]]\nevents = [\"*\"]",
            "refused",
            "route.0.limit.event.0.rate",
            "limits nothing",
        ),
        (
            "[[route]]\npath = \"/\"\nlimit.connections_per_address = 3",
            "refused",
            "route.0.limit.connections_per_address",
            "before any route",
        ),
        ("[socketio]\ntransports = []", "refused", "socketio.transports", "no transport is left"),
        ("[socketio]\nping_timeout = 0", "refused", "socketio.ping_timeout", "no time at all"),
        ("[socketio]\nmax_payload = 10", "refused", "socketio.max_payload", "too little"),
        ("[socketio]\njson_depth = 0", "refused", "socketio.json_depth", "1 to 128"),
        ("[socketio]\njson_depth = 129", "refused", "socketio.json_depth", "1 to 128"),
        (
            "[[route]]\npath = \"/a/\"\n[route.socketio]\nparser = \"custom\"\n[route.auth]\nwhen = \"connect\"",
            "refused",
            "route.0.auth.when",
            "nobody can read here",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[route.socketio]\nparser = \"custom\"\n[route.auth]\nexpiry_warning = \"1m\"",
            "refused",
            "route.0.auth.expiry_warning",
            "nobody can read here",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[route.socketio]\nparser = \"custom\"\n[route.auth.identity]\nconnect_field = \"user\"",
            "refused",
            "route.0.auth.identity.connect_field",
            "nobody can read here",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[route.socketio]\nparser = \"custom\"\n[[route.access.rule]]\nsend = [\"a\"]\ndeny = true",
            "refused",
            "route.0.access.rule",
            "nobody can read here",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[route.socketio]\nparser = \"custom\"\n[[route.access.payload]]\nevents = [\"a\"]\nschema = \"{}\"",
            "refused",
            "route.0.access.payload",
            "nobody can read here",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[route.socketio]\nparser = \"custom\"\n[route.access]\njoin = \"deny\"",
            "refused",
            "route.0.access.join",
            "nobody can read here",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[route.socketio]\nparser = \"custom\"\n[route.access]\nsend = \"deny\"",
            "refused",
            "route.0.access.send",
            "nobody can read here",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[route.socketio]\nparser = \"custom\"\n[route.access]\nreceive = \"deny\"",
            "refused",
            "route.0.access.receive",
            "nobody can read here",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[route.socketio]\nparser = \"custom\"\n[[route.limit.event]]\nevents = [\"a\"]\nrate = \"5/1s\"",
            "refused",
            "route.0.limit.event",
            "nobody can read here",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[route.socketio]\neio3 = true\nparser = \"msgpack\"",
            "warning",
            "route.0.socketio.eio3",
            "refused all the same",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[route.socketio]\neio3 = true\n[route.auth]\nwhen = \"connect\"",
            "warning",
            "route.0.socketio.eio3",
            "refused all the same",
        ),
        (
            "[[route]]\npath = \"/a/\"\n[route.socketio]\neio3 = true\n[route.auth.identity]\nconnect_field = \"user\"",
            "warning",
            "route.0.socketio.eio3",
            "refused all the same",
        ),
        ("[[upstream]]\nname = \"app\"", "refused", "upstream.0.members", "no members"),
        (
            "[[upstream]]\nname = \"app\"\nmembers = [\"unix:/run/app\"]",
            "refused",
            "upstream.0.members.0",
            "Unix sockets are not in this release",
        ),
        ("[[upstream]]\nname = \"app\"\nmembers = [\"ws://app:1\"]", "refused", "upstream.0.members.0", "also for WebSocket"),
        ("[[upstream]]\nname = \"app\"\nmembers = [\"app:3001\"]", "refused", "upstream.0.members.0", "no scheme or no host"),
        ("[[upstream]]\nname = \"app\"\nmembers = [\"http://app:1/path\"]", "refused", "upstream.0.members.0", "has no path"),
        (
            "[[upstream]]\nname = \"app\"\nmembers = [\"http://a:1\", \"http://a:1/\"]",
            "refused",
            "upstream.0.members.1",
            "listed twice",
        ),
        (
            "[[upstream]]\nname = \"app\"\nmembers = [{ url = \"http://a:1\", weight = 0 }]",
            "refused",
            "upstream.0.members.0",
            "weight 0",
        ),
        (
            "[[upstream]]\nname = \"app\"\nmembers = [\"http://a:1\"]\nbalance = \"hash\"\nhash = \"moon\"",
            "refused",
            "upstream.0.hash",
            "cannot be hashed",
        ),
        (
            "[[upstream]]\nname = \"app\"\nmembers = [\"http://a:1\"]\norigin = \"yes\"",
            "refused",
            "upstream.0.origin",
            "no origin to send",
        ),
        (
            "[[upstream]]\nname = \"app\"\nmembers = [\"http://a:1\"]\nconnect_deadline = 0",
            "refused",
            "upstream.0.connect_deadline",
            "no time",
        ),
        (
            "[[upstream]]\nname = \"app\"\nmembers = [\"http://a:1\"]\nidle = \"5s\"",
            "warning",
            "upstream.0.idle",
            "close connections that idle for 5 s",
        ),
        (
            "[[upstream]]\nname = \"a\"\nmembers = [\"http://a:1\"]\n[[upstream]]\nname = \"a\"\nmembers = [\"http://b:1\"]",
            "refused",
            "upstream.1.name",
            "two upstreams",
        ),
        ("[[route]]\npath = \"/x/\"\nupstream = \"ap\"", "refused", "route.0.upstream", "no upstream called \"ap\""),
        ("[[route]]\npath = \"socket.io/\"", "refused", "route.0.path", "does not start with /"),
        ("[[route]]\npath = \"/socket.io\"", "refused", "route.0.path", "ends with /"),
        ("[[route]]\npath = \"/a/../b/\"", "refused", "route.0.path", "can never be asked for"),
        ("[[route]]\npath = \"/a/\"\n[[route]]\npath = \"/a/\"", "refused", "route.1.path", "another route"),
        ("[[route]]\npath = \"/a/\"\nhosts = [\"https://x\"]", "refused", "route.0.hosts.0", "no host name"),
    ]
}

#[test]
fn every_rule_names_its_key_and_reason() {
    let mut missing = Vec::new();
    for (text, severity, key, what) in rows() {
        let paragraphs = Workshop::ready().file("more.toml", text).paragraphs();
        let start = format!("{severity}: more.toml:");
        let is_said = |paragraph: &&String| {
            paragraph.starts_with(&start) && paragraph.contains(&format!(": {key}: ")) && paragraph.contains(what)
        };
        if paragraphs.iter().filter(is_said).count() != 1 {
            missing.push(format!("{text}\nmust say once: {severity} {key} {what}\nsaid:\n{}\n", paragraphs.join("\n")));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn good_configurations_pass_every_rule() {
    for text in [
        "[listen]\naddress = \"0.0.0.0:8443\"\n[tls]\ngenerate = true",
        "[listen]\naddress = \"0.0.0.0:8443\"\nbehind_proxy = true\ntrusted_proxies = [\"10.0.0.0/8\", \"192.0.2.1\"]\nproxy_protocol = true",
        "[listen]\naddress = \"[::1]:0\"\nplain = \"127.0.0.1:0\"",
        "[origin]\nallow = [\"*\"]\ncredentials = false",
        "[origin]\nhosts = [\"app.example\", \"::1\", \"0.0.0.0\"]\nports = [443]\nallow = [\"http://localhost:*\"]",
        "[auth]\nwhen = \"none\"",
        "[[limit.event]]\nevents = [\"a\"]\nrate = \"1/1s\"\nsize = \"16 KiB\"\nper = \"user\"\n[[route]]\npath = \"/\"\nkind = \"http\"\n[route.auth]\nwhen = \"none\"\n[route.socketio]\nmax_payload = \"2 KiB\"",
        "[auth]\njwks_url = \"http://localhost:8080/jwks\"\nalgorithms = [\"HS256\", \"RS256\"]",
        "[[limit.event]]\nevents = [\"chat:*\", \"typing\"]\nin = [\"/\", \"/game-*\"]\nrate = \"5/1s burst 10\"\nper = \"user\"\nsize = \"16 KiB\"\nover = \"close\"",
        "[limit]\nmessages_per_user = \"off\"\nbytes_per_user = \"1 MiB/1s burst 4 MiB\"\nabuse = \"off\"\nsession_life = \"1d\"",
        "[admin]\naddress = \"0.0.0.0:9090\"\ntoken = \"0123456789abcdef\"",
        "[admin]\naddress = \"\"\nprobe_address = \"0.0.0.0:9091\"",
        "[[route]]\npath = \"/a/\"\nhosts = [\"a.example\"]\n[[route]]\npath = \"/a/\"\nhosts = [\"*.example\"]",
        "[[route]]\npath = \"/ws\"\nkind = \"websocket\"\nrewrite = \"/\"",
        "[[access.rule]]\nrequest = \"/api/**\"\nneeds = { \"user.plan\" = [\"pro\", 3, true] }\n[[access.rule]]\nsend = \"*\"\nin = [\"/\", \"/a-*\"]\ndeny = true",
        "[[upstream]]\nname = \"app\"\nmembers = [\"https://a\", { url = \"http://[::1]:1\", weight = 3 }]\nbalance = \"hash\"\nhash = \"claim:user.id\"\norigin = \"https://x.example\"",
    ] {
        Workshop::ready().file("more.toml", text).config();
    }
}

#[test]
fn production_asks_for_more() {
    let production = "environment = \"production\"\n";
    for (text, key, what) in [
        ("", "seal.keys", "outlives a restart"),
        ("[tls]\ngenerate = true", "tls.generate", "no generated certificates"),
        ("[origin]\nallow = [\"http://*.example.com\"]", "origin.allow.0", "plain http"),
        ("[auth]\njwks_url = \"http://id.example/\"", "auth.jwks_url", "production"),
    ] {
        let paragraphs = Workshop::ready().file("more.toml", &format!("{production}{text}")).paragraphs();
        let is_said =
            |paragraph: &String| paragraph.starts_with("refused") && paragraph.contains(key) && paragraph.contains(what);
        assert!(paragraphs.iter().any(is_said), "{text}: {paragraphs:?}");
    }
    let good = format!(
        "{production}[seal]\nkeys = [\"{SECRET}\"]\n[origin]\nallow = [\"http://named.example\", \"https://*.example.com\"]\n"
    );
    Workshop::ready().file("more.toml", &good).config();
}

#[test]
fn an_authorizer_near_by_may_be_asked_in_plain_http() {
    for url in [
        "https://id.example/",
        "http://app:3000/who",
        "http://localhost/",
        "http://127.0.0.1:1/",
        "http://[::1]/",
        "http://10.1.2.3/",
        "http://192.168.1.1/",
    ] {
        let file = format!("[auth.authorizer]\nurl = \"{url}\"");
        assert_eq!(Workshop::ready().file("more.toml", &file).strict().paragraphs(), Vec::<String>::new(), "{url}");
    }
}

#[test]
fn an_authorizer_is_a_key_only_for_what_it_judges_alone() {
    let upstream = "[[upstream]]\nname = \"app\"\nmembers = [\"http://a:1\"]\n[auth.authorizer]\nurl = \"http://app/\"\n";
    Workshop::new().file("gate.toml", upstream).config();
    let always = Workshop::new().file("gate.toml", &format!("{upstream}use = \"always\"")).paragraphs();
    assert!(always.iter().any(|line| line.contains("auth.authorizer.use: it is asked after the signature")), "{always:?}");
}

#[test]
fn a_route_that_has_no_packets_needs_another_place_for_tokens() {
    let from = "[auth]\nwhen = \"connect\"\nfrom = [\"connect:token\"]\n";
    let http = "[[route]]\npath = \"/api/\"\nkind = \"http\"\n";
    let socketio = "[[route]]\npath = \"/socket.io/\"\n";
    Workshop::ready().file("more.toml", &format!("{from}{socketio}")).config();
    let paragraphs = Workshop::ready().file("more.toml", &format!("{from}{socketio}{http}")).paragraphs();
    assert!(
        paragraphs.iter().any(|line| line.contains("auth.from: the token is looked for in the CONNECT packet alone")),
        "{paragraphs:?}"
    );
    Workshop::ready().file("more.toml", &format!("[auth]\nwhen = \"connect\"\n{socketio}{http}")).config();
}

#[test]
fn a_wrong_value_that_many_routes_inherit_is_told_once() {
    let text = "[origin]\nallow = [\"*\"]\n[[route]]\npath = \"/a/\"\n[[route]]\npath = \"/b/\"\n[[route]]\npath = \"/c/\"\n[route.origin]\nallow = [\"*\"]\n";
    let paragraphs = Workshop::ready().file("more.toml", text).paragraphs();
    let keys: Vec<&str> = paragraphs.iter().filter_map(|paragraph| paragraph.split(": ").nth(2)).collect();
    assert_eq!(keys, ["origin.allow.0", "route.2.origin.allow.0"], "{paragraphs:?}");
}

#[test]
fn top_tables_that_every_route_overrides_need_no_key() {
    let text = format!(
        "[[upstream]]\nname = \"app\"\nmembers = [\"http://a:1\"]\n[[route]]\npath = \"/a/\"\n[route.auth]\nsecret = \"{SECRET}\"\n"
    );
    Workshop::new().file("gate.toml", &text).config();
}

#[test]
fn a_gate_without_key_or_upstream_says_what_to_write() {
    assert_eq!(
        Workshop::new().paragraphs(),
        [
            "refused: default: upstream: there is no app server to stand before. Write SOCKGATE_UPSTREAM=http://127.0.0.1:3001, or an [[upstream]] \
             with name and members.",
            "refused: default: auth.when: every handshake needs a token, and there is no key to check one with. Set auth.secret_file or JWT_SECRET, \
             list auth.keys, or name auth.jwks_url, auth.oidc_issuer or auth.authorizer.url; to let everybody in write auth.when = \"none\".",
        ]
    );
}

#[test]
fn more_limits_of_events_than_can_be_asked_for_every_message_are_refused() {
    let rules = "[[limit.event]]\nevents = [\"x\"]\nsize = 9\n";
    Workshop::ready().file("more.toml", &rules.repeat(64)).config();
    let paragraphs = Workshop::ready().file("more.toml", &rules.repeat(65)).paragraphs();
    assert!(paragraphs.iter().any(|said| said.contains("limit.event: 65 limits are too many")), "{paragraphs:?}");
}

#[test]
fn wrong_values_of_limits_say_what_to_write() {
    for (text, key, instead) in [
        ("bytes_per_user = \"1 MiB\"", "limit.bytes_per_user", "1 MiB/1s"),
        ("bytes_per_user = 5", "limit.bytes_per_user", "rate of sizes"),
        ("messages_per_user = \"often\"", "limit.messages_per_user", "100/1m"),
        ("attachments = 300", "limit.attachments", ""),
        ("over = \"refuse\"", "limit.over", "warn"),
        ("session_idle = \"soon\"", "limit.session_idle", "25s"),
        ("[[limit.event]]\nper = \"person\"", "limit.event.0.per", "session"),
        ("[[limit.event]]\nnamespaces = [\"/\"]", "limit.event.0.namespaces", ""),
    ] {
        let paragraphs = Workshop::ready().file("more.toml", &format!("[limit]\n{text}\n")).paragraphs();
        let is_said = |said: &String| said.starts_with("refused") && said.contains(key) && said.contains(instead);
        assert!(paragraphs.iter().any(is_said), "{text}: {paragraphs:?}");
    }
}

#[test]
fn no_event_of_the_gate_has_a_name_that_the_codec_refuses() {
    for name in sockgate::codec::socket::RESERVED {
        let paragraphs = Workshop::ready().file("more.toml", &format!("[auth]\nend_event = \"{name}\"")).paragraphs();
        assert!(paragraphs.iter().any(|line| line.contains("Socket.IO itself uses")), "{name}: {paragraphs:?}");
    }
}
