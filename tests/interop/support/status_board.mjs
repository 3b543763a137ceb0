// The status board of examples/, whole: app, page, gate, and a shop on the board that can be closed. Everything as its README
// starts it, on ports of our own.

import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { promisify } from "node:util";
import { Manager } from "socket.io-client";
import { connect } from "../../../examples/status-board/page/live.js";
import { Admin } from "./admin.mjs";
import { gateOf, installed, Served, variablesOf } from "./example.mjs";
import { ask } from "./request.mjs";
import { bearer } from "./token.mjs";
import { freePort, next, until } from "./wait.mjs";

const TOML = "status-board/sockgate.toml";
/** The three set-ups of its README: files that are laid over each other. */
export const SET_UPS = {
  connect: [TOML],
  header: [TOML, "status-board/sockgate-header.toml"],
  authorizer: [TOML, "status-board/sockgate-authorizer.toml"],
};

export class StatusBoard {
  lives = [];
  #tokens = new Map();

  /** `more`: variables for the gate, over its files. */
  static async open(setUp = "connect", more = {}) {
    const board = new StatusBoard();
    board.setUp = setUp;
    const { folder, node } = await installed("status-board");
    board.folder = folder;
    board.shop = await Shop.open();
    const [pagePort, probePort] = [await freePort(), await freePort()];
    board.origin = `http://localhost:${pagePort}`;
    const env = variablesOf("status-board/board.env", {
      "http://localhost:5173": board.origin,
      "http://127.0.0.1:9090": `http://127.0.0.1:${probePort}`,
      "http://127.0.0.1:4100": board.shop.url,
    });
    const program = (file, more = {}) => ({ command: node, values: [file], cwd: folder, env: (port) => ({ ...env, ...more, PORT: String(port) }) });
    board.app = await Served.start("the app", program("app/server.js", { CHECK_EVERY_MS: "100" }));
    // The tests give the admin door a token; what the board asks of it is open here.
    const variables = { ...env, SOCKGATE_ADMIN__PROBE_ADDRESS: `127.0.0.1:${probePort}`, ...more };
    board.gate = await gateOf(SET_UPS[setUp], { "http://127.0.0.1:3001": board.app.url }, variables);
    board.page = await Served.start("the page", { ...program("page/serve.js", { GATE_URL: board.gate.site, TOKEN_IN: setUp === "header" ? "header" : "auth" }), port: pagePort });
    board.door = new Admin(board.gate);
    return board;
  }

  /** Asks the gate one thing, as JSON. */
  async ask(path, { token, body, headers = {}, ...options } = {}) {
    const sent = body && { method: "POST", body: JSON.stringify(body) };
    const all = { ...(token && bearer(token)), ...(body && { "content-type": "application/json" }), ...headers };
    const answer = await ask({ url: this.gate.url, trust: { ca: this.gate.ca } }, path, { ...sent, ...options, headers: all });
    return { ...answer, json: answer.text.startsWith("{") ? JSON.parse(answer.text) : undefined };
  }

  /** The token that a user gets at the login, once for each. */
  async token(user) {
    if (this.#tokens.has(user)) return this.#tokens.get(user);
    const { status, json } = await this.ask("/api/login", { body: { user, password: `${user}-password` } });
    if (status !== 200) throw new Error(`login of ${user}: ${status}`);
    this.#tokens.set(user, json.token);
    return json.token;
  }

  /** A client as the page makes it (live.js), with what it was told and refused, as soon as that is known. */
  async arrive(user, { token = undefined, ...options } = {}) {
    token ??= await this.token(user);
    const [told, refusals] = [[], []];
    const live = connect(Manager, this.gate.url, {
      token: () => token,
      header: this.setUp === "header",
      tell: (line) => told.push(line),
      refused: (error, namespace) => refusals.push({ message: error.message, namespace, ...error.data }),
      ca: this.gate.ca,
      forceNew: true,
      ...options,
    });
    Object.assign(live, { told, refusals });
    this.lives.push(live);
    const sockets = [live.own, live.status, live.media, live.youtube];
    const isKnown = () => sockets.every((socket) => socket.connected) || refusals.length > 0 || (options.reconnection === false && told.length > 0);
    await until(`${user} is in or refused`, isKnown);
    return live;
  }

  /** The lines that client.js writes when it is called so. */
  async script(values, env = {}) {
    const { stdout } = await promisify(execFile)(process.execPath, ["client.js", ...values], {
      cwd: this.folder,
      env: { ...process.env, GATE_URL: this.gate.url, NODE_EXTRA_CA_CERTS: this.gate.caFile, ...env },
    });
    return stdout.trim().split("\n");
  }

  /** The records of the gate's log with this message and these fields. */
  records(message, fields = {}) {
    const all = this.gate.lines.filter((line) => line.includes(`"${message}"`)).map((line) => JSON.parse(line));
    return all.map((record) => ({ ...record, ...record.fields })).filter((record) => Object.entries(fields).every(([key, value]) => record[key] === value));
  }

  leave() {
    this.lives.splice(0).forEach((live) => live.leave());
  }

  async close() {
    this.leave();
    await this.gate?.stop();
    await Promise.all([this.app, this.page].map((program) => program?.kill()));
    this.shop?.close();
  }
}

/** A service on the board: up, until it is closed. */
class Shop {
  static async open() {
    const shop = new Shop();
    shop.isOpen = true;
    shop.server = createServer((_, answer) => answer.writeHead(shop.isOpen ? 200 : 503).end());
    shop.server.listen(0, "127.0.0.1");
    await next(shop.server, "listening");
    shop.url = `http://127.0.0.1:${shop.server.address().port}`;
    return shop;
  }

  get state() {
    return this.isOpen ? "up" : "down";
  }

  /** Opens it if it was closed, and the other way round; returns what the board should say now. */
  turn() {
    this.isOpen = !this.isOpen;
    return this.state;
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
