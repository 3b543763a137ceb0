// The page of the status board in Chromium, from its own origin: what its README promises to the eye.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { launch } from "../support/browser.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { StatusBoard } from "../support/status_board.mjs";
import { until } from "../support/wait.mjs";

for (const setUp of ["connect", "header"]) {
  describe(`the page of the status board, ${setUp}`, NEEDS_GATE, () => {
    let board, browser, context;
    before(async () => ([board, browser] = await Promise.all([StatusBoard.open(setUp), launch()])));
    afterEach(() => context?.close());
    after(async () => {
      await browser?.close();
      await board?.close();
    });

    const visit = async (origin = board.origin) => {
      context = await browser.newContext({ ignoreHTTPSErrors: true });
      const page = await context.newPage();
      await page.goto(origin);
      return page;
    };
    const login = async (page, user, password = `${user}-password`) => {
      await page.fill("#user", user);
      await page.fill("#password", password);
      await page.click("#login button");
    };
    const says = (page, place, words) => page.locator(place).filter({ hasText: words }).waitFor({ timeout: 15_000 });

    test("login, the board, a change, a notification that is read in both tabs", async () => {
      const page = await visit();
      await login(page, "ana", "guess");
      await says(page, "#log", "not logged in: wrong name or password");
      await login(page, "ana");
      await says(page, "#state", "live");
      await says(page, "#log", "/status joined by");
      await says(page, "#service-page", "up");
      await says(page, "#service-gate", "up");

      const tab = await context.newPage();
      await tab.goto(board.origin);
      await login(tab, "ana");
      await says(tab, "#state", "live");
      const state = board.shop.turn();
      for (const each of [page, tab]) {
        await says(each, "#service-shop", state);
        await says(each, "#notifications", `shop is ${state}`);
        await says(each, "#unread", "1");
      }
      await page.click("#notifications button");
      for (const each of [page, tab]) await says(each, "#unread", "0");
      assert.equal(board.app.count("join / ana (user)"), 2);
    });

    test("a page that is loaded again is still logged in", async () => {
      const page = await visit();
      await login(page, "ben");
      await says(page, "#state", "live");
      await page.reload();
      await says(page, "#state", "live");
      assert.equal(await page.locator("#login").isVisible(), false);
      await page.click("#logout");
      await says(page, "#state", "logged out");
    });

    test("the admin's button: refused to a user in words, and not heard by the app", async () => {
      const page = await visit();
      await login(page, "ana");
      await says(page, "#state", "live");
      await page.click("#refresh");
      await says(page, "#log", "refresh refused: You may not send this event");
      assert.equal(board.app.count("ana admin:refresh-status"), 0);
      await page.click("#logout");
      await login(page, "root");
      await says(page, "#state", "live");
      await page.click("#refresh");
      await says(page, "#log", "refreshed 3 services");
    });

    test("the wall screen", async () => {
      const page = await visit();
      await login(page, "ana");
      await says(page, "#state", "live");
      await page.fill("#picture", "Graphs");
      await page.click("#show button");
      await says(page, "#now", "Graphs");
      await page.fill("#video", "https://youtu.be/dQw4w9WgXcQ");
      await page.click("#add button");
      await says(page, "#queue", "1");
      await page.fill("#video", "https://example.com");
      await page.click("#add button");
      await says(page, "#log", "youtube:add: that is no address of a YouTube video");
    });

    test("who is not active is told why, asked to log in, and does not ask again", async () => {
      const refusals = await board.door.sample("refusals", { reason: "claim_refused" });
      const page = await visit();
      await login(page, "ida");
      await says(page, "#log", "/ refused: The token lacks a required claim (this account may not connect)");
      await says(page, "#state", "The token lacks a required claim");
      assert.ok(await page.locator("#login").isVisible());
      assert.equal(board.app.count("join / ida"), 0);
      await until("the session is over", () => board.records("session ended", { path: "/socket.io/" }).length > 0);
      assert.ok((await board.door.sample("refusals", { reason: "claim_refused" })) <= refusals + 4);
    });

    test("the same page from an origin that is not listed gets nothing", async () => {
      const page = await visit(board.origin.replace("localhost", "127.0.0.1"));
      await login(page, "ana");
      await says(page, "#log", "not logged in: Failed to fetch");
      await until("the log says why", () => board.gate.lines.some((line) => line.includes("origin_refused") || line.includes("preflight_refused")));
    });
  });
}
