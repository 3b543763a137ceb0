// The auction of examples/auction with everything around it, as its README has it: page, ingress, gate, app. And people who
// bid there, each keeping all that they were told.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { io } from "socket.io-client";
import WebSocket from "ws";
import { exchanged, gateOf, installed, Served } from "./example.mjs";
import { PythonClient } from "./python.mjs";
import { ask } from "./request.mjs";
import { freePort, until, within } from "./wait.mjs";

const PATH = "/api/socket.io/";
/** The first request of a session, by polling. */
export const HANDSHAKE = `${PATH}?EIO=4&transport=polling`;

/** Whether the auction's WebSocket opens at `site` for a page with this origin. */
export function opens(site, origin) {
  const socket = new WebSocket(`${site.replace("http", "ws")}${PATH}?EIO=4&transport=websocket`, { origin });
  return new Promise((done) => {
    socket.once("open", () => done(true));
    socket.once("error", () => done(false));
  }).finally(() => socket.terminate());
}

export class Auction {
  bidders = [];
  hops = [];

  /** Starts all four. `env` is the app's. */
  static async open(env = {}) {
    const auction = new Auction();
    try {
      await auction.#start(env);
    } catch (error) {
      await auction.close();
      throw error;
    }
    return auction;
  }

  async #start(env) {
    const { folder, python } = await installed("auction");
    const page = (await installed("auction/page")).folder;
    this.app = await Served.start("the auction", {
      ...{ command: python, values: ["app.py"], cwd: folder },
      env: (port) => ({ PORT: String(port), ...env }),
    });
    const port = await freePort();
    const values = ["-m", "http.server", String(port), "--bind", "127.0.0.1", "--directory", page];
    this.page = await Served.start("the page", { command: "python3", values, port });
    this.origin = `http://localhost:${port}`;
    this.gate = await this.startGate();
    this.ingress = await this.startHop();
    // Pages and programs alike use the name: it is where the cookie belongs to.
    this.door = this.ingress.url.replace("127.0.0.1", "localhost");
  }

  /** A gate with the example's file, and what is exchanged in it besides addresses; `env` is laid over. */
  startGate(change = {}, env = {}) {
    const addresses = { "http://localhost:5000": this.origin, "http://127.0.0.1:3001": this.app.url };
    return gateOf("auction/sockgate.toml", { ...addresses, ...change }, env);
  }

  /** A hop with the example's nginx.conf, and what is exchanged in it besides addresses. */
  async startHop(change = {}, gate = this.gate) {
    const port = await freePort();
    const addresses = { "127.0.0.1:8000": `127.0.0.1:${gate.port}`, "127.0.0.1:8080": `127.0.0.1:${port}` };
    const folder = mkdtempSync(join(tmpdir(), "sockgate-nginx-"));
    const file = join(folder, "nginx.conf");
    writeFileSync(file, exchanged("auction/nginx.conf", { ...addresses, ...change })[0]);
    // In one process, so that nothing of it is left whatever becomes of the test.
    const values = ["-e", "stderr", "-p", folder, "-c", file, "-g", "master_process off;"];
    const env = () => ({ PATH: `${process.env.PATH}:/usr/sbin` });
    const hop = await Served.start("nginx", { command: "nginx", values, port, env });
    this.hops.push({ hop, folder });
    return hop;
  }

  /** What the app itself says, asked by somebody who is no page. */
  async told(path) {
    return JSON.parse((await ask(this.app, path)).text);
  }

  /** The cookie of somebody who logged in through the ingress. */
  async login(name, headers = {}) {
    const body = JSON.stringify({ name });
    const options = { method: "POST", headers: { "content-type": "application/json", ...headers }, body };
    const answer = await ask({ url: this.door }, "/api/login", options);
    if (answer.status !== 200) throw new Error(`the login was answered ${answer.status} ${answer.text}`);
    return answer.headers["set-cookie"][0].split(";")[0];
  }

  /** Somebody who logged in and is in the room: in Node as the page is (it says its origin), or a script in Python. */
  async enter(name, { language = "node", transports } = {}) {
    const isPage = language === "node";
    const headers = { cookie: await this.login(name, isPage ? { origin: this.origin } : {}) };
    const bidder = isPage ? new NodeBidder() : new PythonBidder();
    this.bidders.push(bidder);
    await bidder.enter(this, { headers, transports });
    return bidder;
  }

  /** Somebody whom the app does not know. */
  stranger() {
    const bidder = new NodeBidder();
    this.bidders.push(bidder);
    return bidder.enter(this, { headers: {} });
  }

  async close() {
    await Promise.all(this.bidders.map((bidder) => bidder.leave()));
    await Promise.all(this.hops.map(({ hop }) => hop.kill()));
    this.hops.forEach(({ folder }) => rmSync(folder, { recursive: true, force: true }));
    await this.gate?.stop();
    await this.page?.kill();
    await this.app?.kill();
  }
}

class Bidder {
  /** `[event, number]` of all that was told, from where the sale was when they came in. */
  heard = [];
  disconnects = 0;

  hear(event, { number }) {
    if (number > this.since) this.heard.push([event, number]);
  }

  numbers(...events) {
    return this.heard.filter(([event]) => events.length === 0 || events.includes(event)).map(([, number]) => number);
  }
}

const NEWS = ["bid", "tick", "sold", "called"];

class NodeBidder extends Bidder {
  async enter({ door, origin }, { headers, transports }) {
    this.socket = io(door, {
      ...{ path: PATH, transports, forceNew: true, reconnection: false },
      extraHeaders: { ...headers, origin },
    });
    for (const event of NEWS) this.socket.on(event, (news) => this.hear(event, news));
    this.socket.on("disconnect", () => (this.disconnects += 1));
    const isIn = new Promise((done, fail) => {
      this.socket.once("sale", ({ number }) => done((this.since = number)));
      this.socket.once("connect_error", fail);
    });
    await within("a bidder to be in", isIn);
  }

  bid(lot, amount) {
    return this.socket.timeout(20_000).emitWithAck("bid", lot, amount);
  }

  transport() {
    const { transport, upgrading } = this.socket.io.engine;
    return upgrading ? "on its way" : transport.name;
  }

  leave() {
    this.socket?.disconnect();
  }
}

class PythonBidder extends Bidder {
  #client = new PythonClient({});

  async enter({ door }, { headers, transports }) {
    for (const event of NEWS) this.#client.on(event, ({ values }) => this.hear(event, values[0]));
    this.#client.on("disconnect", () => (this.disconnects += 1));
    this.#client.once("sale", ({ values }) => (this.since = values[0].number));
    await this.#client.connect({ url: door, path: PATH, transports, always: headers });
    await until("a bidder is in", () => this.since !== undefined);
  }

  bid(lot, amount) {
    return this.#client.call("bid", [lot, amount]);
  }

  transport() {
    return this.#client.transport();
  }

  leave() {
    return this.#client.stop();
  }
}
