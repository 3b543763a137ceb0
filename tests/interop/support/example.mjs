// The examples, run as their users run them: what they need installed from their own lock files, their programs as they
// are, and the gate with their own configuration, of which nothing but addresses is exchanged.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ADMIN_TOKEN, Gate } from "./gate.mjs";
import { Program } from "./program.mjs";
import { freePort, until } from "./wait.mjs";

export const EXAMPLES = fileURLToPath(new URL("../../../examples/", import.meta.url));

/**
 * Installs what an example is pinned to, once for each state of its lock files. `folder`: its name, or where it is. Returns the
 * folder and what programs in it are started with.
 */
export async function installed(folder) {
  const cwd = resolve(EXAMPLES, folder);
  const run = (command, ...values) => promisify(execFile)(command, values, { cwd });
  await once(cwd, "node_modules", ["package.json", "package-lock.json"], () =>
    run("npm", "ci", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"),
  );
  await once(cwd, ".venv", ["requirements.txt"], async () => {
    await run("python3", "-m", "venv", ".venv");
    await run(".venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", "requirements.txt");
  });
  return { folder: cwd, node: process.execPath, python: join(cwd, ".venv", "bin", "python") };
}

/** A program of an example that listens on a port: `{ command, values, env(port), cwd, port }`; a free port if none is given. */
export class Served {
  lines = [];

  static async start(name, how) {
    const served = new Served();
    Object.assign(served, { name, how, port: how.port ?? (await freePort()) });
    await served.start();
    return served;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it, at first or again where it was, and returns once it accepts connections. */
  async start() {
    const { command, values, cwd, env = (port) => ({ PORT: String(port) }) } = this.how;
    this.program = new Program(this.name, command, values, {
      cwd,
      env: { PYTHONUNBUFFERED: "1", ...env(this.port) },
      heard: (line) => this.lines.push(line),
    });
    await this.program.ready(until(`${this.name} listens on ${this.port}`, () => accepts(this.port), 60_000));
  }

  /** Ends it in the polite way, and returns how it ended. */
  stop() {
    return this.program.stop();
  }

  /** Ends it as a crash would. */
  kill() {
    return this.program.kill();
  }

  /** How many of its lines hold `text`. */
  count(text) {
    return this.lines.filter((line) => line.includes(text)).length;
  }
}

/**
 * The gate with configurations of an example, by their paths in `examples/`: one, or several of which later ones win. Each text of
 * `exchange` must stand in them. What they say of the gate's own addresses and of its log is laid over, so that tests find the gate
 * and can read what it writes.
 */
export function gateOf(paths, exchange = {}, env = {}) {
  return Gate.open(() => exchanged(paths, exchange), { ...FOUND_AND_READ, ...env });
}

/** The gate with the variables of an example's file alone. */
export function gateByEnv(path, exchange = {}, env = {}) {
  return Gate.open(null, { ...variablesOf(path, exchange), ...FOUND_AND_READ, ...env });
}

/** The variables in a file of an example, with other addresses in it. */
export function variablesOf(path, exchange = {}) {
  return variables(exchanged(path, exchange)[0]);
}

/** The texts of an example's files, with other addresses in them. */
export function exchanged(paths, exchange) {
  const texts = [paths].flat().map((path) => readFileSync(join(EXAMPLES, path), "utf8"));
  const absent = Object.keys(exchange).find((theirs) => !texts.some((text) => text.includes(theirs)));
  if (absent) throw new Error(`${paths} does not say ${absent}`);
  const exchangeAll = (text) => Object.entries(exchange).reduce((text, [theirs, ours]) => text.replaceAll(theirs, ours), text);
  return texts.map(exchangeAll);
}

// `NAME=value` lines as a shell and compose read them, quotes around a value taken off.
function variables(text) {
  const lines = text.split("\n").filter((line) => /^[A-Za-z_]\w*=/.test(line));
  return Object.fromEntries(lines.map((line) => /^(\w+)=(["']?)(.*?)\2$/.exec(line)).map(([, name, , value]) => [name, value]));
}

const FOUND_AND_READ = {
  SOCKGATE_LISTEN__ADDRESS: "127.0.0.1:0",
  SOCKGATE_ADMIN__ADDRESS: "127.0.0.1:0",
  SOCKGATE_ADMIN__TOKEN: ADMIN_TOKEN,
  SOCKGATE_LOG__FORMAT: "json",
};

// Runs `install` where `target` was not made from these files as they are now.
async function once(folder, target, files, install) {
  if (!files.every((file) => existsSync(join(folder, file)))) return;
  const hash = createHash("sha256").update(process.version);
  for (const file of files) hash.update(readFileSync(join(folder, file)));
  const [made, stamp] = [hash.digest("hex"), join(folder, target, ".stamp")];
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === made) return;
  rmSync(join(folder, target), { recursive: true, force: true });
  await install();
  writeFileSync(stamp, made);
}

// Whether somebody listens there. Nothing is asked, so nothing of it is in the program's log.
function accepts(port) {
  return new Promise((done) => {
    const line = connect(port, "127.0.0.1", () => done(line.destroy()));
    line.once("error", () => done(null));
  });
}
