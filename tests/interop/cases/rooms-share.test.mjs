// examples/sharing-rooms with its sockgate.toml: who is let in, what arrives, what is kept away, and what of it the operator
// can see. Members of a room are on different instances, so everything they share has gone through Redis, too.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, describe, test } from "node:test";
import { NEEDS_GATE } from "../support/gate.mjs";
import { ask, engine } from "../support/request.mjs";
import { Rooms } from "../support/rooms.mjs";
import { next, until } from "../support/wait.mjs";

const WAYS = { "by polling": ["polling"], "by WebSocket": ["websocket"], "by polling, then WebSocket": ["polling", "websocket"] };
const MB = 1_000_000;

describe("sharing rooms", NEEDS_GATE, () => {
  let stage;
  before(async () => (stage = await Rooms.open()));
  afterEach(() => stage.leave());
  after(() => stage?.close());

  const bearer = async (name) => ({ authorization: `Bearer ${await stage.login(name)}` });
  const refusals = (reason) => stage.admin.sample("refusals_total", { reason });

  test("sessions have the app's heartbeat and its 100 MB", async () => {
    const { text } = await engine(stage, { headers: await bearer("ana") });
    const { pingInterval, pingTimeout, maxPayload } = JSON.parse(text.slice(1));
    assert.deepEqual({ pingInterval, pingTimeout, maxPayload }, { pingInterval: 25_000, pingTimeout: 60_000, maxPayload: 100 * MB });
  });

  test("nobody gets in without a token that the app knows", async () => {
    for (const [token, code] of [[undefined, "token_absent"], ["nobody-gave-this-out", "token_invalid"]]) {
      const error = await stage.stranger({ token }).welcomed.catch((error) => error);
      assert.deepEqual([error.status, JSON.parse(error.told).error], [401, code]);
    }
    assert.equal((await stage.member("ana")).welcome.name, "ana");
  });

  test("the app is asked about a token once in a while, not each time", async () => {
    await stage.member("ben");
    const asked = () => stage.lines("asked who").filter(({ member }) => member === "ben").length;
    const before = asked();
    await Promise.all([stage.member("ben"), stage.member("ben"), stage.member("ben")]);
    assert.ok(before <= 1 && asked() === before, `${before}, ${asked()}`);
    assert.ok((await stage.admin.sample("authorizer_calls_total", { outcome: "yes" })) >= 1);
    assert.ok((await stage.admin.sample("authorizer_saved_total", { source: "yes" })) >= 3);
  });

  test("the app never sees the token that the gate has judged", async () => {
    const { text } = await ask(stage, "/who", { headers: await bearer("ana") });
    assert.equal(JSON.parse(text).error, "access_refused", "and nobody asks about tokens through the gate");
    for (const path of ["/WHO", "/who/", "/LOGIN", "/Admin-UI/"]) {
      assert.equal((await ask(stage, path, { headers: await bearer("ana") })).status, 403, path);
    }
  });

  test("passwords are not guessed faster than ten a minute", async () => {
    const guess = { url: stage.url, trust: { ...stage.trust, localAddress: "127.0.0.9" } };
    const enter = (name, password) => stage.enter.call(guess, name, password);
    for (let count = 0; count < 10; count += 1) assert.equal((await enter("ana", `guess ${count}`)).status, 401);
    const { status, headers } = await enter("ana", "violet harbour");
    assert.equal(status, 429);
    assert.ok(Number(headers["retry-after"]) >= 1);
  });

  test("what the app refuses is the app's business", async () => {
    const [ana, ben] = await stage.pair("attic");
    const before = await stage.admin.sample("refusals_total");
    const refused = (code) => (error) => error.code === code;
    await assert.rejects(ben.room.join("attic", "open barley"), refused("passphrase_refused"));
    const stolen = { session: "x".repeat(32), kind: "text", text: "hello" };
    const code = async (member, ...values) => (await member.socket.emitWithAck(...values)).error.code;
    assert.equal(await code(ana, "content", stolen), "session_refused");
    assert.equal(await code(ana, "chunk", { ...stolen, id: "1", index: 0 }, Buffer.from("x")), "session_refused");
    assert.equal(await code(ana, "content", "nonsense"), "session_refused");
    assert.equal(await code(ana, "join", { room: "attic", fingerprint: 7 }), "malformed");

    // A session token is good where it was given out, on a socket that sits in the room.
    const olga = await stage.member("olga");
    const { session } = await ben.room.join("attic", "open sesame");
    assert.equal(await code(olga, "content", { session, kind: "text", text: "hello" }), "session_refused");
    assert.equal(await stage.admin.sample("refusals_total"), before, "the gate refused nothing");
    assert.deepEqual(ana.contents, []);
  });

  for (const [way, transports] of Object.entries(WAYS)) {
    test(`20 MB in chunks arrive intact on the other instance, ${way}`, async () => {
      const [ana, ben] = await stage.pair(`chunks ${way}`, { transports });
      const bytes = randomBytes(20 * MB);
      await ana.room.file("holiday.mp4", bytes);
      const arrived = await ben.content({ kind: "file", from: "ana" });
      assert.ok(arrived.intact && bytes.equals(arrived.bytes));
      await stage.count("chunk", 20, { room: `chunks ${way}` });
    });

    test(`20 MB in one message arrive intact on the other instance, ${way}`, async () => {
      const [ana, ben] = await stage.pair(`whole ${way}`, { transports });
      const bytes = randomBytes(20 * MB);
      await ana.room.whole("holiday.mp4", bytes);
      const arrived = await ben.content({ kind: "file", from: "ana" });
      assert.ok(arrived.intact && bytes.equals(arrived.bytes));
    });
  }

  test("chunks come as often as they may, and a client that heeds the answer loses none", async () => {
    const [ana, ben] = await stage.pair("haste");
    const none = { session: "x".repeat(32), id: "1", index: 0 };
    // The burst, spent on chunks that the app refuses: it is the gate that counts them.
    const answers = await Promise.all(Array.from({ length: 110 }, () => ana.socket.emitWithAck("chunk", none, Buffer.from("x"))));
    const codes = answers.map(({ error }) => error.code);
    const late = answers.find(({ error }) => error.code === "event_rate");
    assert.ok(late.error.retry_after_ms > 0, JSON.stringify(late));
    assert.ok(codes.filter((code) => code === "session_refused").length >= 100, "these came to the app");

    const bytes = randomBytes(20 * MB);
    await ana.room.file("holiday.mp4", bytes);
    assert.ok((await ben.content({ from: "ana" })).intact);
    assert.ok((await refusals("event_rate")) >= 1);
    assert.equal(await refusals("abuse"), 0);
  });

  test("a chunk that is too large ends the session before the app has it", async () => {
    const [ana, ben] = await stage.pair("size", { transports: ["websocket"] });
    const before = await refusals("event_too_large");
    const closed = next(ana.socket, "disconnect");
    ana.socket.emit("chunk", { session: "x".repeat(32), id: "1", index: 0 }, randomBytes(1_100_000));
    await closed;
    await stage.record({ message: "packet refused", subject: "ana", refusal: "event_too_large" });
    await stage.record({ message: "session ended", subject: "ana", reason: "payload_too_large", code: 1009 });
    assert.equal(await refusals("event_too_large"), before + 1);
    assert.deepEqual(stage.lines("chunk").filter(({ bytes }) => bytes > 1_048_576), []);
    await ben.room.text("still here");
  });

  test("a message of more than 100 MB is not carried", async () => {
    const [ana] = await stage.pair("limit", { transports: ["websocket"] });
    const closed = next(ana.socket, "disconnect");
    ana.socket.emit("content", { session: "x".repeat(32) }, Buffer.alloc(100 * MB + 1));
    await closed;
  });

  test("the admin UI's namespace and page are for admins", async () => {
    const olga = await stage.member("olga");
    const admin = await olga.join("/admin");
    const seen = new Set();
    admin.on("server_stats", ({ serverId }) => seen.add(serverId));
    await until("both instances report", () => seen.size === 2);

    const ana = await stage.member("ana");
    const error = await ana.join("/admin").catch((error) => error);
    assert.equal(error.data.code, "namespace_refused");
    assert.ok(ana.socket.connected, "nothing else of her session has ended");
    assert.ok((await refusals("namespace_refused")) >= 1);

    const statuses = [];
    for (const headers of [{}, await bearer("ana"), await bearer("olga")]) {
      statuses.push((await ask(stage, "/admin-ui/", { headers })).status);
    }
    assert.deepEqual(statuses, [401, 403, 200]);
  });

  test("the log and the metrics tell what was shared", async () => {
    const [ana, ben] = await stage.pair("metrics", { transports: ["websocket"] });
    const session = await stage.record({ message: "request", kind: "websocket", subject: "ana", status: 101 });
    await ana.room.file("holiday.mp4", randomBytes(2 * MB));
    await ben.content({ kind: "file", intact: true });
    ana.close();
    const ended = await stage.record({ message: "session ended", session: session.session });
    assert.deepEqual([ended.subject, ended.transport, ended.reason], ["ana", "websocket", "client_closed"]);
    assert.ok(ended.bytes_in > 2 * MB, `bytes_in=${ended.bytes_in}`);
    const chunks = await stage.admin.sample("events_total", { event: "chunk", direction: "in" });
    const bytes = await stage.admin.sample("carried_bytes_total", { transport: "websocket", direction: "in" });
    assert.ok(chunks >= 2 && bytes > 2 * MB, `${chunks} chunks, ${bytes} bytes`);
  });
});
