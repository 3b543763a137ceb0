//! Connections served as HTTP/1.1 and HTTP/2: every deadline, every limit, hostile framing, and how a connection ends.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http2, ext::Protocol, upgrade};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockgate::{
    config::listen::Listen,
    http::{
        Body, BodyError, body,
        serve::{self, Carrier, Shape, Unread},
    },
    net::{Stream, clock::Patience},
    telemetry::Metrics,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::net::support::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame,
    pair, soon, until_end,
};

/// A connection being served.
struct Served {
    client: TcpStream,
    metrics: Arc<Metrics>,
    finish: CancellationToken,
    /// The request that could not be read.
    unread: Arc<OnceLock<Unread>>,
    task: JoinHandle<()>,
}

impl Served {
    /// The connection's task has ended.
    async fn ends(&mut self) {
        soon("the connection's task ends", &mut self.task).await.unwrap();
    }

    fn deadlines(&self, name: &'static str) -> u64 {
        self.metrics.deadlines.get_or_create_owned(&[("deadline", name)]).get()
    }

    fn unread(&self) -> Option<Unread> {
        self.unread.get().copied()
    }

    fn malformed(&self) -> u64 {
        self.metrics.turned_away.get_or_create_owned(&[("cause", "malformed")]).get()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Speaks {
    Http1,
    Http2,
}

const BOTH: [Speaks; 2] = [Speaks::Http1, Speaks::Http2];

/// Deadlines that a test does not mean to meet.
fn shape() -> Shape {
    let patience = Patience { first_byte: MINUTE, head: MINUTE, keep_alive: MINUTE, write: MINUTE };
    Shape { patience, ..Shape::new(&Listen::default()) }
}

const MINUTE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(150);

async fn served<A, F>(speaks: Speaks, shape: Shape, answer: A) -> Served
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Unpin + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let (client, accepted) = pair().await;
    let (metrics, finish) = (Arc::new(Metrics::default()), CancellationToken::new());
    let http2 = speaks == Speaks::Http2;
    let unread = Arc::new(OnceLock::new());
    let give_up = {
        let unread = unread.clone();
        move |why| {
            unread.set(why).expect("it is said once");
            "{\"error\":\"why\"}".to_string()
        }
    };
    let (stream, end, counts) = (Stream::Plain(accepted), finish.clone(), metrics.clone());
    let task = tokio::spawn(serve::connection(stream, http2, shape, end, counts, answer, give_up));
    Served { client, metrics, finish, unread, task }
}

/// Long enough for a deadline of `SHORT` to show itself where it should not.
async fn deadlines_pass() {
    tokio::time::sleep(SHORT * 4).await;
}

async fn hello(_: Request<Incoming>) -> Response<Body> {
    Response::new(body::full("hello"))
}

/// Reads one answer's head and a body of so many bytes.
async fn answer(client: &mut TcpStream, body: usize) -> String {
    let mut all = Vec::new();
    soon("an answer comes", async {
        loop {
            if let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n")
                && all.len() >= end + 4 + body
            {
                break;
            }
            let byte = client.read_u8().await.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&all)));
            all.push(byte);
        }
    })
    .await;
    String::from_utf8(all).unwrap()
}

/// An HTTP/2 client on the connection of `served`.
async fn http2_client(client: TcpStream) -> http2::SendRequest<Empty<Bytes>> {
    let (sender, connection) = soon("the handshake", http2::handshake(TokioExecutor::new(), TokioIo::new(client))).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn get(sender: &mut http2::SendRequest<Empty<Bytes>>) -> hyper::Result<Response<Incoming>> {
    let request = Request::get("http://localhost/").body(Empty::new()).unwrap();
    soon("an answer comes", sender.send_request(request)).await
}

mod deadlines {
    use super::*;

    #[tokio::test]
    async fn no_first_byte_ends_the_connection() {
        for speaks in BOTH {
            let mut shape = shape();
            shape.patience.first_byte = SHORT;
            let mut served = served(speaks, shape, hello).await;

            served.ends().await;
            assert_eq!(served.deadlines("first_byte"), 1, "{speaks:?}");
        }
    }

    #[tokio::test]
    async fn a_head_that_comes_byte_by_byte_is_answered_408() {
        let mut shape = shape();
        shape.patience.head = SHORT;
        let mut served = served(Speaks::Http1, shape, hello).await;
        let (mut read, mut write) = served.client.split();

        let dribble = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".iter().chain(std::iter::repeat(&b'x')) {
                ticks.tick().await;
                if write.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            pending::<()>().await;
        };
        let said = tokio::select! {
            said = until_end(&mut read) => said,
            () = dribble => unreachable!("it never ends"),
        };

        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with("HTTP/1.1 408 ") && said.ends_with("\r\n\r\n{\"error\":\"why\"}"), "{said:?}");
        assert!(said.contains("content-type: application/json\r\n") && said.contains("content-length: 15\r\n"), "{said:?}");
        served.ends().await;
        assert_eq!((served.deadlines("head"), served.unread()), (1, Some(Unread::TooSlow)));
    }

    #[tokio::test]
    async fn an_http2_preface_that_stops_ends_the_connection() {
        for said in [&PREFACE[..1], PREFACE] {
            let mut shape = shape();
            shape.patience.head = SHORT;
            let mut served = served(Speaks::Http2, shape, hello).await;

            served.client.write_all(said).await.unwrap();

            served.ends().await;
            assert_eq!(served.deadlines("head"), 1);
        }
    }

    #[tokio::test]
    async fn a_connection_without_requests_ends() {
        let mut shape = shape();
        shape.patience.keep_alive = SHORT;
        let mut served = served(Speaks::Http1, shape, hello).await;

        served.client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        answer(&mut served.client, 5).await;

        assert_eq!(until_end(&mut served.client).await, b"", "no 408 where nothing was asked");
        served.ends().await;
        assert_eq!((served.deadlines("keep_alive"), served.unread()), (1, None));
    }

    #[tokio::test]
    async fn an_http2_connection_without_requests_ends() {
        let mut shape = shape();
        shape.patience.keep_alive = SHORT;
        let served = served(Speaks::Http2, shape, hello).await;
        let Served { client, metrics, mut task, .. } = served;
        let mut sender = http2_client(client).await;

        get(&mut sender).await.unwrap().into_body().collect().await.unwrap();

        soon("the connection's task ends", &mut task).await.unwrap();
        assert_eq!(metrics.deadlines.get_or_create_owned(&[("deadline", "keep_alive")]).get(), 1);
    }

    #[tokio::test]
    async fn an_answer_may_take_longer_than_heads_and_idling() {
        async fn slow(_: Request<Incoming>) -> Response<Body> {
            deadlines_pass().await;
            Response::new(body::full("hello"))
        }
        let mut shape = shape();
        shape.patience = Patience { first_byte: SHORT, head: SHORT, keep_alive: SHORT, write: SHORT };

        let mut one = served(Speaks::Http1, shape, slow).await;
        one.client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert!(answer(&mut one.client, 5).await.starts_with("HTTP/1.1 200 "));

        let two = served(Speaks::Http2, shape, slow).await;
        let mut sender = http2_client(two.client).await;
        assert_eq!(get(&mut sender).await.unwrap().status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off() {
        async fn endless(_: Request<Incoming>) -> Response<Body> {
            Response::new(Body::new(Endless))
        }
        for speaks in BOTH {
            let mut shape = shape();
            shape.patience.write = SHORT;
            let mut served = served(speaks, shape, endless).await;

            let request = match speaks {
                Speaks::Http1 => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
                Speaks::Http2 => {
                    let widest = 0x7fff_ffff_u32.to_be_bytes();
                    let settings = [&[0, 4], &widest[..]].concat();
                    let more = (0x7fff_ffff_u32 - 65_535).to_be_bytes();
                    let frames = [
                        frame(SETTINGS, 0, 0, &settings),
                        frame(WINDOW_UPDATE, 0, 0, &more),
                        frame(HEADERS, END_STREAM | END_HEADERS, 1, GET),
                    ];
                    [PREFACE, &frames.concat()].concat()
                }
            };
            served.client.write_all(&request).await.unwrap();

            served.ends().await;
            assert_eq!(served.deadlines("write"), 1, "{speaks:?}");
            // It was reset: nothing waits in the kernel for a client that does not read.
            let mut rest = Vec::new();
            let end = soon("the connection ends", served.client.read_to_end(&mut rest)).await;
            assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset, "{speaks:?}");
        }
    }

    #[tokio::test]
    async fn two_hundred_slow_clients_do_not_keep_a_good_one_waiting() {
        let mut shape = shape();
        shape.patience.head = Duration::from_secs(2);
        let mut slow = Vec::new();
        for _ in 0..200 {
            let mut served = served(Speaks::Http1, shape, hello).await;
            served.client.write_all(b"GET / HTTP/1.1\r\nX-A: ").await.unwrap();
            slow.push(served);
        }

        let mut good = served(Speaks::Http1, shape, hello).await;
        good.client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert!(answer(&mut good.client, 5).await.starts_with("HTTP/1.1 200 "));

        for served in &mut slow {
            served.ends().await;
            assert_eq!(served.deadlines("head"), 1);
        }
    }

    #[tokio::test]
    async fn a_websocket_within_http2_is_not_idle() {
        let (told, mut hears) = mpsc::channel::<upgrade::Upgraded>(1);
        let answer = move |mut request: Request<Incoming>| {
            let told = told.clone();
            async move {
                if request.method() == Method::CONNECT {
                    let upgrading = upgrade::on(&mut request);
                    tokio::spawn(async move { told.send(upgrading.await.unwrap()).await });
                }
                Response::new(body::empty())
            }
        };
        let mut shape = shape();
        shape.patience.keep_alive = SHORT;
        let Served { client, mut task, .. } = served(Speaks::Http2, shape, answer).await;
        let mut sender = http2_client(client).await;
        // After an answer the server's settings are known.
        get(&mut sender).await.unwrap();

        let mut connect = Request::connect("http://localhost/").body(Empty::new()).unwrap();
        connect.extensions_mut().insert(Protocol::from_static("websocket"));
        let answer = soon("an answer comes", sender.send_request(connect)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let mut client = TokioIo::new(soon("the client's side", upgrade::on(answer)).await.unwrap());
        let mut gate = TokioIo::new(soon("the gate's side", hears.recv()).await.unwrap());
        deadlines_pass().await;
        client.write_all(b"ping").await.unwrap();
        let mut heard = [0; 4];
        soon("bytes come through", gate.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"ping");

        drop((client, gate));
        soon("without it the connection idles and ends", &mut task).await.unwrap();
    }
}

mod limits {
    use super::*;

    /// Twice what a request may have is read, so that the gate can say no in its own words.
    #[tokio::test]
    async fn no_more_of_a_head_is_read_than_twice_what_it_may_have() {
        let big = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(33 * 1024));
        let line = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(33 * 1024));
        let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(200 * 1024));
        let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: 1\r\n".repeat(128));
        for (name, request) in [("big", big), ("line", line), ("endless", endless), ("many", many)] {
            let mut served = served(Speaks::Http1, shape(), hello).await;
            // The answer may come, and the connection end, before all is written.
            let _ = served.client.write_all(request.as_bytes()).await;

            let mut status = [0; 12];
            if soon("an answer", served.client.read_exact(&mut status)).await.is_ok() {
                assert_eq!(&status, b"HTTP/1.1 431", "{name}");
            }
            served.ends().await;
            assert_eq!((served.malformed(), served.unread()), (1, Some(Unread::TooLarge)), "{name}");
        }
        let most = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}X: {}\r\n\r\n", "X: 1\r\n".repeat(126), "x".repeat(30 * 1024));
        let mut served = served(Speaks::Http1, shape(), hello).await;
        served.client.write_all(most.as_bytes()).await.unwrap();
        assert!(answer(&mut served.client, 5).await.starts_with("HTTP/1.1 200 "));
    }

    #[tokio::test]
    async fn what_is_not_http_is_refused_and_counted() {
        for garbage in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
            b"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n: empty\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ] {
            let mut served = served(Speaks::Http1, shape(), hello).await;
            served.client.write_all(garbage).await.unwrap();
            let said = until_end(&mut served.client).await;
            let shown = String::from_utf8_lossy(garbage);

            assert!(said.starts_with(b"HTTP/1.1 400 "), "{shown:?}: {:?}", String::from_utf8_lossy(&said));
            served.ends().await;
            assert_eq!((served.malformed(), served.unread()), (1, Some(Unread::Malformed)), "{shown:?}");
        }
    }

    #[tokio::test]
    async fn http1_on_a_connection_that_agreed_on_http2_ends_it() {
        let mut served = served(Speaks::Http2, shape(), hello).await;
        served.client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\n\r\n").await.unwrap();
        served.ends().await;
    }
}

mod framing {
    use super::*;

    /// Counts requests and answers without looking at their bodies.
    fn counting(
        count: &Arc<AtomicUsize>,
    ) -> impl Fn(Request<Incoming>) -> std::future::Ready<Response<Body>> + Clone + Send + Unpin + 'static {
        let count = count.clone();
        move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Response::new(body::full("hello")))
        }
    }

    #[tokio::test]
    async fn requests_on_one_connection_are_answered_in_turn() {
        let count = Arc::default();
        let mut served = served(Speaks::Http1, shape(), counting(&count)).await;
        let one = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        served.client.write_all(&one.repeat(3)).await.unwrap();

        for _ in 0..3 {
            assert!(answer(&mut served.client, 5).await.ends_with("hello"));
        }
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_chunked_request_is_the_last_of_its_connection() {
        let count = Arc::default();
        let mut served = served(Speaks::Http1, shape(), counting(&count)).await;
        let both = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
        served.client.write_all(both.as_bytes()).await.unwrap();

        let said = String::from_utf8(until_end(&mut served.client).await).unwrap();
        assert!(said.contains("connection: close"), "{said}");
        assert_eq!(said.matches("HTTP/1.1").count(), 1, "{said}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_is_left_of_a_body_is_never_a_request() {
        let length = 500_000;
        let smuggled = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2_000);
        for sent in [0, 10, smuggled.len()] {
            let count = Arc::default();
            let mut served = served(Speaks::Http1, shape(), counting(&count)).await;
            let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
            served.client.write_all(head.as_bytes()).await.unwrap();
            assert!(answer(&mut served.client, 5).await.starts_with("HTTP/1.1 200 "));
            // The connection may be gone already.
            let _ = served.client.write_all(&smuggled[..sent]).await;

            served.ends().await;
            assert_eq!(count.load(Ordering::SeqCst), 1, "{sent} bytes of the body");
        }
    }
}

mod ends {
    use super::*;

    /// Says when it is dropped.
    struct Bell(Arc<Notify>);

    impl Drop for Bell {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }

    #[tokio::test]
    async fn a_client_that_leaves_ends_the_answering() {
        for speaks in BOTH {
            let (began, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let answer = {
                let (began, dropped) = (began.clone(), dropped.clone());
                move |_| {
                    let (began, bell) = (began.clone(), Bell(dropped.clone()));
                    async move {
                        began.notify_one();
                        pending::<()>().await;
                        drop(bell);
                        Response::new(body::empty())
                    }
                }
            };
            let mut served = served(speaks, shape(), answer).await;
            let request = match speaks {
                Speaks::Http1 => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
                Speaks::Http2 => {
                    [PREFACE, &frame(SETTINGS, 0, 0, b""), &frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)].concat()
                }
            };
            served.client.write_all(&request).await.unwrap();
            soon("answering begins", began.notified()).await;

            served.client.shutdown().await.unwrap();
            drop(std::mem::replace(&mut served.client, pair().await.0));

            soon("answering ends", dropped.notified()).await;
            served.ends().await;
            assert_eq!(served.unread(), None, "it was read and asked");
        }
    }

    #[tokio::test]
    async fn a_panic_ends_one_connection_and_is_counted() {
        async fn panics(_: Request<Incoming>) -> Response<Body> {
            panic!("as a bug would")
        }
        let mut served = served(Speaks::Http1, shape(), panics).await;
        served.client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();

        assert_eq!(until_end(&mut served.client).await, b"");
        served.ends().await;
        assert_eq!(served.metrics.panics.get(), 1);
    }

    #[tokio::test]
    async fn a_panic_in_a_body_ends_one_connection_and_is_counted() {
        async fn panics(_: Request<Incoming>) -> Response<Body> {
            Response::new(Body::new(Panics))
        }
        let mut one = served(Speaks::Http1, shape(), panics).await;
        one.client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        until_end(&mut one.client).await;
        one.ends().await;
        assert_eq!(one.metrics.panics.get(), 1);

        let Served { client, metrics, .. } = served(Speaks::Http2, shape(), panics).await;
        let mut sender = http2_client(client).await;
        let ended = match get(&mut sender).await {
            Ok(answer) => answer.into_body().collect().await.is_err(),
            Err(_) => true,
        };
        assert!(ended);
        assert_eq!(metrics.panics.get(), 1);
    }

    #[tokio::test]
    async fn a_panic_over_http2_ends_one_stream() {
        let answer = |request: Request<Incoming>| async move {
            assert_ne!(request.uri().path(), "/panic", "as a bug would");
            Response::new(body::empty())
        };
        let Served { client, metrics, .. } = served(Speaks::Http2, shape(), answer).await;
        let mut sender = http2_client(client).await;

        let bad = Request::get("http://localhost/panic").body(Empty::new()).unwrap();
        assert!(soon("an end", sender.send_request(bad)).await.is_err());
        assert_eq!(get(&mut sender).await.unwrap().status(), StatusCode::OK);
        assert_eq!(metrics.panics.get(), 1);
    }

    #[tokio::test]
    async fn an_idle_connection_leaves_when_told() {
        let mut fresh = served(Speaks::Http1, shape(), hello).await;
        fresh.finish.cancel();
        fresh.ends().await;

        let mut used = served(Speaks::Http1, shape(), hello).await;
        used.client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        answer(&mut used.client, 5).await;
        used.finish.cancel();
        used.ends().await;

        let Served { client, finish, mut task, .. } = served(Speaks::Http2, shape(), hello).await;
        let mut sender = http2_client(client).await;
        get(&mut sender).await.unwrap().into_body().collect().await.unwrap();
        finish.cancel();
        soon("the connection's task ends", &mut task).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_is_told_before_it_spoke_has_its_first_request_answered() {
        for speaks in BOTH {
            let Served { mut client, finish, mut task, .. } = served(speaks, shape(), hello).await;
            finish.cancel();
            match speaks {
                Speaks::Http1 => {
                    client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
                    assert!(String::from_utf8(until_end(&mut client).await).unwrap().ends_with("hello"));
                }
                Speaks::Http2 => {
                    let mut sender = http2_client(client).await;
                    let answer = get(&mut sender).await.unwrap();
                    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
                }
            }
            soon("the connection's task ends", &mut task).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered_before_leaving() {
        for speaks in BOTH {
            let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let answering = {
                let (began, go) = (began.clone(), go.clone());
                move |_| {
                    let (began, go) = (began.clone(), go.clone());
                    async move {
                        began.notify_one();
                        go.notified().await;
                        Response::new(body::full("hello"))
                    }
                }
            };
            let Served { mut client, finish, mut task, .. } = served(speaks, shape(), answering).await;
            let leave = async {
                soon("answering begins", began.notified()).await;
                finish.cancel();
                go.notify_one();
            };
            match speaks {
                Speaks::Http1 => {
                    client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
                    leave.await;
                    assert!(String::from_utf8(until_end(&mut client).await).unwrap().ends_with("hello"));
                }
                Speaks::Http2 => {
                    let mut sender = http2_client(client).await;
                    let (answer, ()) = tokio::join!(get(&mut sender), leave);
                    assert_eq!(answer.unwrap().into_body().collect().await.unwrap().to_bytes(), "hello");
                }
            }
            soon("the connection's task ends", &mut task).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_upgrade_gives_the_stream_back_with_what_came_early_and_no_deadline() {
        let (told, mut hears) = mpsc::channel::<upgrade::Upgraded>(1);
        let answering = move |mut request: Request<Incoming>| {
            let told = told.clone();
            async move {
                let upgrading = upgrade::on(&mut request);
                tokio::spawn(async move { told.send(upgrading.await.unwrap()).await });
                Response::builder()
                    .status(101)
                    .header("connection", "upgrade")
                    .header("upgrade", "websocket")
                    .body(body::empty())
                    .unwrap()
            }
        };
        let mut shape = shape();
        shape.patience = Patience { first_byte: SHORT, head: SHORT, keep_alive: SHORT, write: SHORT };
        let mut served = served(Speaks::Http1, shape, answering).await;
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nearly";
        served.client.write_all(request.as_bytes()).await.unwrap();
        assert!(answer(&mut served.client, 0).await.starts_with("HTTP/1.1 101 "));
        served.ends().await;

        let upgraded = soon("the upgrade", hears.recv()).await.unwrap();
        let parts = upgraded.downcast::<Carrier>().expect("the exact type");
        assert_eq!(&parts.read_buf[..], b"early");
        let Stream::Plain(mut gate) = parts.io.into_inner().into_untimed() else { panic!("it was plain") };
        deadlines_pass().await;
        gate.write_all(b"still here").await.unwrap();
        let mut heard = [0; 10];
        soon("bytes come through", served.client.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"still here");
    }
}

mod floods {
    use super::*;

    /// Writes `frames` again and again, without reading, until the gate has had enough.
    async fn flood(speaks: Vec<Vec<u8>>) -> (Arc<AtomicUsize>, Arc<Metrics>) {
        let count = Arc::new(AtomicUsize::new(0));
        let answering = {
            let count = count.clone();
            move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                async {
                    pending::<()>().await;
                    Response::new(body::empty())
                }
            }
        };
        let mut shape = shape();
        shape.patience = Patience { first_byte: SHORT, head: SHORT, keep_alive: SHORT * 4, write: SHORT };
        let mut served = served(Speaks::Http2, shape, answering).await;
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat();
        served.client.write_all(&begin).await.unwrap();

        let (mut read, mut write) = served.client.split();
        let writing = async {
            for frames in &speaks {
                if write.write_all(frames).await.is_err() {
                    return;
                }
            }
            let _ = write.shutdown().await;
        };
        soon("the flood is over", async {
            tokio::select! {
                () = writing => {}
                _ = &mut served.task => {}
            }
        })
        .await;
        until_end(&mut read).await;
        if !served.task.is_finished() {
            soon("the connection's task ends", &mut served.task).await.unwrap();
        }
        (count, served.metrics)
    }

    fn streams() -> impl Iterator<Item = u32> {
        (1..).step_by(2)
    }

    #[tokio::test]
    async fn rapid_reset_ends_the_connection_early() {
        let frames = streams().take(20_000).map(|stream| {
            [frame(HEADERS, END_STREAM | END_HEADERS, stream, GET), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        });
        let (answered, _) = flood(frames.collect()).await;
        assert!(answered.load(Ordering::SeqCst) < 1_000, "{answered:?}");
    }

    #[tokio::test]
    async fn streams_that_make_us_reset_them_end_the_connection_early() {
        // A window update by nothing is an error of the stream (RFC 9113 section 6.9).
        let frames = streams().take(20_000).map(|stream| {
            [frame(HEADERS, END_STREAM | END_HEADERS, stream, GET), frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
        });
        let (answered, _) = flood(frames.collect()).await;
        assert!(answered.load(Ordering::SeqCst) < 1_000, "{answered:?}");
    }

    #[tokio::test]
    async fn more_streams_than_allowed_are_not_answered() {
        let frames = streams().take(1_000).map(|stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, GET));
        let (answered, _) = flood(frames.collect()).await;
        assert!(answered.load(Ordering::SeqCst) <= 64, "{answered:?}");
    }

    #[tokio::test]
    async fn a_head_without_end_is_not_collected() {
        let literal = [b"\x00\x01x".as_slice(), b"\x7f\x81\x77", &[b'y'; 15_360]].concat();
        let mut frames = vec![frame(HEADERS, END_STREAM, 1, GET)];
        frames.extend((0..20_000).map(|_| frame(CONTINUATION, 0, 1, &literal)));
        let (answered, _) = flood(frames).await;
        assert_eq!(answered.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn empty_continuations_do_not_go_on() {
        let mut frames = vec![frame(HEADERS, END_STREAM, 1, GET)];
        frames.extend((0..200).map(|_| frame(CONTINUATION, 0, 1, b"").repeat(1_000)));
        let (answered, _) = flood(frames).await;
        assert_eq!(answered.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn floods_that_want_answers_end_when_nobody_reads_them() {
        for frame in [frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9]), frame(PING, 0, 0, b"12345678")] {
            flood(vec![frame.repeat(1_000); 2_000]).await;
        }
    }

    #[tokio::test]
    async fn floods_that_want_nothing_end_with_the_idle_connection() {
        flood(vec![frame(2, 0, 1, &[0, 0, 0, 0, 16]).repeat(1_000); 200]).await;
        let mut data = vec![frame(HEADERS, END_HEADERS, 1, GET)];
        data.extend(vec![frame(DATA, 0, 1, b"").repeat(1_000); 200]);
        flood(data).await;
    }

    #[tokio::test]
    async fn frames_that_make_no_sense_end_the_connection_with_goaway() {
        for (name, frame) in [
            ("a request on stream 0", frame(HEADERS, END_STREAM | END_HEADERS, 0, GET)),
            ("a request on an even stream", frame(HEADERS, END_STREAM | END_HEADERS, 2, GET)),
            ("a promise from a client", frame(5, END_HEADERS, 1, &[0, 0, 0, 2, 0x82])),
            ("a window of 2^31 and more", frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes())),
            ("broken HPACK", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 32])),
            ("a frame larger than allowed", frame(DATA, 0, 1, &[0; 20_000])),
            ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, GET)),
        ] {
            let mut served = served(Speaks::Http2, shape(), hello).await;
            let begin = [PREFACE, &super::frame(SETTINGS, 0, 0, b""), &frame].concat();
            served.client.write_all(&begin).await.unwrap();

            let said = until_end(&mut served.client).await;
            served.ends().await;
            assert!(kinds(&said).contains(&GOAWAY), "{name}: {:?}", kinds(&said));
        }
    }

    /// The kinds of the frames in `bytes`.
    fn kinds(mut bytes: &[u8]) -> Vec<u8> {
        let mut kinds = Vec::new();
        while let [a, b, c, kind, rest @ ..] = bytes {
            kinds.push(*kind);
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            bytes = rest.get(5 + length..).unwrap_or_default();
        }
        kinds
    }
}

/// A body that always has more.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&[b'x'; 8192])))))
    }
}

/// A body with a bug.
struct Panics;

impl http_body::Body for Panics {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        panic!("as a bug would")
    }
}
