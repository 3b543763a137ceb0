//! What is carried, through the real program: sessions and their sealed ids, polling, WebSockets, and apps that misbehave.

mod carriage;
mod binding;
mod expiry;
mod handshake;
mod hostile;
mod polling;
mod seal;
mod websocket;
