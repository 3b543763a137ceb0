// The debugging guide, "Connecting": each symptom played before real clients, and what the guide says of it.

import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { after, afterEach, before, test } from "node:test";
import WebSocket from "ws";
import { App } from "../support/app.mjs";
import { launch, Site } from "../support/browser.mjs";
import { WAYS } from "../support/client.mjs";
import { Client2 } from "../support/client2.mjs";
import { Gate } from "../support/gate.mjs";
import { refusal, records, symptom } from "../support/guide.mjs";
import { ByteHop } from "../support/hop.mjs";
import { PythonClient } from "../support/python.mjs";
import { ask, engine, openSession } from "../support/request.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint, SECRET } from "../support/token.mjs";
import { next, until } from "../support/wait.mjs";

symptom("Session ID unknown", (page) => {
  let stage;
  before(async () => (stage = await Stage.open({ apps: ["node"] })));
  after(() => stage.close());

  // Two gates before the same app, and a balancer in front that gives each connection to the other.
  const inTurns = async (config, play) => {
    const { upstream, route } = stage.gate.config;
    const gates = await Promise.all([1, 2].map(() => Gate.start({ upstream, route, ...config })));
    const hop = await ByteHop.start(gates.map((gate) => ({ host: "127.0.0.1", port: gate.port })));
    const url = `https://127.0.0.1:${hop.port}`;
    try {
      await play(gates, { url, ca: gates.map((gate) => gate.ca) });
    } finally {
      stage.leave();
      hop.close();
      await Promise.all(gates.map((gate) => gate.stop()));
    }
  };
  // Requests go by turns, so one of the two refuses.
  const either = (gates, ...fields) => page.log({ get lines() { return gates.flatMap((gate) => gate.lines); } }, ...fields);

  test("two gates with keys of their own; the same keys mend it", async () => {
    await inTurns({}, async (gates, door) => {
      page.client(await refusal(stage, { ...door, ...WAYS.polling }), "xhr post error", '"message":"Session ID unknown"');
      await either(gates, 'detail="sealed with a key this gate does not have"', "refusal=session_unknown", "status=400");
    });
    const keys = { seal: { keys: [SECRET] } };
    assert.ok(page.setting("seal.key_files"));
    await inTurns(keys, async (_, door) => {
      const client = await stage.client({ ...door, ...WAYS.polling });
      assert.equal(await client.call("add", 1, 2), 3);
    });
  });

  test("two gates with the same keys, and a judged route; WebSocket alone goes", async () => {
    await inTurns({ seal: { keys: [SECRET] }, socketio: { judge: "always" } }, async (gates, door) => {
      await refusal(stage, { ...door, ...WAYS.polling });
      await either(gates, 'detail="a judged session of another gate, or of before"');
      assert.ok(await stage.client({ ...door, ...WAYS.websocket }));
    });
  });

  test("a gate that was restarted knows no session of before", async () => {
    const { upstream, route } = stage.gate.config;
    const first = await Gate.start({ upstream, route });
    const { sid, headers } = await openSession({ url: first.url, trust: { ca: first.ca } }, bearer(mint()));
    await first.stop();
    const second = await Gate.start({ upstream, route, listen: { address: `127.0.0.1:${first.port}` } });
    const door = { url: second.url, trust: { ca: second.ca } };
    assert.equal((await engine(door, { sid, headers })).status, 400);
    await page.log(second, 'detail="sealed with a key this gate does not have"');
    await page.metric(second, 'sockgate_refusals_total{reason="session_unknown"}');
    await second.stop();
  });

  test("app servers behind another balancer; naming them mends it", async () => {
    const apps = await Promise.all([App.start("node", { name: "one" }), App.start("node", { name: "two" })]);
    const hop = await ByteHop.start(apps.map(({ port }) => ({ host: "127.0.0.1", port })));
    const before = { reuse: "off", members: [`http://127.0.0.1:${hop.port}`] };
    const gate = await Gate.start({ upstream: [{ name: "app", ...before }], route: [{ path: "/socket.io/" }] });
    const door = { url: gate.url, ca: gate.ca, ...WAYS.polling };
    page.client(await refusal(stage, door), '"message":"Session ID unknown"');
    await page.log(gate, "reason=app_closed");
    await page.log(gate, "detail=app_closed");
    assert.ok(page.setting("upstream.members"));
    await gate.reload({ upstream: [{ name: "app", members: apps.map((app) => app.url) }] });
    assert.ok(await stage.client(door));
    stage.leave();
    await gate.stop();
    hop.close();
    await Promise.all(apps.map((app) => app.kill()));
  });

  test("an app that is gone, and a token that expired, as sessions by polling learn of it", async () => {
    const session = await openSession(stage, bearer(mint()));
    await stage.app.kill();
    const polled = async () => (await engine(stage, session)).status === 400;
    await until("its session is over", polled);
    await page.log(stage.gate, 'detail="no connection: connection refused"');
    await page.log(stage.gate, "reason=member_gone");
    await stage.app.revive();
    await stage.gate.reload({ auth: { leeway: "0s" } });
    const short = await openSession(stage, bearer(mint("ana", { seconds: 4 })));
    const { text } = await engine(stage, short);
    page.client(`xhr poll error ${text}`, "xhr poll error", '"message":"Session ID unknown"');
    await page.log(stage.gate, "detail=token_expired");
  });
});

symptom("404", (page) => {
  let stage;
  before(async () => (stage = await Stage.open({ apps: ["node"] })));
  after(() => stage.close());

  test("a path that no route has", async () => {
    page.client(await refusal(stage, { ...WAYS.polling, path: "/ws/" }), "xhr poll error", '"error":"not_found"');
    const detail = 'detail="no route has the path; there are /socket.io/"';
    await page.log(stage.gate, "status=404", "refusal=not_found", "path=/ws/", detail);
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="not_found"}');
    const { rewrite } = page.setting("route.rewrite").route;
    await stage.gate.reload({ route: [{ path: "/ws/", rewrite }] });
    const client = await stage.client({ path: "/ws/", ...WAYS.polling });
    assert.equal(await client.call("add", 1, 2), 3);
    stage.leave();
  });

  test("a path that the app does not have", async () => {
    await stage.gate.reload({ route: [{ path: "/ws/" }] });
    const told = await refusal(stage, { ...WAYS.polling, path: "/ws/" });
    assert.doesNotMatch(told, /not_found/);
    const detail = 'detail="the app answered the Engine.IO handshake with 404: is this its path?"';
    const record = await page.log(stage.gate, "status=404", detail);
    assert.equal(record.refusal, undefined);
  });
});

symptom("server error", (page) => {
  test("the page's own server answers the client", async () => {
    const stage = await Stage.open({ apps: ["node"] });
    const web = await listening(createHttpServer((_, answer) => answer.end("<!doctype html><title>The app</title>")));
    const told = await refusal(stage, { url: `http://127.0.0.1:${web.address().port}`, ...WAYS.polling });
    page.client(told, "server error");
    assert.deepEqual(records(stage.gate).filter(({ message }) => message === "request"), []);
    web.close();
    await stage.close();
  });
});

symptom("Unsupported protocol version", (page) => {
  test("socket.io-client 2", async () => {
    const stage = await Stage.open({ apps: [["node", { env: { EIO3: "1" } }]] });
    const old = new Client2(stage, { reconnection: false, transports: ["polling"] });
    const [error] = await next(old.manager, "connect_error");
    old.close();
    const { text } = await ask(stage, "/socket.io/?EIO=3&transport=polling", { headers: bearer(mint()) });
    page.client(`${error.message}\n${text}`, "xhr poll error", '"message":"Unsupported protocol version"');
    await page.log(stage.gate, "status=400", "refusal=unsupported_protocol_version", 'detail="socketio.eio3 is off"');
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="unsupported_protocol_version"}');
    await stage.gate.reload(page.setting("socketio.eio3"));
    const served = new Client2(stage);
    await served.hello;
    served.close();
    await stage.close();
  });
});

symptom("The wrong kind of route", (page) => {
  test("Socket.IO at a route for plain WebSocket", async () => {
    const stage = await Stage.open({ apps: ["plain-node"] });
    page.client(await refusal(stage, WAYS.polling), "xhr poll error", '"error":"upgrade_required"');
    await page.log(stage.gate, "status=426", "refusal=upgrade_required");
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="upgrade_required"}');
    await stage.close();
  });

  test("plain WebSocket at a route for Socket.IO", async () => {
    const stage = await Stage.open({ apps: ["node"] });
    const client = new WebSocket(`${stage.webSocketUrl}/socket.io/`, { headers: bearer(mint()), ...stage.trust });
    const [{ message }] = await next(client, "error");
    page.client(message, "Unexpected server response: 400");
    await page.log(stage.gate, "status=400", "refusal=transport_unknown", 'detail="transport is missing or unknown"');
    await page.metric(stage.gate, 'sockgate_refusals_total{reason="transport_unknown"}');
    await stage.close();
  });
});

symptom("502, 503, 504", (page) => {
  const open = [];
  let stage;
  before(async () => (stage = await Stage.open({ apps: ["node"] })));
  after(async () => {
    open.forEach((server) => server.close());
    await stage.close();
  });

  const WRONG = {
    "nobody listens": [503, "upstream_unavailable", null],
    "it hangs up": [502, "upstream_failed", (socket) => socket.once("data", () => socket.end())],
    "it is not HTTP": [502, "upstream_invalid", (socket) => socket.once("data", () => socket.end("-ERR unknown command\r\n"))],
    "it says nothing": [504, "upstream_timeout", (socket) => socket.resume()],
  };
  for (const [what, [status, reason, serve]] of Object.entries(WRONG)) {
    test(`${what}: ${status}`, async () => {
      const server = await listening(createServer((socket) => serve?.(socket.on("error", () => {}))));
      const { port } = server.address();
      if (serve) open.push(server);
      else server.close();
      const upstream = [{ name: "app", members: [`http://127.0.0.1:${port}`], probe_interval: "200ms" }];
      const gate = await Gate.start({ upstream, route: [{ path: "/socket.io/" }], socketio: { connect_timeout: "500ms" } });
      const told = await refusal(stage, { url: gate.url, ca: gate.ca, ...WAYS.polling });
      page.client(told, "xhr poll error");
      assert.match(told, new RegExp(`\n${status}\n(.|\n)*"error":"${reason}"`));
      await page.log(gate, `status=${status}`, `refusal=${reason}`);
      await page.metric(gate, `sockgate_refusals_total{reason="${reason}"}`);
      if (!serve) {
        await page.log(gate, "member is down: probes fail");
        await page.metric(gate, 'sockgate_member_up{upstream="app",member="…"} 0');
      }
      await gate.stop();
    });
  }
});

symptom("The certificate is not trusted", (page) => {
  let stage, browser, site;
  before(async () => {
    stage = await Stage.open({ apps: ["node"] });
    [browser, site] = await Promise.all([launch({ trusting: false }), Site.start({ secure: false })]);
  });
  afterEach(() => stage.leave());
  after(async () => {
    await browser?.close();
    site?.close();
    await stage?.close();
  });

  test("in the browser", async () => {
    const tab = await browser.newPage();
    const shown = [];
    tab.on("console", (line) => shown.push(line.text()));
    await tab.goto(`${site.origin}/`);
    await tab.evaluate((url) => void globalThis.io(url, { reconnection: false }), stage.gate.site);
    await until("the console tells", () => shown.join().includes("CERT"));
    page.client(shown, "net::ERR_CERT_AUTHORITY_INVALID");
    await page.metric(stage.gate, 'sockgate_tls_handshakes_total{outcome="failed"}');
    await page.metric(stage.gate, 'sockgate_connections_turned_away_total{cause="tls"}');
    assert.deepEqual(records(stage.gate).filter(({ message }) => message === "request"), []);
  });

  test("in Node, and trusted once it has the authority", async () => {
    page.client(await refusal(stage, { ca: undefined, ...WAYS.websocket }), "unable to verify the first certificate");
    assert.ok(await stage.client(WAYS.websocket));
  });

  test("in Python", async () => {
    const client = new PythonClient({});
    const error = await client.connect({ url: stage.url, transports: ["polling"] }).catch((error) => error);
    await client.stop();
    page.client(String(error.message), "CERTIFICATE_VERIFY_FAILED");
  });
});

async function listening(server) {
  server.listen(0, "127.0.0.1");
  await next(server, "listening");
  return server;
}
