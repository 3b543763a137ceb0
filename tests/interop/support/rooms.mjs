// What stands where in the tests of examples/sharing-rooms: Redis, two instances, the gate by the example's own files with
// nothing exchanged but ports, and HAProxy or nginx before it, by its own files too. Clients bring an address of their own.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent as PlainAgent } from "node:http";
import { Agent } from "node:https";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Manager } from "socket.io-client";
import { Room } from "../../../examples/sharing-rooms/page/share.js";
import { Admin } from "./admin.mjs";
import { exchanged, installed, Served } from "./example.mjs";
import { Gate } from "./gate.mjs";
import { ask } from "./request.mjs";
import { freePort, until, within } from "./wait.mjs";

export const PASSWORDS = { ana: "violet harbour", ben: "copper lantern", olga: "granite orchard" };
const EXAMPLE = "sharing-rooms";
// Debian keeps servers where only root looks.
const PATH = `${process.env.PATH}:/usr/sbin`;

export class Rooms {
  #logins = new Map();
  #members = [];
  #elsewhere = [];
  #programs = [];

  /** `files` of the example are laid over each other; `front` is `haproxy` or `nginx`. */
  static async open({ files = ["sockgate.toml"], parser = "default", front } = {}) {
    const stage = new Rooms();
    stage.parser = parser;
    stage.folder = mkdtempSync(join(tmpdir(), "sockgate-rooms-"));
    try {
      await stage.#startApp(await installed(EXAMPLE));
      stage.frontPort = await freePort();
      await stage.#startGate(files);
      if (front) await stage.#startFront(front);
    } catch (error) {
      await stage.close();
      throw error;
    }
    return stage;
  }

  /** Where programs connect. */
  get url() {
    return this.front ? `https://127.0.0.1:${this.frontPort}` : this.gate.url;
  }

  /** Where browsers connect. */
  get site() {
    return this.url.replace("127.0.0.1", "localhost");
  }

  get trust() {
    return { ca: this.front === "nginx" ? readFileSync(join(this.folder, "certs", "site.crt")) : this.gate.ca };
  }

  /** The token that the app gives out for a name; asked for once, as people do. */
  async login(name) {
    if (!this.#logins.has(name)) this.#logins.set(name, this.enter(name, PASSWORDS[name]));
    return JSON.parse((await this.#logins.get(name)).text).token;
  }

  /** The answer to a login. */
  enter(name, password, path = "/login") {
    const headers = { "content-type": "application/json" };
    return ask(this, path, { method: "POST", headers, body: JSON.stringify({ name, password }) });
  }

  /** A connected member; see `stranger`. */
  async member(name, options = {}) {
    const member = this.stranger({ token: name && (await this.login(name)), ...options });
    await within("the app's welcome", member.welcomed);
    return member;
  }

  /** A client of whom nobody knows yet whether it will be let in. It comes from `address`. */
  stranger({ token, address = "127.0.0.1", headers = {}, url = this.url, ...options } = {}) {
    const extraHeaders = { ...(token && { authorization: `Bearer ${token}` }), ...headers };
    const parser = this.parser === "msgpack" && { parser: this.modules("socket.io-msgpack-parser") };
    const agent = new (url.startsWith("https") ? Agent : PlainAgent)({ ...this.trust, localAddress: address });
    const manager = new Manager(url, { reconnection: false, extraHeaders, agent, ...this.trust, ...parser, ...options });
    const member = new Member(manager);
    this.#members.push(member);
    return member;
  }

  /** Two members of one room, on different instances: the second comes again until the gate gives it the other one. */
  async pair(room, { names: [first, second] = ["ana", "ben"], ...options } = {}) {
    const one = await this.member(first, options);
    const where = await this.instanceOf(one);
    const other = await until("the members are on different instances", async () => {
      const member = await this.member(second, options);
      if ((await this.instanceOf(member)) !== where) return member;
      this.#elsewhere.push(member);
    });
    this.#elsewhere.splice(0).forEach((member) => member.close());
    for (const member of [one, other]) await member.room.join(room, "open sesame");
    return [one, other];
  }

  /** Which instance has a member. */
  async instanceOf(member) {
    return (await this.told("connected", { socket: member.socket.id })).instance;
  }

  /** All that the instances logged of a kind. */
  lines(what) {
    const lines = this.instances.flatMap(({ lines }) => lines).filter((line) => line.startsWith("{"));
    return lines.map((line) => JSON.parse(line)).filter((line) => line.what === what);
  }

  /** As many lines of a kind as the instances must log with these fields, waited for. */
  count(what, count, fields = {}) {
    const found = () => this.lines(what).filter(having(fields));
    return until(`the instances log ${what} ${JSON.stringify(fields)} ${count} times`, () => found().length === count && found());
  }

  /** The line that an instance logged with these fields, waited for. */
  told(what, fields = {}) {
    return until(`an instance logs ${what} ${JSON.stringify(fields)}`, () => this.lines(what).find(having(fields)));
  }

  /** The last record of the gate with these fields, waited for. */
  record(fields) {
    const records = () => this.gate.lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
    return until(`the gate logs ${JSON.stringify(fields)}`, () => records().findLast(having(fields)));
  }

  /** Disconnects the clients of a test that is over. */
  leave() {
    this.#members.splice(0).forEach((member) => member.close());
  }

  async close() {
    this.leave();
    await this.gate?.stop();
    for (const program of this.#programs.reverse()) await program.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #startApp({ folder, node }) {
    this.modules = createRequire(join(folder, "server.js"));
    const port = await freePort();
    const redis = this.#written("redis.conf", { "port 6390": `port ${port}` });
    await this.#serve("redis-server", { command: "redis-server", values: [redis], port });
    const env = (own) => ({ PORT: String(own), REDIS_URL: `redis://127.0.0.1:${port}`, PARSER: this.parser });
    const instance = () => this.#serve("an instance", { command: node, values: [join(folder, "server.js")], env });
    this.instances = await Promise.all([instance(), instance()]);
  }

  async #startGate(files) {
    const [one, other] = this.instances;
    const exchanges = {
      "sockgate.toml": { "http://127.0.0.1:3031": one.url, "http://127.0.0.1:3032": other.url },
      "behind-haproxy.toml": { 15001: this.frontPort },
      "behind-nginx.toml": { 15002: this.frontPort },
    };
    exchanges["sockgate-open.toml"] = exchanges["sockgate.toml"];
    const texts = files.flatMap((file) => exchanged(`${EXAMPLE}/${file}`, exchanges[file] ?? {}));
    const port = "127.0.0.1:0";
    const found = { SOCKGATE_LISTEN__ADDRESS: port, SOCKGATE_ADMIN__ADDRESS: port, SOCKGATE_LOG__FORMAT: "json" };
    this.gate = await Gate.open(() => texts, found);
    this.admin = new Admin(this.gate);
  }

  async #startFront(front) {
    const gate = { "127.0.0.1:8443": `127.0.0.1:${this.gate.port}` };
    const port = this.frontPort;
    if (front === "haproxy") {
      const admin = this.gate.doors.admin.split(":").at(-1);
      const file = this.#written("haproxy.cfg", { 15001: port, "port 9090": `port ${admin}`, ...gate });
      await this.#serve(front, { command: front, values: ["-db", "-f", file], port });
    } else {
      makeCertificate(join(this.folder, "certs"));
      const file = this.#written("nginx.conf", { 15002: port, ...gate });
      // One process, so that killing it leaves no worker behind.
      const values = ["-p", this.folder, "-c", file, "-g", "daemon off; master_process off;"];
      await this.#serve(front, { command: front, values, port });
    }
    this.front = front;
    // HAProxy asks first whether the gate is ready.
    await until(`${front} reaches the gate`, () => ask(this, "/").then(({ status }) => status === 200, () => false));
  }

  // A file of the example with other ports in it, in this test's folder.
  #written(name, exchange) {
    const file = join(this.folder, name);
    writeFileSync(file, exchanged(`${EXAMPLE}/${name}`, exchange)[0]);
    return file;
  }

  async #serve(name, { env = () => ({}), ...how }) {
    const served = await Served.start(name, { ...how, cwd: this.folder, env: (port) => ({ PATH, ...env(port) }) });
    this.#programs.push(served);
    return served;
  }
}

/** A client with the example's own side of a room. */
class Member {
  /** Contents of the room, as they came. */
  contents = [];

  constructor(manager) {
    this.manager = manager;
    this.socket = manager.socket("/").connect();
    this.room = new Room(this.socket);
    this.room.listen((content) => this.contents.push(content));
    this.welcomed = new Promise((done, fail) => {
      this.socket.once("welcome", (welcome) => done((this.welcome = welcome)));
      this.socket.once("connect_error", (error) => fail(withAnswer(error)));
    });
    this.welcomed.catch(() => {});
  }

  /** The next content that is one of these. */
  content(fields) {
    return until(`the content ${JSON.stringify(fields)} comes`, () => this.contents.find(having(fields)), 30_000);
  }

  /** Joins another namespace on the same session; fails as the client is told. */
  join(namespace) {
    const socket = this.manager.socket(namespace);
    const joined = new Promise((done, fail) => socket.once("connect", () => done(socket)).once("connect_error", fail));
    socket.connect();
    return within(`${namespace} to be joined`, joined);
  }

  close() {
    this.socket.disconnect();
    this.manager._close();
  }
}

const having = (fields) => (found) => Object.entries(fields).every(([name, value]) => found[name] === value);

// The client empties the answer as soon as `connect_error` is over.
function withAnswer(error) {
  const { status, responseText } = error.context ?? {};
  return Object.assign(error, { status, told: responseText, retryAfter: error.context?.getResponseHeader?.("retry-after") });
}

function makeCertificate(folder) {
  mkdirSync(folder);
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", ...names];
  execFileSync("openssl", [...kind, "-keyout", join(folder, "site.key"), "-out", join(folder, "site.crt")], { stdio: "pipe" });
}
