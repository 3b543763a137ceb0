// Half of a soak's sessions, in a process of its own (one process cannot drive a thousand socket.io-clients and the other
// half of the machine). Started by soak.mjs, told by messages: `open` with what to connect to, `finish` when to end.
//
// Each session numbers what it sends, from 0, and expects the app's numbers the same way. A connection that broke is a
// *life* that ended; the client comes back by itself and begins a new one. What is reported are lives.

import { Agent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { Client, WAYS } from "../support/client.mjs";
import { bearer } from "../support/token.mjs";
import { until } from "../support/wait.mjs";

const OPENED_AT_ONCE = 25;
const BURST = 3;
const PAUSE_MS = 3_000;

class Session {
  constructor({ urls, ca, token, way }, index) {
    const url = urls[index % urls.length];
    // Polls reuse connections here, as browsers do: fresh ones are the subject of another test.
    const agent = url.startsWith("https:") ? KEEP_TLS : KEEP;
    this.lives = [];
    this.stumbles = [];
    this.client = new Client(url, { ...WAYS[way], extraHeaders: bearer(token), ca, agent, reconnectionDelay: 500 });
    const { socket } = this.client;
    socket.on("connect", () => this.lives.push({ way, instance: "", sent: 0, received: 0, disorder: 0, ended: "" }));
    socket.on("hello", ({ instance }) => (this.life.instance = instance));
    socket.on("down", (number, mine) => this.#hear(number, mine));
    socket.on("disconnect", (reason, details) => this.#end(`${reason} (${details?.message ?? ""} ${details?.description ?? ""})`));
  }

  get life() {
    return this.lives.at(-1);
  }

  async begin() {
    await this.client.connected.catch((error) => {
      this.stumbles.push(`${error.message} (${error.description} ${error.told})`);
      return until("it is connected after all", () => this.life?.instance);
    });
    // Spread over the pause, so that the load is even.
    this.first = setTimeout(() => {
      this.#say();
      this.timer = setInterval(() => this.#say(), PAUSE_MS);
    }, Math.random() * PAUSE_MS);
  }

  // Ends sending, waits for what is on its way, and asks the app what it saw. Who lost their app server may be on the way
  // to another still.
  async finish() {
    clearTimeout(this.first);
    clearInterval(this.timer);
    const { client } = this;
    await until("it is connected again", () => client.socket.connected, 30_000).catch(() => {});
    if (!client.socket.connected) return;
    const { life } = this;
    await until("the last answer is here", () => life.received >= life.sent || life.ended, 20_000).catch(() => {});
    life.transport = client.transport;
    life.tally = await client.call("tally").catch((error) => ({ failed: error.message }));
  }

  // A session can also end between its handshake and its first word: that is a stumble, not a life.
  #end(why) {
    if (!this.life || this.life.ended) this.stumbles.push(why);
    else this.life.ended = why;
  }

  #say() {
    if (!this.client.socket.connected) return;
    for (let count = 0; count < BURST; count += 1) {
      this.client.socket.emit("up", this.life.sent);
      this.life.sent += 1;
    }
  }

  // The app answers each message with one of its own: both numbers must be the next.
  #hear(number, mine) {
    if (number !== this.life.received || mine !== this.life.received) this.life.disorder += 1;
    this.life.received += 1;
  }
}

const KEEP = new Agent({ keepAlive: true });
const KEEP_TLS = new TlsAgent({ keepAlive: true });
let sessions = [];

process.on("message", async ({ open, finish }) => {
  if (open) {
    while (sessions.length < open.count) {
      const length = Math.min(OPENED_AT_ONCE, open.count - sessions.length);
      // A client connects when it is made. Hundreds at once would keep this process busy for longer than the gate waits
      // for the first word of a connection.
      const batch = Array.from({ length }, (_, index) => new Session(open, sessions.length + index));
      sessions.push(...batch);
      await Promise.all(batch.map((session) => session.begin()));
    }
    process.send({ stumbles: sessions.flatMap((session) => session.stumbles) });
  }
  if (finish) {
    await Promise.all(sessions.map((session) => session.finish()));
    const lives = sessions.flatMap((session) => session.lives.map((life) => ({ ...life })));
    sessions.forEach((session) => session.client.close());
    process.send({ lives });
  }
});
