//! What is carried: sessions, their sealed ids and their ledger by themselves; polling, WebSockets and apps that misbehave
//! through the real program.

mod carriage;
mod binding;
mod expiry;
mod guard;
mod handshake;
mod hostile;
mod judged_connect;
mod judged_desk;
mod judged_front;
mod judged_members;
mod judged_places;
mod judged_parting;
mod judged_polling;
mod judged_queue;
mod judged_three;
mod judged_websocket;
mod ledger;
mod outgoing;
mod polling;
mod seal;
mod sealer;
mod session;
mod sieve;
mod three;
mod websocket;
