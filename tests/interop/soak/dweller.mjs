// A session that stays: one raw line, polled or heard all the time, its heartbeat kept up, and questions with an answer.
// Small, so that one process can keep thousands of them.

import { Ended, OnWebSocket, Polling } from "../support/line.mjs";
import { within } from "../support/wait.mjs";

export class Dweller {
  /** How its session ended. */
  ended = "";
  /** Packets that answer no question, without the heartbeat. */
  heard = [];
  #asked = new Map();
  #number = 0;

  static async open(door, way) {
    const line = await { polling: Polling, websocket: OnWebSocket }[way].open(door);
    await line.join();
    return new Dweller(line);
  }

  constructor(line) {
    this.line = line;
    this.over = this.#listen();
  }

  /** What `event` is acknowledged with. */
  async ask(event, ...values) {
    this.#number += 1;
    const id = this.#number;
    const answer = new Promise((done) => this.#asked.set(id, done));
    await this.line.send(`42${id}${JSON.stringify([event, ...values])}`);
    return within(`an answer to ${event}`, answer);
  }

  async leave() {
    await this.line.leave();
  }

  async #listen() {
    try {
      for (;;) await this.#hear(await this.line.next());
    } catch (error) {
      this.ended = error instanceof Ended ? error.message : `failed: ${error.message}`;
    }
  }

  async #hear(packet) {
    if (packet === "2") return this.line.send("3");
    const [, id, values] = /^43(\d+)(\[.*)$/.exec(packet) ?? [];
    if (!id) return this.heard.push(packet);
    this.#asked.get(Number(id))?.(JSON.parse(values)[0]);
    this.#asked.delete(Number(id));
  }
}
