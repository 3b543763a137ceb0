// The board itself: some services by name, each asked every few seconds whether it is up. Says `change` when one of them is
// not what it was, and what that was.

import { EventEmitter } from "node:events";

const PATIENCE_MS = 2_000;

export class Board extends EventEmitter {
  #services = new Map();
  #timer;

  /** `services`: `"shop=http://127.0.0.1:4100/ page=http://localhost:5173/"`. */
  constructor(services) {
    super();
    for (const pair of services.split(/\s+/).filter(Boolean)) {
      const [name, url] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
      this.#services.set(name, { name, url, state: "unknown", since: new Date().toISOString() });
    }
  }

  watch(everyMs) {
    this.refresh();
    this.#timer = setInterval(() => this.refresh(), everyMs);
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** Asks all of them now. */
  async refresh() {
    await Promise.all([...this.#services.values()].map((service) => this.#ask(service)));
  }

  /** What is shown of those services; of all without names. */
  show(names = [...this.#services.keys()]) {
    return names.map((name) => this.#services.get(name)).filter(Boolean).map(shown);
  }

  async #ask(service) {
    const answer = fetch(service.url, { signal: AbortSignal.timeout(PATIENCE_MS), headers: { connection: "close" } });
    const state = await answer.then(({ ok }) => (ok ? "up" : "down")).catch(() => "down");
    const before = service.state;
    if (state === before) return;
    Object.assign(service, { state, since: new Date().toISOString() });
    this.emit("change", shown(service), before);
  }
}

function shown({ name, state, since }) {
  return { name, state, since };
}
