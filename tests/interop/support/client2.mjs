// One unmodified socket.io-client 2.5 in Node, which speaks Engine.IO 3: a manager of its own, its namespaces, and questions
// with an answer. The same face as `client.mjs`, as far as that version has it.

import io from "socket.io-client-2";
import { next, until, within } from "./wait.mjs";
import { bearer, mint } from "./token.mjs";

export class Client2 {
  constructor(stage, { subject = "ana", ...options } = {}) {
    this.manager = new io.Manager(stage.url, {
      reconnectionDelay: 50,
      reconnectionDelayMax: 500,
      extraHeaders: bearer(mint(subject)),
      ...stage.trust,
      ...options,
      autoConnect: false,
    });
    this.errors = [];
    this.disconnects = [];
    this.attempts = 0;
    this.manager.on("reconnect_attempt", () => (this.attempts += 1));
    this.manager.on("connect_error", (error) => this.errors.push(error));
    this.socket = this.manager.socket("/");
    this.socket.on("disconnect", (reason) => this.disconnects.push(reason));
    this.said = next(this.socket, "error");
    this.said.catch(() => {});
    this.hello = next(this.socket, "hello");
    this.hello.catch(() => {});
    this.socket.connect();
  }

  get transport() {
    return this.manager.engine.transport.name;
  }

  async travels(name) {
    await until(`the session travels by ${name}`, () => this.transport === name && !this.manager.engine.upgrading);
  }

  /** Joins another namespace on the same session; returns its socket once the app said hello. */
  async join(namespace, query) {
    const socket = this.manager.socket(namespace, { query });
    const hello = next(socket, "hello");
    socket.connect();
    await hello;
    return socket;
  }

  call(event, ...values) {
    return call2(this.socket, event, ...values);
  }

  close() {
    this.manager.reconnection(false);
    this.socket.disconnect();
    this.manager.close();
  }
}

/** The answer to `event` on any socket. */
export function call2(socket, event, ...values) {
  return within(`an answer to ${event}`, new Promise((done) => socket.emit(event, ...values, done)));
}
