// A reporter for `node --test`: which clients, apps, modes and HTTP versions met in this run, and how many tests held, as
// a table at its end. Suites say where they belong by their names (see mode.mjs).

import { TITLE } from "./mode.mjs";

const MODES = ["plain", "judged", "connect"];

export default async function* table(events) {
  const rows = new Map();
  const names = [];
  for await (const { type, data } of events) {
    // Starts are told in the order of the file, whatever runs side by side.
    if (type === "test:start") names[data.nesting] = data.name;
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details?.type === "suite" || data.skip) continue;
    const place = names.slice(0, data.nesting + 1).map((name) => TITLE.exec(name)?.groups).find(Boolean);
    if (place) note(rows, place, type === "test:pass");
  }
  if (rows.size > 0) yield `\n${lines(rows).join("\n")}\n`;
}

function note(rows, { client, app, mode, http }, held) {
  const key = [client, app, http].join(" | ");
  if (!rows.has(key)) rows.set(key, {});
  const cell = (rows.get(key)[mode] ??= { passed: 0, failed: 0 });
  cell[held ? "passed" : "failed"] += 1;
}

function lines(rows) {
  const say = (cell) => (!cell ? "-" : cell.failed ? `${cell.failed} FAILED of ${cell.failed + cell.passed}` : String(cell.passed));
  const body = [...rows].map(([key, row]) => [...key.split(" | "), ...MODES.map((mode) => say(row[mode]))]);
  const all = [["client", "app", "in front", ...MODES], ...body];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((text, column) => text.padEnd(widths[column])).join(" | ")} |`;
  return [line(all[0]), line(widths.map((width) => "-".repeat(width))), ...all.slice(1).map(line)];
}
