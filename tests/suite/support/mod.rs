//! The machinery of tests that run the whole gate: the real program as a child process ([`Gate`]), an app server that can be
//! as hostile as asked ([`App`]), clients for HTTP/1.1, HTTP/2 and WebSocket ([`Client`], [`Session`], [`WebSocket`]), an
//! [`Issuer`] of tokens and [`Certificates`]. Everything listens on ports the system picks. Nothing sleeps: what a test
//! waits for, it waits for by name ([`eventually`], [`within`]).

pub mod app;
pub mod certificates;
pub mod client;
pub mod engine;
pub mod frames;
pub mod gate;
pub mod h2;
pub mod issuer;
pub mod manager;
pub mod nowhere;
pub mod patience;
pub mod sample;
pub mod session;
pub mod settings;
pub mod websocket;
pub mod wire;

pub use app::{App, Step};
pub use certificates::Certificates;
pub use client::{Answer, Client};
pub use gate::Gate;
pub use issuer::Issuer;
pub use manager::Manager;
pub use nowhere::Nowhere;
pub use patience::{eventually, within};
pub use session::Session;
pub use settings::Settings;
pub use websocket::{Event, WebSocket};

/// The page that may connect in [`Settings::before`].
pub const PAGE: &str = "https://app.example.com";
/// Another one that may.
pub const OTHER_PAGE: &str = "https://other.example.com";
/// One that may not.
pub const STRANGE_PAGE: &str = "https://evil.example.net";
/// The target of a polling handshake.
pub const OPEN: &str = "/socket.io/?EIO=4&transport=polling";
/// The same of a Socket.IO 2 client.
pub const OPEN_THREE: &str = "/socket.io/?EIO=3&transport=polling&b64=1";
/// The target of a WebSocket handshake.
pub const OPEN_WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
