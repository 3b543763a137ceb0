//! Pages: one that may connect, and one that may not.

use anyhow::{bail, ensure};
use http::{Method, header};

use super::Stage;
use crate::{
    cli::demo::{
        client::Ask,
        plan::{OTHER_PAGE, PAGE},
        script::Script,
        session,
    },
    policy::origin::{self, Category, FetchSite, OriginRefusal, Shown},
};

/// The browser asks before it asks; the app hears nothing of it and no token is needed.
pub async fn preflight(stage: &Stage, script: &Script) -> anyhow::Result<String> {
    let ask = Ask { method: Method::OPTIONS, ..Ask::get(format!("{}?EIO=4&transport=polling", session::PATH)) }
        .from_page(PAGE)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type");
    let answer = stage.told(script, &ask).await?;
    let written = [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_ALLOW_METHODS,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
    ]
    .map(|name| (answer.header(&name).unwrap_or_default(), name));
    for (value, name) in &written {
        script.came(format!("     {name}: {value}"));
    }
    answer.expect(204)?;
    answer.expect_readable_by(PAGE)?;
    let [_, (credentials, _), (methods, _), (headers, _)] = &written;
    ensure!(credentials == "true", "expected credentials to be allowed");
    ensure!(methods.contains("POST"), "expected POST among the methods");
    ensure!(headers.to_ascii_lowercase().contains("authorization"), "expected authorization among the headers");
    Ok("the gate answers; the app is not asked".into())
}

/// The page learns nothing; the operator learns what to write.
pub async fn refused(stage: &Stage, script: &Script) -> anyhow::Result<String> {
    let token = stage.plan.token("ana")?;
    let answer = stage.told(script, &session::opening(&token, Some(OTHER_PAGE))).await?;
    answer.expect_refusal(403, "origin_refused")?;
    ensure!(answer.header(&header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none(), "expected no Access-Control-Allow-Origin");
    let generation = stage.gate.generation();
    let refusal = judge(generation.origin_of(0), OTHER_PAGE)?;
    let suggestion = generation.origin_of(0).suggest(&refusal);
    script.note(format!("category    {}", refusal.category));
    script.note(format!("suggestion  {suggestion}"));
    ensure!(refusal.category == Category::Port, "expected the category port");
    ensure!(suggestion.contains(OTHER_PAGE), "expected the suggestion to name the page");
    Ok("refused, and the log says what to write".into())
}

/// The refusal as the gate's own judge has it; the log's line is made of the same.
fn judge(judge: &origin::Judge, page: &str) -> anyhow::Result<OriginRefusal> {
    let ask = origin::Ask {
        origin: Shown::Value(page.as_bytes()),
        fetch_site: FetchSite::Absent,
        own: None,
        carried_by_cookie: false,
        changes: false,
        csrf_cookie: None,
        csrf_header: None,
    };
    match judge.judge(&ask) {
        Err(refusal) => Ok(refusal),
        Ok(_) => bail!("expected {page} to be refused"),
    }
}
