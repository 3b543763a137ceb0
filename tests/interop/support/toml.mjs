// A configuration as a JavaScript value, written as TOML: tables, lists of tables, and tables inside them.

/** `{ listen: { address: "…" }, route: [{ path: "/", limit: { … } }] }` as TOML text. */
export function toToml(table, path = []) {
  const entries = Object.entries(table).filter(([, value]) => value !== undefined);
  const lines = entries.filter(([, value]) => isPlain(value)).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  for (const [key, value] of entries.filter(([, value]) => !isPlain(value))) {
    const name = [...path, key];
    for (const item of [value].flat()) {
      lines.push("", Array.isArray(value) ? `[[${name.join(".")}]]` : `[${name.join(".")}]`, toToml(item, name));
    }
  }
  return lines.join("\n");
}

// JSON writes numbers, truth values, texts and lists of them as TOML does.
function isPlain(value) {
  const isTable = (item) => typeof item === "object" && !Array.isArray(item);
  return !isTable(value) && !(Array.isArray(value) && value.some(isTable));
}
