// A way to servers for raw clients: single requests and bare WebSockets, over HTTP/1.1 or HTTP/2 (RFC 8441), with the same
// face, so that one test holds for each. No Socket.IO library is involved: what is sent here is what the test wrote.

import { EventEmitter, once } from "node:events";
import { connect } from "node:http2";
import WebSocket, { Receiver, Sender } from "ws";
import { ask } from "./request.mjs";
import { within } from "./wait.mjs";

export class Door {
  #session;

  /** To `stage`, or to anything with `url` and `trust`. `headers` go with every request and handshake. */
  constructor({ url, trust = {} }, { headers = {}, http2 = false } = {}) {
    Object.assign(this, { url, trust, headers, http2 });
  }

  /** `{ status, headers, text }` of one request. */
  ask(path, options = {}) {
    const headers = { ...this.headers, ...options.headers };
    return this.http2 ? this.#ask2(path, { ...options, headers }) : ask(this, path, { ...options, headers });
  }

  /**
   * A WebSocket as `ws` has them, still connecting: it will emit `open`, or `error`, and then `message`, `pong`, `close`.
   * Listeners set at once miss nothing.
   */
  webSocket(path) {
    if (this.http2) return new Http2WebSocket(this.#connection(), path, this.headers);
    return new WebSocket(this.url.replace("http", "ws") + path, { headers: this.headers, ...this.trust });
  }

  close() {
    this.#session?.destroy();
  }

  async #ask2(path, { method = "GET", headers, body, signal }) {
    const session = await this.#connection();
    const stream = session.request({ ":method": method, ":path": path, ...headers }, { endStream: false, signal });
    stream.end(body);
    const [head] = await within("an answer", once(stream, "response"));
    let text = "";
    for await (const part of stream.setEncoding("utf8")) text += part;
    return { status: head[":status"], headers: head, text };
  }

  // One connection for all: waiting polls, posts and WebSockets share it, as they do in a browser.
  async #connection() {
    if (!this.#session || this.#session.destroyed) {
      this.#session = connect(this.url, this.trust);
      // Whoever waits on a stream of it hears of the failure there.
      this.#session.on("error", () => {});
      this.settled = within("the settings of HTTP/2", once(this.#session, "remoteSettings"));
    }
    const session = this.#session;
    await this.settled;
    return session;
  }
}

// A WebSocket on one stream of an HTTP/2 connection, framed by the two halves of `ws`.
class Http2WebSocket extends EventEmitter {
  #closed = [1006, Buffer.alloc(0)];

  constructor(connection, path, headers) {
    super();
    this.#open(connection, path, headers).catch((error) => {
      this.emit("error", error);
      this.emit("close", ...this.#closed);
    });
  }

  send(data, { binary = typeof data !== "string" } = {}) {
    // What is sent after the end goes nowhere, as with `ws`.
    this.sender?.send(data, { binary, mask: true, fin: true, compress: false });
  }

  ping(data) {
    this.sender.ping(data, true);
  }

  close(code, reason) {
    this.sender.close(code, reason, true, () => this.stream.end());
  }

  terminate() {
    this.stream?.close();
  }

  async #open(connection, path, headers) {
    const session = await connection;
    const asked = { ":method": "CONNECT", ":protocol": "websocket", ":path": path, "sec-websocket-version": "13" };
    this.stream = session.request({ ...asked, ...headers }, { endStream: false });
    const [head] = await within("the handshake", once(this.stream, "response"));
    if (head[":status"] !== 200) {
      this.stream.close();
      throw new Error(`Unexpected server response: ${head[":status"]}`);
    }
    this.stream.on("error", () => {});
    this.stream.once("close", () => this.emit("close", ...this.#closed));
    this.sender = new Sender(this.stream, {});
    this.emit("open");
    this.stream.pipe(this.#receiver());
  }

  #receiver() {
    const receiver = new Receiver({ isServer: false });
    receiver.on("message", (data, isBinary) => this.emit("message", data, isBinary));
    receiver.on("ping", (data) => this.sender.pong(data, true));
    receiver.on("pong", (data) => this.emit("pong", data));
    receiver.on("conclude", (code, reason) => {
      this.#closed = [code, reason];
      this.close(code === 1005 ? undefined : code);
    });
    receiver.on("error", () => this.stream.close());
    return receiver;
  }
}
