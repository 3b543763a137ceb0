// The Python client (python-socketio, asyncio) before each app, each way a session can travel.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { SOCKET_IO_APPS } from "../support/app.mjs";
import { WAYS } from "../support/client.mjs";
import { PythonClient } from "../support/python.mjs";
import { modes, title } from "../support/mode.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint } from "../support/token.mjs";
import { next, until } from "../support/wait.mjs";

describe("python-socketio", { concurrency: modes.length }, () => {
  for (const mode of modes) describe(mode, { concurrency: 1 }, () => SOCKET_IO_APPS.forEach((app) => judge(app, mode)));
});

function judge(app, mode) {
  describe(title({ client: "python-socketio", app, mode }), () => {
    let stage;
    before(async () => (stage = await Stage.open({ apps: [app], mode })));
    after(() => stage.close());

    for (const [way, { transports }] of Object.entries(WAYS)) {
      test(`${way}: acknowledgements, binary, namespaces, many packets, a megabyte`, async () => {
        const client = new PythonClient(stage);
        try {
          await tour(client, stage, transports, way === "polling" ? "polling" : "websocket");
        } finally {
          await client.stop();
        }
      });
    }

    test("sessions that left are left", async () => {
      await stage.app.empty();
      await stage.gate?.empty();
    });
  });
}

async function tour(client, stage, transports, expected) {
  const numbers = [];
  client.on("number", ({ values }) => numbers.push(...values));
  await client.connect({ url: stage.url, transports, ...carry(stage.mode, expected), namespaces: ["/", "/chat"] });
  await until(`it travels by ${expected}`, async () => (await client.transport()) === expected);

  assert.equal(await client.call("add", [2, 3]), 5);
  assert.equal((await client.call("whoami", [], "/chat")).namespace, "/chat");
  const bytes = Buffer.from([0, 0x1e, 0x62, 255]);
  assert.deepEqual(await client.call("echo", [{ bytes }]), { bytes });

  await client.call("count", [100]);
  await until("100 numbers have come", () => numbers.length >= 100);
  assert.deepEqual(numbers, Array.from({ length: 100 }, (_, index) => index));

  const text = "0123456789abcdef".repeat(65_536);
  assert.ok((await client.call("echo", [text])) === text, "the text came back changed");
  const megabyte = Buffer.alloc(1 << 20, "sockgate");
  assert.ok(megabyte.equals(await client.call("echo", [megabyte])), "the bytes came back changed");

  // uvicorn leaves the last poll of a client that says good bye unanswered for 45 s, so there the app ends it.
  const gone = next(client, "disconnect");
  const isUvicornPolling = stage.app.kind === "uvicorn" && expected === "polling";
  const ended = isUvicornPolling ? client.call("kick").catch(() => {}) : client.disconnect();
  assert.deepEqual((await gone)[0].values, [isUvicornPolling ? "server disconnect" : "client disconnect"]);
  if (!isUvicornPolling) await ended;
}

// This client sends the headers of `connect()` with no poll; polls alone need them from its HTTP session.
function carry(mode, transport) {
  const token = mint("ana");
  if (mode === "connect") return { auth: { token } };
  return transport === "polling" ? { always: bearer(token) } : { headers: bearer(token) };
}
