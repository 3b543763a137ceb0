// What stands where in a test: app servers, the gate in front of them when there is one, and how clients get in. Tests
// say `Stage.open({ apps: ["node"] })` and then `stage.client(…)`, with a gate or without.

import { App } from "./app.mjs";
import { Client } from "./client.mjs";
import { BINARY, Gate, merge } from "./gate.mjs";
import { MODES } from "./mode.mjs";
import { bearer, mint } from "./token.mjs";

const isPlain = (kind) => kind.startsWith("plain");

export class Stage {
  /**
   * Starts `apps`, each a kind or `[kind, options]`, as the members of one upstream, and a gate with `config` over them.
   * `upstream` is laid over the upstream's table, `config` over what the `mode` asks for (see mode.mjs).
   */
  static async open({ apps, mode = "plain", config = {}, upstream = {} }) {
    const stage = new Stage();
    stage.mode = mode;
    stage.clients = [];
    stage.apps = await Promise.all(apps.map((app) => App.start(...[app].flat())));
    stage.app = stage.apps[0];
    if (!BINARY) return stage;
    const route = isPlain(stage.app.kind) ? { path: "/", kind: "websocket" } : { path: "/socket.io/" };
    stage.gate = await Gate.start({
      upstream: [{ name: "app", members: stage.apps.map((app) => app.url), ...upstream }],
      route: [{ ...route, upstream: "app" }],
      ...merge(MODES[mode], config),
    }).catch(async (error) => {
      await stage.close();
      throw error;
    });
    return stage;
  }

  /** Where programs connect. */
  get url() {
    return this.gate?.url ?? this.app.url;
  }

  /** Where browsers connect. */
  get site() {
    return this.gate?.site ?? this.app.url.replace("127.0.0.1", "localhost");
  }

  get webSocketUrl() {
    return this.url.replace("http", "ws");
  }

  /** What a client needs to trust the gate. */
  get trust() {
    return this.gate ? { ca: this.gate.ca } : {};
  }

  /**
   * A socket.io-client in Node, connected to `/`. The token travels in the header, in connect mode in the CONNECT packet,
   * unless `options` say otherwise.
   */
  async client(options = {}) {
    const client = this.stranger(options);
    await client.connected;
    return client;
  }

  /** The same, of which nobody knows yet whether it will be let in. */
  stranger({ subject = "ana", token = mint(subject), ...options } = {}) {
    const client = new Client(options.url ?? this.url, { ...this.carry(token), ...this.trust, ...options });
    this.clients.push(client);
    return client;
  }

  /** How a token travels in this mode, as options of socket.io-client. */
  carry(token) {
    return this.mode === "connect" ? { auth: { token } } : { extraHeaders: bearer(token) };
  }

  /** Disconnects the clients of a test that is over. */
  leave() {
    this.clients.splice(0).forEach((client) => client.close());
  }

  async close() {
    this.leave();
    await this.gate?.stop();
    await Promise.all(this.apps.map((app) => app.kill()));
  }
}
