// The debugging guide (config/reference/debugging.md) as the tests that play its symptoms read it. A section says by code spans
// what is seen: the client's text under "See", fields of one log record under "Log", samples under "Metric", commands under
// "Ask", and in the first column of tables. A test shows each of them to be so, by name; a span that no test has shown fails
// its section, and so does a test that shows what the section does not say.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, describe } from "node:test";
import { fileURLToPath } from "node:url";
import { ADMIN_TOKEN, BINARY, NEEDS_GATE } from "./gate.mjs";
import { ask } from "./request.mjs";
import { until } from "./wait.mjs";

export const GUIDE = readFileSync(fileURLToPath(new URL("../../../config/reference/debugging.md", import.meta.url)), "utf8");
const EVIDENCE = /^(- (See|Log|Metric|Ask): |\| `)/;
const SPAN = /`([^`]+)`/g;

/** The tests of one section: `body(page)` declares them. */
export function symptom(title, body) {
  describe(title, NEEDS_GATE, () => {
    const page = new Page(title);
    body(page);
    after(() => page.isShown());
  });
}

/** Title and lines of each symptom. */
export function sections() {
  const parts = GUIDE.split(/^### /m).slice(1);
  return new Map(parts.map((part) => part.split(/^## /m)[0].split("\n")).map(([title, ...lines]) => [title, lines]));
}

/** The code spans of a line. */
export const spans = (line) => [...line.matchAll(SPAN)].map(([, span]) => span);

export class Page {
  #shown = new Set();

  constructor(title) {
    this.title = title;
    this.lines = sections().get(title) ?? assert.fail(`the guide has no section "${title}"`);
  }

  /** What a client was told or shown has each of `quotes`, and so has the guide. */
  client(seen, ...quotes) {
    const text = [seen].flat().join("\n");
    for (const quote of quotes) {
      this.shows(quote);
      assert.ok(matches(text, quote, "within"), `the client was shown ${JSON.stringify(text)}, not ${quote}`);
    }
  }

  /** The gate has written one record with all these: `field=value`, or the record's message. Returns it. */
  log(gate, ...fields) {
    fields.forEach((field) => this.shows(field));
    const last = () => gate.lines.slice(-15).join("\n");
    const found = until("the record is written", () => records(gate).find((record) => fields.every((field) => has(record, field))));
    return found.catch((error) => assert.fail(`${error.message}: ${fields.join(" ")}; the log ends with\n${last()}`));
  }

  /** A sample of the metrics is there, and not 0 or what the guide says. */
  async metric(gate, sample) {
    this.shows(sample);
    let line;
    const [, name, labels = "", wanted] = /^(\w+)(?:\{(.*)\})?(?: (\d+))?$/.exec(sample);
    const fits = (text) => text.split(/[{ ]/)[0] === name && labels.split(",").every((label) => matches(text, label, "within"));
    const isThere = async () => {
      line = (await metrics(gate)).split("\n").find(fits);
      const now = Number(line?.split(" ").at(-1));
      return wanted === undefined ? now > 0 : now === Number(wanted);
    };
    await until(`${sample} is counted`, isThere).catch((error) => assert.fail(`${error.message}; there is ${line}`));
  }

  /** Runs a command that the guide tells to ask with, see `run`. */
  command(gate, command, fill, input) {
    this.shows(command);
    return run(gate, command, fill, input);
  }

  /** What the guide tells to set, as a configuration: `page.setting("auth.leeway")`. */
  setting(key) {
    const span = this.lines.flatMap(spans).find((span) => span.startsWith(`${key} = `));
    assert.ok(span, `"${this.title}" does not set ${key}`);
    return toTable(span);
  }

  /** Every evidence of the section was shown by a test. */
  isShown() {
    const missing = this.evidence().filter((span) => !this.#shown.has(span));
    assert.deepEqual(missing, [], `of "${this.title}" no test has shown these`);
  }

  evidence() {
    const lines = this.lines.filter((line) => EVIDENCE.test(line));
    return lines.flatMap((line) => spans(line.startsWith("|") ? line.split("|")[1] : line));
  }

  /** The section says so, and a test has seen it. */
  shows(span) {
    assert.ok(this.evidence().includes(span), `"${this.title}" does not say ${span}; it says ${this.evidence().join(" , ")}`);
    this.#shown.add(span);
  }
}

/** `auth.leeway = "2m"` as `{ auth: { leeway: "2m" } }`. */
export function toTable(setting) {
  const [key, value] = setting.split(/ = (.*)/s);
  return key.split(".").reduceRight((inner, name) => ({ [name]: inner }), JSON.parse(value));
}

/** All that a client is told that cannot connect: the error's text, status, data and the answer. */
export async function refusal(stage, options) {
  const client = stage.stranger({ reconnection: false, ...options });
  const error = await client.connected.then(() => assert.fail("it was let in"), (error) => error);
  client.close();
  return whole(error.message, error.description?.message ?? error.description, error.data, error.told);
}

/** All that a connected client will be told when it is dropped: reason, status or close code, and the answer. */
export function farewell(client) {
  return new Promise((done) => {
    client.socket.once("disconnect", (reason, details) => {
      const { message, description, context } = details ?? {};
      done(whole(reason, message, typeof description === "object" ? "" : description, context?.code, context?.responseText));
    });
  });
}

const whole = (...parts) => parts.map((part) => (typeof part === "string" ? part : JSON.stringify(part) ?? "")).join("\n");

/** Runs `command` with the gate's configuration; `fill` puts in what it leaves open. `{ code, text }` is what comes of it. */
export function run(gate, command, fill = {}, input = "") {
  const filled = Object.entries(fill).reduce((text, [open, value]) => text.replace(open, value), command);
  const values = [...filled.split(" ").slice(1), "--config", "sockgate.toml"];
  return new Promise((done) => {
    const child = execFile(BINARY, values, { cwd: gate.folder }, (error, out, told) => done({ code: error?.code ?? 0, text: out + told }));
    // Who needs no input may have ended already.
    child.stdin.on("error", () => {}).end(input);
  });
}

/** The records of a log, message and fields side by side. */
export function records(gate) {
  return gate.lines.flatMap((line) => {
    try {
      const { fields, ...record } = JSON.parse(line);
      return [{ ...record, ...fields }];
    } catch {
      return [];
    }
  });
}

async function metrics(gate) {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  return (await ask({ url: `http://${gate.doors.admin}` }, "/metrics", { headers })).text;
}

function has(record, field) {
  const [, name, value] = /^(\w+)=(.*)$/s.exec(field) ?? [null, "message", field];
  const said = value.startsWith('"') ? value.slice(1, -1).replaceAll('\\"', '"') : value;
  return record[name] !== undefined && matches(String(record[name]), said, "whole");
}

// `…` stands for anything.
function matches(text, pattern, how) {
  const escaped = pattern.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  return new RegExp(how === "whole" ? `^${escaped}$` : escaped, "s").test(text);
}
