// An ordinary app with Express and Socket.IO. It knows nothing of tokens, of other origins or of TLS: the gate in front
// of it does. The one thing it takes from the gate is who is asking, in a header that only the gate can set.

const { createServer } = require("node:http");
const express = require("express");
const { Server } = require("socket.io");

const app = express();
const server = createServer(app);
const io = new Server(server);

io.on("connection", (socket) => {
  const name = socket.handshake.headers["x-auth-subject"] ?? "somebody";
  socket.emit("welcome", name);
  socket.on("say", (text, reply) => {
    io.emit("said", name, text);
    reply(io.of("/").sockets.size);
  });
});

// On loopback: nobody reaches the app but through the gate.
server.listen(process.env.PORT ?? 3001, "127.0.0.1", () => console.log(`the app listens on ${server.address().port}`));
