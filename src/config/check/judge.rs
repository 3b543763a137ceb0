//! Walks a configuration table by table and collects every problem. Pure: it reads no file and binds nothing.

use crate::config::{
    Config, Environment, auth::Auth, auth::When, problem::Problem, provenance::Provenance, route::Kind, socketio::SocketIo,
};

use super::{
    access, auth,
    bench::Bench,
    carriage, listening,
    messages::{self, Beside},
    pages, parser,
};

/// Every rule, for every table.
pub fn judge(config: &Config, provenance: &Provenance, problems: &mut Vec<Problem>) {
    let is_production = config.environment == Environment::Production;
    let mut bench = Bench::new(provenance, problems, is_production);
    listening::listen(config, &mut bench);
    listening::tls(&config.tls, &mut bench);
    listening::seal(&config.seal, &mut bench);
    listening::admin(config, &mut bench);
    listening::revocation(&config.revocation, &mut bench);
    listening::log(&config.log, &mut bench);
    carriage::upstreams(config, &mut bench);
    carriage::routes(config, &mut bench);
    for (index, route) in config.route.iter().enumerate() {
        let table = |name: &str| format!("route.{index}.{name}");
        pages::origin(&table("origin"), &route.origin, &mut bench);
        auth::auth(&table("auth"), &route.auth, route.kind, &mut bench);
        access::access(&format!("route.{index}."), &route.access, &route.auth, route.kind, &mut bench);
        carriage::limit(&table("limit"), &route.limit, &mut bench);
        messages::messages(&table("limit"), &route.limit, beside(route.kind, &route.auth, &route.socketio), &mut bench);
        carriage::socketio(&table("socketio"), &route.socketio, &mut bench);
        parser::parser(&format!("route.{index}"), route, &mut bench);
    }
    // The top tables are what routes made of them; alone they are judged only when no route takes them up.
    if config.route.is_empty() {
        pages::origin("origin", &config.origin, &mut bench);
        auth::auth("auth", &config.auth, Kind::Socketio, &mut bench);
        access::access("", &config.access, &config.auth, Kind::default(), &mut bench);
        carriage::limit("limit", &config.limit, &mut bench);
        messages::messages("limit", &config.limit, beside(Kind::Socketio, &config.auth, &config.socketio), &mut bench);
        carriage::socketio("socketio", &config.socketio, &mut bench);
    }
}

fn beside(kind: Kind, auth: &Auth, socketio: &SocketIo) -> Beside {
    Beside { max_payload: socketio.max_payload, has_events: kind == Kind::Socketio, knows_users: auth.when != When::None }
}
