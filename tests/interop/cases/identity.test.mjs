// Who is asking: where unmodified clients carry their token, what the app is told of them, what it is never shown, and
// that nothing of anybody unknown reaches it.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { SOCKET_IO_APPS } from "../support/app.mjs";
import { WAYS } from "../support/client.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { PythonClient } from "../support/python.mjs";
import { ask, engine, openSession } from "../support/request.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint } from "../support/token.mjs";

const CARRIED = {
  header: (token) => ({ extraHeaders: bearer(token) }),
  cookie: (token) => ({ extraHeaders: { cookie: `theme=dark; token=${token}` } }),
  query: (token) => ({ extraHeaders: {}, query: { token, room: "blue" } }),
};

// The gate keeps the token to itself where that is asked for; by default it leaves it to apps that check it too.
const KEPT_BACK = { origin: { allow: ["http://localhost:5000"] }, auth: { pass_token: false } };

for (const app of SOCKET_IO_APPS) {
  describe(`identity before ${app}`, NEEDS_GATE, () => {
    let stage;
    before(async () => (stage = await Stage.open({ apps: [app], config: KEPT_BACK })));
    afterEach(() => stage.leave());
    after(() => stage.close());

    for (const [place, options] of Object.entries(CARRIED)) {
      for (const [way, transports] of Object.entries(WAYS)) {
        test(`a token in the ${place} tells the app who it is, ${way}`, async () => {
          const token = mint("ana", { claims: { roles: ["admin", "staff"] } });
          const client = await stage.client({ ...transports, ...options(token) });
          await client.travels(way === "polling" ? "polling" : "websocket");
          const { headers, url } = await client.call("whoami");
          assert.equal(headers["x-auth-subject"], "ana");
          assert.deepEqual(headers["x-auth-roles"].split(/, */), ["admin", "staff"]);
          await nothingTellsTheToken(stage, token, { headers, url });
          if (place === "cookie") assert.equal(headers.cookie, "theme=dark");
          if (place === "query") assert.match(url, /[?&]room=blue(&|$)/);
        });
      }
    }

    test("the app learns the address, the scheme and the host of the client from the gate alone", async () => {
      const forged = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "evil.example",
        "X-Real-IP": "6.6.6.6",
        Forwarded: "for=6.6.6.6;proto=gopher",
        "X-Auth-Subject": "root",
        X_Auth_Subject: "root",
        "x-auth_subject": "root",
        "X-Auth-Roles": "admin",
        "X-User-Id": "root",
        Origin: "http://localhost:5000",
      };
      const client = await stage.client({ extraHeaders: { ...bearer(mint("ana")), ...forged } });
      const { headers, scheme } = await client.call("whoami");
      assert.equal(headers["x-auth-subject"], "ana");
      assert.equal(headers["x-forwarded-for"], "127.0.0.1");
      assert.equal(headers["x-forwarded-proto"], "https");
      assert.equal(headers["x-forwarded-host"], `127.0.0.1:${stage.gate.port}`);
      assert.equal(headers["x-forwarded-port"], String(stage.gate.port));
      assert.equal(headers.host, `127.0.0.1:${stage.gate.port}`);
      assert.match(headers.forwarded, /for="?127\.0\.0\.1/);
      assert.equal(headers.origin, undefined);
      // uvicorn believes a proxy on loopback; Flask has to be told to (ProxyFix).
      if (app === "uvicorn") assert.equal(scheme, "https");
      assert.doesNotMatch(JSON.stringify(headers), /6\.6\.6\.6|gopher|evil|root/);
    });

    test("the Python client's header is understood", async () => {
      const client = new PythonClient(stage);
      try {
        const token = mint("pia");
        await client.connect({ url: stage.url, headers: bearer(token) });
        const { headers, url } = await client.call("whoami");
        assert.equal(headers["x-auth-subject"], "pia");
        await nothingTellsTheToken(stage, token, { headers, url });
      } finally {
        await client.stop();
      }
    });
  });
}

describe("nobody unknown reaches the app", NEEDS_GATE, () => {
  let stage;
  before(async () => (stage = await Stage.open({ apps: ["node"] })));
  afterEach(() => stage.leave());
  after(() => stage.close());

  const STRANGERS = {
    "no token": {},
    "a token that is none": bearer("abc.def.ghi"),
    "an expired token": bearer(mint("ana", { seconds: -3600 })),
    "a token of another issuer's key": bearer(mint("ana", { secret: "x".repeat(32) })),
    "an unsigned token": bearer(unsigned("ana")),
  };

  for (const [what, extraHeaders] of Object.entries(STRANGERS)) {
    test(`${what} is refused with a reason, by every transport`, async () => {
      const before = await stage.app.stats();
      const polling = await stage.client({ ...WAYS.polling, extraHeaders, reconnection: false }).catch((error) => error);
      assert.equal(polling.description, 401);
      assert.match(JSON.parse(polling.told).error, /^[a-z_]+$/);
      const webSocket = await stage.client({ ...WAYS.websocket, extraHeaders, reconnection: false }).catch((error) => error);
      assert.match(webSocket.description.message, /401/);
      const after = await stage.app.stats();
      assert.equal(after.requests, before.requests);
      assert.equal(after.opened, before.opened);
    });
  }

  test("the Python client is told why", async () => {
    const client = new PythonClient(stage);
    try {
      const told = [];
      client.on("connect_error", ({ values }) => told.push(...values));
      await assert.rejects(client.connect({ url: stage.url, transports: ["polling"] }), /ConnectionError/);
      assert.match(told[0].error, /^[a-z_]+$/);
    } finally {
      await client.stop();
    }
  });

  test("a stolen session id reads and writes nothing", async () => {
    const victim = await openSession(stage, bearer(mint("ana")));
    const before = await stage.app.stats();
    const thieves = [
      [{}, 401],
      [bearer(mint("eve")), 403],
    ];
    for (const [headers, status] of thieves) {
      assert.equal((await engine(stage, { sid: victim.sid, headers })).status, status);
      assert.equal((await engine(stage, { sid: victim.sid, headers, method: "POST", body: "40" })).status, status);
    }
    assert.equal((await stage.app.stats()).requests, before.requests);
    const mine = await engine(stage, { sid: victim.sid, headers: victim.headers, method: "POST", body: "40" });
    assert.equal(mine.status, 200);
  });

  test("only what is routed is reached", async () => {
    const before = await stage.app.stats();
    for (const path of ["/", "/stats", "/socket.io", "/socket.io/%2e%2e/stats", "//socket.io/?EIO=4&transport=polling"]) {
      const { status } = await ask(stage, path, { headers: bearer(mint("ana")) });
      assert.ok(status === 404 || status === 400, `${path} was answered ${status}`);
    }
    assert.equal((await stage.app.stats()).requests, before.requests);
  });
});

async function nothingTellsTheToken(stage, token, shown) {
  const { urls } = await stage.app.stats();
  assert.ok(!JSON.stringify([shown, urls]).includes(token), "the app was shown the token");
  assert.ok(!stage.gate.lines.some((line) => line.includes(token)), "the log shows the token");
}

function unsigned(subject) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return `${part({ alg: "none", typ: "JWT" })}.${part({ sub: subject, exp })}.`;
}
