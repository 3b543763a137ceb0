// Clients of Socket.IO 2 (Engine.IO 3) before an app that takes them: refused by default, carried and judged where the gate is told
// to serve them.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { WAYS } from "../support/client.mjs";
import { call2, Client2 } from "../support/client2.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { ask } from "../support/request.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint } from "../support/token.mjs";
import { next, until } from "../support/wait.mjs";

const APP = ["node", { env: { EIO3: "1", PING_INTERVAL: "1000", PING_TIMEOUT: "4000" } }];
const SERVED = { socketio: { eio3: true } };
const RULES = {
  access: {
    join: "deny",
    rule: [
      { join: ["/", "/chat"] },
      { send: ["delete"], needs: { roles: ["admin"] } },
      { receive: ["secret"], needs: { roles: ["admin"] } },
    ],
  },
};

/** Clients that are closed after each test. */
class Crowd {
  clients = [];

  async arrive(stage, way) {
    const client = this.come(stage, WAYS[way]);
    await client.hello;
    await client.travels(way === "polling" ? "polling" : "websocket");
    return client;
  }

  come(stage, options) {
    const client = new Client2(stage, options);
    this.clients.push(client);
    return client;
  }

  leave() {
    this.clients.splice(0).forEach((client) => client.close());
  }
}

for (const [name, config, join] of [
  ["carried", SERVED, "/admin"],
  ["judged", { ...SERVED, ...RULES }, "/chat"],
]) {
  describe(`socket.io-client 2 ${name}`, () => {
    let stage;
    const crowd = new Crowd();
    before(async () => (stage = await Stage.open({ apps: [APP], config })));
    afterEach(() => crowd.leave());
    after(() => stage.close());

    for (const way of Object.keys(WAYS)) {
      test(`${way}: acknowledgements carry every kind of value`, async () => {
        const client = await crowd.arrive(stage, way);
        assert.equal(await client.call("add", 2, 3), 5);
        const values = { text: "a\u001eb \u{1F980} é \"\\", list: [1, -2.5, null, true], deep: { empty: {}, none: [] } };
        assert.deepEqual(await client.call("echo", values), values);
      });

      test(`${way}: binary goes both ways, alone and inside values`, async () => {
        const client = await crowd.arrive(stage, way);
        const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
        assert.deepEqual(await client.call("echo", bytes), bytes);
        const mixed = { name: "two", parts: [bytes, Buffer.from([0x1e, 0x62, 0x30])] };
        assert.deepEqual(await client.call("echo", mixed), mixed);
        client.socket.on("asked", (value, reply) => reply(value, Buffer.from([9, 8])));
        const asked = new Promise((done) => client.socket.emit("ask", bytes, (...values) => done(values)));
        assert.deepEqual(await asked, [bytes, Buffer.from([9, 8])]);
      });

      test(`${way}: namespaces share the session, with their query`, async () => {
        const client = await crowd.arrive(stage, way);
        const other = await client.join(join, { room: "7", text: "a b&c" });
        const { namespace, auth } = await call2(other, "whoami");
        assert.deepEqual({ namespace, auth }, { namespace: join, auth: { room: "7", text: "a b&c" } });
        other.disconnect();
        assert.equal(await client.call("add", 1, 1), 2);
      });

      test(`${way}: many packets and a long one arrive in order`, async () => {
        const client = await crowd.arrive(stage, way);
        const numbers = [];
        client.socket.on("number", (number) => numbers.push(number));
        assert.equal(await client.call("count", 200), 200);
        assert.deepEqual(numbers, Array.from({ length: 200 }, (_, index) => index));
        const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => client.call("add", index, 1)));
        assert.deepEqual(answers, Array.from({ length: 100 }, (_, index) => index + 1));
        const long = "é".repeat(200_000);
        assert.equal(await client.call("echo", long), long);
      });

      test(`${way}: heartbeats keep the session, and a session that was lost is opened anew`, async () => {
        const client = await crowd.arrive(stage, way);
        let pongs = 0;
        client.manager.on("pong", () => (pongs += 1));
        await until("the app has answered two pings", () => pongs >= 2);
        assert.deepEqual(client.disconnects, []);
        const hello = next(client.socket, "hello");
        client.socket.emit("drop");
        await hello;
        assert.equal(client.disconnects.length, 1);
        assert.equal(await client.call("add", 1, 2), 3);
      });
    }

    test("every session is gone when its client is", async () => {
      crowd.leave();
      await stage.app.empty();
    });
  });
}

describe("socket.io-client 2 and rules", NEEDS_GATE, () => {
  const crowd = new Crowd();
  let stage;
  before(async () => (stage = await Stage.open({ apps: [APP], config: { ...SERVED, ...RULES } })));
  afterEach(() => crowd.leave());
  after(() => stage.close());

  for (const way of Object.keys(WAYS)) {
    test(`${way}: a denied event is answered with an error`, async () => {
      const client = await crowd.arrive(stage, way);
      const { events } = await stage.app.stats();
      const { error } = await client.call("delete", 1);
      assert.equal(error.code, "event_refused");
      assert.equal(typeof error.message, "string");
      assert.equal((await stage.app.stats()).events, events);
    });

    test(`${way}: a refused namespace is told why, and the others live on`, async () => {
      const client = await crowd.arrive(stage, way);
      const admin = client.manager.socket("/admin");
      const refused = next(admin, "error");
      admin.connect();
      const [error] = await refused;
      assert.equal(error.code, "namespace_refused");
      assert.equal(typeof error.message, "string");
      assert.equal(await client.call("add", 1, 1), 2);
      assert.deepEqual(client.disconnects, []);
    });
  }
});

describe("socket.io-client 2 that may not be served", NEEDS_GATE, () => {
  const crowd = new Crowd();
  afterEach(() => crowd.leave());

  test("by default it is told that its protocol is not served", async () => {
    const stage = await Stage.open({ apps: [APP] });
    try {
      const client = crowd.come(stage, WAYS.polling);
      await until("the client reports an error", () => client.errors.length > 0);
      assert.equal(client.errors[0].description, 400);
      // The client keeps the body to itself.
      const { text } = await ask(stage, "/socket.io/?EIO=3&transport=polling", { headers: bearer(mint("ana")) });
      assert.equal(JSON.parse(text).code, 5);
      assert.equal((await stage.app.stats()).opened, 0);
    } finally {
      crowd.leave();
      await stage.close();
    }
  });

  for (const way of ["polling", "websocket"]) {
    test(`${way}: a main namespace that is forbidden is told why, and it does not come back`, async () => {
      const rule = [{ join: ["/"], needs: { roles: ["admin"] } }];
      const stage = await Stage.open({ apps: [APP], config: { ...SERVED, access: { rule } } });
      try {
        const client = crowd.come(stage, WAYS[way]);
        const [error] = await client.said;
        assert.equal(error.code, "namespace_refused");
        await until("the client hears that it is over", () => client.disconnects.length > 0);
        assert.deepEqual(client.disconnects, ["io server disconnect"]);
        await until("the client has closed", () => client.manager.readyState === "closed");
        assert.equal(client.manager.reconnecting ?? false, false);
        assert.equal(client.attempts, 0);
        await stage.app.empty();
      } finally {
        crowd.leave();
        await stage.close();
      }
    });
  }
});
