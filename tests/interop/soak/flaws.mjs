// What must be true of a soak, as a list of what is not.

import { BINARY } from "../support/gate.mjs";

/** One sentence for each promise that was broken in what `soak` has `seen`. */
export function flaws(seen, sessions) {
  const half = sessions / 2;
  const rules = [
    [isEmpty(seen.stumbles), `sessions did not open at once: ${JSON.stringify(seen.stumbles)}`],
    [Object.values(seen.lost).every((count) => count === 0), `messages were lost: ${JSON.stringify(seen.lost)}`],
    [Object.values(seen.disorder).every((count) => count === 0), `messages came twice or out of turn: ${JSON.stringify(seen.disorder)}`],
    [isEmpty(seen.disturbed), `sessions of the app server that lived were ended: ${JSON.stringify(seen.disturbed)}`],
    [seen.living["polling on polling"] === half, `polling sessions at the end: ${JSON.stringify(seen.living)}`],
    [seen.living["upgrade on websocket"] === half, `upgraded sessions at the end: ${JSON.stringify(seen.living)}`],
    [seen.messages.up > sessions && seen.messages.down > sessions, `hardly a message: ${JSON.stringify(seen.messages)}`],
    [seen.began.two > sessions / 4, `app server two had hardly a session: ${JSON.stringify(seen.began)}`],
    // Every session ends up on the app server that lives, and comes there once.
    [!BINARY || seen.began.one === sessions, `sessions came back more often than they had to: ${JSON.stringify(seen.began)}`],
  ];
  return rules.filter(([holds]) => !holds).map(([, flaw]) => flaw);
}

const isEmpty = (counts) => Object.keys(counts).length === 0;
