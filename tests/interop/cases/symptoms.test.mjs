// The debugging guide as a whole: its index leads somewhere, each section is played by a test, and what it tells to set would
// be taken by the gate. What the sections say is held to by the tests that are named `symptoms-*`.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { BINARY, merge, NEEDS_GATE } from "../support/gate.mjs";
import { GUIDE, Page, sections, spans, toTable } from "../support/guide.mjs";
import { toToml } from "../support/toml.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const TITLES = [...sections().keys()];

test("the index names every symptom, and leads to it", () => {
  const [index] = GUIDE.split("\n## ");
  const links = [...index.matchAll(/\[([^\]]+)\]\((#[^)]+)\)/g)];
  assert.deepEqual(links.map(([, title]) => title), TITLES);
  for (const [, title, anchor] of GUIDE.matchAll(/\[([^\]]+)\]\((#[^)]+)\)/g)) {
    assert.ok(TITLES.map(toAnchor).includes(anchor), `${title} leads to ${anchor}`);
  }
});

test("every symptom is played by a test", () => {
  const files = readdirSync(HERE).filter((name) => name.startsWith("symptoms-"));
  const played = files.flatMap((name) => [...readFileSync(join(HERE, name), "utf8").matchAll(/^symptom\("([^"]+)"/gm)]);
  assert.deepEqual(played.map(([, title]) => title).sort(), [...TITLES].sort());
});

test("every symptom says what is seen, why, and what to change", () => {
  for (const title of TITLES) {
    const page = new Page(title);
    const text = page.lines.join("\n");
    assert.match(text, /^- See: /m, title);
    assert.match(text, /(^- Why: [^]*^- Change: )|\| why \| change \|/m, title);
    assert.ok(page.evidence().length >= 1, title);
  }
});

test("everything it tells to set would be taken", NEEDS_GATE, () => {
  const settings = new Set(GUIDE.split("\n").flatMap(spans).filter((span) => /^[a-z]+\.[a-z_.]+ = /.test(span)));
  assert.ok(settings.size > 15, `${settings.size} settings`);
  const folder = mkdtempSync(join(tmpdir(), "sockgate-guide-"));
  try {
    for (const name of ["jwt.secret", "seal"]) writeFileSync(join(folder, name), name.padEnd(44, "x"), { mode: 0o600 });
    for (const setting of settings) {
      writeFileSync(join(folder, "sockgate.toml"), withSetting(setting).replace("/run/secrets/", ""));
      try {
        execFileSync(BINARY, ["check", "--strict", "--config", "sockgate.toml"], { cwd: folder, env: {}, stdio: "pipe" });
      } catch ({ stdout }) {
        assert.fail(`${setting} is not taken: ${String(stdout).split("\n\n")[0]}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

// A small configuration with this in it.
function withSetting(setting) {
  const { upstream, route, ...tables } = toTable(setting);
  const small = {
    listen: { trusted_proxies: ["127.0.0.1"] },
    // Everybody, but only without credentials.
    origin: setting.includes('"*"') ? { credentials: false } : {},
    auth: { secret_file: "jwt.secret" },
    limit: { event: [{ events: ["add"], rate: "1/1s" }] },
    upstream: [{ name: "app", members: ["http://127.0.0.1:3001"], ...upstream }],
    route: [{ path: "/ws/", ...route }],
  };
  return toToml(merge(small, tables));
}

// As the pages that show Markdown make it.
function toAnchor(title) {
  return `#${title.toLowerCase().replace(/[^a-z0-9 _-]/g, "").replaceAll(" ", "-")}`;
}
