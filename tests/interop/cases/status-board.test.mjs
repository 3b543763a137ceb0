// The status board of examples/ through the gate, by its own client code: who gets in and as whom, rooms, notifications, the
// admin's event, limits; with the token in `auth: { token }` and in the Authorization header.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { WAYS, call } from "../support/client.mjs";
import { EXAMPLES } from "../support/example.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { StatusBoard } from "../support/status_board.mjs";
import { mint } from "../support/token.mjs";
import { next, until } from "../support/wait.mjs";

const EXAMPLE_SECRET = "only-for-this-example-32-bytes-or-more";

for (const setUp of ["connect", "header"]) {
  describe(`the status board, ${setUp}`, NEEDS_GATE, () => {
    let board;
    before(async () => (board = await StatusBoard.open(setUp)));
    afterEach(() => board.leave());
    after(() => board?.close());

    for (const [way, transports] of Object.entries(WAYS)) {
      const arrive = (user, options) => board.arrive(user, { ...transports, ...options });

      test(`${way}: one token, one session, four namespaces, and the app knows who it is`, async () => {
        await board.gate.empty();
        const joined = (line) => board.app.lines.filter((said) => said === line).length;
        const lines = ["/", "/status", "/media", "/youtube"].map((name) => `join ${name} ana (user)`);
        const [before, roots] = [lines.map(joined), board.app.count("join / root")];
        const forged = { extraHeaders: { "x-auth-subject": "root", "x-auth-roles": "admin" } };
        const { manager } = await arrive("ana", forged);
        assert.deepEqual(lines.map(joined), before.map((count) => count + 1));
        assert.equal(board.app.count("join / root"), roots);
        const { polling, websocket } = (await board.gate.status()).sessions;
        assert.equal(polling + websocket, 1);
        await until("it travels as it should", () => manager.engine.transport.name === (way === "polling" ? "polling" : "websocket"));
      });

      test(`${way}: updates go to who has subscribed, and a notification to the owner alone`, async () => {
        const [ana, tab, ben] = [await arrive("ana"), await arrive("ana"), await arrive("ben")];
        const heard = { ana: [], ben: [] };
        ana.status.on("status:update", ({ name, state }) => heard.ana.push(`${name} ${state}`));
        ben.status.on("status:update", ({ name, state }) => heard.ben.push(`${name} ${state}`));
        for (const { own } of [ana, tab, ben]) assert.ok((await call(own, "subscribe:notifications")).unread);
        ben.own.on("notification", () => heard.ben.push("notification"));
        assert.deepEqual((await call(ana.status, "subscribe:status", ["shop"])).services.map(({ name }) => name), ["shop"]);
        assert.equal((await call(ben.status, "subscribe:status")).services.length, 3);
        assert.deepEqual(await call(ben.status, "unsubscribe:status", ["shop"]), { rooms: ["status:page", "status:gate"] });

        const told = [next(ana.own, "notification"), next(tab.own, "notification")];
        const state = board.shop.turn();
        const [[notification], [same]] = await Promise.all(told);
        assert.equal(notification.text, `shop is ${state}`);
        assert.equal(same.id, notification.id);
        await until("the update is there", () => heard.ana.includes(`shop ${state}`));

        const marked = next(tab.own, "notification:read");
        assert.equal(typeof (await call(ana.own, "notification:read", notification.id)).unread, "number");
        assert.deepEqual(await marked, [notification.id]);
        const { error } = await call(ben.own, "notification:read", notification.id);
        assert.equal(error.message, "there is no such notification");
        assert.deepEqual(heard, { ana: [`shop ${state}`], ben: [] });
      });

      test(`${way}: the admin's event is refused to users with an answer, and the app sees nothing of it`, async () => {
        const [ana, root] = [await arrive("ana"), await arrive("root")];
        const refusals = await board.door.sample("refusals", { reason: "event_refused" });
        const { error } = await call(ana.status, "admin:refresh-status");
        assert.deepEqual(error, { code: "event_refused", message: "You may not send this event", hint: "this account may not use this" });
        ana.status.emit("admin:refresh-status");
        assert.equal((await call(root.status, "admin:refresh-status")).services.length, 3);
        assert.equal((await call(ana.status, "subscribe:status")).services.length, 3);
        assert.equal(board.app.count("event /status ana admin:refresh-status"), 0);
        assert.ok(board.app.count("event /status root admin:refresh-status") > 0);
        assert.equal(await board.door.sample("refusals", { reason: "event_refused" }), refusals + 2);
        const [record] = board.records("packet refused", { refusal: "event_refused", subject: "ana" });
        assert.match(record.detail, /^\/status admin:refresh-status/);
      });

      test(`${way}: who is not active is refused once, told why, and stays away`, async () => {
        await board.gate.empty();
        const handshakes = await opened(board);
        // Nobody is told why a WebSocket was refused, so who asks by it alone would ask again and again.
        const isSilent = setUp === "header" && way === "websocket";
        const { leave, own, refusals, told } = await arrive("ida", isSilent ? { reconnection: false } : {});
        if (isSilent) {
          assert.deepEqual([refusals, told], [[], ["not connected: websocket error"]]);
        } else {
          const [first] = refusals;
          assert.equal(first.message, "The token lacks a required claim");
          assert.deepEqual([first.code, first.hint], ["claim_refused", "this account may not connect"]);
          assert.equal(own.active, false);
        }
        leave();
        await board.gate.empty();
        assert.equal(board.app.count("join / ida"), 0);
        assert.equal(await opened(board), handshakes + 1);
      });
    }

    test("the wall screen's namespaces: pictures by /media, videos by /youtube", async () => {
      const [ana, ben] = [await board.arrive("ana"), await board.arrive("ben")];
      const shown = next(ben.media, "media:now");
      assert.deepEqual(await call(ana.media, "media:show", "Graphs"), { title: "Graphs", by: "ana" });
      assert.deepEqual(await shown, [{ title: "Graphs", by: "ana" }]);
      assert.deepEqual(await call(ben.media, "media:now"), { title: "Graphs", by: "ana" });

      const queued = next(ana.youtube, "youtube:queue");
      const { position } = await call(ben.youtube, "youtube:add", "https://youtu.be/dQw4w9WgXcQ");
      assert.equal((await queued)[0].length, position);
      const { error } = await call(ben.youtube, "youtube:add", { url: 7 });
      assert.deepEqual(error, { code: "bad_request", message: "a text is wanted" });
    });

    test("a namespace that is not written down is closed", async () => {
      const { manager, own } = await board.arrive("ana");
      const other = manager.socket("/tomorrow", { auth: own.auth });
      const [error] = await next(other, "connect_error");
      assert.equal(error.data.code, "namespace_refused");
      assert.equal(other.active, false);
      assert.equal(own.connected, true);
    });
  });
}

describe("the status board's limits and doors", NEEDS_GATE, () => {
  let board;
  before(async () => (board = await StatusBoard.open()));
  afterEach(() => board.leave());
  after(() => board?.close());

  const burst = async (sockets, count) => {
    const asked = Array.from({ length: count }, (_, index) => call(sockets[index % sockets.length], "notification:read", "none"));
    const answers = await Promise.all(asked);
    return { passed: answers.filter(({ error }) => error.code === "bad_request"), refused: answers.filter(({ error }) => error.code === "event_rate") };
  };

  test("a burst: ten at once, for both tabs of a user together, and another user has their own ten", async () => {
    const [ana, tab, ben] = [await board.arrive("ana"), await board.arrive("ana"), await board.arrive("ben")];
    const { passed, refused } = await burst([ana.own, tab.own], 25);
    // One more comes free every two seconds, however long this takes.
    assert.ok(passed.length >= 10 && passed.length < 25, String(passed.length));
    assert.equal(passed.length + refused.length, 25);
    assert.equal(board.app.count("event / ana notification:read"), passed.length);
    const { error } = refused[0];
    assert.equal(error.message, "Too many events");
    assert.ok(error.retry_after_ms > 0 && error.retry_after_ms <= 2_000, String(error.retry_after_ms));
    assert.equal((await burst([ben.own], 10)).passed.length, 10);
    assert.equal((await call(ana.status, "subscribe:status")).services.length, 3);
    const record = board.records("packet refused", { refusal: "event_rate" })[0];
    assert.equal(record.detail, "/ notification:read: limit.event[1]");
    assert.equal(await board.door.sample("refusals", { reason: "event_rate" }), refused.length);
  });

  test("who does not stop is closed, and does not come back by itself", async () => {
    const { own, refusals } = await board.arrive("root");
    const gone = next(own, "disconnect");
    for (let count = 0; count < 60; count += 1) own.emit("notification:read", "none");
    assert.deepEqual((await gone)[0], "io server disconnect");
    assert.equal(own.active, false);
    assert.deepEqual(refusals.map(({ message }) => message), ["The server has ended the connection"]);
    await until("the record is written", () => board.records("session ended", { reason: "abuse", subject: "root" }).length === 1);
  });

  test("the page's origin may ask, with credentials, and gets the headers once; another may not", async () => {
    const preflight = { origin: board.origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" };
    const paths = ["/api/login", "/socket.io/?EIO=4&transport=polling"];
    for (const path of paths) {
      const allowed = await board.ask(path, { method: "OPTIONS", headers: preflight });
      assert.equal(allowed.status, 204);
      assert.equal(allowed.headers["access-control-allow-origin"], board.origin);
      assert.equal(allowed.headers["access-control-allow-credentials"], "true");
      const refused = await board.ask(path, { headers: { origin: "http://localhost:1" } });
      assert.equal(refused.status, 403);
      assert.equal(refused.json.error, "origin_refused");
    }
    const { status, rawHeaders } = await board.ask(paths[1], { headers: { origin: board.origin } });
    assert.equal(status, 200);
    assert.equal(rawHeaders.filter((name) => name.toLowerCase() === "access-control-allow-origin").length, 1);
  });

  test("what is internal has no way in, and what is the admin's is refused to users", async () => {
    const [ana, root] = [await board.token("ana"), await board.token("root")];
    assert.equal((await board.ask("/internal/who", { token: ana })).status, 404);
    const body = { active: true };
    assert.equal((await board.ask("/api/users/ben", { token: ana, body })).json.error, "access_refused");
    assert.deepEqual((await board.ask("/api/users/ben", { token: root, body })).json, { id: "ben", role: "user", active: true });
    assert.equal((await board.ask("/api/users/ben", { body })).json.error, "token_absent");
    assert.equal((await board.ask("/api/token", { token: ana, body })).json.lasts, 3600);
    assert.equal((await board.ask("/api/login", { body: { user: "ana", password: "guess" } })).status, 401);
  });

  test("a token of another app with the same secret is none", async () => {
    const token = mint("root", { secret: EXAMPLE_SECRET, claims: { iss: "billing", role: "admin", active: true } });
    const { refusals } = await board.arrive("root", { token });
    assert.equal(refusals[0].code, "token_invalid");
  });

  test("an account that is closed loses its sessions; its token is good until it ends", async () => {
    const ben = await board.arrive("ben");
    const gone = next(ben.own, "disconnect");
    await board.ask("/api/users/ben", { token: await board.token("root"), body: { active: false } });
    assert.equal((await gone)[0], "io server disconnect");
    assert.deepEqual((await board.arrive("ben")).refusals, []);
  });
});

describe("the status board, hurried", NEEDS_GATE, () => {
  let board;
  before(async () => (board = await StatusBoard.open("connect", { SOCKGATE_LIMIT__MESSAGES_PER_USER: "2/1s" })));
  after(() => board?.close());

  test("a namespace that was one too many is joined when the gate has said", async () => {
    const { refusals, leave } = await board.arrive("ana");
    assert.deepEqual(refusals, []);
    assert.ok(board.records("packet refused", { subject: "ana" }).length >= 1);
    leave();
  });

  test("guesses at passwords are limited by address", async () => {
    const guess = () => board.ask("/api/login", { body: { user: "ana", password: "guess" } });
    for (let count = 1; ; count += 1) {
      const { status, json, headers } = await guess();
      if (status === 401) continue;
      assert.deepEqual([status, json.error], [429, "address_rate"]);
      assert.ok(Number(headers["retry-after"]) > 0);
      assert.ok(count > 29, String(count));
      break;
    }
  });
});

describe("the README of the status board", NEEDS_GATE, () => {
  const readme = readFileSync(join(EXAMPLES, "status-board/README.md"), "utf8");
  let board;
  before(async () => (board = await StatusBoard.open()));
  after(() => board?.close());

  test("client.js says what is shown, and so do log and metrics", async () => {
    assert.deepEqual(await board.script(["ana", "refresh"]), ['{"error":{"code":"event_refused","message":"You may not send this event","hint":"this account may not use this"}}']);
    const [refusal] = await board.script(["ida"]);
    assert.ok(readme.includes(`    ${refusal}\n`), refusal);
    const [counts, goodbye] = await board.script(["ben", "burst", "25"]);
    assert.match(counts, /^\{ bad_request: 1\d, event_rate: 1\d \}$/);
    assert.equal(goodbye, "disconnected: io client disconnect");
    assert.ok((await board.script(["root", "burst", "60"])).includes("disconnected: io server disconnect"));
    assert.match((await board.script(["root", "mark-inactive", "ben"]))[0], /"active":false/);

    const { detail } = board.records("packet refused", { refusal: "event_refused" })[0];
    assert.ok(readme.includes(`refusal=event_refused detail="${detail}"`), detail);
    for (const reason of ["event_rate", "claim_refused", "event_refused"]) {
      assert.ok(readme.includes(`sockgate_refusals_total{reason="${reason}"}`));
      assert.ok((await board.door.sample("refusals_total", { reason })) > 0);
    }
  });
});

describe("the status board, authorizer", NEEDS_GATE, () => {
  let board;
  before(async () => (board = await StatusBoard.open("authorizer")));
  afterEach(() => board.leave());
  after(() => board?.close());

  for (const [way, transports] of Object.entries(WAYS)) {
    test(`${way}: an account that is closed does not come back with the token it has, until it is opened again`, async () => {
      const root = await board.token("root");
      const setActive = async (active) => assert.equal((await board.ask("/api/users/ben", { token: root, body: { active } })).status, 200);
      const ben = await board.arrive("ben", transports);
      assert.ok(board.app.count("who ben: yes") > 0);
      const gone = next(ben.own, "disconnect");
      await setActive(false);
      assert.equal((await gone)[0], "io server disconnect");

      await board.gate.empty();
      const [handshakes, joins] = [await opened(board), board.app.count("join / ben")];
      const { refusals, own } = await board.arrive("ben", transports);
      assert.equal(refusals[0].code, "token_invalid");
      assert.ok(refusals[0].message && refusals[0].hint);
      assert.equal(own.active, false);
      assert.ok(board.app.count("who ben: no") > 0);
      board.leave();
      await board.gate.empty();
      assert.deepEqual([await opened(board), board.app.count("join / ben")], [handshakes + 1, joins]);

      await setActive(true);
      // A no is remembered for a moment.
      await until("ben is in", async () => (await board.arrive("ben", transports)).refusals.length === 0);
    });
  }
});

// Engine.IO sessions that were begun, by either transport.
async function opened({ door }) {
  const [polling, websocket] = await Promise.all(["open", "websocket"].map((kind) => door.sample("requests_total", { kind })));
  return polling + websocket;
}
