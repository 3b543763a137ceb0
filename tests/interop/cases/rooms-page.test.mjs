// The page of examples/sharing-rooms in Chromium: two people in one room on different instances, a file in chunks and one in
// a single message; through HAProxy and the gate, in MessagePack, and without logins. And the admin UI, for an admin.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { launch } from "../support/browser.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { PASSWORDS, Rooms } from "../support/rooms.mjs";
import { until } from "../support/wait.mjs";

const PATIENCE = { timeout: 15_000 };

const VARIANTS = {
  "through HAProxy": { front: "haproxy", files: ["sockgate.toml", "behind-haproxy.toml"] },
  "in MessagePack": { parser: "msgpack", files: ["sockgate.toml", "msgpack.toml"] },
  "without logins": { files: ["sockgate-open.toml"] },
};

describe("the page of sharing rooms", NEEDS_GATE, () => {
  let stage, browser;
  const contexts = [];
  before(async () => (browser = await launch()));
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    await stage?.close();
  });
  after(() => browser?.close());

  test("what it says at the door", async () => {
    stage = await Rooms.open();
    const page = await visit();
    await enter(page, { room: "attic", passphrase: "open sesame" });
    await page.says("not connected: token_absent: ");
    await logIn(page, "ana", "a guess");
    await page.says("There is no such name and password");
    await logIn(page, "ana");
    await page.says("logged in as ana");
    await page.says("connected as ana from 127.0.0.1");
    await page.says("joined attic, 1 here");

    const other = await visit();
    await logIn(other, "ben");
    await other.says("logged in as ben");
    await enter(other, { room: "attic", passphrase: "open barley" });
    await other.says("refused: passphrase_refused");
  });

  for (const [variant, how] of Object.entries(VARIANTS)) {
    test(`text and files come to the other instance, ${variant}`, async () => {
      stage = await Rooms.open(how);
      const isOpen = variant === "without logins";
      const [ana, ben] = [await arrive(isOpen ? undefined : "ana"), await arrive(isOpen ? undefined : "ben")];
      await ana.says(isOpen ? /guest-\w+ has joined/ : "ben has joined");
      const joined = () => stage.lines("joined").sort((one, other) => one.members - other.members);
      const [one, other] = await until("both joins are logged", () => joined().length >= 2 && joined());
      assert.notEqual(one.instance, other.instance);

      await ana.fill("#text", "hello");
      await ana.press("#text", "Enter");
      await ben.says(`${one.name}: hello`);

      const file = join(stage.folder, "holiday.bin");
      writeFileSync(file, randomBytes(20_000_000));
      await ana.setInputFiles("#file", file);
      await ana.click("#give button");
      await ana.says("sending holiday.bin: 100 %");
      assert.equal(await taken(ben, 0), hash(file), "in chunks");
      await stage.count("chunk", 20);

      // Chromium cuts this message into some three hundred frames.
      await ana.check("#whole");
      await ana.click("#give button");
      assert.equal(await taken(ben, 1), hash(file), "in one piece");
    });
  }

  test("the admin UI shows both instances to an admin, and nothing to others", async () => {
    stage = await Rooms.open();
    const ana = await visit();
    await logIn(ana, "ana");
    await ana.says("logged in as ana");
    const refused = await ana.goto(`${stage.site}/admin-ui/`);
    assert.equal(refused.status(), 403);

    const olga = await visit();
    await logIn(olga, "olga");
    await olga.says("logged in as olga");
    await olga.goto(`${stage.site}/admin-ui/`);
    await olga.getByLabel("Server URL").fill(stage.site);
    await olga.getByRole("button", { name: "Connect" }).click();
    await olga.getByRole("navigation").getByText("Servers").click();
    for (const { port } of stage.instances) await olga.getByText(`instance ${port}`).first().waitFor(PATIENCE);
  });

  /** A page of somebody new. `says` waits for a line of its log. */
  async function visit() {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    contexts.push(context);
    const page = await context.newPage();
    await page.goto(stage.site);
    page.says = (words) => page.locator("#log li", { hasText: words }).first().waitFor(PATIENCE);
    return page;
  }

  async function logIn(page, name, password = PASSWORDS[name]) {
    await page.fill("#name", name);
    await page.fill("#password", password);
    await page.click("#login button");
  }

  async function enter(page, { room, passphrase }) {
    await page.fill("#room", room);
    await page.fill("#passphrase", passphrase);
    await page.click("#door button");
  }

  async function arrive(name) {
    const page = await visit();
    if (name) {
      await logIn(page, name);
      await page.says(`logged in as ${name}`);
    }
    await enter(page, { room: "cellar", passphrase: "open sesame" });
    await page.says("joined cellar");
    await page.locator("#share:enabled").waitFor(PATIENCE);
    return page;
  }

  /** The hash of the file that came as this one, taken from the page as people take it. */
  async function taken(page, place) {
    const lines = page.locator("#log li", { hasText: " shares 20000000 bytes, intact: " });
    await until("the file is there", async () => (await lines.count()) > place);
    const [download] = await Promise.all([page.waitForEvent("download"), lines.nth(place).locator("a").click()]);
    return hash(await download.path());
  }
});

function hash(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
