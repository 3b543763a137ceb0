// A plain WebSocket app in Node (ws), no Socket.IO: echoes text and binary. A few texts are orders: `whoami` tells the
// handshake, `close CODE REASON` closes with that code, `close` without one. `/stats` shows the journal, with the close
// codes that clients sent.
//
// Options come from the environment: PORT (0: any), NAME. Prints `READY port`.

import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const name = process.env.NAME ?? "plain-node";
const journal = { name, requests: 0, urls: [], opened: 0, open: 0, events: 0, closes: [] };

const http = createServer((request, answer) => {
  if (request.url !== "/stats") note(request);
  answer.setHeader("Content-Type", "application/json").end(JSON.stringify(journal));
});
const sockets = new WebSocketServer({ server: http, maxPayload: 5e6 });
http.prependListener("upgrade", note);

sockets.on("connection", (socket, request) => {
  journal.opened += 1;
  journal.open += 1;
  socket.on("message", (bytes, isBinary) => {
    journal.events += 1;
    if (isBinary) socket.send(bytes);
    else obey(socket, request, bytes.toString());
  });
  socket.on("error", () => {});
  socket.on("close", (code, reason) => {
    journal.open -= 1;
    journal.closes.push([code, reason.toString()]);
  });
});

http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => console.log(`READY ${http.address().port}`));

function obey(socket, request, text) {
  const [order, code, ...reason] = text.split(" ");
  if (order === "whoami") socket.send(JSON.stringify({ instance: name, headers: request.headers, url: request.url }));
  else if (order === "close" && code) socket.close(Number(code), reason.join(" "));
  else if (order === "close") socket.close();
  else socket.send(text);
}

function note(request) {
  journal.requests += 1;
  journal.urls.push(`${request.method} ${request.url}`);
}
