// One instance of the app: a page, a login, and rooms to share text and files in. Start as many as you like: what they must
// agree on is in Redis, and Redis carries what is said in a room to the members on the other instances.
//
//   PORT=3031 REDIS_URL=redis://127.0.0.1:6390 node server.js

import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { instrument } from "@socket.io/admin-ui";
import { createAdapter } from "@socket.io/redis-adapter";
import express from "express";
import { createClient } from "redis";
import { Server } from "socket.io";
import * as msgpack from "socket.io-msgpack-parser";
import { Accounts } from "./accounts.js";
import { Rooms } from "./rooms.js";
import { share } from "./sharing.js";

const { PORT = "3031", HOST = "127.0.0.1", INSTANCE = PORT } = process.env;
const { REDIS_URL = "redis://127.0.0.1:6390", PARSER = "default" } = process.env;
const folder = (path) => fileURLToPath(new URL(path, import.meta.url));
const log = (what, fields) => console.log(JSON.stringify({ what, instance: INSTANCE, ...fields }));

const redis = createClient({ url: REDIS_URL });
const [publisher, subscriber] = [redis.duplicate(), redis.duplicate()];
for (const client of [redis, publisher, subscriber]) {
  client.on("error", (error) => log("redis", { error: error.message }));
  await client.connect();
}

const accounts = new Accounts(redis);
const app = express();
const server = createServer(app);

const io = new Server(server, {
  path: "/socket.io/",
  pingInterval: 25_000,
  pingTimeout: 60_000,
  maxHttpBufferSize: 100_000_000,
  serveClient: false,
  adapter: createAdapter(publisher, subscriber),
  ...(PARSER === "msgpack" && { parser: msgpack }),
});
share(io, new Rooms(redis), log);

// Mode `production`: `development` would show every admin the headers of every member, cookies included. Who may join this
// namespace is decided before it: nothing reaches this app but through the gate.
instrument(io, { namespaceName: "/admin", serverId: `instance ${INSTANCE}`, mode: "production", auth: false });

app.disable("x-powered-by");
app.post("/login", express.json({ limit: "4kb" }), async (request, answer) => {
  const login = await accounts.login(request.body?.name, request.body?.password);
  log(login ? "logged in" : "login refused", { member: login?.sub });
  if (!login) return answer.status(401).json({ error: "There is no such name and password" });
  answer.cookie("token", login.token, { httpOnly: true, secure: true, sameSite: "strict", expires: new Date(login.exp * 1000) });
  answer.json({ token: login.token, exp: login.exp, name: login.sub });
});

// Asked with a token: whose is it? 200 and the claims, or 401.
app.get("/who", async (request, answer) => {
  const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1];
  const claims = token && (await accounts.who(token));
  log("asked who", { member: claims?.sub });
  if (claims) answer.json(claims);
  else answer.status(401).json({ error: "This token is nobody's" });
});

const library = PARSER === "msgpack" ? "socket.io.msgpack.min.js" : "socket.io.min.js";
app.get("/socket.io.min.js", (_, answer) => answer.sendFile(folder(`node_modules/socket.io-client/dist/${library}`)));
app.use("/admin-ui", express.static(folder("node_modules/@socket.io/admin-ui/ui/dist")));
app.use(express.static(folder("page")));

server.listen(Number(PORT), HOST, () => log("listening", { port: server.address().port }));

// Clients are told, and come back to another instance.
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, async () => {
    await io.close();
    await Promise.all([redis, publisher, subscriber].map((client) => client.close()));
    process.exit(0);
  });
}
