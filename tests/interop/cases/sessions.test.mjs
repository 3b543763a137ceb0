// The life of sessions: they stay with the app server they began on, outlive its restart as new sessions, are recovered
// where the app can do that, and end when their token, their app or the gate does.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { SOCKET_IO_APPS } from "../support/app.mjs";
import { WAYS } from "../support/client.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { Stage } from "../support/stage.mjs";
import { mint } from "../support/token.mjs";
import { next, until } from "../support/wait.mjs";

// A member that died is asked again soon, so that tests need not wait for the patience of production.
const EAGER = { probe_interval: "200ms", probe_fall: 1, eject_for: "200ms", slow_start: "0s" };

describe("two app servers", () => {
  let stage;
  before(async () => {
    const apps = ["one", "two"].map((name) => ["node", { name }]);
    stage = await Stage.open({ apps, upstream: EAGER, config: { socketio: { abandoned_after: "30s" } } });
  });
  afterEach(() => stage.leave());
  after(() => stage.close());

  test("500 sessions stay where they began, though every poll comes on a fresh connection", async () => {
    const clients = [];
    for (let batch = 0; batch < 10; batch += 1) {
      clients.push(...(await Promise.all(Array.from({ length: 50 }, () => stage.client(WAYS.polling)))));
    }
    for (let round = 0; round < 3; round += 1) {
      for (const part of inParts(clients, 100)) await Promise.all(part.map(isWhereItBegan));
    }
    for (const client of clients) {
      assert.equal(client.hellos.length, 1);
      assert.deepEqual(client.disconnects, []);
    }
    if (stage.gate) await bothServe(clients);
  });

  test("50 sessions upgrade on the app server they began on", async () => {
    const clients = await Promise.all(Array.from({ length: 50 }, () => stage.client(WAYS.upgrade)));
    await Promise.all(clients.map((client) => client.travels("websocket")));
    await Promise.all(clients.map(isWhereItBegan));
    if (stage.gate) await bothServe(clients);
  });

  test("one that dies takes only its own sessions, and they start anew on the other", NEEDS_GATE, async () => {
    const ways = [WAYS.polling, WAYS.websocket, WAYS.upgrade];
    const clients = await Promise.all(Array.from({ length: 24 }, (_, index) => stage.client(ways[index % ways.length])));
    const [dying, staying] = ["one", "two"].map((name) => clients.filter((client) => client.hellos[0].instance === name));
    assert.ok(dying.length > 0 && staying.length > 0, "all sessions are on one app server");

    await stage.apps[0].kill();
    await Promise.all(dying.map((client) => until("it starts anew", () => client.hellos.at(-1).instance === "two")));
    for (const client of staying) {
      assert.equal((await client.call("whoami")).id, client.socket.id);
      assert.deepEqual(client.disconnects, []);
      assert.equal(client.hellos.length, 1);
    }
    await stage.apps[0].revive();
  });

  async function bothServe(clients) {
    for (const name of ["one", "two"]) {
      const share = clients.filter((client) => client.hellos[0].instance === name).length;
      assert.ok(share >= clients.length / 4, `${name} has ${share} of ${clients.length} sessions`);
    }
  }
});

describe("an app that restarts", () => {
  for (const kind of SOCKET_IO_APPS) {
    test(`${kind}: clients come back by themselves, each way`, async () => {
      const stage = await Stage.open({ apps: [kind], upstream: EAGER });
      try {
        const clients = await Promise.all(Object.values(WAYS).map((way) => stage.client(way)));
        // A client whose app dies in the middle of an upgrade waits for the heartbeat to find out, gate or not.
        await Promise.all(clients.map((client) => client.travels(client.manager.opts.transports.at(-1))));
        await stage.app.kill();
        await Promise.all(clients.map((client) => until("it knows", () => client.disconnects.length > 0)));
        await stage.app.revive();
        for (const client of clients) {
          await until("it is back", () => client.hellos.length > 1);
          assert.equal(await client.call("add", 20, 22), 42);
        }
      } finally {
        await stage.close();
      }
    });
  }
});

describe("connection state recovery", () => {
  let stage;
  before(async () => {
    const apps = ["one", "two"].map((name) => ["node", { name, env: { RECOVERY: "1" } }]);
    stage = await Stage.open({ apps, upstream: { balance: "hash", hash: "subject" } });
  });
  afterEach(() => stage.leave());
  after(() => stage.close());

  for (const [way, transports] of Object.entries(WAYS)) {
    test(`${way}: a client that lost its connection gets what it missed, on the app server that has it`, async () => {
      for (const subject of ["ana", "bob", "cleo", "dan"]) {
        const client = await stage.client({ ...transports, subject, reconnectionDelay: 300 });
        const friend = await stage.client({ ...WAYS.websocket, subject });
        await client.travels(way === "polling" ? "polling" : "websocket");
        const { id } = client.socket;

        const news = next(client.socket, "news");
        const back = next(client.socket, "connect");
        client.manager.engine.close();
        await friend.call("broadcast", `missed by ${subject}`);
        await back;
        assert.equal(client.socket.recovered, true);
        assert.equal(client.socket.id, id);
        assert.deepEqual((await news)[0], { text: `missed by ${subject}` });
      }
    });
  }
});

describe("the end of a session", () => {
  let stage;
  before(async () => (stage = await Stage.open({ apps: ["node"], config: { auth: { leeway: "0s" } } })));
  afterEach(() => stage.leave());
  after(() => stage.close());

  test("an app that closes the connection is heard, each way", async () => {
    for (const way of Object.values(WAYS)) {
      const client = await stage.client({ ...way, reconnection: false });
      const gone = next(client.socket, "disconnect");
      client.socket.emit("drop");
      assert.equal((await gone)[0], "transport close");
    }
  });

  test("a token that expires ends its session and no other", NEEDS_GATE, async () => {
    const staying = await stage.client(WAYS.websocket);
    const fleeting = () => ({ token: mint("ana", { seconds: 3 }), reconnection: false });
    const [webSocket, upgraded, polling] = await Promise.all(
      [WAYS.websocket, WAYS.upgrade, WAYS.polling].map((way) => stage.client({ ...way, ...fleeting() })),
    );
    await upgraded.travels("websocket");
    for (const client of [webSocket, upgraded]) {
      await until("the session ends", () => client.disconnects.length > 0);
      const { reason, details } = client.disconnects[0];
      assert.equal(reason, "transport close");
      assert.equal(details.context.code, 4401);
      assert.ok(details.context.reason.length > 0, "the close frame has no reason");
    }
    await until("the session ends", () => polling.disconnects.length > 0);
    assert.equal(polling.disconnects[0].reason, "transport error");
    assert.deepEqual(staying.disconnects, []);
    assert.equal(await staying.call("add", 1, 2), 3);
  });

  test("a gate that leaves says so, and leaves nothing undone", NEEDS_GATE, async () => {
    // The app learns of a polling client that does not come back by its ping alone.
    const env = { PING_INTERVAL: "1000", PING_TIMEOUT: "2000" };
    const leaving = await Stage.open({ apps: [["node", { env }]], config: { drain: { grace: "3s" } } });
    try {
      const options = { reconnection: false };
      const [webSocket, polling] = await Promise.all(
        [WAYS.websocket, WAYS.polling].map((way) => leaving.client({ ...way, ...options })),
      );
      assert.deepEqual(await leaving.gate.program.stop(), { code: 0, signal: null });
      await until("both heard", () => webSocket.disconnects.length > 0 && polling.disconnects.length > 0);
      assert.equal(webSocket.disconnects[0].details.context.code, 1012);
      assert.equal(polling.disconnects[0].reason, "transport error");
      await leaving.app.empty();
    } finally {
      await leaving.close();
    }
  });

  test("nothing is left behind", async () => {
    await stage.app.empty();
    await stage.gate?.empty();
  });
});

async function isWhereItBegan(client) {
  const { instance, id } = await client.call("whoami");
  assert.equal(instance, client.hellos[0].instance);
  assert.equal(id, client.socket.id);
}

function* inParts(list, size) {
  for (let start = 0; start < list.length; start += size) yield list.slice(start, start + size);
}
