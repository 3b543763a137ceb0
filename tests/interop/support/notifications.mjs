// examples/notifications as its README starts it: the app and the gate from one file of variables, ports aside, and people who
// log in at the gate.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { io } from "socket.io-client";
import { Admin } from "./admin.mjs";
import { gateByEnv, installed, Served, variablesOf } from "./example.mjs";
import { Program } from "./program.mjs";
import { ask } from "./request.mjs";
import { freePort, next, until } from "./wait.mjs";

export class Notifications {
  #sockets = [];
  #number = 0;

  /** Starts it; `env` is laid over the file, for app and gate alike. */
  static async open(env = {}) {
    const it = new Notifications();
    it.example = await installed("notifications");
    it.folder = mkdtempSync(join(tmpdir(), "sockgate-notifications-"));
    it.ports = { app: await freePort(), gate: await freePort() };
    const exchange = { "=5000": `=${it.ports.app}`, ":5000": `:${it.ports.app}`, ":8080": `:${it.ports.gate}` };
    const own = { ...variablesOf("notifications/gate.env", exchange), ...env };
    try {
      it.app = await Served.start("examples/notifications", {
        command: it.example.python,
        values: ["app.py"],
        cwd: it.example.folder,
        port: it.ports.app,
        env: () => ({ ...own, NOTIFICATIONS_DATABASE: join(it.folder, "notifications.db") }),
      });
      it.gate = await gateByEnv("notifications/gate.env", exchange, {
        ...env,
        SOCKGATE_LISTEN__ADDRESS: `127.0.0.1:${it.ports.gate}`,
      });
    } catch (error) {
      await it.close();
      throw error;
    }
    it.door = new Admin(it.gate);
    return it;
  }

  /** Where programs and pages connect. */
  get url() {
    return `${this.gate.ca ? "https" : "http"}://localhost:${this.ports.gate}`;
  }

  /** What programs need to trust the gate, where it has TLS. */
  get trust() {
    return this.gate.ca ? { ca: this.gate.ca } : {};
  }

  /** The app's own address, where its pages come from. */
  get page() {
    return `http://localhost:${this.ports.app}`;
  }

  /** Logs in and returns what a browser and what a script would then send. */
  async logIn(name, password = name) {
    const headers = { "content-type": "application/json" };
    const { status, headers: got } = await ask(this, "/login", { method: "POST", headers, body: JSON.stringify({ name, password }) });
    if (status !== 200) throw Object.assign(new Error(`${name} was answered ${status}`), { status });
    const [token, csrf] = got["set-cookie"].map((cookie) => cookie.split(";")[0]);
    const cookie = `${token}; ${csrf}`;
    const proof = { "x-csrf-token": csrf.split("=")[1] };
    return { cookie: { cookie }, proof, browser: { cookie, ...proof }, script: { authorization: `Bearer ${token.split("=")[1]}` } };
  }

  /** The example's office proxy before the gate, which refuses WebSocket: `{ url, refusals(), close() }`. */
  async office() {
    const [port, lines] = [await freePort(), []];
    const proxy = new Program("the office proxy", this.example.python, ["office_proxy.py", String(port), String(this.ports.gate)], {
      cwd: this.example.folder,
      heard: (line) => lines.push(line),
    });
    await proxy.ready(until("the office proxy listens", () => lines.length > 0));
    const refusals = () => lines.filter((line) => line === "WebSocket refused").length;
    return { url: `http://localhost:${port}`, refusals, close: () => proxy.kill() };
  }

  /** Makes a notification by the API and returns the answer. */
  make(headers, note) {
    const body = JSON.stringify({ type: "test", title: "A title", message: "A message", ...note });
    return ask(this, "/api/notifications", { method: "POST", headers: { "content-type": "application/json", ...headers }, body });
  }

  /** A socket.io-client in a namespace; what it receives is in `socket.heard` as `[event, value]`. */
  async socket(headers, options) {
    const socket = this.stranger(headers, options);
    await next(socket, "connect");
    return socket;
  }

  /** The same, of which nobody knows yet whether it will be let in. */
  stranger(headers, { url = this.url, namespace = "/user", ...options } = {}) {
    const socket = io(url + namespace, { forceNew: true, extraHeaders: headers, reconnectionDelay: 50, ...options });
    socket.heard = [];
    socket.onAny((...all) => socket.heard.push(all));
    this.#sockets.push(socket);
    return socket;
  }

  /** A title that no other test uses. */
  title(what) {
    this.#number += 1;
    return `${what} ${this.#number}`;
  }

  /** The app has written it in its log. */
  heard(line) {
    return until(`the app says "${line}"`, () => this.app.count(line) > 0);
  }

  /** The first record of the gate's log with this refusal and whatever else it must say. */
  record(...parts) {
    return until(`the gate's log has ${parts.join(" and ")}`, () => this.gate.lines.find((line) => parts.every((part) => line.includes(part))));
  }

  /** Disconnects the sockets of a test that is over. To whom the app still sends is counted in the next one. */
  async leave() {
    this.#sockets.splice(0).forEach((socket) => socket.disconnect());
    await until("nobody is left at the app", () => this.app.count(" came from ") === this.app.count(" went: "));
  }

  async close() {
    this.#sockets.forEach((socket) => socket.disconnect());
    await this.gate?.stop();
    await this.app?.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
