//! What is carried: sessions, their sealed ids and their ledger by themselves; polling, WebSockets and apps that misbehave
//! through the real program.

mod carriage;
mod binding;
mod expiry;
mod handshake;
mod hostile;
mod judged_connect;
mod judged_polling;
mod judged_queue;
mod ledger;
mod outgoing;
mod payloads;
mod polling;
mod seal;
mod sealer;
mod session;
mod websocket;
