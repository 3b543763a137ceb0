// The Node app of the interop tests: socket.io 4 on express, as a team would write it, with no knowledge of a gate.
// All apps here answer the same events (see README.md), so that one body of tests holds for each of them. Besides, every
// app keeps a journal of what reached it and shows it at `/stats`, which is not routed through the gate.
//
// Options come from the environment: PORT (0: any), NAME, CORS (origins, comma-separated; none: no CORS at all),
// RECOVERY=1 (connection state recovery), EIO3=1 (clients of Socket.IO 2), HEARD=1 (keep every packet in the journal),
// PING_INTERVAL and PING_TIMEOUT in milliseconds. Prints `READY port`.

import { createServer } from "node:http";
import express from "express";
import { Server } from "socket.io";

const name = process.env.NAME ?? "node";
const journal = { name, requests: 0, urls: [], opened: 0, open: 0, events: 0, heard: [] };

const web = express();
web.get("/stats", (_, answer) => answer.json(journal));
web.get("/", (_, answer) => answer.send("the Node app"));

const http = createServer(web);
const io = new Server(http, options());
// After the server above, which takes the listeners it finds and calls them only for what is not its own.
for (const kind of ["request", "upgrade"]) http.prependListener(kind, note);
if (process.env.HEARD) io.engine.on("connection", (session) => session.on("packet", hear));
for (const namespace of ["/", "/chat", "/admin"]) io.of(namespace).on("connection", serve);

http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => console.log(`READY ${http.address().port}`));

function serve(socket) {
  const { handshake, nsp } = socket;
  if (nsp.name === "/") {
    journal.opened += 1;
    journal.open += 1;
    socket.on("disconnect", () => (journal.open -= 1));
  }
  socket.onAny(() => (journal.events += 1));

  socket.emit("hello", { instance: name, namespace: nsp.name, recovered: socket.recovered });
  on(socket, "echo", (reply, ...values) => reply(...values));
  on(socket, "add", (reply, left, right) => reply(left + right));
  on(socket, "whoami", (reply) =>
    reply({
      instance: name,
      namespace: nsp.name,
      id: socket.id,
      transport: socket.conn.transport.name,
      headers: handshake.headers,
      url: handshake.url,
      query: handshake.query,
      auth: handshake.auth,
      address: handshake.address,
    }),
  );
  on(socket, "join", (reply, room) => reply(socket.join(room) ?? true));
  on(socket, "shout", (reply, room, text) => reply(nsp.to(room).emit("shouted", { room, text })));
  on(socket, "broadcast", (reply, text) => reply(nsp.emit("news", { text })));
  on(socket, "count", (reply, length) => {
    for (let number = 0; number < length; number += 1) socket.emit("number", number);
    reply(length);
  });
  on(socket, "ask", (reply, ...values) => socket.emit("asked", ...values, reply));
  on(socket, "say", (reply, event, ...values) => reply(socket.emit(event, ...values)));
  on(socket, "kick", () => socket.disconnect());
  on(socket, "drop", () => socket.conn.close());
  number(socket);
}

// Numbered messages both ways, for the soak: every `up` is answered by a `down` with a number of our own, and `tally`
// tells what was seen.
function number(socket) {
  const tally = { received: 0, disorder: 0, sent: 0 };
  socket.on("up", (number) => {
    if (number !== tally.received) tally.disorder += 1;
    tally.received += 1;
    socket.emit("down", tally.sent, number);
    tally.sent += 1;
  });
  on(socket, "tally", (reply) => reply(tally));
}

// An event whose acknowledgement may be missing: the client chooses.
function on(socket, event, answer) {
  socket.on(event, (...values) => {
    const reply = typeof values.at(-1) === "function" ? values.pop() : () => {};
    answer(reply, ...values);
  });
}

function note(request) {
  if (request.url === "/stats") return;
  journal.requests += 1;
  journal.urls.push(`${request.method} ${request.url}`);
  journal.urls.splice(0, journal.urls.length - 1000);
}

// A packet as a polling payload would have it.
function hear({ type, data }) {
  const types = { message: 4, ping: 2, pong: 3, close: 1, upgrade: 5, noop: 6 };
  journal.heard.push(Buffer.isBuffer(data) ? `b${data.toString("base64")}` : `${types[type] ?? type}${data ?? ""}`);
}

function options() {
  const { CORS, RECOVERY, EIO3, PING_INTERVAL, PING_TIMEOUT } = process.env;
  return {
    maxHttpBufferSize: 5e6,
    ...(CORS && { cors: { origin: CORS.split(","), credentials: true } }),
    ...(RECOVERY && { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } }),
    ...(EIO3 && { allowEIO3: true }),
    ...(PING_INTERVAL && { pingInterval: Number(PING_INTERVAL) }),
    ...(PING_TIMEOUT && { pingTimeout: Number(PING_TIMEOUT) }),
  };
}
