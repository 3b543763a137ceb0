// Chromium, on a page of another origin: what no test client can prove. The page connects through the gate over TLS to
// apps that know nothing of it, and reads why it was refused when it was.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { PLAIN_APPS, SOCKET_IO_APPS } from "../support/app.mjs";
import { launch, Site } from "../support/browser.mjs";
import { WAYS } from "../support/client.mjs";
import { BINARY, NEEDS_GATE } from "../support/gate.mjs";
import { modes, title } from "../support/mode.mjs";
import { ask, countHeaders, engine } from "../support/request.mjs";
import { Stage } from "../support/stage.mjs";
import { bearer, mint } from "../support/token.mjs";

const POLLING = "/socket.io/?EIO=4&transport=polling";

let browser, site, elsewhere;
const pages = [];
before(async () => {
  [browser, site, elsewhere] = await Promise.all([launch(), Site.start(), Site.start()]);
});
afterEach(() => Promise.all(pages.splice(0).map((page) => page.context().close())));
after(async () => {
  await browser?.close();
  site?.close();
  elsewhere?.close();
});

/** A page of the allowed site. */
async function open(from = site) {
  const page = await from.page(browser);
  pages.push(page);
  return page;
}

const allowing = (config = {}) => ({ origin: { allow: [site.origin] }, ...config });
// Straight before an app only Node takes pages of other sites, when told to; the Python apps keep their own check.
const appOf = (kind) => (kind === "node" ? [kind, { env: { CORS: site.origin } }] : kind);

// Where a page can put its token. Everywhere in plain mode; in the others one place will do, in connect mode its own.
const PLACES = { plain: ["query", "cookie", "header"], judged: ["query"], connect: ["packet"] };
// Over HTTP/1.1 once more, with the token where it is easiest.
const FRONTS = BINARY ? { "HTTP/2": {}, "HTTP/1.1": { listen: { http2: false } } } : { "HTTP/1.1": {} };

describe("a page on another origin", { concurrency: modes.length }, () => {
  for (const mode of modes) {
    describe(mode, { concurrency: 1 }, () => {
      for (const http of Object.keys(FRONTS)) for (const app of SOCKET_IO_APPS) visit({ client: "Chromium", app, mode, http });
    });
  }
});

function visit(where) {
  const { app, mode, http } = where;
  describe(title(where), { skip: !BINARY && app !== "node" && "needs the gate (SOCKGATE_BIN)" }, () => {
    let stage;
    // One page for each place: a cookie stays. Not among `pages`, for others are open at the same time.
    const open = {};
    before(async () => (stage = await Stage.open({ apps: [appOf(app)], mode, config: allowing(FRONTS[http]) })));
    after(async () => {
      await Promise.all(Object.values(open).map((page) => page.context().close()));
      await stage.close();
    });

    for (const [way, transports] of Object.entries(WAYS)) {
      for (const place of http === "HTTP/1.1" && BINARY ? PLACES[mode].slice(0, 1) : PLACES[mode]) {
        // A browser cannot set headers on a WebSocket.
        if (place === "header" && way === "websocket") continue;
        test(`${way}, token in the ${place}`, async () => {
          open[place] ??= await site.page(browser);
          await tour(open[place], stage, way, transports, await carry(open[place], stage, place, mint("ana")));
        });
      }
    }
  });
}

async function tour(page, stage, way, transports, carried) {
  const { hello, ...refusal } = await page.evaluate(([url, options]) => connect(url, options), [
    stage.site,
    { ...transports, ...carried },
  ]);
  assert.equal(hello?.instance, stage.app.name, JSON.stringify(refusal));
  const expected = way === "polling" ? "polling" : "websocket";
  assert.ok(await page.evaluate((name) => travels(name), expected), `it never travelled by ${expected}`);

  assert.equal(await page.evaluate(() => call("add", 20, 22)), 42);
  assert.ok(await page.evaluate(binaryComesBack));
  if (!stage.gate) return;
  const { headers } = await page.evaluate(() => call("whoami"));
  assert.equal(headers["x-auth-subject"], "ana");
  assert.equal(headers["x-forwarded-host"], new URL(stage.site).host);
  assert.equal(headers.origin, undefined);
}

describe("what a page can read of a refusal", NEEDS_GATE, () => {
  let stage;
  before(async () => (stage = await Stage.open({ apps: [appOf("node")], config: allowing() })));
  after(() => stage.close());

  test("401 with its JSON, in fetch and in socket.io-client", async () => {
    const page = await open();
    const seen = await page.evaluate((url) => read(url), stage.site + POLLING);
    assert.equal(seen.status, 401);
    assert.match(JSON.parse(seen.text).error, /^[a-z_]+$/);

    const refused = await page.evaluate((url) => connect(url, { transports: ["polling"] }), stage.site);
    assert.equal(refused.refused, "xhr poll error");
    assert.equal(refused.status, 401);
    assert.equal(JSON.parse(refused.text).error, JSON.parse(seen.text).error);
  });

  test("403 with its JSON: another user's session", async () => {
    const page = await open();
    const { session } = await page.evaluate(([url, token]) => connect(url, { query: { token } }), [stage.site, mint("ana")]);
    const url = `${stage.site}${POLLING}&sid=${session}`;
    const seen = await page.evaluate(([url, token]) => read(url, { headers: { authorization: `Bearer ${token}` } }), [
      url,
      mint("eve"),
    ]);
    assert.equal(seen.status, 403);
    assert.match(JSON.parse(seen.text).error, /^[a-z_]+$/);
  });

  test("429 with its JSON and Retry-After, in fetch and in socket.io-client", async () => {
    const limited = await Stage.open({
      apps: [appOf("node")],
      config: allowing({ limit: { handshakes_per_address: "2/1m", handshakes_per_user: "off", connections_per_address: 0 } }),
    });
    try {
      const page = await open();
      const url = `${limited.site}${POLLING}&token=${mint("ana")}`;
      for (const expected of [200, 200, 429]) {
        const seen = await page.evaluate((url) => read(url), url);
        assert.equal(seen.status, expected);
        if (expected === 200) continue;
        assert.match(JSON.parse(seen.text).error, /^[a-z_]+$/);
        assert.ok(Number(seen.retryAfter) > 0, `Retry-After was ${seen.retryAfter}`);
      }
      const options = { transports: ["polling"], query: { token: mint("ana") } };
      const refused = await page.evaluate(([url, options]) => connect(url, options), [limited.site, options]);
      assert.equal(refused.status, 429);
      assert.ok(Number(refused.retryAfter) > 0, `Retry-After was ${refused.retryAfter}`);
    } finally {
      await limited.close();
    }
  });

  test("503 with its JSON when every app server is down", async () => {
    const down = await Stage.open({ apps: ["node"], config: allowing() });
    try {
      await down.app.kill();
      const page = await open();
      const seen = await page.evaluate((url) => read(url), `${down.site}${POLLING}&token=${mint("ana")}`);
      assert.equal(seen.status, 503);
      assert.match(JSON.parse(seen.text).error, /^[a-z_]+$/);
    } finally {
      await down.close();
    }
  });

  test("an unknown session with Engine.IO's own words", async () => {
    const page = await open();
    const url = `${stage.site}${POLLING}&sid=garbled&token=${mint("ana")}`;
    const seen = await page.evaluate((url) => read(url), url);
    assert.equal(seen.status, 400);
    const { code, message } = JSON.parse(seen.text);
    assert.deepEqual({ code, message }, { code: 1, message: "Session ID unknown" });
  });
});

describe("pages and CORS", NEEDS_GATE, () => {
  let stage;
  before(async () => (stage = await Stage.open({ apps: [appOf("node")], config: allowing() })));
  after(() => stage.close());

  test("a page may send Authorization: the preflight is answered by the gate, without a token", async () => {
    const page = await open();
    const { requests } = await stage.app.stats();
    const headers = { "access-control-request-method": "GET", "access-control-request-headers": "authorization" };
    const preflight = await ask(stage, POLLING, { method: "OPTIONS", headers: { origin: site.origin, ...headers } });
    assert.ok([200, 204].includes(preflight.status));
    assert.equal(preflight.headers["access-control-allow-origin"], site.origin);
    assert.match(preflight.headers["access-control-allow-headers"], /authorization/i);
    assert.equal((await stage.app.stats()).requests, requests);

    const seen = await page.evaluate(
      ([url, token]) => read(url, { headers: { authorization: `Bearer ${token}` }, credentials: "include" }),
      [stage.site + POLLING, mint("ana")],
    );
    assert.equal(seen.status, 200);
    assert.equal((await stage.app.stats()).requests, requests + 1);
  });

  test("a page of a site that is not allowed reads nothing and opens no WebSocket", async () => {
    const page = await open(elsewhere);
    const { requests, opened } = await stage.app.stats();
    const url = `${stage.site}${POLLING}&token=${mint("ana")}`;
    assert.deepEqual(await page.evaluate((url) => read(url), url), { hidden: "TypeError" });
    const refused = await page.evaluate(([url, token]) => connect(url, { transports: ["websocket"], query: { token } }), [
      stage.site,
      mint("ana"),
    ]);
    assert.equal(refused.refused, "websocket error");

    const answer = await engine(stage, { headers: { origin: elsewhere.origin, ...bearer(mint("ana")) } });
    assert.equal(answer.status, 403);
    assert.equal(answer.headers["access-control-allow-origin"], undefined);
    assert.match(answer.headers.vary, /\borigin\b/i);
    const after = await stage.app.stats();
    assert.deepEqual([after.requests, after.opened], [requests, opened]);
  });

  test("every answer carries the gate's CORS headers once, whatever the app sends", async () => {
    const headers = { origin: site.origin };
    const token = bearer(mint("ana"));
    const answers = {
      success: await engine(stage, { headers: { ...headers, ...token } }),
      "no token": await engine(stage, { headers }),
      "unknown session": await engine(stage, { sid: "garbled", headers: { ...headers, ...token } }),
      "not routed": await ask(stage, "/nowhere", { headers: { ...headers, ...token } }),
    };
    for (const [what, answer] of Object.entries(answers)) {
      const counts = countHeaders(answer.rawHeaders);
      assert.equal(answer.headers["access-control-allow-origin"], site.origin, what);
      assert.equal(counts["access-control-allow-origin"], 1, what);
      assert.equal(counts["access-control-allow-credentials"], 1, what);
      assert.match(answer.headers.vary, /\borigin\b/i, what);
      assert.equal(answer.headers.vary.match(/\borigin\b/gi).length, 1, what);
    }
  });
});

describe("HTTP/2", NEEDS_GATE, () => {
  test("polling and WebSocket of a page share one connection", async () => {
    const stage = await Stage.open({ apps: [appOf("node")], config: allowing() });
    try {
      const page = await open();
      const log = await watch(page);
      for (const transports of [["polling"], ["websocket"], ["polling", "websocket"], ["polling"]]) {
        // A browser keeps requests without credentials on connections of their own; a WebSocket always has them.
        const options = { transports, query: { token: mint("ana") }, withCredentials: true };
        const { hello } = await page.evaluate(([url, options]) => connect(url, options), [stage.site, options]);
        assert.ok(hello);
        assert.ok(await page.evaluate((name) => travels(name), transports.at(-1)));
        assert.equal(await page.evaluate(() => call("add", 1, 2)), 3);
      }
      assert.ok(log.polls.length > 8, "the page did not poll");
      assert.deepEqual([...new Set(log.polls)], ["h2"]);
      assert.equal(log.webSockets.length, 2);
      // An Upgrade is answered 101; an extended CONNECT (RFC 8441) is answered 200.
      assert.deepEqual([...new Set(log.webSockets)], [200]);
      const { connections } = await stage.gate.status();
      assert.ok(connections <= 2, `the page holds ${connections} connections`);
    } finally {
      await stage.close();
    }
  });

  test("switched off, everything still arrives by HTTP/1.1", async () => {
    const listen = { http2: false };
    const stage = await Stage.open({ apps: [appOf("node")], config: allowing({ listen }) });
    try {
      const page = await open();
      const log = await watch(page);
      const options = { query: { token: mint("ana") } };
      await page.evaluate(([url, options]) => connect(url, options), [stage.site, options]);
      assert.ok(await page.evaluate(() => travels("websocket")));
      assert.deepEqual([...new Set(log.polls)], ["http/1.1"]);
      assert.deepEqual(log.webSockets, [101]);
    } finally {
      await stage.close();
    }
  });
});

for (const kind of PLAIN_APPS) {
  const skip = !BINARY && kind !== "plain-node" && "needs the gate (SOCKGATE_BIN)";
  describe(`a plain WebSocket app before a page on another origin, ${kind}`, { skip }, () => {
    let stage;
    before(async () => (stage = await Stage.open({ apps: [kind], config: allowing({ auth: { leeway: "0s" } }) })));
    after(() => stage.close());

    test("the token travels as a subprotocol, `bearer` is echoed, the app sees neither", async () => {
      const page = await open();
      const token = mint("ana");
      const { protocol, answers } = await page.evaluate(talk, [stage.site, token, ["hello", "whoami"]]);
      assert.equal(protocol, "bearer");
      assert.equal(answers[0], "hello");
      if (!stage.gate) return;
      const { headers } = JSON.parse(answers[1]);
      assert.equal(headers["x-auth-subject"], "ana");
      assert.equal(headers.origin, undefined);
      assert.doesNotMatch(answers[1], /bearer/i);
      assert.ok(!answers[1].includes(token), "the app was shown the token");
    });

    test("the connection is closed with 4401 when the token expires", NEEDS_GATE, async () => {
      const page = await open();
      const { answers, closed } = await page.evaluate(talk, [stage.site, mint("ana", { seconds: 2 }), ["hello"], "stay"]);
      assert.deepEqual(answers, ["hello"]);
      assert.equal(closed.code, 4401);
      assert.ok(closed.reason.length > 0, "the close frame has no reason");
    });

    test("a page of a site that is not allowed is refused", NEEDS_GATE, async () => {
      const page = await open(elsewhere);
      const { requests } = await stage.app.stats();
      const { closed, protocol } = await page.evaluate(talk, [stage.site, mint("ana"), []]);
      assert.equal(protocol, "");
      assert.equal(closed.code, 1006);
      assert.equal((await stage.app.stats()).requests, requests);
    });
  });
}

/** Puts the token where a browser can carry it, and returns the options of socket.io-client. */
async function carry(page, stage, place, token) {
  if (place === "query") return { query: { token } };
  if (place === "header") return { extraHeaders: bearer(token) };
  if (place === "packet") return { auth: { token } };
  const cookie = { name: "token", value: token, domain: "localhost", path: "/", httpOnly: true };
  // Page and gate are one site and two origins, so even a strict cookie travels.
  const overTls = stage.gate ? { secure: true, sameSite: "Strict" } : {};
  await page.context().addCookies([{ ...cookie, ...overTls }]);
  return { withCredentials: true };
}

/** What the browser itself says of the page's requests: the protocol of each poll, the status of each WebSocket. */
async function watch(page) {
  const log = { polls: [], webSockets: [] };
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  session.on("Network.responseReceived", ({ response }) => {
    if (response.url.includes("transport=polling")) log.polls.push(response.protocol);
  });
  session.on("Network.webSocketHandshakeResponseReceived", ({ response }) => log.webSockets.push(response.status));
  return log;
}

// In the page: bytes of every value go there and back.
async function binaryComesBack() {
  const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
  const back = new Uint8Array(await call("echo", bytes.buffer));
  return back.length === bytes.length && back.every((byte, index) => byte === bytes[index]);
}

// In the page: a WebSocket that says `texts` one by one and hears an answer to each, then leaves, or stays to be closed.
function talk([site, token, texts, stay]) {
  const socket = new WebSocket(site.replace("http", "ws"), ["bearer", token]);
  const answers = [];
  return new Promise((done) => {
    const say = () => {
      if (texts.length > 0) socket.send(texts.shift());
      else if (!stay) socket.close(1000);
    };
    socket.onopen = say;
    socket.onmessage = ({ data }) => {
      answers.push(data);
      say();
    };
    socket.onclose = ({ code, reason }) => done({ protocol: socket.protocol, answers, closed: { code, reason } });
  });
}
