// What an app's engine was given, packet by packet (apps keep that when started with HEARD=1), without the heartbeat.

import { until } from "./wait.mjs";

const GOOD_BYES = ["1", "3", "41"];

export class Heard {
  #from = 0;

  constructor(app) {
    this.app = app;
  }

  /** Everything so far is known. */
  async forget() {
    this.#from = (await this.app.stats()).heard.length;
  }

  /** What came since, but for pongs and what tells the app that a client has gone. */
  async since() {
    const { heard } = await this.app.stats();
    return heard.slice(this.#from).filter((packet) => !GOOD_BYES.includes(packet));
  }

  /** Waits until `packets`, and nothing else, have come. */
  async is(packets) {
    const wanted = JSON.stringify(packets);
    let last;
    const isIt = async () => JSON.stringify((last = await this.since())) === wanted;
    await until(`the app was given ${wanted}`, isIt, 5_000).catch((error) => {
      throw new Error(`${error.message}; it was given ${JSON.stringify(last)}`);
    });
  }
}
