// One child program: an app server, the gate, the Python client. Started with a line to wait for, killed with the tests
// whatever happens, and quoted when it fails: the last of what it wrote is in the error.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { next, within } from "./wait.mjs";

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

export class Program {
  #last = [];

  /** Starts it; `heard(line, stream)` gets every line. */
  constructor(name, command, values, { env = {}, cwd, heard = () => {} } = {}) {
    this.name = name;
    this.child = spawn(command, values, { cwd, env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    running.add(this.child);
    this.ended = new Promise((done) => {
      this.child.once("exit", (code, signal) => {
        running.delete(this.child);
        done({ code, signal });
      });
    });
    this.failed = new Promise((_, fail) => this.child.once("error", fail));
    this.failed.catch(() => {});
    for (const stream of ["stdout", "stderr"]) {
      createInterface({ input: this.child[stream] }).on("line", (line) => {
        this.#last = [...this.#last.slice(-30), line];
        heard(line, stream);
      });
    }
  }

  /** Waits for `promise`; when the program ends before, that is the error. */
  async ready(promise) {
    const ended = this.ended.then(({ code, signal }) => {
      throw new Error(`${this.name} ended with ${signal ?? code}`);
    });
    try {
      return await within(`${this.name} to start`, Promise.race([promise, ended, this.failed]), 60_000);
    } catch (error) {
      await this.kill();
      throw new Error(`${error.message}; it wrote:\n${this.#last.join("\n")}`);
    }
  }

  say(line) {
    this.child.stdin.write(`${line}\n`);
  }

  /** Ends it in the polite way, and returns how it ended. */
  async stop() {
    this.child.kill("SIGTERM");
    return within(`${this.name} to end`, this.ended, 40_000);
  }

  /** Ends it as a crash would. */
  async kill() {
    if (!running.has(this.child)) return;
    this.child.kill("SIGKILL");
    await next(this.child, "exit");
  }
}
