// One unmodified socket.io-client in Node: a manager of its own (a session of its own), its namespaces, and questions
// with an answer.

import { Manager } from "socket.io-client";
import { next, until } from "./wait.mjs";

/** The three ways a session can travel. */
export const WAYS = {
  polling: { transports: ["polling"] },
  websocket: { transports: ["websocket"] },
  upgrade: { transports: ["polling", "websocket"] },
};

export class Client {
  constructor(url, options) {
    this.manager = new Manager(url, { reconnectionDelay: 50, reconnectionDelayMax: 500, ...options, autoConnect: false });
    this.auth = options.auth;
    this.hellos = [];
    this.disconnects = [];
    this.socket = this.manager.socket("/", { auth: options.auth });
    this.socket.on("hello", (hello) => this.hellos.push(hello));
    this.socket.on("disconnect", (reason, details) => this.disconnects.push({ reason, details }));
    this.socket.connect();
  }

  /** The `hello` of the app once connected; the error when that is refused, with the text of the answer as `told`. */
  get connected() {
    return new Promise((done, fail) => {
      if (this.hellos.length > 0) return done(this.hellos[0]);
      this.socket.once("hello", done);
      // The client empties the answer as soon as this event is over.
      this.socket.once("connect_error", (error) => fail(Object.assign(error, { told: error.context?.responseText })));
    });
  }

  get transport() {
    return this.manager.engine.transport.name;
  }

  /** The engine's session id, as this client was told it. */
  get session() {
    return this.manager.engine.id;
  }

  /** The upgrade is over and the session on `name`. */
  async travels(name) {
    await until(`the session travels by ${name}`, () => this.transport === name && !this.manager.engine.upgrading);
  }

  /** Joins another namespace on the same session; returns its socket once the app said hello. */
  async join(namespace, auth = this.auth) {
    const socket = this.manager.socket(namespace, { auth });
    const hello = next(socket, "hello");
    socket.connect();
    await hello;
    return socket;
  }

  /** The answer to `event`. */
  call(event, ...values) {
    return call(this.socket, event, ...values);
  }

  close() {
    this.manager.reconnection(false);
    this.socket.disconnect();
    this.manager._close();
  }
}

/** The answer to `event` on any socket. */
export function call(socket, event, ...values) {
  return socket.timeout(20_000).emitWithAck(event, ...values);
}
