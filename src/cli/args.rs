//! The command line, as people read it in `--help`. Only its form is here; the verbs are in files of their own.

use std::{env, path::PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::config::Sources;

/// sockgate: a gate for Socket.IO and WebSocket apps.
///
/// It stands in front of existing app servers, terminates TLS, decides which pages may connect, checks who is asking, holds
/// everyone to limits and keeps each session on its server. It is driven by configuration alone.
#[derive(Clone, Debug, Parser)]
#[command(name = "sockgate", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    pub settings: Settings,

    #[command(subcommand)]
    pub verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  sockgate demo                                        everything at once, nothing else needed
  sockgate check                                       judge the configuration and print what is in effect
  sockgate run --config /etc/sockgate/sockgate.toml    serve
  SOCKGATE_UPSTREAM=http://127.0.0.1:3001 JWT_SECRET=\u{2026} sockgate run

Every option of the configuration: sockgate reference";

/// Where the configuration comes from, for every verb.
#[derive(Args, Clone, Debug, Default)]
pub struct Settings {
    /// A TOML file; may be given several times, later ones win. Without it config/sockgate.toml or
    /// /etc/sockgate/sockgate.toml is read if one exists
    #[arg(long, value_name = "FILE", global = true, action = ArgAction::Append)]
    pub config: Vec<PathBuf>,

    /// Set one key, over files and environment, as in --set origin.allow=https://app.example.com. May be given several times
    #[arg(long, value_name = "KEY=VALUE", global = true, action = ArgAction::Append, value_parser = assignment)]
    pub set: Vec<(String, String)>,

    /// Refuse at warnings too
    #[arg(long, global = true)]
    pub strict: bool,
}

/// What is to be done.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Serve
    #[command(after_help = "\
Stops on SIGTERM or SIGINT after telling its clients (drain.grace); a second one ends it now. SIGHUP, or a changed file, reads
certificates and configuration again; a bad configuration is refused and the old one stays.

Exit code: 0 after a clean stop, 1 when the configuration is refused or an address is taken.")]
    Run,

    /// Ask the running gate whether it is ready (for container health checks)
    #[command(after_help = "\
Asks the admin door named by the configuration (admin.address, or admin.probe_address where that is set), with the same files and environment as the gate.

Example, in a Dockerfile:
  HEALTHCHECK CMD [\"sockgate\", \"health\"]

Exit code: 0 when ready, 1 when not.")]
    Health(Health),

    /// Judge the configuration without binding anything, and print what is in effect
    #[command(after_help = "\
Prints every problem at once, each with the file and line or the variable it came from, and then every value in effect with its
source. Secrets are never printed.

Examples:
  sockgate check --config sockgate.toml
  SOCKGATE_PROFILE=production sockgate check --strict
  sockgate check --json | jq '.problems'

Exit code: 0 when the gate would start, 1 when it would not.")]
    Check(Check),

    /// Say why something is as it is: a key, an origin, a token
    #[command(
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true,
        after_help = "\
Examples:
  sockgate explain listen.address                      its value, where it came from, what it does
  sockgate explain origin                              all keys of a table that exists ([origin])
  sockgate explain origin https://app.example.com      may this page connect, and if not, what to write
  sockgate explain access send admin:kick --token -    may who has this token send that, and by which rule
  sockgate explain token eyJhbGciOi\u{2026}                  which checks a token passes (- reads it from standard input)

A token on the command line can be seen by other users of the machine; prefer - for real ones.

Exit code: 0 when it was explained, whatever the verdict is: a page or a token that the gate refuses is 0 as well. 1 when there is
nothing to explain it by: no such key or route, or a configuration that is refused. 2 when the command line is wrong."
    )]
    Explain(Explain),

    /// Mint a development token with the configured key
    #[command(after_help = "\
Signs with auth.secret (HS256), or with the first HMAC secret of auth.keys. The token goes to standard output, alone.

Examples:
  sockgate token --subject ana --role admin --expires 1h
  sockgate token --subject 42 --claim status=active --claim tenant=acme

Issuer and audience are those of the configuration unless given.

Exit code: 0 with a token, 1 when none can be made.")]
    Token(Token),

    /// Everything at once, embedded: app servers, gate, certificate, token, and a tour of what the gate does
    #[command(after_help = "\
Needs nothing installed. Prints each step with what was sent and what came back, then stays up and says how to connect.

Examples:
  sockgate demo
  sockgate demo --once         the tour alone; the exit code tells whether every step was as expected")]
    Demo(Demo),

    /// Print the reference of all options
    #[command(after_help = "\
Examples:
  sockgate reference                               a page in Markdown
  sockgate reference --format toml                 a sample file with every key and default, commented out
  sockgate reference --format schema               a JSON Schema for editors")]
    Reference(Reference),
}

#[derive(Args, Clone, Debug)]
pub struct Health {
    /// How long to wait for the answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    pub timeout: u64,
}

#[derive(Args, Clone, Debug)]
pub struct Check {
    /// Print one JSON object: problems, and every value with its source
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Explain {
    #[command(subcommand)]
    pub about: Option<About>,

    /// A key or table of the configuration, as in listen.address or route.0
    #[arg(value_name = "KEY", required = true)]
    pub key: Option<String>,
}

const EXPLAINED: &str = "Exit code: 0 when it was explained, whatever the verdict is (the report's text says it), 1 when the \
                         configuration is refused or has no such route, 2 when the command line is wrong.";

#[derive(Clone, Debug, Subcommand)]
pub enum About {
    /// May a page of this origin connect, and if not, why and what to write. Without a URL: the keys of [origin]
    #[command(after_help = EXPLAINED)]
    Origin {
        /// The origin of a page, as in https://app.example.com:8443
        #[arg(value_name = "URL")]
        url: Option<String>,
        /// The path whose route is asked, where routes differ
        #[arg(long, value_name = "PATH")]
        path: Option<String>,
    },
    /// May somebody join a namespace, send or receive an event, or request a path, and which rule says so. Without more: the
    /// keys of [access]
    #[command(after_help = EXPLAINED)]
    Access {
        /// What is wished for
        #[arg(value_name = "WISH", requires = "name")]
        wish: Option<Wish>,
        /// The namespace, event or path
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// The namespace of an event
        #[arg(long = "in", value_name = "NAMESPACE", default_value = "/")]
        namespace: String,
        /// The token of who wishes it, or - to read it from standard input
        #[arg(long, value_name = "JWT")]
        token: Option<String>,
        /// The path whose route is asked, where routes differ
        #[arg(long, value_name = "PATH")]
        path: Option<String>,
    },
    /// Which claims a token has, which checks it passes and which it fails
    #[command(after_help = EXPLAINED)]
    Token {
        /// The token, or - to read it from standard input
        #[arg(value_name = "JWT")]
        token: String,
        /// The path whose route is asked, where routes differ
        #[arg(long, value_name = "PATH")]
        path: Option<String>,
    },
}

#[derive(Args, Clone, Debug)]
pub struct Token {
    /// Who it is for
    #[arg(long, value_name = "NAME")]
    pub subject: String,

    /// A role; may be given several times
    #[arg(long = "role", value_name = "ROLE", action = ArgAction::Append)]
    pub roles: Vec<String>,

    /// A further claim, as in --claim status=active; values that are JSON are taken as JSON. May be given several times
    #[arg(long = "claim", value_name = "KEY=VALUE", action = ArgAction::Append, value_parser = assignment)]
    pub claims: Vec<(String, String)>,

    /// How long it is good for
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = period)]
    pub expires: crate::config::Period,

    /// The audience (aud); without it the first of auth.audience
    #[arg(long, value_name = "NAME")]
    pub audience: Option<String>,

    /// The issuer (iss); without it the first of auth.issuer
    #[arg(long, value_name = "NAME")]
    pub issuer: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub struct Demo {
    /// End after the tour
    #[arg(long)]
    pub once: bool,

    /// The port of the gate; 0 for any that is free
    #[arg(long, default_value_t = 8443)]
    pub port: u16,
}

#[derive(Args, Clone, Debug)]
pub struct Reference {
    /// In which form
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    pub format: Format,
}

/// What rules of access are about.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Wish {
    /// A namespace
    Join,
    /// An event of the client
    Send,
    /// An event of the app
    Receive,
    /// A path of a plain route
    Request,
}

/// The forms of the reference.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// A page with every option
    Markdown,
    /// A sample file, commented out
    Toml,
    /// A JSON Schema for editors
    Schema,
}

impl Settings {
    /// With this process's environment and directory. Variables that are no UTF-8 cannot be ours.
    pub fn to_sources(&self) -> Sources {
        let environment = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Sources {
            files: self.config.clone(),
            env: environment.collect(),
            overrides: self.set.clone(),
            directory: PathBuf::new(),
            strict: self.strict,
        }
    }
}

/// `key=value` into its parts. The message does not repeat the text, which may be a secret.
fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_string(), value.to_string())),
        _ => Err("write KEY=VALUE, without spaces around =".into()),
    }
}

fn period(text: &str) -> Result<crate::config::Period, String> {
    text.parse().map_err(|error: crate::config::units::UnitError| error.to_string())
}
