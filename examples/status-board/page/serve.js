// The page's own web server, on another origin than the gate: these files, socket.io-client from the installed package, and
// where the gate is and how it wants tokens (TOKEN_IN=auth or header).

import { fileURLToPath } from "node:url";
import express from "express";

const { HOST = "127.0.0.1", PORT = "5173", GATE_URL = "https://localhost:8443", TOKEN_IN = "auth" } = process.env;
const here = fileURLToPath(new URL(".", import.meta.url));
const library = fileURLToPath(new URL("../node_modules/socket.io-client/dist/socket.io.esm.min.js", import.meta.url));

const site = express();
site.get("/config.json", (_, answer) => answer.json({ gate: GATE_URL, header: TOKEN_IN === "header" }));
site.get("/socket.io.js", (_, answer) => answer.sendFile(library));
for (const file of ["board.js", "live.js", "account.js"]) site.get(`/${file}`, (_, answer) => answer.sendFile(here + file));
site.get("/", (_, answer) => answer.sendFile(`${here}index.html`));

const server = site.listen(Number(PORT), HOST, () => console.log(`the page is on http://localhost:${server.address().port}`));
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => server.close() && server.closeAllConnections());
