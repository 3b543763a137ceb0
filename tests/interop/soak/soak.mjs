// The soak: many sessions over two app servers, half by polling and half by WebSocket after an upgrade, with numbered
// messages both ways; half-way one app server is killed. Returns what was seen, judged by the test and by benches/soak.

import { fork } from "node:child_process";
import { setTimeout as pass } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Stage } from "../support/stage.mjs";
import { mint } from "../support/token.mjs";
import { next } from "../support/wait.mjs";

const CROWD = fileURLToPath(new URL("crowd.mjs", import.meta.url));
const PATIENCE = 120_000;

/** Runs it for `seconds` with `sessions` in all, and tells `say` how it goes. */
export async function soak({ seconds, sessions, say = () => {} }) {
  const apps = ["one", "two"].map((name) => ["node", { name }]);
  const stage = await Stage.open({
    apps,
    upstream: { probe_interval: "500ms", eject_for: "500ms" },
    // Clients of a busy machine may be slow to poll again; that is not what is asked here.
    config: { socketio: { abandoned_after: "20s" } },
  });
  const crowds = ["polling", "upgrade"].map((way) => ({ way, child: fork(CROWD) }));
  try {
    const stumbles = await openAll(stage, crowds, sessions);
    say(`${sessions} sessions are open`);

    await pass((seconds / 2) * 1000);
    if (stage.gate) {
      await stage.apps[1].kill();
      say("app server two was killed");
    }
    await pass((seconds / 2) * 1000);

    const lives = await finishAll(crowds);
    say("all sessions have left");
    await stage.apps[0].empty();
    crowds.forEach(({ child }) => child.kill());
    await stage.gate?.empty();
    return { stumbles: countBy(stumbles, String), ...judge(lives) };
  } finally {
    crowds.forEach(({ child }) => child.kill("SIGKILL"));
    await stage.close();
  }
}

// Returns what went wrong while they opened, when nobody had been killed yet.
async function openAll(stage, crowds, sessions) {
  const open = {
    urls: stage.gate ? [stage.url] : stage.apps.map((app) => app.url),
    ca: stage.gate?.ca.toString(),
    token: mint("crowd"),
    count: sessions / crowds.length,
  };
  const told = await Promise.all(crowds.map(({ way, child }) => tell(child, { open: { ...open, way } })));
  return told.flatMap(({ stumbles }) => stumbles);
}

async function finishAll(crowds) {
  const told = await Promise.all(crowds.map(({ child }) => tell(child, { finish: true })));
  return told.flatMap(({ lives }) => lives);
}

async function tell(child, order) {
  child.send(order);
  const ended = new Promise((_, fail) => child.once("exit", (code) => fail(new Error(`a crowd ended with ${code}`))));
  const [answer] = await Promise.race([next(child, "message", PATIENCE), ended]);
  return answer;
}

function judge(lives) {
  const count = (list, number) => list.reduce((sum, life) => sum + number(life), 0);
  const living = lives.filter((life) => !life.ended);
  const onOne = lives.filter((life) => life.instance === "one");
  return {
    /** Sessions that began, by app server; those on two begin anew on one when two is killed. */
    began: { one: onOne.length, two: lives.length - onOne.length },
    /** Sessions that lived to the end, by the way they came and the transport they ended on. */
    living: countBy(living, (life) => `${life.way} on ${life.transport}`),
    messages: { up: count(lives, (life) => life.sent), down: count(lives, (life) => life.received) },
    /** Messages of living sessions that did not arrive, by direction. */
    lost: {
      up: count(living, (life) => life.sent - (life.tally?.received ?? NaN)),
      down: count(living, (life) => (life.tally?.sent ?? NaN) - life.received),
    },
    /** Messages that came twice or out of turn, of any session whether it lived or not. */
    disorder: { up: count(living, (life) => life.tally?.disorder ?? NaN), down: count(lives, (life) => life.disorder) },
    /** Sessions of the app server that was never killed that ended all the same, with what the client was told. */
    disturbed: countBy(onOne.filter((life) => life.ended), (life) => life.ended),
  };
}

function countBy(list, name) {
  const counts = {};
  for (const item of list) counts[name(item)] = (counts[name(item)] ?? 0) + 1;
  return counts;
}
