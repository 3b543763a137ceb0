//! A small client for what the gate itself needs to know: documents (an issuer's keys and its discovery page) and answers to a
//! question (whether a token is good). One connection, one deadline over all of it, one cap on the size. Redirects of documents
//! are followed only where they stay at the same scheme, host and port: the operator named that server, nobody else. Those of
//! questions are not followed at all, for a question holds something secret.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Fetches documents.
#[derive(Clone)]
pub struct Fetcher {
    /// Whom it trusts; without it only `http` works.
    pub trust: Option<Arc<rustls::ClientConfig>>,
    /// The largest document in bytes.
    pub size: usize,
    /// For everything together: name, connection, TLS, redirects, the last byte.
    pub deadline: Duration,
}

/// What is asked beside the address.
#[derive(Clone, Default)]
pub struct Question {
    /// The `Authorization` header.
    pub authorization: Option<HeaderValue>,
    /// A form to POST. None: it is a GET.
    pub form: Option<Bytes>,
}

/// What was answered to a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    pub status: StatusCode,
    /// Empty, and not read, where the status is not 200.
    pub body: Bytes,
}

/// Why there is no document.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FetchError {
    #[error("the address is not an http or https URL without user and fragment")]
    Url,
    #[error("https needs certificate authorities and none are configured")]
    NoTrust,
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    #[error("no TLS: {0}")]
    Tls(String),
    #[error("the answer is not sound HTTP")]
    Protocol,
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("it redirects elsewhere or in circles")]
    Redirect,
    #[error("the document is larger than allowed")]
    TooLarge,
    #[error("it did not come in time")]
    TooSlow,
}

impl Fetcher {
    /// The document at an address. Dropping the future closes the connection.
    pub async fn get(&self, address: &Uri) -> Result<Bytes, FetchError> {
        timeout(self.deadline, self.follow(address.clone())).await.unwrap_or(Err(FetchError::TooSlow))
    }

    /// The answer to a question, whatever its status. Dropping the future closes the connection.
    pub async fn ask(&self, address: &Uri, question: &Question) -> Result<Reply, FetchError> {
        let answer = timeout(self.deadline, self.send(address, question)).await.unwrap_or(Err(FetchError::TooSlow))?;
        Ok(Reply { status: answer.status, body: answer.body })
    }

    async fn follow(&self, mut address: Uri) -> Result<Bytes, FetchError> {
        for _ in 0..=REDIRECTS {
            let answer = self.send(&address, &Question::default()).await?;
            if answer.status == StatusCode::OK {
                return Ok(answer.body);
            }
            let target = answer.location.ok_or(FetchError::Status(answer.status.as_u16()))?;
            address = same_place(&address, &target)?;
        }
        Err(FetchError::Redirect)
    }

    async fn send(&self, address: &Uri, question: &Question) -> Result<Answer, FetchError> {
        let place = Location::of(address)?;
        let stream = TcpStream::connect((place.host, place.port)).await.map_err(|error| FetchError::Connect(error.kind()))?;
        if !place.is_secure {
            return self.exchange(stream, request(address, question)?).await;
        }
        let trust = self.trust.clone().ok_or(FetchError::NoTrust)?;
        let name = ServerName::try_from(place.host.to_owned()).map_err(|_| FetchError::Url)?;
        let handshake = TlsConnector::from(trust).connect(name, stream);
        let stream = Box::pin(handshake).await.map_err(|error| FetchError::Tls(error.to_string()))?;
        self.exchange(stream, request(address, question)?).await
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, FetchError> {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_SIZE)
            .max_headers(HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| FetchError::Protocol)?;
        let answer = async move {
            let response = sender.send_request(request).await.map_err(|_| FetchError::Protocol)?;
            self.read(response).await
        };
        // The connection is driven here rather than in a task of its own, so that nothing outlives a dropped fetch.
        let (mut connection, mut answer) = (std::pin::pin!(connection), std::pin::pin!(answer));
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            // What it read before its end is still in the answer's hands.
            _ = &mut connection => answer.await,
        }
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Answer, FetchError> {
        let status = response.status();
        if status != StatusCode::OK {
            let target = response.headers().get(header::LOCATION).filter(|_| status.is_redirection());
            let location = target.and_then(|target| target.to_str().ok()).map(str::to_owned);
            return Ok(Answer { status, location, body: Bytes::new() });
        }
        let body = Limited::new(response.into_body(), self.size).collect().await;
        body.map(|body| Answer { status, location: None, body: body.to_bytes() }).map_err(|error| {
            match error.is::<LengthLimitError>() {
                true => FetchError::TooLarge,
                false => FetchError::Protocol,
            }
        })
    }
}

/// Whether an address is one that can be fetched.
pub fn is_address(address: &Uri) -> bool {
    Location::of(address).is_ok()
}

struct Answer {
    status: StatusCode,
    /// Where a redirect points.
    location: Option<String>,
    body: Bytes,
}

/// Where an address points.
#[derive(Eq, PartialEq)]
struct Location<'a> {
    host: &'a str,
    port: u16,
    is_secure: bool,
}

impl<'a> Location<'a> {
    fn of(address: &'a Uri) -> Result<Self, FetchError> {
        let is_secure = match address.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(FetchError::Url),
        };
        let authority = address.authority().ok_or(FetchError::Url)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(FetchError::Url);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        Ok(Self { host, port: authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 }), is_secure })
    }
}

/// A redirect's target, when it is at the same place: a path, or a whole address of the same scheme, host and port.
fn same_place(from: &Uri, target: &str) -> Result<Uri, FetchError> {
    let target = target.split('#').next().unwrap_or_default();
    let is_path = target.starts_with('/') && !target.starts_with("//");
    let target = if is_path {
        let mut parts = from.clone().into_parts();
        parts.path_and_query = Some(target.parse().map_err(|_| FetchError::Redirect)?);
        Uri::from_parts(parts).map_err(|_| FetchError::Redirect)?
    } else {
        target.parse::<Uri>().map_err(|_| FetchError::Redirect)?
    };
    if Location::of(&target).map_err(|_| FetchError::Redirect)? == Location::of(from)? {
        Ok(target)
    } else {
        Err(FetchError::Redirect)
    }
}

fn request(address: &Uri, question: &Question) -> Result<Request<Full<Bytes>>, FetchError> {
    let authority = address.authority().ok_or(FetchError::Url)?;
    let path = address.path_and_query().map_or("/", |path| path.as_str());
    let method = if question.form.is_some() { Method::POST } else { Method::GET };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, authority.as_str())
        .header(header::ACCEPT, "application/json")
        // We do not decompress: a small body must not become a large one.
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::USER_AGENT, concat!("sockgate/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close");
    if let Some(authorization) = &question.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    if question.form.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    // Of a GET the body is empty, and no length is sent.
    request.body(Full::new(question.form.clone().unwrap_or_default())).map_err(|_| FetchError::Url)
}

/// Redirects followed, all at the same place.
const REDIRECTS: usize = 3;

/// Bytes and fields of an answer's head.
const HEAD_SIZE: usize = 16 * 1024;
const HEADERS: usize = 64;
