// The board without a browser: `node client.js NAME [watch | refresh | burst COUNT | token | mark-inactive NAME | mark-active NAME]`.
// The token travels in `auth: { token }`, with --header in the Authorization header of every request. It comes from a login, or
// from the variable TOKEN.

import { parseArgs } from "node:util";
import { Manager } from "socket.io-client";
import { connect, subscribe } from "./page/live.js";

const { GATE_URL = "https://localhost:8443" } = process.env;
const { values: flags, positionals } = parseArgs({ allowPositionals: true, options: { header: { type: "boolean" } } });
const [user, deed = "watch", value] = positionals;

const token = process.env.TOKEN ?? (await login());
const authorization = `Bearer ${token}`;
let live;

const deeds = {
  watch() {
    open();
    subscribe(live.status, "subscribe:status", [], ({ services, error }) => {
      if (error) return console.log(`no board: ${error.message}`);
      services.forEach(({ name, state }) => console.log(`${name} is ${state}`));
    });
    live.status.on("status:update", ({ name, state }) => console.log(`update: ${name} is ${state}`));
    subscribe(live.own, "subscribe:notifications", [], ({ unread }) => console.log(`${unread?.length} unread`));
    live.own.on("notification", ({ text }) => console.log(`for you: ${text}`));
  },

  async refresh() {
    open();
    console.log(JSON.stringify(await live.status.emitWithAck("admin:refresh-status")));
    live.leave();
  },

  // Many of one event at once, and what becomes of each.
  async burst() {
    open();
    live.own.on("disconnect", (reason) => console.log(`disconnected: ${reason}`));
    const answers = await Promise.allSettled(Array.from({ length: Number(value) }, () => mark(live.own)));
    const counts = {};
    for (const { value = "no answer" } of answers) counts[value] = (counts[value] ?? 0) + 1;
    console.log(counts);
    live.leave();
  },

  token() {
    console.log(token);
  },

  "mark-inactive": () => setActive(false),
  "mark-active": () => setActive(true),
};
await deeds[deed]();

function open() {
  const refused = ({ message, data = {} }, namespace) => console.log(`${namespace} refused: ${message} ${JSON.stringify(data)}`);
  const tell = (line) => deed === "watch" && console.log(line);
  live = connect(Manager, GATE_URL, { token: () => token, header: flags.header, tell, refused });
}

// There is no such notification, so what the app says to it is its own no; the gate's has another code.
async function mark(socket) {
  const { error } = await socket.timeout(3_000).emitWithAck("notification:read", "none");
  return error.code;
}

async function login() {
  return (await post("/api/login", {}, { user, password: process.env.PASSWORD ?? `${user}-password` })).token;
}

async function setActive(active) {
  console.log(JSON.stringify(await post(`/api/users/${value}`, { authorization }, { active })));
}

async function post(path, headers, body) {
  const asked = { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
  const answer = await fetch(`${GATE_URL}${path}`, asked).catch(({ message, cause }) => {
    console.log(`${GATE_URL}: ${cause?.message ?? message}`);
    process.exit(1);
  });
  const told = await answer.json();
  if (answer.ok) return told;
  console.log(`${path}: ${answer.status} ${JSON.stringify(told)}`);
  process.exit(1);
}
