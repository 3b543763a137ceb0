// Plain WebSocket apps, no Socket.IO: messages, fragments, pings and close codes pass both ways; a token travels in the
// header, the query or the subprotocol, and the connection ends with it. Clients are `ws` in Node.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, afterEach, before, describe, test } from "node:test";
import WebSocket from "ws";
import { PLAIN_APPS } from "../support/app.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint } from "../support/token.mjs";
import { next, until, within } from "../support/wait.mjs";

for (const kind of PLAIN_APPS) {
  describe(`a plain WebSocket app, ${kind}`, () => {
    let stage;
    const clients = [];
    before(async () => {
      const config = { origin: { allow: ["http://localhost:5000"] }, auth: { leeway: "0s", pass_token: false } };
      stage = await Stage.open({ apps: [kind], config });
    });
    afterEach(() => clients.splice(0).forEach((client) => client.terminate()));
    after(() => stage.close());

    // A connected client; the error of the handshake when it is refused.
    const connect = async ({ path = "/", protocols = [], headers = bearer(mint("ana")), ...options } = {}) => {
      const client = new WebSocket(stage.webSocketUrl + path, protocols, { headers, ...stage.trust, ...options });
      clients.push(client);
      await within("the handshake", once(client, "open"));
      return client;
    };
    const answer = async (client, message, options) => {
      const heard = next(client, "message");
      client.send(message, options);
      const [bytes, isBinary] = await heard;
      return isBinary ? bytes : bytes.toString();
    };

    test("text and bytes of every size come back as they went", async () => {
      const client = await connect();
      for (const size of [0, 1, 125, 126, 65_535, 65_536, 1 << 20]) {
        const bytes = Buffer.alloc(size, "sockgate");
        assert.ok(bytes.equals(await answer(client, bytes)), `${size} bytes came back changed`);
        const text = "é".repeat(size / 2);
        assert.ok((await answer(client, text)) === text, `${size} bytes of text came back changed`);
      }
    });

    test("fragments and pings between them arrive", async () => {
      const client = await connect();
      const pong = next(client, "pong");
      const heard = next(client, "message");
      client.send("one ", { fin: false });
      client.ping("are you there");
      client.send("two ", { fin: false });
      client.send("three", { fin: true });
      assert.equal((await heard)[0].toString(), "one two three");
      assert.equal((await pong)[0].toString(), "are you there");
    });

    test("close codes and reasons pass both ways", async () => {
      const [first, second, third, fourth] = await Promise.all([connect(), connect(), connect(), connect()]);
      let closed = next(first, "close");
      first.send("close 4001 good bye");
      assert.deepEqual(await closed.then(readable), [4001, "good bye"]);

      closed = next(second, "close");
      second.send("close");
      assert.deepEqual(await closed.then(readable), [kind === "plain-node" ? 1005 : 1000, ""]);

      third.close(4002, "leaving");
      fourth.terminate();
      const closes = await until("the app has seen both", async () => {
        const { closes, open } = await stage.app.stats();
        return open === 0 && closes;
      });
      assert.ok(closes.some(([code, reason]) => code === 4002 && reason === "leaving"), JSON.stringify(closes));
      assert.ok(closes.some(([code]) => code === 1006), JSON.stringify(closes));
    });

    test("an app that dies is not taken for one that said good bye", async () => {
      const client = await connect();
      const closed = next(client, "close");
      await stage.app.kill();
      const [code] = await closed.then(readable);
      assert.ok([1006, 1011, 1014].includes(code), `closed with ${code}`);
      await stage.app.revive();
      const back = await until("the app is reached again", () => connect().catch(() => null));
      assert.equal(await answer(back, "hello"), "hello");
    });

    const CARRIED = {
      header: (token) => ({ headers: bearer(token) }),
      cookie: (token) => ({ headers: { cookie: `token=${token}` } }),
      query: (token) => ({ headers: {}, path: `/?room=blue&token=${token}` }),
      subprotocol: (token) => ({ headers: {}, protocols: ["bearer", token] }),
    };
    for (const [place, options] of Object.entries(CARRIED)) {
      test(`a token in the ${place} tells the app who it is`, NEEDS_GATE, async () => {
        const token = mint("ana");
        const client = await connect(options(token));
        if (place === "subprotocol") assert.equal(client.protocol, "bearer");
        const shown = await answer(client, "whoami");
        const { headers, url } = JSON.parse(shown);
        assert.equal(headers["x-auth-subject"], "ana");
        assert.equal(headers["x-forwarded-proto"], "https");
        assert.ok(!shown.includes(token), "the app was shown the token");
        if (place === "query") assert.equal(url, "/?room=blue");
      });
    }

    test("no token, a wrong one, or a page of another site: refused, and nothing reaches the app", NEEDS_GATE, async () => {
      const before = await stage.app.stats();
      await assert.rejects(connect({ headers: {} }), /401/);
      await assert.rejects(connect({ headers: {}, protocols: ["bearer", mint("ana", { secret: "x".repeat(32) })] }), /401/);
      await assert.rejects(connect({ headers: { ...bearer(mint("ana")), origin: "https://evil.example" } }), /403/);
      assert.equal((await stage.app.stats()).requests, before.requests);
      await connect({ headers: { ...bearer(mint("ana")), origin: "http://localhost:5000" } });
    });

    test("a connection ends with its token, told 4401", NEEDS_GATE, async () => {
      const client = await connect({ headers: {}, protocols: ["bearer", mint("ana", { seconds: 2 })] });
      const [code, reason] = await next(client, "close").then(readable);
      assert.equal(code, 4401);
      assert.ok(reason.length > 0, "the close frame has no reason");
    });

    test("nothing is left behind", async () => {
      await stage.app.empty();
      await stage.gate?.empty();
    });
  });
}

const readable = ([code, reason]) => [code, reason.toString()];
