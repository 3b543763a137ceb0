// examples/notifications, driven by variables alone: what programs and forged requests see of its gate, and what its app gets.
// What a page sees is in notifications-page.test.mjs.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { WAYS } from "../support/client.mjs";
import { EXAMPLES, variablesOf } from "../support/example.mjs";
import { BINARY, NEEDS_GATE } from "../support/gate.mjs";
import { Notifications } from "../support/notifications.mjs";
import { PythonClient } from "../support/python.mjs";
import { ask, engine } from "../support/request.mjs";
import { next, until } from "../support/wait.mjs";

const HERE = join(EXAMPLES, "notifications");
const OWN = variablesOf("notifications/gate.env");
// What the README tells to try, and what it says comes of it: the indented blocks of that section, flush.
const [, SECTION] = readFileSync(join(HERE, "README.md"), "utf8").split("## Wrong variables\n");
const TOLD = SECTION.split("\n## ")[0].replace(/^ +/gm, "");
const WRONG = Object.fromEntries(TOLD.match(/^[A-Z_]+=.*$/gm).map((line) => line.split("=")));

describe("variables of examples/notifications", NEEDS_GATE, () => {
  test("they are enough, and sockgate.toml says the same", async () => {
    const byEnv = await check(["--strict"], OWN);
    assert.equal(byEnv.code, 0, byEnv.text);
    const byFile = await check(["--strict", "--config", join(HERE, "sockgate.toml")]);
    assert.equal(byFile.code, 0, byFile.text);
    assert.deepEqual(values(byEnv.text), values(byFile.text));
  });

  test("those that are wrong are told as the README shows, and the gate would start without them", async () => {
    const { code, text } = await check([], { ...OWN, ...WRONG });
    assert.equal(code, 0, text);
    const warnings = (text) => text.split("\n").filter((line) => line.startsWith("warning: "));
    assert.deepEqual(warnings(text), warnings(TOLD));
    assert.equal(warnings(text).length, Object.keys(WRONG).length);
  });

  test("a wrong rule refuses the start: it would open what it closes", async () => {
    const { code, text } = await check([], { ...OWN, SOCKGATE_ACCESS__RULE__0__JOIN: "admin" });
    assert.equal(code, 1);
    const refusal = text.split("\n").find((line) => line.startsWith("refused: "));
    assert.ok(TOLD.includes(`\n${refusal}\n`), refusal);
  });

  test("app and gate serve with their defaults where the variables are wrong", async () => {
    // The app's port is where the gate finds it.
    const { FLASK_PORT: _, ...wrong } = WRONG;
    const stage = await Notifications.open(wrong);
    try {
      const { browser } = await stage.logIn("ana");
      const socket = await stage.socket(browser);
      assert.equal(await socket.timeout(10_000).emitWithAck("since", 0), true);
      for (const name of Object.keys(wrong).filter((name) => !name.startsWith("SOCKGATE_") && name !== "SOCKETIO_CORS_ORIGINS")) {
        assert.equal(stage.app.count(`WARNING settings: ${name}: `), 1);
      }
      for (const name of Object.keys(wrong)) await stage.record(name, "WARN");
      const { text } = await engine(stage, { headers: browser });
      assert.equal(JSON.parse(text.slice(1)).pingTimeout, 20_000);
    } finally {
      await stage.close();
    }
  });
});

describe("examples/notifications", NEEDS_GATE, () => {
  let stage, ana, root;
  before(async () => {
    stage = await Notifications.open();
    [ana, root] = await Promise.all(["ana", "root"].map((name) => stage.logIn(name)));
  });
  afterEach(() => stage.leave());
  after(() => stage?.close());

  describe("a session by polling that a cookie carries", () => {
    // In a session of ana's page an event that is posted with other headers: what is answered, and how often the app got it.
    let mark = 100_000;
    async function post(headers, kept) {
      const own = { ...ana.browser, ...kept };
      const { sid } = JSON.parse((await engine(stage, { headers: own })).text.slice(1));
      const send = (headers, body) => engine(stage, { sid, method: "POST", headers, body });
      await send(own, "40/user,");
      await until("the namespace is joined", async () => (await engine(stage, { sid, headers: own })).text.includes("40/user,{"));
      const [number, later] = [(mark += 1), (mark += 1)];
      const answer = await send(headers, `42/user,["read",[${number}]]`);
      // What is sent after it shows that the app got all that it gets.
      await send(own, `42/user,["read",[${later}]]`);
      await stage.heard(`ana has read [${later}]`);
      await send(own, "1");
      return { ...answer, got: stage.app.count(`ana has read [${number}]`) };
    }
    const page = () => ({ origin: stage.page, "sec-fetch-site": "same-site" });
    const FORGED = {
      "without the header": [() => ({ ...ana.cookie, ...page() }), "csrf_refused"],
      "with another's value": [() => ({ ...ana.cookie, ...page(), "x-csrf-token": "guessed" }), "csrf_refused"],
      "with an empty pair": [() => ({ cookie: `${ana.cookie.cookie.split(";")[0]}; csrf_token=`, "x-csrf-token": "", ...page() }), "csrf_refused"],
      "from another site": [() => ({ ...ana.browser, origin: "https://evil.example" }), "origin_refused"],
      "from another port": [() => ({ ...ana.browser, origin: "http://localhost:1" }), "origin_refused"],
      "from another site that hides its origin": [() => ({ ...ana.browser, "sec-fetch-site": "cross-site" }), "cross_site_refused"],
      "from a neighbour that hides its origin": [() => ({ ...ana.browser, "sec-fetch-site": "same-site" }), "cross_site_refused"],
    };
    for (const [how, [headers, code]] of Object.entries(FORGED)) {
      test(`a POST ${how} is refused, and the app gets nothing of it`, async () => {
        const before = await stage.door.sample("refusals", { reason: code });
        const { status, text, headers: written, got } = await post(headers(), page());
        assert.deepEqual([status, JSON.parse(text).error], [403, code]);
        assert.equal(got, 0);
        assert.equal(await stage.door.sample("refusals", { reason: code }), before + 1);
        // Only the page that may connect can read why.
        assert.equal(written["access-control-allow-origin"], code === "csrf_refused" ? stage.page : undefined);
        const detail = code === "csrf_refused" ? "repeat the value of the cookie csrf_token in the header x-csrf-token" : "detail";
        await stage.record("sockgate::security", code, detail);
      });
    }

    test("the page of the allowed origin polls and posts", async () => {
      const { status, headers, got } = await post({ ...ana.browser, ...page() }, page());
      assert.deepEqual([status, got], [200, 1]);
      assert.equal(headers["access-control-allow-origin"], stage.page);
      assert.equal(headers["access-control-allow-credentials"], "true");
    });

    test("another site does not get as far as a session", async () => {
      for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }]) {
        const { status, headers: got } = await engine(stage, { headers: { ...ana.browser, ...headers } });
        assert.equal(status, 403);
        assert.equal(got["access-control-allow-origin"], undefined);
      }
    });

    test("the API is guarded in the same way, and scripts with a Bearer token need no second one", async () => {
      const title = stage.title("forged");
      const refused = await stage.make({ ...root.cookie, ...page() }, { to: "everybody", title });
      assert.deepEqual([refused.status, JSON.parse(refused.text).error], [403, "csrf_refused"]);
      assert.equal((await stage.make({ ...root.browser, ...page() }, { to: "everybody" })).status, 201);
      assert.equal((await stage.make(root.script, { to: "everybody" })).status, 201);
      const socket = await stage.socket(ana.browser);
      await socket.timeout(10_000).emitWithAck("since", 0);
      assert.ok(socket.heard.length >= 2 && socket.heard.every(([, note]) => note.title !== title));
    });
  });

  for (const [way, { transports }] of Object.entries(WAYS)) {
    test(`${way}: what is for admins reaches admins alone, live and when caught up`, async () => {
      const filtered = await stage.door.sample("packets_filtered");
      const [user, admin] = await Promise.all([stage.socket(ana.browser, { transports }), stage.socket(root.browser, { transports })]);
      const [secret, open] = [stage.title("for admins"), stage.title("for all")];
      await stage.make(root.script, { to: "admins", title: secret });
      await stage.make(root.script, { to: "everybody", title: open });
      const titles = (socket) => socket.heard.map(([event, { title }]) => [event, title]);
      for (const socket of [user, admin]) await until("both are told", () => titles(socket).some(([, title]) => title === open));
      assert.deepEqual(titles(user), [["notification", open]]);
      assert.deepEqual(titles(admin), [["admin:notification", secret], ["notification", open]]);
      assert.equal(await stage.door.sample("packets_filtered"), filtered + 1);

      const first = admin.heard[0][1].id;
      for (const socket of [user, admin]) {
        const live = socket.heard.splice(0);
        await socket.timeout(10_000).emitWithAck("since", first - 1);
        assert.deepEqual(socket.heard, live);
      }
      // The app sent it to her each time.
      assert.equal(stage.app.count(`ana caught up from ${first - 1}: 2`), 1);
      assert.equal(await stage.door.sample("packets_filtered"), filtered + 2);
    });

    test(`${way}: the namespace of admins is joined by admins alone`, async () => {
      const asked = stage.app.count("ana asks for /admin");
      const user = stage.stranger(ana.browser, { namespace: "/admin", transports });
      const [error] = await next(user, "connect_error");
      assert.deepEqual([error.message, error.data.code], ["You may not join this namespace", "namespace_refused"]);
      assert.equal(stage.app.count("ana asks for /admin"), asked);
      const admin = await stage.socket(root.browser, { namespace: "/admin", transports });
      await stage.socket(ana.browser, { transports });
      await until("the admin sees who is online", () => admin.heard.some(([event, names]) => event === "online" && names.includes("ana")));
    });
  }

  for (const way of ["polling", "websocket"]) {
    test(`the Python client by ${way}: lives beside the others, without what is for admins`, async () => {
      const client = new PythonClient({});
      const heard = [];
      for (const event of ["notification", "admin:notification"]) client.on(event, ({ values: [note] }) => heard.push([event, note.title]));
      try {
        // The library sends `headers` with no poll.
        const headers = way === "polling" ? { always: ana.browser } : { headers: ana.browser };
        await client.connect({ url: stage.url, transports: [way], namespaces: ["/user"], ...headers });
        const [secret, open] = [stage.title("for admins"), stage.title("for all")];
        await stage.make(root.script, { to: "admins", title: secret });
        await stage.make(root.script, { to: "everybody", title: open });
        await until("she is told", () => heard.length > 0);
        assert.equal(await client.call("since", [10 ** 9], "/user"), true);
        assert.deepEqual(heard, [["notification", open]]);
        const refused = new PythonClient({});
        try {
          const told = [];
          refused.on("connect_error", ({ values }) => told.push(...values));
          await assert.rejects(refused.connect({ url: stage.url, transports: [way], namespaces: ["/admin"], ...headers }));
          assert.equal(told[0].data.code, "namespace_refused");
        } finally {
          await refused.stop();
        }
        await client.disconnect();
      } finally {
        await client.stop();
      }
    });
  }

  describe("behind a hop that forbids WebSocket", () => {
    let office;
    before(async () => (office = await stage.office()));
    after(() => office?.close());

    const NODE = {
      "a client that would upgrade": {},
      "a client that begins with WebSocket": { transports: ["websocket", "polling"], tryAllTransports: true },
    };
    for (const [which, options] of Object.entries(NODE)) {
      test(`${which} goes on by polling`, async () => {
        const refusals = office.refusals();
        const socket = await stage.socket(ana.browser, { url: office.url, ...options });
        await until("WebSocket was refused", () => office.refusals() > refusals);
        const title = stage.title("by polling");
        await stage.make(root.script, { to: "ana", title });
        await until("she is told", () => socket.heard.some(([, note]) => note.title === title));
        assert.deepEqual([socket.connected, socket.io.engine.transport.name], [true, "polling"]);
      });
    }

    test("the Python client goes on by polling", async () => {
      const client = new PythonClient({});
      try {
        const refusals = office.refusals();
        assert.deepEqual(await client.connect({ url: office.url, namespaces: ["/user"], always: ana.browser }), { transport: "polling" });
        assert.ok(office.refusals() > refusals);
        assert.equal(await client.call("since", [0], "/user"), true);
        await client.disconnect();
      } finally {
        await client.stop();
      }
    });
  });

  test("a notification has the standard format, reaches whom it is for, and remembers who has read it", async () => {
    const [one, other, ben] = await Promise.all([ana, ana, await stage.logIn("ben")].map(({ browser }) => stage.socket(browser)));
    const title = stage.title("for ana");
    const made = await stage.make(root.script, { to: "ana", title, data: { order: 7 } });
    assert.equal(made.status, 201);
    const note = JSON.parse(made.text);
    assert.deepEqual(Object.keys(note).sort(), ["data", "id", "message", "read", "time", "title", "type"]);
    assert.ok(Number.isInteger(note.id) && Math.abs(Date.parse(note.time) - Date.now()) < 60_000, note.time);
    for (const socket of [one, other]) await until("she is told", () => socket.heard.length > 0);
    assert.deepEqual(one.heard, [["notification", note]]);

    assert.equal(await one.timeout(10_000).emitWithAck("read", [note.id, "no id"]), true);
    await until("her other device marks it", () => other.heard.some(([event, ids]) => event === "read" && ids[0] === note.id));
    one.heard.length = 0;
    await one.timeout(10_000).emitWithAck("since", note.id - 1);
    assert.deepEqual(one.heard, [["notification", { ...note, read: true }]]);
    await ben.timeout(10_000).emitWithAck("since", note.id - 1);
    assert.deepEqual(ben.heard, []);
  });

  test("the API is for admins, with a body that holds what it must", async () => {
    assert.equal((await stage.make(ana.script, { to: "everybody" })).status, 403);
    assert.equal((await stage.make(root.script, { to: "everybody", title: "" })).status, 400);
    const nobody = await stage.make({}, { to: "everybody" });
    assert.deepEqual([nobody.status, JSON.parse(nobody.text).error], [401, "token_absent"]);
    assert.equal((await ask(stage, "/api/session", { headers: ana.cookie })).status, 200);
  });

  // The last one: this address can not log in for a while.
  test("guessing passwords ends at the gate, and admins alone hear of it", async () => {
    const [user, admin] = await Promise.all([ana, root].map(({ browser }) => stage.socket(browser)));
    const guess = () => stage.logIn("ana", "wrong").then(() => assert.fail("it was let in"), (error) => error.status);
    const answers = [];
    while (answers.at(-1) !== 429 && answers.length < 40) answers.push(await guess());
    assert.equal(answers.at(-1), 429);
    assert.ok(answers.length > 1 && answers.slice(0, -1).every((status) => status === 401), String(answers));
    assert.equal(stage.app.count("somebody failed to log in"), answers.length - 1);
    await until("the admin has heard of each", () => admin.heard.length === answers.length - 1);
    assert.equal(admin.heard[0][1].title, "Failed login");
    await user.timeout(10_000).emitWithAck("since", 10 ** 9);
    assert.deepEqual(user.heard, []);
  });
});

// What `check` says with these variables alone.
function check(more, env = {}) {
  return new Promise((done) => {
    execFile(BINARY, ["check", ...more], { env }, (error, out, err) => done({ code: error?.code ?? 0, text: out + err }));
  });
}

/** Key and value of each line of `check`, without the source. */
function values(text) {
  const lines = text.split("\n").filter((line) => /^\w\S* {2,}/.test(line));
  return lines.map((line) => line.split(/ {2,}/).slice(0, 2));
}
