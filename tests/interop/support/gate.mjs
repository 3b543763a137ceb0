// The gate under test: the binary named by SOCKGATE_BIN, with a configuration in a temporary folder, on ports that the
// system picks and the log tells. Without SOCKGATE_BIN there is no gate, and the tests that do not need one run straight
// against the apps: that shows that apps, clients and tests agree with each other.

import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program } from "./program.mjs";
import { SECRET } from "./token.mjs";
import { toToml } from "./toml.mjs";
import { until } from "./wait.mjs";

/** What opens the admin door. */
export const ADMIN_TOKEN = randomBytes(16).toString("hex");
export const BINARY = process.env.SOCKGATE_BIN;
/** For tests about what only the gate does. */
export const NEEDS_GATE = { skip: BINARY ? false : "needs the gate (SOCKGATE_BIN)" };

export class Gate {
  /** Starts a gate with `config`, a value shaped like the TOML, laid over what every test wants. */
  static async start(config) {
    const gate = await Gate.open((folder) => toToml(merge(base(folder), config)));
    gate.config = config;
    return gate;
  }

  /** Starts a gate with the TOML text (or texts, later ones win) that `write(folder)` returns, or by `env` alone. It must log as JSON. */
  static async open(write, env = {}) {
    const gate = new Gate();
    gate.folder = mkdtempSync(join(tmpdir(), "sockgate-interop-"));
    gate.lines = [];
    const values = ["run"];
    for (const [index, text] of [write?.(gate.folder) ?? []].flat().entries()) {
      const file = join(gate.folder, index ? `sockgate-${index}.toml` : "sockgate.toml");
      writeFileSync(file, text, { mode: 0o600 });
      values.push("--config", file);
    }
    await gate.#run(values, env);
    return gate;
  }

  /** Ends it as operators do: sessions are told to go, then it leaves. Returns how it ended; its folder stays. */
  leave() {
    return this.program.stop();
  }

  /** Starts it again after it left, with what it had, where it was. */
  async comeBack() {
    const { values, env, doors } = this;
    await this.#run(values, { ...env, SOCKGATE_LISTEN__ADDRESS: doors.public });
  }

  get port() {
    return Number(this.doors.public.split(":").at(-1));
  }

  /** For programs: the address itself. */
  get url() {
    return `https://127.0.0.1:${this.port}`;
  }

  /** For browsers: a name, as people use it. */
  get site() {
    return `https://localhost:${this.port}`;
  }

  get caFile() {
    return join(this.folder, "certs", "ca.pem");
  }

  async status() {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, connection: "close" };
    return (await fetch(`http://${this.doors.admin}/status`, { headers })).json();
  }

  /** Lays `change` over the configuration and has the gate read it (SIGHUP). Returns once it is in effect. */
  async reload(change) {
    const { generation } = await this.status();
    this.rewrite(change);
    await until("the new configuration is in effect", async () => (await this.status()).generation > generation);
  }

  /** The same, whatever becomes of it. */
  rewrite(change) {
    const file = join(this.folder, "sockgate.toml");
    const text = toToml(merge(base(this.folder), merge(this.config, change)));
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    this.program.child.kill("SIGHUP");
  }

  /** Nothing is left of any client: no session, no connection. */
  async empty(patience = 70_000) {
    let last;
    const isEmpty = async () => {
      last = await this.status();
      return last.sessions.polling === 0 && last.sessions.websocket === 0 && last.connections === 0;
    };
    try {
      await until("the gate is empty", isEmpty, patience);
    } catch (error) {
      throw new Error(`${error.message}; /status says ${JSON.stringify(last)}`);
    }
  }

  /** Ends it at once: a test that is over has nothing to drain. */
  async stop() {
    await this.program.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #run(values, env) {
    Object.assign(this, { values, env, doors: {} });
    this.program = new Program("the gate", BINARY, values, {
      cwd: this.folder,
      env,
      heard: (line, stream) => this.#hear(line, stream),
    });
    const listening = until("the gate listens", () => this.doors.public && this.doors.admin, 60_000);
    listening.catch(() => {});
    await this.program.ready(listening);
    // Where another proxy ends TLS there is none.
    if (existsSync(this.caFile)) this.ca = readFileSync(this.caFile);
  }

  // `{"message":"listening","address":"127.0.0.1:40123","door":"public"}`, the fields at the top or under `fields`.
  #hear(line, stream) {
    if (process.env.SOCKGATE_SHOW_LOG) console.error(line);
    this.lines.push(line);
    if (stream !== "stderr" || !line.includes("listening")) return;
    try {
      const record = JSON.parse(line);
      const { message, address, door } = { ...record, ...record.fields };
      if (message === "listening") this.doors[door] = address;
    } catch {
      // Not a record: a text line that mentions the word.
    }
  }
}

// All limits that are not the subject of a test are out of its way: every client here comes from one address.
function base(folder) {
  return {
    listen: { address: "127.0.0.1:0" },
    tls: { generate: true, directory: join(folder, "certs") },
    auth: { secret: SECRET },
    limit: {
      handshakes_per_address: "off",
      handshakes_per_user: "off",
      connections_per_address: 0,
      handshakes_in_flight: 0,
      messages_per_user: "off",
    },
    // A session by polling whose client said good bye in a packet is known to be gone when nobody polls any more.
    socketio: { max_payload: "5 MB", abandoned_after: "5s" },
    admin: { address: "127.0.0.1:0", token: ADMIN_TOKEN },
    log: { format: "json" },
  };
}

/** `above` laid over `below`, table by table. */
export function merge(below, above) {
  const isTable = (value) => value && typeof value === "object" && !Array.isArray(value);
  const merged = { ...below };
  for (const [key, value] of Object.entries(above ?? {})) {
    merged[key] = isTable(value) && isTable(below[key]) ? merge(below[key], value) : value;
  }
  return merged;
}
