// examples/sharing-rooms in its three deployments: the gate itself, HAProxy before it with PROXY protocol, nginx before it with
// forwarded headers, each by the example's own files. Clients come from addresses of their own (127.0.0.2 and further), and
// lie about them in every way that there is.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { connect as secure } from "node:tls";
import { after, afterEach, before, describe, test } from "node:test";
import { Door } from "../support/door.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { ask, engine } from "../support/request.mjs";
import { Rooms } from "../support/rooms.mjs";
import { until, within } from "../support/wait.mjs";

const DEPLOYMENTS = {
  direct: { files: ["sockgate.toml"] },
  "behind HAProxy": { front: "haproxy", files: ["sockgate.toml", "behind-haproxy.toml"] },
  "behind nginx": { front: "nginx", files: ["sockgate.toml", "behind-nginx.toml"] },
};

// Whoever believes one of these takes the client for somebody else.
const LIES = {
  "X-Forwarded-For": "203.0.113.7, 127.0.0.1",
  Forwarded: 'for=203.0.113.7;proto=http;host="evil.example"',
  "X-Real-IP": "203.0.113.7",
  "X-Forwarded-Host": "evil.example",
  "X-Client-IP": "203.0.113.7",
  "X-Auth-Subject": "olga",
  "X-Auth-Roles": "admin",
};
const HANDSHAKE = "/socket.io/?EIO=4&transport=polling";
const PROXY_HEADER = "PROXY TCP4 203.0.113.7 127.0.0.1 40000 443\r\n";

for (const [deployment, how] of Object.entries(DEPLOYMENTS)) {
  describe(`sharing rooms, ${deployment}`, NEEDS_GATE, () => {
    let stage;
    before(async () => (stage = await Rooms.open(how)));
    afterEach(() => stage.leave());
    after(() => stage?.close());

    const from = (address) => ({ url: stage.url, trust: { ...stage.trust, localAddress: address } });

    for (const transports of [["polling"], ["websocket"]]) {
      test(`the app sees each client's own address, by ${transports}`, async () => {
        const [ana, ben] = await Promise.all([
          stage.member("ana", { address: "127.0.0.2", transports }),
          stage.member("ben", { address: "127.0.0.3", transports }),
        ]);
        assert.deepEqual([ana.welcome.address, ben.welcome.address], ["127.0.0.2", "127.0.0.3"]);
        assert.equal((await stage.told("connected", { socket: ana.socket.id })).address, "127.0.0.2");
        await stage.record({ message: "request", subject: "ana", address: "127.0.0.2" });
      });

      test(`what clients say of themselves is ignored, by ${transports}`, async () => {
        const ana = await stage.member("ana", { address: "127.0.0.2", headers: LIES, transports });
        assert.deepEqual(ana.welcome, { name: "ana", address: "127.0.0.2" });
        await assert.rejects(ana.join("/admin"), /./);
        assert.deepEqual(stage.gate.lines.filter((line) => line.includes("203.0.113.7")), []);
      });
    }

    test("a PROXY header of a client's own gets it nowhere", async () => {
      assert.equal(await answered(stage, stage.url, ""), true, "without one it is answered");
      assert.equal(await answered(stage, stage.url, PROXY_HEADER), false);
      assert.deepEqual(stage.gate.lines.filter((line) => line.includes("203.0.113.7")), []);
    });

    test("20 MB go through in chunks and in one message", async () => {
      const [ana, ben] = await stage.pair("attic", { address: "127.0.0.2" });
      const bytes = Buffer.alloc(20_000_000, "sharing");
      await ana.room.file("in chunks", bytes);
      assert.ok((await ben.content({ name: "in chunks" })).intact);
      await ana.room.whole("in one piece", bytes);
      assert.ok((await ben.content({ name: "in one piece" })).intact);
    });

    test("an address has a hundred handshakes at once, and the next has to wait", async () => {
      // They are refused for want of a token, and count all the same.
      const door = new Door(from("127.0.0.7"), { http2: true });
      const start = performance.now();
      let count = 0;
      while ((await door.ask(HANDSHAKE)).status === 401) count += 1;
      const refilled = Math.ceil(((performance.now() - start) / 60_000) * 100);
      assert.ok(count >= 100 && count <= 100 + refilled, `${count} were let through`);
      door.close();

      // A client of that address is told so, in words that it can read, and comes too early until enough time is over.
      const token = await stage.login("ana");
      const late = () => stage.stranger({ token, address: "127.0.0.7", transports: ["polling"] }).welcomed.catch((error) => error);
      const error = await until("a client is refused", async () => [await late()].find(({ status }) => status));
      assert.deepEqual([error.status, JSON.parse(error.told).error], [429, "address_rate"]);
      assert.ok(Number(error.retryAfter) >= 1, `Retry-After: ${error.retryAfter}`);
      assert.equal((await stage.member("ana", { address: "127.0.0.8" })).welcome.address, "127.0.0.8");
      await stage.record({ message: "request", refusal: "address_rate", address: "127.0.0.7" });
      assert.ok((await stage.admin.sample("refusals_total", { reason: "address_rate" })) >= 1);
    });

    if (deployment === "behind HAProxy") {
      test("who goes round HAProxy is not heard, whatever it says", async () => {
        const refused = () => stage.admin.sample("connections_turned_away_total", { cause: "proxy_header" });
        const before = await refused();
        assert.equal(await answered(stage, stage.gate.url, ""), false);
        assert.equal(await answered(stage, stage.gate.url, PROXY_HEADER), false);
        await until("both are counted", async () => (await refused()) === before + 2);
      });
    }

    if (deployment === "behind nginx") {
      test("who goes round nginx is taken for what its connection says", async () => {
        const url = stage.gate.url.replace("https", "http");
        const ana = await stage.member("ana", { url, address: "127.0.0.2", headers: LIES });
        assert.deepEqual(ana.welcome, { name: "ana", address: "127.0.0.2" });
      });
    }

    if (deployment !== "direct") {
      test("the page is the app's own, through both", async () => {
        const { status, text } = await ask(stage, "/");
        assert.equal(status, 200);
        assert.match(text, /Sharing rooms/);
        const headers = { origin: stage.site, authorization: `Bearer ${await stage.login("ana")}` };
        assert.equal((await engine(stage, { headers })).status, 200, "and its origin is one that may connect");
        assert.equal((await engine(stage, { headers: { ...headers, origin: "https://evil.example" } })).status, 403);
      });
    }
  });
}

/** Whether a request is answered on a connection from 127.0.0.2 that begins with these bytes, TLS behind them. */
async function answered(stage, url, bytes) {
  const raw = connect({ port: new URL(url).port, host: "127.0.0.1", localAddress: "127.0.0.2" });
  await once(raw, "connect");
  raw.write(bytes);
  const line = secure({ socket: raw, ...stage.trust, servername: "localhost" });
  const ended = new Promise((done) => [raw, line].forEach((side) => side.on("error", done).on("close", done)));
  let text = "";
  line.on("data", (part) => (text += part));
  line.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  await within("the connection to end", ended);
  raw.destroy();
  return text !== "";
}
