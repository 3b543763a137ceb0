// examples/auction as its page and its operator see it: a browser on the public page bids, one on another origin does not get in
// and the log says how to mend it, and what becomes of a hop that rewrites Origin.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { Admin } from "../support/admin.mjs";
import { Auction, HANDSHAKE, opens } from "../support/auction.mjs";
import { launch } from "../support/browser.mjs";
import { EXAMPLES, exchanged } from "../support/example.mjs";
import { BINARY, NEEDS_GATE } from "../support/gate.mjs";
import { ask } from "../support/request.mjs";
import { until } from "../support/wait.mjs";

const run = promisify(execFile);

describe("examples/auction, its page", NEEDS_GATE, () => {
  let auction, browser, admin;
  before(async () => {
    [auction, browser] = await Promise.all([Auction.open({ TICK: "0.1", SECONDS: "60" }), launch()]);
    admin = new Admin(auction.gate);
  });
  after(async () => {
    await browser?.close();
    await auction?.close();
  });

  /** The page, with somebody who has just pressed Enter; and a wait for what it says. */
  async function visit(origin, name) {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${origin}/?door=${auction.door}`);
    await page.fill("#name", name);
    await page.click("#enter button");
    const log = page.locator("#log");
    return { page, says: (words) => log.filter({ hasText: words }).waitFor({ timeout: 15_000 }) };
  }

  test("somebody on the public page logs in, bids, is refused a low bid, and wins", async () => {
    const { page, says } = await visit(auction.origin, "ana");
    await says("for sale: clock, globe, kite");
    await says("connected by polling");
    await says("upgraded to websocket");
    await says("you are ana");

    await page.click("#offer button");
    await says(/ana bids \d+ for the/);
    await page.fill("#amount", "1");
    await page.click("#offer button");
    await says(/1 is refused: Too low: 1, at least \d+/);
    await says(/goes to ana for \d+/);
    await until("the clock has run", async () => (await page.textContent("#left")) !== "-");
    assert.equal(await page.textContent("#transport"), "websocket");
    // What the app knows of it: who bid, by the cookie that the browser kept.
    const { length } = auction.app.lines.filter((line) => line.startsWith("ana logs in"));
    assert.equal(length, 1);
  });

  test("a page from another origin is kept out, and the log, the metric and explain say why and what to write", async () => {
    const wrong = auction.page.url;
    assert.ok(wrong.startsWith("http://127.0.0.1:"));
    const refusals = await admin.sample("refusals", { reason: "origin_refused" });
    const { page, says } = await visit(wrong, "eve");
    await says("not let in: Failed to fetch");

    const advice =
      `no allowed origin has the host 127.0.0.1; if it is yours, add "${wrong}" to origin.allow` +
      ` or set SOCKETIO_CORS_ORIGINS=${auction.origin},${wrong}`;
    const [told] = await records(auction.gate, { target: "sockgate::security", origin: wrong });
    const { method, path, status, refusal, detail } = told;
    assert.deepEqual([method, path, status, refusal], ["OPTIONS", "/api/login", 403, "origin_refused"]);
    assert.equal(detail, `host: ${advice}`);

    // The same for the room, of which a browser tells its page nothing.
    assert.equal(await page.evaluate(opensInPage, `${auction.door.replace("http", "ws")}/api/socket.io/?EIO=4&transport=websocket`), false);
    const [socket] = await records(auction.gate, { target: "sockgate::security", origin: wrong, kind: "websocket" });
    assert.deepEqual([socket.refusal, socket.detail], ["origin_refused", `host: ${advice}`]);
    assert.equal(await admin.sample("refusals", { reason: "origin_refused" }), refusals + 2);

    const said = await explain(auction.gate, wrong);
    assert.ok(said.startsWith(`refused (host): ${wrong}\n  ${advice}\n`), said);
    assert.equal(auction.app.count("eve"), 0);
  });

  test("explain origin names what differs, and the entry that allows", async () => {
    const moved = "http://localhost:1";
    assert.match(await explain(auction.gate, moved), new RegExp(`differs from the allowed ${auction.origin} only in the port`));
    assert.match(await explain(auction.gate, auction.origin), /^allowed: .* \(origin\.allow\[0\]\)/);
  });

  test("what compose exchanges of the gate's file is understood", async () => {
    const lines = exchanged("auction/compose.yaml", {})[0].matchAll(/^ +(SOCKGATE_\w+): (.*)$/gm);
    const env = Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
    assert.equal(Object.keys(env).length, 3);
    const values = ["check", "--strict", "--config", join(EXAMPLES, "auction/sockgate.toml")];
    const { stdout } = await run(BINARY, values, { cwd: auction.gate.folder, env });
    for (const name of Object.keys(env)) assert.ok(stdout.includes(name), `${name} is not where a value came from`);
    assert.ok(stdout.endsWith("The gate would start.\n"));
  });

  describe("a hop that rewrites Origin", () => {
    const KEPT = "# Origin is not touched: it is how the gate knows the page.";
    const rewriting = (value, gate) => auction.startHop({ [KEPT]: `proxy_set_header Origin ${value};` }, gate);

    test("to what the app accepts: every page looks the same, so the gate lets none in and names what it was shown", async () => {
      const hop = await rewriting("http://auction.internal");
      const refusals = await admin.sample("refusals", { reason: "origin_refused" });
      const headers = { origin: auction.origin };
      assert.equal((await ask(hop, HANDSHAKE, { headers })).status, 403);
      assert.equal(await opens(hop.url, auction.origin), false);
      assert.equal(await admin.sample("refusals", { reason: "origin_refused" }), refusals + 2);
      const [told] = await records(auction.gate, { target: "sockgate::security", origin: "http://auction.internal" });
      assert.match(told.detail, /^host: no allowed origin has the host auction\.internal; if it is yours, add/);
    });

    test("to what the app accepts, and the gate is told to allow that: now any page's WebSocket opens", async () => {
      const origin = "http://auction.internal";
      const trusting = await auction.startGate({}, { SOCKGATE_ORIGIN__ALLOW: origin });
      try {
        const hop = await rewriting(origin, trusting);
        const { headers } = await ask(hop, HANDSHAKE, { headers: { origin: auction.origin } });
        // So that a browser does not give its page the answer.
        assert.equal(headers["access-control-allow-origin"], origin);
        assert.equal(await opens(hop.url, "https://evil.example"), true);
      } finally {
        await trusting.stop();
      }
    });

    test("to nothing: pages cannot read answers, yet any page's WebSocket opens, unless origin.missing refuses it", async () => {
      const hop = await rewriting('""');
      const foreign = { origin: "https://evil.example" };
      const open = await ask(hop, HANDSHAKE, { headers: foreign });
      assert.deepEqual([open.status, open.headers["access-control-allow-origin"]], [200, undefined]);
      assert.equal(await opens(hop.url, foreign.origin), true);

      const strict = await auction.startGate({ '# missing = "refuse"': 'missing = "refuse"' });
      try {
        const blind = await rewriting('""', strict);
        assert.equal((await ask(blind, HANDSHAKE, { headers: foreign })).status, 403);
        assert.equal(await opens(blind.url, foreign.origin), false);
        const [told] = await records(strict, { target: "sockgate::security", kind: "websocket" });
        assert.match(told.detail, /^missing: no Origin header, and origin\.missing = "refuse"/);
        // With a hop that leaves it alone, the same gate lets the page in.
        const honest = await auction.startHop({}, strict);
        assert.equal(await opens(honest.url, auction.origin), true);
      } finally {
        await strict.stop();
      }
    });
  });
});

/** The records of a gate's log that have these fields; waits for the first. */
function records(gate, fields) {
  const has = (record) => Object.entries(fields).every(([name, value]) => record[name] === value);
  return until(`the log has ${JSON.stringify(fields)}`, () => {
    const found = gate.lines.filter((line) => line.startsWith("{")).map(flat).filter(has);
    return found.length > 0 && found;
  });
}

function flat(line) {
  const record = JSON.parse(line);
  return { ...record, ...record.fields };
}

async function explain(gate, origin) {
  const values = ["explain", "origin", origin, "--config", join(gate.folder, "sockgate.toml")];
  return (await run(BINARY, values, { cwd: gate.folder })).stdout;
}

/** Whether a WebSocket opens; run in a page. */
function opensInPage(url) {
  const socket = new globalThis.WebSocket(url);
  return new Promise((done) => {
    socket.onopen = () => done(true);
    socket.onerror = () => done(false);
  });
}
