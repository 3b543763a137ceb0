// The HTTP side. `/api/login` is for everybody; what else is under `/api/` believes the identity headers, which the gate sets
// and no client can. `/internal/` is for neighbours of the app: the gate has no route to it.

import express from "express";

export function api({ users, tokens, dismiss }) {
  const app = express();
  app.use(express.json({ limit: "10kb" }));

  app.post("/api/login", async (request, answer) => {
    const { user: id, password } = request.body ?? {};
    if (typeof id !== "string" || typeof password !== "string") return answer.status(400).json({ error: "user and password" });
    const user = await users.withPassword(id, password);
    if (!user) return answer.status(401).json({ error: "wrong name or password" });
    // Who is not active may log in, to pay the bill. What the token is good for is decided where it is shown.
    console.log(`login ${user.id}`);
    answer.json(await tokens.issue(user));
  });

  // A new token before the old one ends, with what the table says now.
  app.post("/api/token", async (request, answer) => {
    const user = users.find(request.get("x-auth-subject"));
    return user ? answer.json(await tokens.issue(user)) : answer.status(401).json({ error: "no such user" });
  });

  // Only admins: the gate says so, in sockgate.toml.
  app.post("/api/users/:id", (request, answer) => {
    const { active } = request.body ?? {};
    if (typeof active !== "boolean") return answer.status(400).json({ error: "active: true or false" });
    const user = users.setActive(request.params.id, active);
    if (!user) return answer.status(404).json({ error: "no such user" });
    console.log(`user ${user.id} active=${active} by ${request.get("x-auth-subject")}`);
    if (!active) dismiss(user.id);
    answer.json(user);
  });

  // What the gate asks when it is told to (sockgate-authorizer.toml): is this token's account good today?
  app.get("/internal/who", async (request, answer) => {
    const token = /^Bearer (.+)$/.exec(request.get("authorization") ?? "")?.[1];
    const claims = token && (await tokens.read(token));
    const user = claims && users.find(claims.sub);
    console.log(`who ${claims?.sub ?? "nobody"}: ${user?.active ? "yes" : "no"}`);
    if (!user) return answer.status(401).end();
    if (!user.active) return answer.status(403).end();
    answer.json({ ...claims, role: user.role, active: user.active });
  });

  return app;
}
