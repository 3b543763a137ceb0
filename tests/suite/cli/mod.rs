mod args;
mod check;
mod demo;
mod explain_access;
mod explain_token;
mod token;
