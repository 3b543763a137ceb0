//! An address where nobody listens, and nobody begins to while it is kept: bound, so that no other test gets its port.

use tokio::net::TcpSocket;

pub struct Nowhere {
    pub url: String,
    _held: TcpSocket,
}

impl Nowhere {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = socket.local_addr().expect("an address");
        Self { url: format!("http://{address}"), _held: socket }
    }
}
