// The status board of examples/ when its app and its gate leave as they are told to and come back: clients return by
// themselves, subscribe again, and hear of changes again. With the example's own client code and its page in Chromium.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { launch } from "../support/browser.mjs";
import { WAYS } from "../support/client.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { subscribe } from "../../../examples/status-board/page/live.js";
import { StatusBoard } from "../support/status_board.mjs";
import { until } from "../support/wait.mjs";

const OUTAGES = {
  async "the app restarts"(board) {
    assert.deepEqual(await board.app.stop(), { code: 0, signal: null });
    assert.equal(board.app.lines.at(-1), "left");
    return () => board.app.start();
  },
  async "the app crashes"(board) {
    await board.app.kill();
    return () => board.app.start();
  },
  async "the gate restarts"(board) {
    assert.deepEqual(await board.gate.leave(), { code: 0, signal: null });
    assert.equal(board.records("leaving").at(-1).grace_ms, 10_000);
    return () => board.gate.comeBack();
  },
};

for (const setUp of ["connect", "header"]) {
  describe(`outages of the status board, ${setUp}`, NEEDS_GATE, () => {
    let board, browser;
    before(async () => ([board, browser] = await Promise.all([StatusBoard.open(setUp), launch()])));
    afterEach(() => board.leave());
    after(async () => {
      await browser?.close();
      await board?.close();
    });

    for (const [outage, happen] of Object.entries(OUTAGES)) {
      test(`${outage}: every client comes back and subscribes again, by itself`, async () => {
        const watchers = await Promise.all(Object.values(WAYS).map((transports) => watch(board, transports)));
        const page = await watchInPage(board, browser);
        await seen(board, watchers, page);

        const end = await happen(board);
        for (const { told } of watchers) await until("it is told", () => told.some((line) => line.startsWith("connection lost")));
        await page.says("#state", "not connected, what you see is old");
        await end();

        for (const { subscribed } of watchers) await until("it has subscribed again", () => subscribed.length >= 2);
        await page.says("#state", "live");
        await seen(board, watchers, page);
        for (const { refusals } of watchers) assert.deepEqual(refusals, []);
      });
    }
  });
}

// A client that keeps the board in view as the page does.
async function watch(board, transports) {
  const live = await board.arrive("ana", { ...transports, reconnectionDelay: 50, reconnectionDelayMax: 500 });
  Object.assign(live, { subscribed: [], updates: [] });
  subscribe(live.status, "subscribe:status", [], ({ services }) => services && live.subscribed.push(services));
  live.status.on("status:update", ({ name, state }) => name === "shop" && live.updates.push(state));
  await until("it has subscribed", () => live.subscribed.length > 0);
  return live;
}

async function watchInPage(board, browser) {
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  await page.goto(board.origin);
  await page.fill("#user", "ana");
  await page.fill("#password", "ana-password");
  await page.click("#login button");
  const says = (place, words) => page.locator(place).filter({ hasText: words }).waitFor({ timeout: 30_000 });
  await says("#state", "live");
  return { says };
}

// What happens to the shop is seen by all of them.
async function seen(board, watchers, page) {
  const state = board.shop.turn();
  for (const { updates } of watchers) await until(`the shop is seen ${state}`, () => updates.at(-1) === state);
  await page.says("#service-shop", state);
}
