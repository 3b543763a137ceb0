// What real clients see of a gate that judges their packets: refusals with a reason and without a storm, errors as answers,
// filters, limits, tokens in the CONNECT packet, expiry and refresh, and an operator who ends sessions.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Admin } from "../support/admin.mjs";
import { call, WAYS } from "../support/client.mjs";
import { Door } from "../support/door.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { OnWebSocket, Polling } from "../support/line.mjs";
import { PythonClient } from "../support/python.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint } from "../support/token.mjs";
import { next, until } from "../support/wait.mjs";

const ADMINS = { needs: { roles: ["admin"] } };
const ACCESS = {
  rule: [{ join: ["/admin"], ...ADMINS }, { send: ["admin:*"], ...ADMINS }, { receive: ["admin:*"], ...ADMINS }],
};
const BYTES = Buffer.from([0, 1, 0x1e, 255]);

const asAdmin = () => ({ token: mint("root", { claims: { roles: ["admin"] } }) });

describe("rules and limits", NEEDS_GATE, () => {
  let stage, door;
  before(async () => {
    const limit = { event: [{ events: ["rare"], rate: "2/1h burst 2" }] };
    stage = await Stage.open({ apps: ["node"], config: { access: ACCESS, limit } });
    door = new Admin(stage.gate);
  });
  afterEach(() => stage.leave());
  after(() => stage.close());

  for (const [way, transports] of Object.entries(WAYS)) {
    const arrive = async (options) => {
      const client = await stage.client({ ...transports, ...options });
      await client.travels(way === "polling" ? "polling" : "websocket");
      return client;
    };

    test(`${way}: a refused namespace is told why once, and the others live`, async () => {
      const client = await arrive();
      const refusals = await door.sample("refusals", { reason: "namespace_refused" });
      const socket = client.manager.socket("/admin");
      const failed = next(socket, "connect_error");
      socket.connect();
      const [error] = await failed;
      assert.equal(error.message, "You may not join this namespace");
      assert.equal(error.data.code, "namespace_refused");
      assert.ok(error.data.hint.length > 0);
      assert.equal(socket.active, false);
      for (let count = 0; count < 20; count += 1) assert.equal(await client.call("add", count, 1), count + 1);
      assert.equal(await door.sample("refusals", { reason: "namespace_refused" }), refusals + 1);
      assert.deepEqual(client.disconnects, []);

      const root = await arrive(asAdmin());
      assert.equal((await call(await root.join("/admin"), "whoami")).namespace, "/admin");
    });

    test(`${way}: a refused event is answered with an error, also a binary one, and nothing reaches the app`, async () => {
      const client = await arrive();
      const { events } = await stage.app.stats();
      for (const values of [["eve"], [BYTES], [{ parts: [BYTES, BYTES] }]]) {
        const { error } = await client.call("admin:ban", ...values);
        assert.equal(error.code, "event_refused");
        assert.equal(error.message, "You may not send this event");
        client.socket.emit("admin:ban", ...values);
      }
      assert.deepEqual(await client.call("echo", BYTES), BYTES);
      assert.equal((await stage.app.stats()).events, events + 1);
      assert.deepEqual(client.disconnects, []);
    });

    test(`${way}: what only admins may receive reaches no user, in text or in bytes`, async () => {
      const [user, root] = await Promise.all([arrive(), arrive(asAdmin())]);
      for (const [client, expected] of [[user, ["news"]], [root, ["admin:news", "admin:bytes", "news"]]]) {
        const heard = [];
        client.socket.onAny((event) => heard.push(event));
        await client.call("say", "admin:news", { text: "for admins" });
        await client.call("say", "admin:bytes", BYTES, { more: BYTES });
        await client.call("say", "news", { text: "for all", bytes: BYTES });
        await client.call("add", 1, 1);
        assert.deepEqual(heard, expected);
      }
    });

    test(`${way}: too many of an event are answered with when to come again`, async () => {
      const client = await arrive();
      client.socket.emit("rare");
      client.socket.emit("rare");
      const { error } = await client.call("rare");
      assert.equal(error.code, "event_rate");
      assert.ok(error.retry_after_ms > 0 && error.retry_after_ms <= 3_600_000, String(error.retry_after_ms));
      assert.equal(await client.call("add", 1, 1), 2);
    });

    test(`${way}: who does not stop is closed, and stays closed`, async () => {
      const client = await arrive();
      const gone = next(client.socket, "disconnect");
      for (let count = 0; count < 60; count += 1) client.socket.emit("admin:ban", count);
      assert.equal((await gone)[0], "io server disconnect");
      assert.equal(client.socket.active, false);
    });
  }

  test("polling and WebSocket of one session share a count", async () => {
    const polling = await Polling.open(new Door(stage, { headers: bearer(mint("ana")) }));
    await polling.join();
    await polling.send('421["rare"]');
    const line = OnWebSocket.beside(polling);
    await line.send("2probe");
    assert.equal(await line.next(), "3probe");
    await line.send("5", '422["rare"]', '423["rare"]');
    const { error } = JSON.parse((await line.take("433[")).slice(3))[0];
    assert.equal(error.code, "event_rate");
    await line.leave();
  });
});

for (const app of ["node", "uvicorn"]) {
  describe(`tokens in the CONNECT packet, before ${app}`, NEEDS_GATE, () => {
    let stage, door;
    before(async () => {
      const auth = { identity: { connect_field: "identity" }, connect_by_app: ["/admin"], pass_token: false };
      stage = await Stage.open({ apps: [app], mode: "connect", config: { auth } });
      door = new Admin(stage.gate);
    });
    afterEach(() => stage.leave());
    after(() => stage.close());

    const BAD = {
      "no token": [undefined, "token_absent"],
      "a token that is no text": [{ token: 7 }, "token_invalid"],
      "a token that is none": [{ token: "abc.def.ghi" }, "token_invalid"],
      "a token of another key": [{ token: mint("ana", { secret: "x".repeat(32) }) }, "token_invalid"],
      "an expired token": [{ token: mint("ana", { seconds: -3600 }) }, "token_expired"],
    };
    for (const [way, transports] of Object.entries(WAYS)) {
      for (const [what, [auth, code]] of Object.entries(BAD)) {
        test(`${way}: ${what} is refused once, with a reason, and the app hears nothing`, async () => {
          // Clients of other tests may still be taking their leave.
          await stage.gate.empty();
          const before = await stage.app.stats();
          const opened = await handshakes(door);
          const client = stage.stranger({ ...transports, auth });
          const error = await client.connected.then(() => assert.fail("it was let in"), (error) => error);
          assert.equal(error.data?.code, code, error.message);
          assert.ok(error.message.length > 0 && error.data.hint.length > 0);
          assert.equal(client.socket.active, false);
          await until("its session is over", async () => {
            const { polling, websocket } = (await stage.gate.status()).sessions;
            return polling + websocket === 0;
          });
          const after = await stage.app.stats();
          assert.deepEqual([after.requests, after.opened], [before.requests, before.opened]);
          assert.equal(await handshakes(door), opened + 1);
        });
      }

      test(`${way}: one namespace is refused, the other lives, and a good token joins it on the same session`, async () => {
        const client = await stage.client(transports);
        const { session } = client;
        const chat = client.manager.socket("/chat", { auth: { token: "none" } });
        const failed = next(chat, "connect_error");
        chat.connect();
        assert.equal((await failed)[0].data.code, "token_invalid");
        assert.equal(await client.call("add", 1, 1), 2);
        chat.auth = { token: mint("ana") };
        const hello = next(chat, "hello");
        chat.connect();
        await hello;
        assert.equal((await call(chat, "whoami")).namespace, "/chat");
        assert.equal(client.session, session);
      });

      test(`${way}: another user's token does not join the session`, async () => {
        const client = await stage.client(transports);
        const chat = client.manager.socket("/chat", { auth: { token: mint("eve") } });
        const failed = next(chat, "connect_error");
        chat.connect();
        assert.equal((await failed)[0].data.code, "session_subject");
        assert.equal(await client.call("add", 1, 1), 2);
      });

      test(`${way}: the app is told who it is, in the header and in the packet, whatever the client writes there`, async () => {
        const token = mint("ana", { claims: { roles: ["staff"] } });
        const client = await stage.client({ ...transports, auth: { token, room: "blue", identity: { subject: "root" } } });
        const { headers, auth } = await client.call("whoami");
        assert.equal(headers["x-auth-subject"], "ana");
        if (app !== "node") return;
        assert.equal(auth.identity.subject, "ana");
        assert.deepEqual(auth.identity.roles, ["staff"]);
        assert.deepEqual([auth.room, auth.token], ["blue", undefined]);
      });

      test(`${way}: a namespace that the app judges itself gets its CONNECT as it is`, async () => {
        const client = await stage.client(transports);
        const own = { username: "admin", password: "secret" };
        const socket = await client.join("/admin", own);
        const { namespace, auth } = await call(socket, "whoami");
        assert.equal(namespace, "/admin");
        if (app === "node") assert.deepEqual(auth, own);
      });
    }

    for (const way of ["polling", "websocket"]) {
      test(`the Python client by ${way}: let in with a token, told why without`, async () => {
        const client = new PythonClient(stage);
        const told = [];
        client.on("connect_error", ({ values }) => told.push(...values));
        try {
          const { requests } = await stage.app.stats();
          const refused = client.connect({ url: stage.url, transports: [way], auth: { token: "none" } });
          await assert.rejects(refused, /ConnectionError/);
          assert.equal(told[0].data.code, "token_invalid");
          assert.equal((await stage.app.stats()).requests, requests);
          await client.connect({ url: stage.url, transports: [way], auth: { token: mint("ana") } });
          assert.equal((await client.call("whoami")).headers["x-auth-subject"], "ana");
        } finally {
          await client.stop();
        }
      });
    }

    for (const [way, Way] of Object.entries({ polling: Polling, websocket: OnWebSocket })) {
      test(`${way}: heartbeats and good byes of nobody reach no app`, async () => {
        const { requests } = await stage.app.stats();
        const line = await Way.open(new Door(stage));
        await line.send("3");
        await line.send("40");
        await line.take("44{");
        await line.send("1");
        await line.leave();
        await stage.gate.empty();
        assert.equal((await stage.app.stats()).requests, requests);
      });

      test(`${way}: joins again on the same engine session after all it asked for was refused`, async () => {
        const line = await Way.open(new Door(stage));
        await line.send("40");
        assert.equal(JSON.parse((await line.take("44{")).slice(2)).data.code, "token_absent");
        await line.send('40{"token":"none"}');
        assert.equal(JSON.parse((await line.take("44{")).slice(2)).data.code, "token_invalid");
        await line.join("/", JSON.stringify({ token: mint("ana") }));
        assert.equal(await line.call("add", 20, 22), 42);
        await line.leave();
      });
    }
  });
}

describe("tokens that expire", NEEDS_GATE, () => {
  let stage;
  before(async () => {
    const auth = { leeway: "0s", expiry_warning: "2s" };
    stage = await Stage.open({ apps: ["node"], mode: "connect", config: { auth } });
  });
  after(() => stage.close());

  // Side by side: all of it is waiting for clocks.
  describe("each way", { concurrency: true }, () => {
    for (const [way, transports] of Object.entries(WAYS)) {
      test(`${way}: the client comes back by itself with a fresh token`, async () => {
        const auth = (give) => give({ token: mint("ana", { seconds: 2 }) });
        const client = stage.stranger({ ...transports, auth });
        await client.connected;
        await until("it has come back twice", () => client.hellos.length >= 3, 30_000);
        for (const { reason, details } of client.disconnects) {
          assert.match(reason, /^transport (close|error)$/);
          if (reason === "transport close" && details.context?.code) assert.equal(details.context.code, 4401);
        }
        client.close();
      });

      test(`${way}: a session that is refreshed in time lives on past three expiries`, async () => {
        const token = () => mint("ana", { seconds: 4 });
        const client = await stage.client({ ...transports, token: token() });
        const answers = [];
        const warnings = [];
        client.socket.on("sockgate:expiring", (warning) => {
          warnings.push(warning);
          // The last one may be under way when the test is over.
          client.call(warning.refresh_event, token()).then((answer) => answers.push(answer), () => {});
        });
        await until("three of its tokens have expired", () => answers[2]?.expires * 1000 < Date.now(), 40_000);
        for (const { ok, error } of answers) assert.equal(ok, true, JSON.stringify(error));
        for (const { expires_in_ms: left } of warnings) assert.ok(left >= 0 && left <= 2_000, `${left} ms were left`);
        assert.deepEqual(client.disconnects, []);
        assert.equal(client.hellos.length, 1);
        assert.equal(await client.call("add", 20, 22), 42);
        client.close();
      });

      test(`${way}: a refresh with a token that is not good changes nothing`, async () => {
        const client = await stage.client({ ...transports, token: mint("ana", { seconds: 60 }) });
        const cases = {
          session_subject: mint("eve"),
          token_invalid: "none",
          token_expired: mint("ana", { seconds: 30 }),
          token_absent: 7,
        };
        for (const [code, token] of Object.entries(cases)) {
          assert.equal((await client.call("sockgate:refresh", token)).error?.code, code);
        }
        assert.equal((await client.call("whoami")).auth.token === undefined, false);
        assert.deepEqual(client.disconnects, []);
        client.close();
      });
    }
  });
});

describe("ends that stay", NEEDS_GATE, () => {
  let stage, door;
  before(async () => {
    const auth = { leeway: "0s", on_expiry: "stay_closed", end_event: "sockgate:end" };
    stage = await Stage.open({ apps: ["node"], config: { auth, socketio: { judge: "always" } } });
    door = new Admin(stage.gate);
  });
  afterEach(() => stage.leave());
  after(() => stage.close());

  for (const [way, transports] of Object.entries(WAYS)) {
    const ends = async (options, deed, code) => {
      const client = await stage.client({ ...transports, ...options });
      await client.travels(way === "polling" ? "polling" : "websocket");
      const told = next(client.socket, "sockgate:end", 20_000);
      const gone = next(client.socket, "disconnect", 20_000);
      await deed(client);
      assert.equal((await told)[0].code, code);
      assert.equal((await gone)[0], "io server disconnect");
      assert.equal(client.socket.active, false);
      return client;
    };

    test(`${way}: an expired session is told, and closed for good where that is asked for`, async () => {
      await ends({ token: mint("ana", { seconds: 3 }) }, () => {}, "token_expired");
    });

    test(`${way}: a killed session is over, and its user may come again`, async () => {
      await ends({ subject: `killed-${way}` }, async () => {
        const { sessions } = await door.ask(`/sessions?subject=killed-${way}`);
        assert.equal(sessions.length, 1);
        await door.ask(`/sessions/${sessions[0].session ?? sessions[0].name}/kill`, {});
      }, "killed");
      assert.ok(await stage.client({ ...transports, subject: `killed-${way}` }));
    });

    test(`${way}: a revoked user is out, and stays out`, async () => {
      await ends({ subject: `revoked-${way}` }, () => door.ask("/revoke", { subject: `revoked-${way}`, all: true }), "revoked");
      const again = stage.stranger({ ...transports, subject: `revoked-${way}`, reconnection: false });
      await assert.rejects(again.connected);
    });
  }

  test("nothing is left behind", async () => {
    stage.leave();
    await stage.app.empty();
    await stage.gate.empty();
  });
});

// Engine.IO sessions that were begun, by either transport.
function handshakes(door) {
  return Promise.all(["open", "websocket"].map((kind) => door.sample("requests_total", { kind }))).then(([one, two]) => one + two);
}
