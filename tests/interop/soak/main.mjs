// The soak from the command line, for benches/soak: `main.mjs SECONDS SESSIONS`. Prints what was seen; the exit code says
// whether it was as it must be.

import { flaws } from "./flaws.mjs";
import { soak } from "./soak.mjs";

const [seconds = 300, sessions = 1000] = process.argv.slice(2).map(Number);
const began = Date.now();
const say = (what) => console.log(`${String(Math.round((Date.now() - began) / 1000)).padStart(4)} s  ${what}`);

const seen = await soak({ seconds, sessions, say });
console.log(JSON.stringify(seen, null, 2));
const found = flaws(seen, sessions);
found.forEach((flaw) => console.log(`FLAW: ${flaw}`));
console.log(found.length === 0 ? "the soak passed" : "the soak failed");
process.exit(found.length === 0 ? 0 : 1);
