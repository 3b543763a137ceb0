// The admin door of a gate, asked as an operator would.

import { ADMIN_TOKEN } from "./gate.mjs";
import { ask } from "./request.mjs";

export class Admin {
  constructor(gate) {
    this.stage = { url: `http://${gate.doors.admin}` };
  }

  /** What is answered to a question or a deed, as JSON. */
  async ask(path, body) {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, ...(body && { "content-type": "application/json" }) };
    const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const { status, text } = await ask(this.stage, path, { headers, ...options });
    if (status !== 200) throw new Error(`${path} was answered ${status} ${text}`);
    return JSON.parse(text);
  }

  /** A sample of the metrics, 0 when there is none yet: `sample("refusals", { reason: "abuse" })`. */
  async sample(name, labels = {}) {
    const { text } = await ask(this.stage, "/metrics", { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const lines = text.split("\n").filter((line) => line.startsWith(`sockgate_${name}`) && wanted.every((label) => line.includes(label)));
    return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }
}
