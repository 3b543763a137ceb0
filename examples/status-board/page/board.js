// The page: login, and the board as it is told by the app. What it keeps connected is in live.js, who it is in account.js.

import { Account } from "./account.js";
import { ask, connect, subscribe } from "./live.js";
import { Manager } from "./socket.io.js";

const by = (id) => document.getElementById(id);
const { gate, header } = await (await fetch("config.json")).json();
const account = new Account(gate);
// After these there is nothing left to try but another login.
const LOGIN_AGAIN = ["token_absent", "token_expired", "token_invalid", "revoked", "claim_refused"];
let live;

by("login").onsubmit = async (event) => {
  event.preventDefault();
  try {
    await account.login(by("user").value, by("password").value);
    by("password").value = "";
    open();
  } catch ({ message }) {
    tell(`not logged in: ${message}`);
  }
};

// A page that was loaded again has a token; how long it is good only a renewal tells.
if (account.token) account.renew().then(open, ({ message }) => leave(`log in again: ${message}`));

function open() {
  live?.leave();
  live = connect(Manager, gate, { token: () => account.token, header, tell, refused });
  const { own, status, media, youtube } = live;

  subscribe(status, "subscribe:status", [], ({ services, error }) => (error ? tell(`no board: ${error.message}`) : services.forEach(draw)));
  status.on("status:update", draw);

  subscribe(own, "subscribe:notifications", [], ({ unread = [] }) => {
    by("notifications").replaceChildren();
    unread.forEach(announce);
    count();
  });
  own.on("notification", (notification) => (announce(notification), count()));
  own.on("notification:read", (id) => (by(id)?.remove(), count()));

  subscribe(media, "media:now", [], paint);
  media.on("media:now", paint);
  subscribe(youtube, "youtube:queue", [], enqueue);
  youtube.on("youtube:queue", enqueue);

  status.on("connect", () => (by("state").textContent = "live"));
  status.on("disconnect", () => (by("state").textContent = "not connected, what you see is old"));
  by("login").hidden = true;
  by("board").hidden = false;
}

function refused({ message, data }, namespace) {
  tell(`${namespace} refused: ${message}${data?.hint ? ` (${data.hint})` : ""}`);
  if (!data || LOGIN_AGAIN.includes(data.code)) leave(message);
}

function leave(why) {
  live?.leave();
  account.forget();
  by("login").hidden = false;
  by("board").hidden = true;
  by("state").textContent = why;
}

by("logout").onclick = () => leave("logged out");

by("refresh").onclick = async () => {
  const { services, error } = await ask(live.status, "admin:refresh-status");
  tell(error ? `refresh refused: ${error.message}` : `refreshed ${services.length} services`);
};

by("show").onsubmit = (event) => send(event, live.media, "media:show", by("picture"));
by("add").onsubmit = (event) => send(event, live.youtube, "youtube:add", by("video"));

async function send(event, socket, name, field) {
  event.preventDefault();
  const { error } = await ask(socket, name, field.value);
  if (error) tell(`${name}: ${error.message}`);
  else field.value = "";
}

function draw({ name, state, since }) {
  const row = by(`service-${name}`) ?? by("services").appendChild(document.createElement("tr"));
  row.id = `service-${name}`;
  row.replaceChildren(cell(name), cell(state, state), cell(since));
}

function announce({ id, text }) {
  const line = document.createElement("li");
  line.id = id;
  const read = document.createElement("button");
  read.textContent = "read";
  read.onclick = async () => {
    const { error } = await ask(live.own, "notification:read", id);
    if (error) return tell(`not marked: ${error.message}`);
    line.remove();
    count();
  };
  line.append(`${text} `, read);
  by("notifications").append(line);
}

const count = () => (by("unread").textContent = by("notifications").childElementCount);
const paint = (picture) => (by("now").textContent = picture?.title ?? "none");
const enqueue = (queue) => (by("queue").textContent = queue.length);

function cell(text, kind = "") {
  const cell = document.createElement("td");
  Object.assign(cell, { textContent: text, className: kind });
  return cell;
}

function tell(line) {
  by("log").textContent = [...by("log").textContent.split("\n").slice(-30), line].join("\n").trim();
}
