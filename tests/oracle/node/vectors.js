// Both ends of `ws` at once, for the table of vectors: a server that takes what it is sent, and clients of another
// server. node vectors.js, with a plan as JSON on stdin: {port, clients: [[path, protocols, perMessageDeflate], ...]};
// its first line of output is its own server's port, and a second follows when all clients are closed.

const fs = require("node:fs");
const ws = require("ws");

const plan = JSON.parse(fs.readFileSync(0));
const quiet = () => {}; // who breaks a rule is told apart on the wire, and not here
const server = new ws.Server({ host: "127.0.0.1", port: 0, perMessageDeflate: true });
server.on("connection", (socket) => socket.on("error", quiet));
server.on("listening", () => console.log(server.address().port));

async function attempt([path, protocols, perMessageDeflate]) {
  const socket = new ws(`ws://127.0.0.1:${plan.port}/${path}`, protocols, { perMessageDeflate });
  socket.on("error", quiet);
  await new Promise((resolve) => socket.on("close", resolve));
}

async function work(queue) {
  while (queue.length) await attempt(queue.shift());
}

const queue = [...plan.clients];
Promise.all(Array.from({ length: 8 }, () => work(queue))).then(() => console.log("all are closed"));
