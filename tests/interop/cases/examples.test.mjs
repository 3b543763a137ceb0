// The examples are what a newcomer tries first, so they are run as their README says, ports aside: the app, the gate with
// the file or with environment variables alone, the page on another origin in Chromium.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, serveFolder } from "../support/browser.mjs";
import { Gate, NEEDS_GATE } from "../support/gate.mjs";
import { Program } from "../support/program.mjs";
import { mint } from "../support/token.mjs";
import { freePort, until } from "../support/wait.mjs";

const TOP = fileURLToPath(new URL("../../../", import.meta.url));
const HERE = fileURLToPath(new URL("../", import.meta.url));
const SECRET = "only-for-this-example-32-bytes-or-more";

const EXAMPLES = {
  node: { command: process.execPath, values: [`${TOP}examples/node/app.js`], env: { NODE_PATH: `${HERE}node_modules` } },
  flask: { command: `${HERE}.venv/bin/python`, values: [`${TOP}examples/flask/app.py`] },
};

test("the page brings the socket.io-client that the tests are pinned to", () => {
  const pinned = readFileSync(`${HERE}node_modules/socket.io-client/dist/socket.io.min.js`, "utf8");
  const brought = readFileSync(`${TOP}examples/page/socket.io.min.js`, "utf8");
  assert.equal(brought.trim(), pinned.replace(/^\/\/# sourceMappingURL.*$/m, "").trim());
});

for (const [name, { command, values, env }] of Object.entries(EXAMPLES)) {
  describe(`examples/${name}`, () => {
    let app, members, site, browser;
    before(async () => {
      const port = await freePort();
      members = `http://127.0.0.1:${port}`;
      app = new Program(`examples/${name}`, command, values, { env: { ...env, PORT: String(port) } });
      const listens = until("it listens", () => fetch(`${members}/socket.io/?EIO=4&transport=polling`).catch(() => null));
      [browser, site] = await Promise.all([launch(), serveFolder(`${TOP}examples/page`), app.ready(listens)]);
    });
    after(async () => {
      await browser?.close();
      site?.close();
      await app?.kill();
    });

    test("with its sockgate.toml", NEEDS_GATE, async () => {
      const text = readFileSync(`${TOP}examples/${name}/sockgate.toml`, "utf8");
      const ours = [
        ["127.0.0.1:8443", "127.0.0.1:0"],
        ["http://localhost:5000", site.origin],
        ["http://127.0.0.1:3001", members],
      ];
      const moved = ours.reduce((text, [theirs, ours]) => text.replace(theirs, ours), text);
      const observed = `${moved}\n[admin]\naddress = "127.0.0.1:0"\n[log]\nformat = "json"\n`;
      await talkThrough(await Gate.open(() => observed));
    });

    test("with environment variables alone", NEEDS_GATE, async () => {
      const gate = await Gate.open(null, {
        SOCKGATE_UPSTREAM: members,
        SOCKGATE_LISTEN__ADDRESS: "127.0.0.1:0",
        SOCKGATE_TLS__GENERATE: "true",
        CORS_ORIGIN: site.origin,
        JWT_SECRET: SECRET,
        SOCKGATE_ADMIN__ADDRESS: "127.0.0.1:0",
        SOCKGATE_LOG__FORMAT: "json",
      });
      await talkThrough(gate);
    });

    // What the README promises to the eye of the newcomer.
    async function talkThrough(gate) {
      try {
        const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
        await page.goto(`${site.origin}/?gate=${gate.site}`);
        const log = page.locator("#log");
        const says = (words) => log.filter({ hasText: words }).waitFor({ timeout: 15_000 });

        await page.click("#door button");
        await says("not connected: {");
        await page.fill("#token", mint("ana", { secret: SECRET }));
        await page.click("#door button");
        await says("the app knows me as ana");
        await says("upgraded to websocket");
        await page.fill("#text", "hello");
        await page.press("#text", "Enter");
        await says("ana: hello");
        await says("(heard by 1)");
      } finally {
        await gate.stop();
      }
    }
  });
}
