// The python-socketio client as a child program, asked by JSON lines (see clients/python.py).

import { EventEmitter } from "node:events";
import { fileURLToPath } from "node:url";
import { Program } from "./program.mjs";
import { within } from "./wait.mjs";

const HERE = fileURLToPath(new URL("../", import.meta.url));

export class PythonClient extends EventEmitter {
  #asked = new Map();
  #number = 0;

  /** Starts it; `stage` says whom to trust. Nothing is connected yet. */
  constructor(stage) {
    super();
    this.program = new Program("the Python client", `${HERE}.venv/bin/python`, [`${HERE}clients/python.py`], {
      env: stage.gate ? { SSL_CERT_FILE: stage.gate.caFile } : {},
      heard: (line, stream) => this.#hear(line, stream),
    });
  }

  /** Connects `namespaces`; fails as `connect()` does. */
  connect(order) {
    return this.#ask({ do: "connect", ...order });
  }

  /** The answer to `event`. */
  call(event, values = [], namespace = "/") {
    return this.#ask({ do: "call", event, values, namespace });
  }

  transport() {
    return this.#ask({ do: "transport" });
  }

  disconnect() {
    return this.#ask({ do: "disconnect" });
  }

  stop() {
    return this.program.kill();
  }

  #ask(order) {
    this.#number += 1;
    const id = this.#number;
    const answer = new Promise((done, fail) => this.#asked.set(id, { done, fail }));
    this.program.say(JSON.stringify({ id, ...order }, wrapBytes));
    return within(`the Python client to ${order.do}`, answer, 30_000);
  }

  #hear(line, stream) {
    if (stream !== "stdout") return;
    const { id, ok, error, event, namespace, values } = JSON.parse(line, unwrapBytes);
    if (event) return this.emit(event, { namespace, values });
    const { done, fail } = this.#asked.get(id);
    this.#asked.delete(id);
    return error ? fail(new Error(error)) : done(ok);
  }
}

// `JSON.stringify` has already turned a Buffer into `{ type: "Buffer", data }` when it asks here.
function wrapBytes(_, value) {
  return value?.type === "Buffer" ? { $bytes: Buffer.from(value.data).toString("base64") } : value;
}

function unwrapBytes(_, value) {
  return value?.$bytes === undefined ? value : Buffer.from(value.$bytes, "base64");
}
