// What an app's engine was given, packet by packet (apps keep that when started with HEARD=1), without the heartbeat and
// without what tells it that a client has gone.

import assert from "node:assert/strict";
import { until } from "./wait.mjs";

const LEFT_OUT = ["1", "3", "41"];

export class Heard {
  #from = 0;
  #upto = 0;

  constructor(app) {
    this.app = app;
  }

  /** Everything so far is known: what came between the last look and now, it did not wait for. */
  async forget() {
    this.#from = this.#upto = (await this.#all()).length;
  }

  /** What came since, once it is `count` packets or more. Fewer are returned when no more come. */
  async past(count) {
    let packets;
    const isAll = async () => (packets = (await this.#all()).slice(this.#from)).length >= count;
    await until(`the app was given ${count} packets`, isAll, 3_000).catch(() => {});
    this.#upto = this.#from + packets.length;
    return packets;
  }

  /** Nothing came after the last look. */
  async isComplete() {
    assert.deepEqual((await this.#all()).slice(this.#upto), []);
  }

  async #all() {
    const { heard } = await this.app.stats();
    return heard.filter((packet) => !LEFT_OUT.includes(packet));
  }
}
