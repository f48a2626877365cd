// A `ws` client that does what it is told and keeps every byte that crossed its socket.
// node client.js URL, with a plan as JSON on stdin: {perMessageDeflate, actions, dump}; `dump` is a folder, which gets
// client.bin (what this end sent) and server.bin (what it received). Prints each message it receives as a line of JSON.

const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const ws = require("ws");

const plan = JSON.parse(fs.readFileSync(0));
const sent = [];
const received = [];
let messages = 0;
let wake = () => {};

// Taps the socket before `ws` gets it: write() is the only way out, 'data' the only way in.
function createConnection(options) {
  const socket = net.connect({ ...options, path: undefined });
  const write = socket.write;
  socket.write = function (data, encoding, callback) {
    sent.push(Buffer.from(data, typeof encoding === "string" ? encoding : undefined));
    return write.call(this, data, encoding, callback);
  };
  const push = socket.push;
  socket.push = function (chunk, encoding) {
    if (chunk !== null) received.push(Buffer.from(chunk));
    return push.call(this, chunk, encoding);
  };
  return socket;
}

const clientSocket = new ws(process.argv[2], { perMessageDeflate: plan.perMessageDeflate ?? false, createConnection });

const actions = {
  text: (text, options) => clientSocket.send(text, options),
  binary: (hex, options) => clientSocket.send(Buffer.from(hex, "hex"), options),
  ping: (text) => clientSocket.ping(text),
  pong: (text) => clientSocket.pong(text),
  close: (code, reason) => (code ? clientSocket.close(code, reason) : clientSocket.close()),
  reset: () => clientSocket._socket.resetAndDestroy(),
  // Waits until `count` messages have come in all.
  messages: async (count) => {
    while (messages < count) await new Promise((resolve) => (wake = resolve));
  },
};

clientSocket.on("message", (data, isBinary) => {
  messages += 1;
  console.log(JSON.stringify({ isBinary, hex: data.toString("hex") }));
  wake();
});
clientSocket.on("open", async () => {
  for (const [name, ...rest] of plan.actions) await actions[name](...rest);
});
clientSocket.on("error", (error) => console.log(JSON.stringify({ error: error.message })));
clientSocket.on("close", (code, reason) => {
  console.log(JSON.stringify({ code, reason: reason.toString() }));
  if (plan.dump) {
    fs.writeFileSync(path.join(plan.dump, "client.bin"), Buffer.concat(sent));
    fs.writeFileSync(path.join(plan.dump, "server.bin"), Buffer.concat(received));
  }
});
