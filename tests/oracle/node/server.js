// The article's server (an HTTP server that `ws` upgrades, and a greeting), which also echoes and does what it is asked.
// node server.js [perMessageDeflate as JSON]; its first line of output is its port.

const http = require("node:http");
const ws = require("ws");

const server = http.createServer();
const webSocketServer = new ws.Server({ server, perMessageDeflate: JSON.parse(process.argv[2] ?? "false") });

// A message `please NAME ...` asks for one of these; every other message is echoed.
const requests = {
  ping: (socket, text) => socket.ping(text),
  fragments: (socket, ...parts) =>
    parts.forEach((part, index) => socket.send(part, { fin: index === parts.length - 1 })),
  close: (socket, code, reason) => (code ? socket.close(Number(code), reason) : socket.close()),
  reset: (socket) => socket._socket.resetAndDestroy(),
};

webSocketServer.on("connection", (serverSocket) => {
  serverSocket.on("error", () => {}); // a client that breaks the rules is part of the plan
  serverSocket.on("message", (data, isBinary) => {
    const [please, name, ...rest] = isBinary ? [] : data.toString().split(" ");
    if (please === "please" && name in requests) {
      requests[name](serverSocket, ...rest);
    } else {
      serverSocket.send(data, { binary: isBinary });
    }
  });
  serverSocket.send("Hello client!");
});

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
