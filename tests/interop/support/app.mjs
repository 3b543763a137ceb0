// App servers: which there are, how they are started, killed and started again on the same port, and what their journal
// says. The harness asks the journal directly, never through the gate.

import { fileURLToPath } from "node:url";
import { Program } from "./program.mjs";
import { until } from "./wait.mjs";

const HERE = fileURLToPath(new URL("../", import.meta.url));
const PYTHON = `${HERE}.venv/bin/python`;

const KINDS = {
  node: { command: process.execPath, values: [`${HERE}apps/node.mjs`] },
  uvicorn: { command: PYTHON, values: [`${HERE}apps/asgi.py`] },
  "flask-threading": { command: PYTHON, values: [`${HERE}apps/flask_app.py`], env: { MODE: "threading" } },
  "flask-gevent": { command: PYTHON, values: [`${HERE}apps/flask_app.py`], env: { MODE: "gevent" } },
  "plain-node": { command: process.execPath, values: [`${HERE}apps/plain.mjs`] },
  "plain-python": { command: PYTHON, values: [`${HERE}apps/plain.py`] },
};

/** The Socket.IO servers. */
export const SOCKET_IO_APPS = ["node", "uvicorn", "flask-threading", "flask-gevent"];
/** The plain WebSocket servers. */
export const PLAIN_APPS = ["plain-node", "plain-python"];

export class App {
  /** Starts an app of `kind` on a free port. `env` holds what it can be told (see the apps). */
  static async start(kind, { name = kind, env = {} } = {}) {
    const app = new App();
    Object.assign(app, { kind, name, env, port: 0 });
    await app.#run();
    return app;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async stats() {
    return (await fetch(`${this.url}/stats`, { headers: { connection: "close" } })).json();
  }

  /** The app has no session left. */
  async empty() {
    await until(`${this.name} has no session left`, async () => (await this.stats()).open === 0, 70_000);
  }

  /** Ends it as a crash would. */
  async kill() {
    await this.program.kill();
  }

  /** Starts it again where it was. */
  async revive() {
    await this.#run();
  }

  async #run() {
    const { command, values, env } = KINDS[this.kind];
    let ready;
    const started = new Promise((done) => (ready = done));
    this.program = new Program(this.name, command, values, {
      env: { PYTHONUNBUFFERED: "1", ...env, ...this.env, NAME: this.name, PORT: String(this.port) },
      heard: (line) => line.startsWith("READY ") && ready(Number(line.slice(6))),
    });
    this.port = await this.program.ready(started);
  }
}
