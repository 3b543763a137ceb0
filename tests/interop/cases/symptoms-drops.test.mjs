// The debugging guide, "Drops and transports": sessions that stay on polling or end too early, and what client, log and
// metrics say of it. Times are scaled down: what cuts after 60 s in life cuts after less than a second here.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, afterEach, before, test } from "node:test";
import { Server } from "socket.io";
import WebSocket from "ws";
import { launch, Site } from "../support/browser.mjs";
import { WAYS } from "../support/client.mjs";
import { Door } from "../support/door.mjs";
import { Gate } from "../support/gate.mjs";
import { farewell, symptom } from "../support/guide.mjs";
import { ByteHop, HttpHop } from "../support/hop.mjs";
import { path } from "../support/line.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint } from "../support/token.mjs";
import { next, until } from "../support/wait.mjs";

const BOTH = ["polling", "websocket"];
const app = (interval, timeout) => ["node", { env: { PING_INTERVAL: String(interval), PING_TIMEOUT: String(timeout) } }];

symptom("Polling, never WebSocket", (page) => {
  let stage;
  before(async () => (stage = await Stage.open({ apps: ["node"] })));
  afterEach(() => stage.leave());
  after(() => stage.close());

  const HALVES = {
    "transport=websocket without an Upgrade": ({ upgrade, connection, ...headers }) => headers,
    "Upgrade without Connection: Upgrade": (headers) => ({ ...headers, connection: "close" }),
  };
  for (const [detail, request] of Object.entries(HALVES)) {
    test(`a proxy that does not pass it on: ${detail}`, async () => {
      const hop = await HttpHop.start(stage.gate, { upgrades: false, request });
      const client = await stage.client({ url: hop.url });
      await page.log(stage.gate, "status=400", "refusal=upgrade_malformed", `detail="${detail}"`);
      await page.metric(stage.gate, 'sockgate_refusals_total{reason="upgrade_malformed"}');
      await until("the client has given it up", () => !client.manager.engine.upgrading);
      page.client(client.transport, "polling");
      assert.equal(await client.call("add", 1, 2), 3);
      assert.deepEqual(client.disconnects, []);
      hop.close();
    });
  }

  test("a proxy that speaks HTTP/2 to the gate, and knows WebSocket by HTTP/1.1 alone", async () => {
    const door = new Door(stage, { http2: true, headers: bearer(mint()) });
    const from = stage.gate.lines.length;
    assert.equal((await door.ask(path({ transport: "websocket" }))).status, 400);
    door.close();
    await page.log({ get lines() { return stage.gate.lines.slice(from); } }, 'detail="transport=websocket without an Upgrade"');
  });

  test("an app without WebSocket", async () => {
    const app = createServer();
    new Server(app, { transports: ["polling"] }).on("connection", (socket) => socket.emit("hello", {}));
    app.listen(0, "127.0.0.1");
    await next(app, "listening");
    const members = [`http://127.0.0.1:${app.address().port}`];
    const gate = await Gate.start({ upstream: [{ name: "app", members }], route: [{ path: "/socket.io/" }] });
    const client = await stage.client({ url: gate.url, ca: gate.ca });
    page.client(client.transport, "polling");
    await page.log(gate, "status=200", "kind=open");
    assert.doesNotMatch(gate.lines.join("\n"), /"kind":"upgrade"/);
    client.close();
    await gate.stop();
    app.closeAllConnections();
    app.close();
  });

  test("nobody tries, until the transport is listed", async () => {
    const { transports } = page.setting("socketio.transports").socketio;
    await stage.gate.reload({ socketio: { transports } });
    const from = stage.gate.lines.length;
    const client = await stage.client();
    assert.equal(await client.call("add", 1, 2), 3);
    page.client(client.transport, "polling");
    const ours = { lines: [] };
    await until("the handshake is written", () => (ours.lines = stage.gate.lines.slice(from)).length > 0);
    await page.log(ours, "status=200", "kind=open");
    assert.doesNotMatch(stage.gate.lines.slice(from).join("\n"), /"kind":"upgrade"/);

    await stage.gate.reload({ socketio: { transports: BOTH } });
    await (await stage.client()).travels("websocket");
    await page.log(stage.gate, "kind=upgrade");
    await page.metric(stage.gate, 'sockgate_sessions{transport="websocket"}');
  });
});

symptom("Drops after a quiet time", (page) => {
  const IDLE = 800;
  // With an app whose pings come that often, through a hop that cuts what is quiet.
  const through = async (interval, play) => {
    const stage = await Stage.open({ apps: [app(interval, 10_000)] });
    const hop = await ByteHop.start([{ host: "127.0.0.1", port: stage.gate.port }], { idle: IDLE });
    await play(stage, { url: `https://127.0.0.1:${hop.port}`, reconnection: false }, hop);
    await stage.close();
    hop.close();
  };

  test("pings that come later than the cut", async () => {
    await through(5_000, async (stage, door) => {
      const [polling, webSocket] = await Promise.all(BOTH.map(async (way) => farewell(await stage.client({ ...WAYS[way], ...door }))));
      page.client(webSocket, "transport close", "1006");
      page.client(polling, "transport error");
      const { ms } = await page.log(stage.gate, "status=499", "refusal=client_gone");
      assert.ok(ms >= IDLE / 2, `${ms} ms`);
      await page.metric(stage.gate, 'sockgate_refusals_total{reason="client_gone"}');
      await page.log(stage.gate, "session ended", "reason=client_gone");
      await page.metric(stage.gate, 'sockgate_sessions_closed_total{reason="client_gone"}');
    });
  });

  test("pings that come earlier", async () => {
    await through(200, async (stage, door, hop) => {
      for (const way of BOTH) {
        const client = await stage.client({ ...WAYS[way], ...door });
        let pings = 0;
        client.manager.on("ping", () => (pings += 1));
        await until("it has outlived the cut twice", () => pings * 200 > 2 * IDLE || client.disconnects.length > 0);
        assert.deepEqual(client.disconnects, []);
      }
      assert.ok(hop.open.size > 0);
    });
  });

  test("plain WebSocket, which has no ping but the gate's", async () => {
    const stage = await Stage.open({ apps: ["plain-node"] });
    const hop = await ByteHop.start([{ host: "127.0.0.1", port: stage.gate.port }], { idle: IDLE });
    const connect = async () => {
      const client = new WebSocket(`wss://127.0.0.1:${hop.port}/`, { headers: bearer(mint()), ...stage.trust });
      await next(client, "open");
      return client;
    };
    const [code] = await next(await connect(), "close");
    page.client(`transport close ${code}`, "1006");
    assert.ok(page.setting("socketio.websocket_ping"));
    await stage.gate.reload({ socketio: { websocket_ping: "200ms" } });
    const client = await connect();
    let pings = 0;
    client.on("ping", () => (pings += 1));
    await until("it has outlived the cut twice", () => pings * 200 > 2 * IDLE || client.readyState !== WebSocket.OPEN);
    assert.equal(client.readyState, WebSocket.OPEN);
    client.terminate();
    await stage.close();
    hop.close();
  });
});

symptom("Drops after a fixed time", (page) => {
  let stage;
  before(async () => (stage = await Stage.open({ apps: ["node"], config: { auth: { leeway: "0s" } } })));
  after(() => stage.close());

  const ends = async (code, reason, options) => {
    const clients = BOTH.map((way) => stage.stranger({ ...WAYS[way], reconnection: false, ...options() }));
    const [polling, webSocket] = await Promise.all(clients.map(farewell));
    page.client(webSocket, "transport close", code);
    page.client(polling, "transport error", "Session ID unknown");
    await page.log(stage.gate, `reason=${reason}`);
    await page.metric(stage.gate, `sockgate_sessions_closed_total{reason="${reason}"}`);
  };

  test("with the token", () => ends("4401", "token_expired", () => ({ token: mint("ana", { seconds: 4 }) })));

  test("at the end of a session's longest life", async () => {
    await stage.gate.reload({ limit: { session_life: "2s" } });
    await ends("4408", "session_life", () => ({}));
    await stage.gate.reload(page.setting("limit.session_life"));
    assert.ok(await stage.client(WAYS.websocket));
  });
});

symptom("Drops after the page slept", (page) => {
  let stage, browser, site;
  before(async () => {
    [browser, site] = await Promise.all([launch(), Site.start()]);
    stage = await Stage.open({ apps: [app(500, 500)], config: { origin: { allow: [site.origin] } } });
  });
  after(async () => {
    await browser.close();
    site.close();
    await stage.close();
  });

  // A page with a session, which `sleep`s; what it is told, until it is connected anew.
  const wake = async (transports, sleep) => {
    const tab = await site.page(browser);
    await tab.evaluate(async ([url, options]) => {
      await globalThis.connect(url, options);
      globalThis.told = [];
      const { socket } = globalThis;
      for (const event of ["connect", "disconnect"]) socket.on(event, (reason) => globalThis.told.push(reason ?? event));
    }, [stage.site, { query: { token: mint() }, transports, reconnection: true, reconnectionDelay: 50 }]);
    await sleep(tab);
    const told = () => tab.evaluate(() => globalThis.told);
    await until("it is back", async () => (await told()).at(-1) === "connect");
    const all = await told();
    await tab.context().close();
    return all;
  };
  // Nothing of the page runs, as in a suspended tab; its connections stay.
  const frozen = (tab) => tab.evaluate(() => { for (const end = Date.now() + 2_500; Date.now() < end; ); });
  const offline = async (tab) => {
    await tab.context().setOffline(true);
    await until("it has noticed", async () => (await tab.evaluate(() => globalThis.told)).length > 0);
    await tab.context().setOffline(false);
  };

  test("a page that does not run, on a WebSocket", async () => {
    page.client(await wake(["websocket"], frozen), "transport close");
    await page.log(stage.gate, "session ended", "reason=app_closed");
  });

  test("by polling", async () => {
    page.client(await wake(["polling"], frozen), "transport error");
    await page.log(stage.gate, "session ended", "reason=app_closed");
    await page.metric(stage.gate, 'sockgate_sessions_closed_total{reason="app_closed"}');
  });

  test("without network", async () => page.client(await wake(["websocket"], offline), "ping timeout"));
});

symptom("All drop at once", (page) => {
  test("the gate is told to end", async () => {
    const stage = await Stage.open({ apps: ["node"], config: { drain: { grace: "5s" } } });
    // It leaves them one by one, and can be asked until it has left the last.
    const ways = Array(5).fill(BOTH).flat();
    const clients = await Promise.all(ways.map((way, number) => stage.client({ ...WAYS[way], reconnection: false, subject: `user-${number}` })));
    const told = clients.map(farewell);
    stage.gate.program.child.kill("SIGTERM");
    await Promise.any(told);
    await page.metric(stage.gate, 'sockgate_sessions_closed_total{reason="draining"}');
    const [polling, webSocket] = await Promise.all(told);
    page.client(webSocket, "transport close", "1012");
    page.client(polling, "transport error", "Session ID unknown");
    await page.log(stage.gate, "leaving");
    await page.log(stage.gate, "session ended", "reason=draining");
    await stage.close();
  });

  test("the app goes", async () => {
    const stage = await Stage.open({ apps: ["node"] });
    const clients = await Promise.all(BOTH.map((way) => stage.client({ ...WAYS[way], reconnection: false })));
    const told = Promise.all(clients.map(farewell));
    await stage.app.kill();
    page.client(await told, "transport close", "transport error");
    await page.log(stage.gate, "reason=app_gone");
    await page.log(stage.gate, "reason=member_gone");
    await stage.close();
  });
});
