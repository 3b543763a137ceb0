// A thousand sessions with numbered messages over two app servers, one of them killed half-way: a minute of it. Longer
// with benches/soak.

import assert from "node:assert/strict";
import { test } from "node:test";
import { flaws } from "../soak/flaws.mjs";
import { soak } from "../soak/soak.mjs";

const SECONDS = Number(process.env.SOAK_SECONDS ?? 60);
const SESSIONS = Number(process.env.SOAK_SESSIONS ?? 1000);

test(`${SESSIONS} sessions for ${SECONDS} s lose, duplicate and reorder nothing, and leave nothing behind`, async (run) => {
  const seen = await soak({ seconds: SECONDS, sessions: SESSIONS, say: (what) => run.diagnostic(what) });
  run.diagnostic(JSON.stringify(seen));
  assert.deepEqual(flaws(seen, SESSIONS), []);
});
