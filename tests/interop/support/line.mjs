// A raw Engine.IO session by one transport: packets as text, binary messages as bytes, nothing answered by itself. Both
// transports have the same face, so that what Socket.IO promises can be tested once for each.

import assert from "node:assert/strict";
import { until, within } from "./wait.mjs";

const SEPARATOR = "\u001e";

/** The query of an Engine.IO request. `tag` makes a request recognisable at the app. */
export function path({ transport, sid, tag, version = "4" }) {
  const parts = { EIO: version, transport, sid, t: tag };
  const query = Object.entries(parts).filter(([, value]) => value !== undefined);
  return `/socket.io/?${query.map(([name, value]) => `${name}=${value}`).join("&")}`;
}

/** The session is over; the message says how that was seen. */
export class Ended extends Error {}

class Line {
  // Packets that came while another one was waited for.
  passed = [];

  /** The first packet that starts with `start`, whatever came before it stays for later. */
  async take(start) {
    const is = (packet) => typeof packet === "string" && packet.startsWith(start);
    const index = this.passed.findIndex(is);
    if (index >= 0) return this.passed.splice(index, 1)[0];
    for (;;) {
      const packet = await this.arrived().catch((error) => {
        throw error instanceof Ended ? new Ended(`waited for ${start}, but ${error.message}`) : error;
      });
      if (is(packet)) return packet;
      this.passed.push(packet);
    }
  }

  /** The next packet, whatever it is. */
  async next() {
    return this.passed.length > 0 ? this.passed.shift() : this.arrived();
  }

  /** Everything until the end of the session, and how that was seen. */
  async end() {
    const packets = [];
    for (;;) {
      try {
        packets.push(await this.next());
      } catch (error) {
        if (!(error instanceof Ended)) throw error;
        return { packets, end: error.message };
      }
    }
  }

  /** Joins `namespace` and returns the app's answer; its `hello` is taken too. */
  async join(namespace = "/", payload = "") {
    const name = namespace === "/" ? "" : `${namespace},`;
    await this.send(`40${name}${payload}`);
    const answer = await this.take(`40${name}{`);
    await this.take(`42${name}["hello",`);
    return JSON.parse(answer.slice(2 + name.length));
  }

  /** The value that `event` is acknowledged with. */
  async call(event, ...values) {
    await this.send(`42777${JSON.stringify([event, ...values])}`);
    return JSON.parse((await this.take("43777")).slice(5))[0];
  }
}

/** By long polling: a poll when a packet is wanted, a POST for what is sent. */
export class Polling extends Line {
  #here = [];

  static async open(door) {
    const line = new Polling();
    line.door = door;
    const answer = await door.ask(path({ transport: "polling" }));
    assert.equal(answer.status, 200, answer.text);
    const [first, ...rest] = split(answer.text);
    line.first = answer;
    line.opening = JSON.parse(first.slice(1));
    line.sid = line.opening.sid;
    line.passed.push(...rest);
    return line;
  }

  /** One poll, as it is answered. */
  poll({ tag, signal } = {}) {
    return this.door.ask(path({ transport: "polling", sid: this.sid, tag }), { signal });
  }

  /** One POST, as it is answered. */
  post(...packets) {
    const body = packets.map((packet) => (typeof packet === "string" ? packet : `b${packet.toString("base64")}`));
    return this.postRaw(body.join(SEPARATOR));
  }

  /** One POST of any body. */
  postRaw(body) {
    const headers = { "content-type": "text/plain;charset=UTF-8" };
    return this.door.ask(path({ transport: "polling", sid: this.sid }), { method: "POST", headers, body });
  }

  async send(...packets) {
    const { status, text } = await this.post(...packets);
    assert.equal(status, 200, `a POST was answered ${status} ${text}`);
  }

  async arrived() {
    while (this.#here.length === 0) this.#here.push(...packets(await this.poll()));
    return this.#here.shift();
  }

  /** Sends what may be wrong, and returns how that was answered. */
  async attempt(...packets) {
    return (await this.post(...packets)).status;
  }

  /** Says good bye; whether there is anyone left to hear it does not matter. */
  async leave() {
    await this.post("1").catch(() => {});
  }
}

/** On a WebSocket: one that is `upgrade`d goes on with the session `sid` of another line. */
export class OnWebSocket extends Line {
  #here = [];
  #wake = () => {};

  static async open(door) {
    const line = OnWebSocket.dial(door, path({ transport: "websocket" }));
    line.opening = JSON.parse((await line.take("0")).slice(1));
    line.sid = line.opening.sid;
    return line;
  }

  /** A WebSocket for a session that there is already. */
  static beside(polling) {
    return OnWebSocket.dial(polling.door, path({ transport: "websocket", sid: polling.sid }));
  }

  /** A WebSocket to any path; a handshake that is refused is an end like any other. */
  static dial(door, where) {
    const line = new OnWebSocket();
    const socket = (line.socket = door.webSocket(where));
    line.opened = new Promise((done) => socket.once("open", done));
    line.closed = new Promise((done) => socket.once("close", (code) => done(code)));
    socket.on("message", (data, isBinary) => line.#hear(isBinary ? data : data.toString()));
    socket.on("error", (error) => (line.failure = error.message));
    line.closed.then((code) => line.#hear(new Ended(`the WebSocket was closed with ${code}`)));
    return line;
  }

  async send(...packets) {
    await within("the WebSocket to open", Promise.race([this.opened, this.closed]));
    for (const packet of packets) this.socket.send(packet);
  }

  async arrived() {
    const wake = new Promise((done) => (this.#wake = done));
    if (this.#here.length === 0) await within("a packet on the WebSocket", wake);
    if (this.#here[0] instanceof Ended) throw this.#here[0];
    return this.#here.shift();
  }

  /** Sends what may be wrong; nothing answers that. */
  async attempt(...packets) {
    await this.send(...packets);
  }

  async leave() {
    this.socket.terminate();
  }

  #hear(packet) {
    this.#here.push(packet);
    this.#wake();
  }
}

/** The packets of an answered poll. */
export function packets({ status, text }) {
  if (status !== 200) throw new Ended(`a poll was answered ${status} ${reason(text)}`);
  return split(text);
}

/** The app has seen the request with this tag, so that it is known to wait there. */
export async function seen(app, tag) {
  const isHere = async () => (await app.stats()).urls.some((url) => url.endsWith(`t=${tag}`));
  await until(`the app has the request ${tag}`, isHere);
}

// What a refusal is about: the number that Engine.IO gives it, or what the app wrote.
function reason(text) {
  try {
    return `code ${JSON.parse(text).code}`;
  } catch {
    return text;
  }
}

function split(text) {
  const unwrap = (packet) => (packet.startsWith("b") ? Buffer.from(packet.slice(1), "base64") : packet);
  return text === "" ? [] : text.split(SEPARATOR).map(unwrap);
}
