// The page: logs in, lists notifications with their read marks, and lets admins send some.

import { Live } from "./live.js";

const by = (id) => document.getElementById(id);
const notes = new Map();
const url = liveUrl();
let live, me;

by("login").onsubmit = async (event) => {
  event.preventDefault();
  const answer = await ask("/login", Object.fromEntries(new FormData(event.target)));
  by("refused").textContent = answer.ok ? "" : await reason(answer);
  if (answer.ok) await begin();
};

by("logout").onclick = async () => {
  await ask("/logout", {});
  live.close();
  location.reload();
};

by("read").onclick = () => {
  const ids = [...notes.values()].filter((note) => !note.read).map((note) => note.id);
  live.read(ids);
  markRead(ids);
};

by("make").onsubmit = async (event) => {
  event.preventDefault();
  const answer = await ask("/api/notifications", { type: "announcement", ...Object.fromEntries(new FormData(event.target)) });
  if (!answer.ok) tell(`not sent: ${await reason(answer)}`);
};

await begin();

async function begin() {
  const answer = await fetch(`${url}/api/session`, { credentials: "include" });
  by("login").hidden = answer.ok;
  by("room").hidden = !answer.ok;
  if (!answer.ok) return;
  me = await answer.json();
  by("me").textContent = me.name;
  live = new Live(url, me.csrf);
  globalThis.live = live; // to play with in the console
  live.addEventListener("state", ({ detail }) => tell((by("state").textContent = detail)));
  live.addEventListener("admin", ({ detail }) => tell(detail));
  live.addEventListener("online", ({ detail }) => (by("online").textContent = detail.join(", ")));
  live.addEventListener("notification", ({ detail }) => show(detail));
  live.addEventListener("read", ({ detail }) => markRead(detail));
  live.addEventListener("loggedOut", () => (live.close(), location.reload()));
  live.connect();
  if (!me.roles.includes("admin")) return;
  by("make").hidden = false;
  live.joinAdmin();
}

function show(note) {
  notes.set(note.id, note);
  const item = by("list").appendChild(document.createElement("li"));
  item.id = `note-${note.id}`;
  item.classList.toggle("admin", note.isForAdmins);
  item.append(part("span", note.title, "title"), `: ${note.message} `, part("time", new Date(note.time).toLocaleTimeString()));
  // By id, whatever came first.
  const before = [...by("list").children].find((other) => Number(other.id.slice(5)) < note.id);
  by("list").insertBefore(item, before ?? null);
  count();
}

function markRead(ids) {
  for (const id of ids) if (notes.has(id)) notes.get(id).read = true;
  count();
}

function count() {
  const unread = [...notes.values()].filter((note) => !note.read);
  by("unread").textContent = unread.length ? `(${unread.length})` : "";
  for (const note of notes.values()) by(`note-${note.id}`).classList.toggle("unread", !note.read);
}

function part(name, text, className = "") {
  return Object.assign(document.createElement(name), { textContent: text, className });
}

function tell(line) {
  by("log").textContent += `${line}\n`;
}

function ask(path, body) {
  const headers = { "content-type": "application/json", "x-csrf-token": me?.csrf ?? "" };
  return fetch(`${url}${path}`, { method: "POST", credentials: "include", headers, body: JSON.stringify(body) });
}

async function reason(answer) {
  const { message, error, code } = await answer.json();
  return code ? `${message} (${code})` : error;
}

// Where Socket.IO and the API are. `?live=` names another port of the same host, for trying what stands in between.
function liveUrl() {
  const asked = new URLSearchParams(location.search).get("live");
  const told = document.querySelector("meta[name=live]").content;
  const usual = told || location.origin;
  const wanted = new URL(asked ?? usual, location.origin);
  return wanted.hostname === location.hostname ? wanted.origin : usual;
}
