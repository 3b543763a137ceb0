// examples/auction, its main story: an app that takes requests of its own pages alone serves a public page, behind an ingress
// that gives requests another Host; and forty people bid at the same time, each told everything, once and in order.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { Auction, HANDSHAKE, opens } from "../support/auction.mjs";
import { EXAMPLES } from "../support/example.mjs";
import { WAYS } from "../support/client.mjs";
import { NEEDS_GATE } from "../support/gate.mjs";
import { ask, countHeaders } from "../support/request.mjs";
import { until } from "../support/wait.mjs";

const BIDDERS = 40;
const ROUNDS = 5;

describe("examples/auction", NEEDS_GATE, () => {
  let auction;
  // A lot that lasts as long as the tests, and a clock that is faster than life.
  before(async () => (auction = await Auction.open({ TICK: "0.1", SECONDS: "6000" })));
  after(() => auction?.close());

  describe("the origin", () => {
    test("asked directly, the app turns the public page away everywhere", async () => {
      const headers = { origin: auction.origin };
      const items = await ask(auction.app, "/api/items", { headers });
      assert.equal(items.status, 403);
      assert.match(items.text, /Not an accepted origin/);
      const handshake = await ask(auction.app, HANDSHAKE, { headers });
      assert.equal(handshake.status, 400);
      assert.match(handshake.text, /is not an accepted origin/);
      assert.equal(await opens(auction.app.url, auction.origin), false);
      for (const path of ["/api/items", HANDSHAKE]) {
        assert.equal((await ask(auction.app, path, { headers: { origin: "http://auction.internal" } })).status, 200);
      }
      assert.equal(await opens(auction.app.url, "http://auction.internal"), true);
    });

    test("through ingress and gate the same page is served, by the one entry of an exact list", async () => {
      const [, list] = /^allow = (\[.*?\])/m.exec(readFileSync(`${EXAMPLES}auction/sockgate.toml`, "utf8"));
      assert.deepEqual(JSON.parse(list), ["http://localhost:5000"]);
      for (const path of ["/api/items", HANDSHAKE]) {
        const { status, headers, rawHeaders } = await ask({ url: auction.door }, path, { headers: { origin: auction.origin } });
        assert.equal(status, 200);
        assert.equal(headers["access-control-allow-origin"], auction.origin);
        assert.equal(headers["access-control-allow-credentials"], "true");
        // The app writes its own, for the origin it was told.
        assert.equal(countHeaders(rawHeaders)["access-control-allow-origin"], 1);
      }
      assert.equal(await opens(auction.door, auction.origin), true);
    });

    test("the gate answers a preflight, and the app's own origin is as foreign there as any other", async () => {
      const wish = { "access-control-request-method": "POST", "access-control-request-headers": "content-type" };
      const preflight = (origin) =>
        ask({ url: auction.door }, "/api/login", { method: "OPTIONS", headers: { origin, ...wish } });
      const { status, headers } = await preflight(auction.origin);
      assert.equal(status, 204);
      assert.equal(headers["access-control-allow-origin"], auction.origin);
      // Neither the app's origin nor the ingress' own gets anywhere by being named.
      for (const origin of ["http://auction.internal", auction.door]) {
        const refused = await preflight(origin);
        assert.equal(refused.status, 403);
        assert.equal(refused.headers["access-control-allow-origin"], undefined);
        assert.equal(await opens(auction.door, origin), false);
      }
    });

    test("the app is asked by the name that the ingress uses, and told the client's address, not a made up one", async () => {
      const forged = { "x-forwarded-for": "203.0.113.9", forwarded: "for=203.0.113.9", "content-type": "application/json" };
      const body = JSON.stringify({ name: "hosted" });
      const options = { method: "POST", headers: forged, body, localAddress: "127.0.0.9" };
      assert.equal((await ask(auction.ingress, "/api/login", options)).status, 200);
      await until("the app has said so", () => auction.app.count("hosted logs in") === 1);
      assert.equal(auction.app.count("hosted logs in from 127.0.0.9, asking for gate.internal"), 1);
    });
  });

  describe("the room", () => {
    let bidders;
    before(async () => {
      const ways = Object.entries(WAYS);
      const enter = async (_, at) => {
        const [way, { transports }] = ways[at % ways.length];
        // Every third and a bit: each language goes each way.
        const language = at % 10 < 3 ? "python" : "node";
        const bidder = await auction.enter(`bidder ${at}`, { language, transports });
        const wanted = way === "polling" ? "polling" : "websocket";
        await until(`bidder ${at} travels by ${wanted}`, async () => (await bidder.transport()) === wanted);
        return bidder;
      };
      bidders = await Promise.all(Array.from({ length: BIDDERS }, enter));
    });

    test("who has not logged in is told so by the app", async () => {
      await assert.rejects(auction.stranger(), { message: "Log in first" });
    });

    test("forty bid at once: each is told everything that happened, once and in the order it happened", async () => {
      const answers = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const floor = 1_000 * (round + 1);
        answers.push(...(await Promise.all(bidders.map((bidder, at) => bidder.bid("clock", floor + 10 * at)))));
      }
      // One after the other, each over the last: everybody has had a good one.
      for (const [at, bidder] of bidders.entries()) answers.push(await bidder.bid("clock", 10_000 + 10 * at));

      const placed = await auction.told("/api/items/clock/bids");
      const numbers = placed.map(({ number }) => number);
      const good = answers.filter(({ number }) => number !== undefined).map(({ number }) => number);
      assert.deepEqual(good.toSorted((left, right) => left - right), numbers);
      assert.ok(placed.length >= BIDDERS + ROUNDS, `only ${placed.length} good bids`);
      for (const answer of answers.filter(({ number }) => number === undefined)) assert.match(answer.error, /^Too low: /);

      const last = numbers.at(-1);
      await until("everybody has heard of the last bid", () => bidders.every((bidder) => bidder.numbers("bid").at(-1) >= last));
      for (const bidder of bidders) {
        assert.deepEqual(bidder.numbers("bid"), numbers);
        assertWhole(bidder);
      }
    });

    test("a bid that is too low is refused by the app, to its bidder alone", async () => {
      const [{ amount, number }] = (await auction.told("/api/items/clock/bids")).slice(-1);
      for (const bidder of bidders) {
        const answer = await bidder.bid("clock", amount);
        assert.deepEqual(answer, { error: `Too low: ${amount}, at least ${amount + 10}` });
      }
      assert.equal((await auction.told("/api/items/clock/bids")).at(-1).number, number);
    });

    test("every tick comes once and in order, whoever bids meanwhile", async () => {
      const from = Math.max(...bidders.map((bidder) => bidder.numbers("tick").at(-1)));
      const after = (bidder) => bidder.numbers("tick").filter((number) => number > from);
      let amount = 15_000;
      for (const bidder of bidders) await bidder.bid("clock", (amount += 10));
      await until("twenty ticks more", () => bidders.every((bidder) => after(bidder).length >= 20));
      bidders.forEach(assertWhole);
      assert.equal(bidders.reduce((sum, { disconnects }) => sum + disconnects, 0), 0);
    });

    test("bids faster than a finger are refused by the gate, and the room goes on", async () => {
      const [wild, calm] = bidders.filter((bidder) => bidder.socket);
      const { length } = await auction.told("/api/items/clock/bids");
      const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => wild.bid("clock", 20_000 + 10 * at)));
      const refused = answers.filter(({ error }) => error?.code === "event_rate");
      assert.ok(refused.length > 0 && refused.length < 20, `${refused.length} of 20`);
      // What was refused never reached the app.
      assert.equal((await auction.told("/api/items/clock/bids")).length, length + 20 - refused.length);
      assert.ok((await calm.bid("clock", 30_000)).number);
    });
  });
});

// Nothing is missing since they came in, nothing came twice, nothing overtook: all that happens is numbered by the app.
function assertWhole({ since, heard }) {
  const numbers = heard.map(([, number]) => number);
  assert.deepEqual(numbers, numbers.map((_, at) => since + 1 + at));
}
