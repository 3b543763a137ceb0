// What stands between clients and the gate in life, and goes wrong there: a hop that carries bytes and cuts idle connections,
// and a proxy that reads HTTP and changes heads, or knows no WebSocket. Each takes plain connections or none of TLS itself.

import { createServer as createHttpServer, request as askPlain } from "node:http";
import { request as askTls } from "node:https";
import { connect, createServer } from "node:net";
import { next } from "./wait.mjs";

/** Bytes to the `targets` in turn, each `{ host, port }`. With `idle`, connections on which nothing moves so long are reset. */
export class ByteHop {
  static async start(targets, { idle = 0 } = {}) {
    const hop = new ByteHop();
    hop.cut = 0;
    let turn = 0;
    hop.open = new Set();
    hop.server = createServer((client) => {
      const target = connect(targets[turn++ % targets.length]);
      const end = () => [client, target].forEach((socket) => socket.destroy());
      for (const [from, to] of [[client, target], [target, client]]) {
        hop.open.add(from);
        from.pipe(to);
        from.on("error", end).on("close", () => (hop.open.delete(from), end()));
        from.setTimeout(idle, () => ((hop.cut += 1), end()));
      }
    });
    hop.server.listen(0, "127.0.0.1");
    await next(hop.server, "listening");
    hop.port = hop.server.address().port;
    return hop;
  }

  close() {
    this.server.close();
    this.open.forEach((socket) => socket.destroy());
  }
}

/**
 * An HTTP/1.1 proxy before `gate`, at `http://localhost:PORT`. `request` and `answer` change heads as they pass;
 * `upgrades: false` makes one that has never heard of WebSocket and takes those for ordinary requests.
 */
export class HttpHop {
  static async start(gate, { request = (headers) => headers, answer = (headers) => headers, upgrades = true } = {}) {
    const hop = new HttpHop();
    const { hostname, port, protocol } = new URL(gate.url);
    const send = protocol === "https:" ? askTls : askPlain;
    const ask = ({ method, url: path, headers, socket }) =>
      send({ hostname, port, method, path, headers: request({ ...headers }, socket), ca: gate.ca, agent: false });
    hop.server = createHttpServer((from, to) => {
      const asked = ask(from);
      asked.on("response", (got) => {
        to.writeHead(got.statusCode, answer({ ...got.headers }));
        got.pipe(to);
      });
      asked.on("error", () => to.destroy());
      to.on("close", () => asked.destroy());
      from.pipe(asked);
    });
    if (upgrades) hop.server.on("upgrade", (from, socket) => tunnel(ask(from), socket));
    hop.server.listen(0, "127.0.0.1");
    await next(hop.server, "listening");
    hop.port = hop.server.address().port;
    return hop;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** For browsers. */
  get site() {
    return `http://localhost:${this.port}`;
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

function tunnel(asked, socket) {
  asked.on("upgrade", (got, target, head) => {
    socket.write(headOf(got));
    if (head.length > 0) socket.write(head);
    socket.pipe(target).pipe(socket);
    for (const one of [socket, target]) one.on("error", () => {}).on("close", () => (socket.destroy(), target.destroy()));
  });
  asked.on("response", (got) => {
    socket.write(headOf(got));
    got.pipe(socket);
  });
  asked.on("error", () => socket.destroy());
  asked.end();
}

function headOf({ statusCode, statusMessage, rawHeaders }) {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let at = 0; at < rawHeaders.length; at += 2) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
