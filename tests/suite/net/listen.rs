//! Listening sockets: several on one port, and what an operator reads when there are none.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, SockRef, Socket, Type};
use sockgate::net::listen::{ListenError, bind, raise_file_limit};
use tokio::net::TcpStream;

#[test]
fn several_sockets_share_the_port_that_was_chosen() {
    for address in ["127.0.0.1:0", "[::1]:0", "localhost:0"] {
        let sockets = bind(address, 3).unwrap();
        let ports: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        assert_eq!(ports.len(), 3);
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{address}: {ports:?}");
    }
}

#[test]
fn a_port_is_free_again_when_its_sockets_are_gone() {
    let address = bind("127.0.0.1:0", 2).unwrap()[0].local_addr().unwrap();
    assert_eq!(bind(&address.to_string(), 2).unwrap().len(), 2);
}

#[test]
fn a_taken_port_is_told() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = bind("127.0.0.1:0", 2).unwrap();
    let sharing = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    sharing.set_reuse_address(true).unwrap();
    sharing.set_reuse_port(true).unwrap();
    sharing.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    sharing.listen(1).unwrap();

    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    for (holder, taken) in [
        ("another program", plain.local_addr().unwrap()),
        ("another gate", gate[0].local_addr().unwrap()),
        ("another program that shares its port", sharing.local_addr().unwrap().as_socket().unwrap()),
        ("another program on every address", SocketAddr::from(([127, 0, 0, 1], everywhere.local_addr().unwrap().port()))),
    ] {
        let refusal = bind(&taken.to_string(), 2).expect_err(holder);
        assert!(matches!(refusal, ListenError::Taken(address) if address == taken), "{holder}: {refusal}");
        assert!(refusal.to_string().contains(&taken.to_string()), "{refusal}");
    }
}

#[test]
fn addresses_that_are_none_or_not_ours_are_told_apart() {
    for text in ["", "8443", "127.0.0.1", "127.0.0.1:http", "nowhere.invalid:1", "127.0.0.1:70000"] {
        assert!(matches!(bind(text, 1), Err(ListenError::Address(_))), "{text:?}");
    }
    assert!(matches!(bind("192.0.2.1:0", 1), Err(ListenError::NotOurs(_))));
}

#[tokio::test]
async fn a_dual_stack_socket_takes_both_families() {
    let sockets = bind("[::]:0", 1).unwrap();
    let port = sockets[0].local_addr().unwrap().port();
    for host in ["127.0.0.1", "::1"] {
        TcpStream::connect((host, port)).await.unwrap_or_else(|error| panic!("{host}: {error}"));
    }
}

#[test]
fn the_kernel_keeps_little_for_a_client_that_does_not_read() {
    let sockets = bind("127.0.0.1:0", 1).unwrap();
    sockets[0].set_nonblocking(false).unwrap();
    let client = std::net::TcpStream::connect(sockets[0].local_addr().unwrap()).unwrap();
    let (accepted, _) = sockets[0].accept().unwrap();

    assert_eq!(SockRef::from(&accepted).tcp_notsent_lowat().unwrap(), 128 * 1024);
    drop(client);
}

#[test]
fn the_file_limit_is_raised_to_what_is_allowed() {
    let raised = raise_file_limit();
    assert_eq!(raise_file_limit(), raised);
    assert!(raised.is_none_or(|files| files >= 256), "{raised:?}");
}
