mod args;
mod check;
mod demo;
mod explain_token;
mod token;
