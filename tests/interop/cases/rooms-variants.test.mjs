// The two other ways to run examples/sharing-rooms: with the msgpack parser (msgpack.toml laid over sockgate.toml), and
// without logins (sockgate-open.toml), where limits are all that there is.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, describe, test } from "node:test";
import { Door } from "../support/door.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { ask } from "../support/request.mjs";
import { Rooms } from "../support/rooms.mjs";

const HANDSHAKE = "/socket.io/?EIO=4&transport=polling";
const MB = 1_000_000;

describe("sharing rooms, in MessagePack", NEEDS_GATE, () => {
  let stage;
  before(async () => (stage = await Rooms.open({ parser: "msgpack", files: ["sockgate.toml", "msgpack.toml"] })));
  afterEach(() => stage.leave());
  after(() => stage?.close());

  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    test(`20 MB arrive intact on the other instance, by ${transports.join(", then ")}`, async () => {
      const [ana, ben] = await stage.pair(`attic ${transports}`, { transports });
      const bytes = randomBytes(20 * MB);
      await ana.room.file("in chunks", bytes);
      assert.ok(bytes.equals((await ben.content({ name: "in chunks", intact: true })).bytes));
      await ana.room.whole("in one piece", bytes);
      assert.ok(bytes.equals((await ben.content({ name: "in one piece", intact: true })).bytes));
    });
  }

  test("a chunk that is too large is refused and answered, and the session goes on", async () => {
    const [ana, ben] = await stage.pair("size");
    const none = { session: "x".repeat(32), id: "1", index: 0 };
    const { error } = await ana.socket.emitWithAck("chunk", none, randomBytes(1_100_000));
    assert.equal(error.code, "event_too_large");
    assert.deepEqual(stage.lines("refused"), [], "the app has not seen it");
    await ana.room.text("still here");
    await ben.content({ text: "still here" });
  });

  test("too many chunks are refused, with the time after which there may be one more", async () => {
    const ana = await stage.member("ana");
    const none = { session: "x".repeat(32), id: "1", index: 0 };
    const answers = await Promise.all(Array.from({ length: 110 }, () => ana.socket.emitWithAck("chunk", none, Buffer.from("x"))));
    const late = answers.filter(({ error }) => error.code === "event_rate");
    assert.ok(late.length >= 1 && late.every(({ error }) => error.retry_after_ms > 0));
    await stage.count("refused", 110 - late.length, { event: "chunk" });
  });

  test("the admin UI's namespace is for admins", async () => {
    const [olga, ana] = [await stage.member("olga"), await stage.member("ana")];
    assert.ok((await olga.join("/admin")).connected);
    const error = await ana.join("/admin").catch((error) => error);
    assert.equal(error.data.code, "namespace_refused");
  });
});

describe("sharing rooms, open to everybody", NEEDS_GATE, () => {
  let stage;
  before(async () => (stage = await Rooms.open({ files: ["sockgate-open.toml"] })));
  afterEach(() => stage.leave());
  after(() => stage?.close());

  test("guests share what they like, if they know the passphrase", async () => {
    const [one, other] = await stage.pair("attic", { names: [], transports: ["websocket"] });
    assert.match(one.welcome.name, /^guest-/);
    const bytes = randomBytes(20 * MB);
    await one.room.file("holiday.mp4", bytes);
    assert.ok(bytes.equals((await other.content({ kind: "file", intact: true })).bytes));
    assert.deepEqual(stage.lines("asked who"), [], "nobody is asked for a token");

    const stranger = await stage.member();
    await assert.rejects(stranger.room.join("attic", "open barley"), ({ code }) => code === "passphrase_refused");
  });

  test("nobody is believed to be somebody, and nobody is an admin", async () => {
    const guest = await stage.member(undefined, { headers: { "x-auth-subject": "olga", "x-auth-roles": "admin" } });
    assert.match(guest.welcome.name, /^guest-/);
    const error = await guest.join("/admin").catch((error) => error);
    assert.equal(error.data.code, "namespace_refused");
    for (const path of ["/login", "/who", "/admin-ui/"]) assert.equal((await ask(stage, path)).status, 403, path);
  });

  test("chunks count by address, over all of its sessions", async () => {
    const spend = async (address) => {
      const guest = await stage.member(undefined, { address });
      const none = { session: "x".repeat(32), id: "1", index: 0 };
      const send = () => guest.socket.emitWithAck("chunk", none, Buffer.from("x"));
      return (await Promise.all(Array.from({ length: 60 }, send))).map(({ error }) => error.code);
    };
    const codes = [...(await spend("127.0.0.5")), ...(await spend("127.0.0.5"))];
    assert.ok(codes.slice(0, 60).every((code) => code === "session_refused"), "these came to the app");
    assert.ok(codes.includes("event_rate"), "a second session is no second bucket");
    assert.ok((await spend("127.0.0.6")).every((code) => code === "session_refused"), "and a neighbour is not held to it");
  });

  test("an address has a hundred handshakes at once, and the next has to wait", async () => {
    const door = new Door({ url: stage.url, trust: { ...stage.trust, localAddress: "127.0.0.7" } }, { http2: true });
    const start = performance.now();
    let count = 0;
    let answer;
    while ((answer = await door.ask(HANDSHAKE)).status === 200) count += 1;
    door.close();
    const refilled = Math.ceil(((performance.now() - start) / 60_000) * 100);
    assert.ok(count >= 100 && count <= 100 + refilled, `${count} were let in`);
    assert.deepEqual([answer.status, JSON.parse(answer.text).error], [429, "address_rate"]);
    assert.ok(Number(answer.headers["retry-after"]) >= 1);
  });
});
