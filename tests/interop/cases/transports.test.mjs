// Everything Socket.IO promises, for each app and each way a session can travel: acknowledgements, binary both ways,
// namespaces, rooms, many packets, a megabyte, and an orderly end. The client is socket.io-client in Node.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { SOCKET_IO_APPS } from "../support/app.mjs";
import { call, WAYS } from "../support/client.mjs";
import { modes, title } from "../support/mode.mjs";
import { Stage } from "../support/stage.mjs";
import { next, until } from "../support/wait.mjs";

// Short pings: heartbeats are part of what is carried here, and uvicorn answers the last poll of a client that has said
// good bye only when both times are over.
const OFTEN = { PING_INTERVAL: "1000", PING_TIMEOUT: "4000" };

// The modes side by side: much of this is waiting.
describe("socket.io-client", { concurrency: modes.length }, () => {
  for (const mode of modes) describe(mode, { concurrency: 1 }, () => SOCKET_IO_APPS.forEach((app) => judge(app, mode)));
});

function judge(app, mode) {
  describe(title({ client: "socket.io-client", app, mode }), () => {
    let stage;
    before(async () => (stage = await Stage.open({ apps: [[app, { env: OFTEN }]], mode })));
    afterEach(() => stage.leave());
    after(() => stage.close());

    for (const [way, transports] of Object.entries(WAYS)) {
      const arrive = async () => {
        const client = await stage.client(transports);
        await client.travels(way === "polling" ? "polling" : "websocket");
        return client;
      };

      test(`${way}: acknowledgements carry every kind of value`, async () => {
        const client = await arrive();
        assert.equal(await client.call("add", 2, 3), 5);
        const values = { text: "a\u001eb \u{1F980} é \"\\", list: [1, -2.5, null, true], deep: { empty: {}, none: [] } };
        assert.deepEqual(await client.call("echo", values), values);
      });

      test(`${way}: binary goes both ways, alone and inside values`, async () => {
        const client = await arrive();
        const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
        assert.deepEqual(await client.call("echo", bytes), bytes);
        const mixed = { name: "two", parts: [bytes, Buffer.from([0x1e, 0x62, 0x30])] };
        assert.deepEqual(await client.call("echo", mixed), mixed);
        assert.deepEqual(await client.call("echo", Buffer.alloc(0)), Buffer.alloc(0));
      });

      test(`${way}: namespaces share the session and stay apart`, async () => {
        const client = await arrive();
        const [chat, admin] = await Promise.all([client.join("/chat"), client.join("/admin")]);
        assert.equal((await call(chat, "whoami")).namespace, "/chat");
        assert.equal((await call(admin, "whoami")).namespace, "/admin");
        const strays = [];
        for (const socket of [client.socket, admin]) socket.on("news", () => strays.push(socket.nsp));
        const news = next(chat, "news");
        await call(chat, "broadcast", "for the chat");
        assert.deepEqual(await news, [{ text: "for the chat" }]);
        chat.disconnect();
        assert.equal(await client.call("add", 1, 1), 2);
        chat.connect();
        await next(chat, "connect");
        assert.equal(await call(chat, "add", 2, 2), 4);
        assert.deepEqual(strays, []);
      });

      test(`${way}: a room reaches its members and nobody else`, async () => {
        const [ana, bob, eve] = await Promise.all([arrive(), arrive(), arrive()]);
        const strays = [];
        eve.socket.on("shouted", (shout) => strays.push(shout));
        await Promise.all([ana.call("join", "blue"), bob.call("join", "blue")]);
        const heard = [ana, bob].map((client) => next(client.socket, "shouted"));
        await ana.call("shout", "blue", "hello");
        for (const shout of await Promise.all(heard)) assert.deepEqual(shout, [{ room: "blue", text: "hello" }]);
        await eve.call("add", 1, 1);
        assert.deepEqual(strays, []);
      });

      test(`${way}: many packets arrive once and in order, both ways`, async () => {
        const client = await arrive();
        const numbers = [];
        client.socket.on("number", (number) => numbers.push(number));
        assert.equal(await client.call("count", 500), 500);
        await until("500 numbers have come", () => numbers.length >= 500);
        assert.deepEqual(numbers, Array.from({ length: 500 }, (_, index) => index));

        for (let number = 0; number < 500; number += 1) client.socket.emit("up", number);
        assert.deepEqual(await client.call("tally"), { received: 500, disorder: 0, sent: 500 });
      });

      test(`${way}: a megabyte of text and of bytes arrives whole`, async () => {
        const client = await arrive();
        const text = "0123456789abcdef".repeat(65_536);
        assert.ok((await client.call("echo", text)) === text, "the text came back changed");
        const bytes = Buffer.alloc(1 << 20, "sockgate");
        assert.ok(bytes.equals(await client.call("echo", bytes)), "the bytes came back changed");
      });

      test(`${way}: an app that disconnects a client is understood`, async () => {
        const client = await arrive();
        const gone = next(client.socket, "disconnect");
        client.socket.emit("kick");
        assert.equal((await gone)[0], "io server disconnect");
      });
    }

    test("sessions live on through pings, each way", async () => {
      const clients = await Promise.all(Object.values(WAYS).map((way) => stage.client(way)));
      for (let count = 0; count < 2; count += 1) {
        await Promise.all(clients.map((client) => next(client.manager, "ping")));
      }
      for (const client of clients) {
        assert.equal(await client.call("add", 1, 1), 2);
        assert.deepEqual(client.disconnects, []);
      }
    });

    test("sessions that left are left", async () => {
      await stage.app.empty();
      await stage.gate?.empty();
    });
  });
}
