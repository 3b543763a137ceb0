// examples/notifications, its page in Chromium: who may load it from where, what it does when WebSocket is blocked, when its tab
// is frozen, when the network is gone. What programs see is in notifications.test.mjs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { launch, Site } from "../support/browser.mjs";
import { EXAMPLES } from "../support/example.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { Notifications } from "../support/notifications.mjs";
import { Tab } from "../support/tab.mjs";
import { until } from "../support/wait.mjs";

// Short, so that a page that is away is missed soon.
const HEARTBEAT = { SOCKETIO_PING_INTERVAL: "2", SOCKETIO_PING_TIMEOUT: "2" };
const PATIENCE = { timeout: 15_000 };

describe("the page of examples/notifications", NEEDS_GATE, () => {
  let stage, browser, root;
  const contexts = [];
  before(async () => {
    [stage, browser] = await Promise.all([Notifications.open(HEARTBEAT), launch()]);
    root = (await stage.logIn("root")).script;
  });
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    // The app may miss them later: the next test must not take that for its own.
    await stage.leave();
  });
  after(() => Promise.all([browser?.close(), stage?.close()]));

  // A page of somebody who has logged in, in a browser of their own.
  async function arrive(name, url = stage.page) {
    const context = await browser.newContext();
    contexts.push(context);
    return enter(await context.newPage(), name, url);
  }
  const says = (page, words) => page.locator("#log", { hasText: words }).waitFor(PATIENCE);
  const lists = (page, title) => page.locator("#list", { hasText: title }).waitFor(PATIENCE);
  const listed = (page) => page.locator("#list").innerText();

  test("another origin, the app's own: logs in, polls with its cookie, upgrades, and hears", async () => {
    const page = await arrive("ana");
    await says(page, "connected by polling");
    await says(page, "upgraded to websocket");
    const [secret, open] = [stage.title("for admins"), stage.title("for all")];
    await stage.make(root, { to: "admins", title: secret });
    await stage.make(root, { to: "everybody", title: open });
    await lists(page, open);
    assert.ok(!(await listed(page)).includes(secret));
    // The token is out of reach of scripts.
    assert.equal(await page.evaluate(() => document.cookie), "");
    await stage.heard("ana came from 127.0.0.1");

    await page.click("#read");
    await until("nothing is unread", async () => (await page.textContent("#unread")) === "");
    await page.reload();
    await lists(page, open);
    assert.equal(await page.locator("li.unread", { hasText: open }).count(), 0);
  });

  test("an admin sees who is online and what is for admins, and sends", async () => {
    const page = await arrive("root");
    await says(page, "joined /admin");
    await page.locator("#online", { hasText: "root" }).waitFor(PATIENCE);
    const title = stage.title("for admins");
    await page.fill("#make [name=to]", "admins");
    await page.fill("#make [name=title]", title);
    await page.fill("#make [name=message]", "by the page");
    await page.click("#make button");
    await page.locator("li.admin", { hasText: title }).waitFor(PATIENCE);
  });

  test("somebody else who asks for /admin all the same is told why not", async () => {
    const page = await arrive("ben");
    await says(page, "connected by polling");
    await page.evaluate(() => globalThis.live.joinAdmin());
    await says(page, "/admin: You may not join this namespace (namespace_refused)");
    assert.equal(stage.app.count("ben asks for /admin"), 0);
    await stage.record("sockgate::security", "namespace_refused", "access.rule[0]", '"subject":"ben"');
  });

  test("a page that comes through the gate is its own origin", async () => {
    const page = await arrive("ana", stage.url);
    await says(page, "upgraded to websocket");
  });

  test("as in compose.yaml, pages and sessions come through the gate by TLS, with cookies that stay there", async () => {
    const [, gate] = readFileSync(join(EXAMPLES, "notifications/compose.yaml"), "utf8").split("\n  gate:\n");
    const told = Object.fromEntries([...gate.matchAll(/^ {6}(SOCKGATE_\w+): "(.*)"$/gm)].map(([, name, value]) => [name, value]));
    assert.equal(told.SOCKGATE_LISTEN__ADDRESS, "0.0.0.0:8443");
    const tls = await Notifications.open({ ...told, SOCKGATE_TLS__DIRECTORY: "certs", LIVE_URL: "" });
    try {
      const page = await arrive("ana", tls.url);
      await says(page, "upgraded to websocket");
      const cookies = await page.context().cookies();
      assert.deepEqual(cookies.map(({ name, secure, httpOnly }) => [name, secure, httpOnly]).sort(), [
        ["csrf_token", true, true],
        ["token", true, true],
      ]);
    } finally {
      await tls.close();
    }
  });

  test("a page of another port is refused wherever it asks, and the log says what to add", async () => {
    const site = await Site.start({ secure: false });
    try {
      const page = await arrive("ana");
      await page.goto(site.origin);
      // The browser sends the cookie: for it both are the same site.
      const reach = (path, options) =>
        page.evaluate(([url, options]) => fetch(url, options).then(({ status }) => status, () => "hidden"), [stage.url + path, options]);
      const polled = { credentials: "include" };
      assert.equal(await reach("/api/session", polled), "hidden");
      assert.equal(await reach("/socket.io/?EIO=4&transport=polling", polled), "hidden");
      await reach("/login", { method: "POST", body: "{}", mode: "no-cors", ...polled });
      const closed = await page.evaluate(
        (url) => new Promise((done) => (new WebSocket(url).onclose = ({ code }) => done(code))),
        `${stage.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`,
      );
      assert.equal(closed, 1006);
      for (const method of ["GET", "POST"]) {
        await stage.record("origin_refused", `"method":"${method}"`, "differs from the allowed", "only in the port", site.origin);
      }
      assert.ok((await stage.door.sample("refusals", { reason: "origin_refused" })) >= 4);
    } finally {
      site.close();
    }
  });

  test("where WebSocket is blocked it says so and goes on by polling", async () => {
    const office = await stage.office();
    try {
      const upgrades = await stage.door.sample("upgrades", { outcome: "done" });
      const page = await arrive("ben", `${stage.page}/?live=${office.url}`);
      await says(page, "WebSocket is blocked here; going on by polling");
      assert.equal(office.refusals(), 1);
      const title = stage.title("by polling");
      await stage.make(root, { to: "ben", title });
      await lists(page, title);
      await page.click("#read");
      await until("the app has his mark", () => stage.app.count("ben has read [") > 0);
      assert.ok(!(await page.textContent("#log")).includes("disconnected"));
      assert.equal(await stage.door.sample("upgrades", { outcome: "done" }), upgrades);
      assert.ok((await stage.gate.status()).sessions.polling >= 1);
    } finally {
      await office.close();
    }
  });

  test("a page whose network was gone comes back and catches up", async () => {
    const page = await arrive("ana");
    await says(page, "upgraded to websocket");
    // A moment without it costs a question only.
    const asked = stage.app.count("ana caught up");
    await page.context().setOffline(true);
    await page.context().setOffline(false);
    await says(page, "awake (online)");
    await until("she has asked what she missed", () => stage.app.count("ana caught up") > asked);
    assert.ok(!(await page.textContent("#log")).includes("disconnected"));

    const gone = stage.app.count("ana went");
    await page.context().setOffline(true);
    await until("the app has missed her", () => stage.app.count("ana went") > gone, 30_000);
    const [missed, secret] = [stage.title("while offline"), stage.title("for admins")];
    await stage.make(root, { to: "ana", title: missed });
    await stage.make(root, { to: "admins", title: secret });
    assert.ok(!(await listed(page)).includes(missed));
    await page.context().setOffline(false);
    await says(page, "back again: 1 missed");
    assert.ok((await listed(page)).includes(missed) && !(await listed(page)).includes(secret));
  });
});

describe("the page of examples/notifications in a tab that is frozen", NEEDS_GATE, () => {
  let stage, tab;
  before(async () => {
    stage = await Notifications.open(HEARTBEAT);
    tab = await Tab.open(stage.page);
  });
  after(async () => {
    await tab?.close();
    await stage?.close();
  });

  test("it is missed by the app, wakes, connects anew and catches up on what it may see", async () => {
    const text = (selector) => tab.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ""`);
    const says = (words) => until(`the page says "${words}"`, async () => (await text("#log")).includes(words), 30_000);
    await until("the page is loaded", () => tab.evaluate(`!!document.querySelector("#login:not([hidden])")`));
    await tab.evaluate(`
      for (const name of ["name", "password"]) document.querySelector("#login [name=" + name + "]").value = "ana";
      document.querySelector("#login button").click();
      globalThis.beats = 0;
      setInterval(() => (globalThis.beats += 1), 50);`);
    await says("upgraded to websocket");
    const root = (await stage.logIn("root")).script;
    const titles = ["before", "one missed", "another missed"].map((what) => stage.title(what));
    const secret = stage.title("for admins");
    await stage.make(root, { to: "ana", title: titles[0] });
    await until("it is there", async () => (await text("#list")).includes(titles[0]));

    await tab.freeze();
    const beats = await tab.evaluate("globalThis.beats");
    await stage.heard("ana went: ping timeout");
    await stage.make(root, { to: "ana", title: titles[1] });
    await stage.make(root, { to: "admins", title: secret });
    await stage.make(root, { to: "everybody", title: titles[2] });
    assert.equal(await tab.evaluate("globalThis.beats"), beats);

    await tab.thaw();
    await says("back again: 2 missed");
    const list = await text("#list");
    assert.deepEqual(list.split("\n").map((line) => titles.findIndex((title) => line.startsWith(`${title}:`))), [2, 1, 0]);
    assert.ok(!list.includes(secret));
    assert.equal(await stage.door.sample("packets_filtered"), 1);
    await stage.record('"message":"session ended"', '"subject":"ana"', '"transport":"websocket"');
  });
});

async function enter(page, name, url) {
  await page.goto(url);
  await page.fill("#login [name=name]", name);
  await page.fill("#login [name=password]", name);
  await page.click("#login button");
  await page.locator("#me", { hasText: name }).waitFor(PATIENCE);
  return page;
}
