//! PROXY headers: both versions, cut anywhere, hostile, and not a byte too many taken.

use std::net::SocketAddr;

use proptest::prelude::*;
use sockgate::net::proxy::{ProxyError, read, source};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::{pair, soon};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A version 2 header: command and version, family and protocol, what follows.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [V2, &[command, family], &length, rest].concat()
}

fn v2_of(address: &str, port: u16) -> Vec<u8> {
    let mut rest = Vec::new();
    let family = match address.parse().unwrap() {
        std::net::IpAddr::V4(address) => {
            rest.extend(address.octets());
            rest.extend([127, 0, 0, 1]);
            0x11
        }
        std::net::IpAddr::V6(address) => {
            rest.extend(address.octets());
            rest.extend([0; 16]);
            0x21
        }
    };
    rest.extend(port.to_be_bytes());
    rest.extend(443_u16.to_be_bytes());
    v2(0x21, family, &rest)
}

fn good() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let with_extensions = {
        let mut header = v2_of("192.0.2.1", 4000);
        let extension = [&[0x02, 0, 11][..], b"example.com"].concat();
        header.extend(&extension);
        header[15] += u8::try_from(extension.len()).unwrap();
        header
    };
    let longest =
        b"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n".to_vec();
    vec![
        (b"PROXY TCP4 192.0.2.1 127.0.0.1 4000 443\r\n".to_vec(), Some("192.0.2.1:4000")),
        (b"PROXY TCP6 2001:db8::1 ::1 4000 443\r\n".to_vec(), Some("[2001:db8::1]:4000")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (longest, None),
        (v2_of("192.0.2.1", 4000), Some("192.0.2.1:4000")),
        (v2_of("2001:db8::1", 4000), Some("[2001:db8::1]:4000")),
        (v2(0x20, 0x00, b""), None),
        (with_extensions, Some("192.0.2.1:4000")),
    ]
}

/// What is read of `pieces`, sent one after the other.
async fn read_of(pieces: Vec<Vec<u8>>) -> (Result<Option<SocketAddr>, ProxyError>, TcpStream) {
    let (mut client, mut accepted) = pair().await;
    client.set_nodelay(true).unwrap();
    let send = async move {
        for piece in pieces {
            // The reader may have had enough.
            let _ = client.write_all(&piece).await;
            tokio::task::yield_now().await;
        }
        let _ = client.shutdown().await;
        client
    };
    let (result, client) = soon("a verdict", async { tokio::join!(read(&mut accepted), send) }).await;
    drop(client);
    (result, accepted)
}

#[tokio::test]
async fn headers_are_read_however_they_come_and_nothing_behind_them_is_taken() {
    for (header, expected) in good() {
        let shown = String::from_utf8_lossy(&header).into_owned();
        let expected = expected.map(|address| address.parse().unwrap());
        let all = [&header[..], b"\x16\x03\x01"].concat();
        let mut ways = vec![vec![all.clone()], all.iter().map(|byte| vec![*byte]).collect()];
        ways.extend((1..all.len()).map(|cut| vec![all[..cut].to_vec(), all[cut..].to_vec()]));
        for pieces in ways {
            let (result, mut accepted) = read_of(pieces).await;
            assert_eq!(result.unwrap(), expected, "{shown:?}");
            let mut rest = Vec::new();
            soon("what follows", accepted.read_to_end(&mut rest)).await.unwrap();
            assert_eq!(rest, b"\x16\x03\x01", "{shown:?}");
        }
    }
}

#[tokio::test]
async fn a_header_that_ends_too_soon_is_none() {
    for (header, _) in good() {
        for cut in 0..header.len() {
            let (result, _) = read_of(vec![header[..cut].to_vec()]).await;
            assert!(matches!(result, Err(ProxyError::Ended)), "{:?}: {result:?}", String::from_utf8_lossy(&header[..cut]));
        }
    }
}

#[tokio::test]
async fn what_is_no_header_is_refused() {
    let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200], b"\r\n"].concat();
    for (name, bytes, absent) in [
        ("a request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), true),
        ("a TLS hello", [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[0; 32]].concat(), true),
        ("version 2 with a typo", [&b"\r\n\r\n\0\r\nQUIT\r"[..], &[0; 32]].concat(), true),
        ("no space", b"PROXYxTCP4 192.0.2.1 127.0.0.1 4000 443\r\n".to_vec(), true),
        ("a line without end", [b"PROXY TCP4 ".as_slice(), &[b'1'; 300]].concat(), false),
        ("a line too long", long, false),
        ("only a line feed", b"PROXY TCP4 192.0.2.1 127.0.0.1 4000 443\n".to_vec(), false),
        ("another family", b"PROXY TCP4 2001:db8::1 ::1 4000 443\r\n".to_vec(), false),
        ("an octal address", b"PROXY TCP4 0300.0.2.1 127.0.0.1 4000 443\r\n".to_vec(), false),
        ("a port too large", b"PROXY TCP4 192.0.2.1 127.0.0.1 70000 443\r\n".to_vec(), false),
        ("another version", v2(0x31, 0x11, &[0; 12]), false),
        ("another command", v2(0x22, 0x11, &[0; 12]), false),
        ("too short for its family", v2(0x21, 0x11, &[0; 4]), false),
        ("a datagram", v2(0x21, 0x12, &[0; 12]), false),
        ("extensions beyond reason", v2(0x21, 0x11, &[0; 60_000]), false),
    ] {
        let (result, _) = read_of(vec![bytes]).await;
        match absent {
            true => assert!(matches!(result, Err(ProxyError::Absent)), "{name}: {result:?}"),
            false => assert!(matches!(result, Err(ProxyError::Malformed)), "{name}: {result:?}"),
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_upset_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300), start in 0..3_usize) {
        let start = [&b""[..], b"PROXY TCP4 ", V2][start];
        let _ = source(&[start, &bytes].concat());
    }
}
