// Loaded before a lab's script (`node --require`): it ends with its lab, listens on this machine alone, and tells in
// words what went wrong. What it tells wslab goes to standard output, in lines that begin with the mark it was given.

const net = require("node:net");
const { Worker } = require("node:worker_threads");

const { mark, port, articlePort, target } = JSON.parse(process.env.WSLAB_LEASH);
delete process.env.WSLAB_LEASH;

const HERE = "127.0.0.1";
const LOOPBACK = new Set(["localhost", "127.0.0.1", "::1"]);

// Other users of this machine see a program's arguments. So the address, which may hold a secret, comes in the
// environment, which they do not see, and is put before the other arguments here.
if (target) process.argv.splice(process.execArgv.includes("--eval") ? 1 : 2, 0, target);

const tell = (what) => process.stdout.write(`\n${mark}${JSON.stringify(what)}\n`);

// The lab holds the other end of standard input, so that this stream ends when the lab does, however it does. A thread
// of its own sees that even while the script computes. Kills the group: the script may have started programs, too.
const WATCH = `
const net = require('net');
const end = () => {
  try { process.kill(-process.pid, 'SIGKILL'); } catch { process.kill(process.pid, 'SIGKILL'); }
};
const leash = new net.Socket({ fd: 0, readable: true, writable: false });
leash.on('error', end).on('close', end).on('end', end).resume();
`;
new Worker(WATCH, { eval: true, stdin: false, execArgv: [] }).unref();

// net.Server.listen takes a path, a handle, options, or a port, a host and a backlog, each of which may be left out.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...given) {
  const callback = given.findLast((each) => typeof each === "function");
  let [first, host] = given;
  if (typeof first === "function" || first == null) first = 0;
  const isPort = typeof first === "number" || (typeof first === "string" && /^\d+$/.test(first));
  let options;
  if (isPort) options = { port: Number(first), host: typeof host === "string" ? host : undefined };
  else if (first.port !== undefined && first.fd === undefined) options = { ...first };
  else return listen.apply(this, given);
  if (options.host && !LOOPBACK.has(options.host)) {
    throw new Error(
      `listen on ${options.host}: a script of a lab listens on ${HERE} only, since its server would be open to ` +
        "everybody who can reach this machine. Leave the host out",
    );
  }
  options.host = options.host === "::1" ? "::1" : HERE;
  if (Number(options.port) === articlePort) options.port = port;
  this.prependOnceListener("listening", () => tell({ listening: this.address().port }));
  return callback ? listen.call(this, options, callback) : listen.call(this, options);
};

// The browser's class, for a script that was written for one. Node has it from version 22 on, as another
// implementation; here it is always the one of ws.
const wanted = `ws://localhost:${articlePort}`;
Object.defineProperty(globalThis, "WebSocket", {
  configurable: true,
  writable: true,
  value: class WebSocket extends require("ws").WebSocket {
    constructor(url, ...rest) {
      const given = String(url);
      const isArticles = target && (given === wanted || given.startsWith(`${wanted}/`));
      super(isArticles ? target.replace(/\/$/, "") + given.slice(wanted.length) : url, ...rest);
    }
  },
});

// What Node prints of an error names places in Node itself, which differ from version to version. Of those places, and
// of the lines of source before the error's name, only the script's own are said again.
const script = process.argv[1] ?? "[eval]";
const own = (line) => !/^\s+at /.test(line) || line.includes("[eval]") || line.includes(script);
const inWords = (error) => {
  if (!(error instanceof Error)) return `thrown: ${String(error)}`;
  const lines = String(error.stack || error).split("\n");
  const named = lines.findIndex((line) => line.startsWith(error.name));
  const shown = named > 0 && !own(`  at ${lines[0]}`) ? lines.slice(named) : lines;
  return shown.filter((line) => own(line) && line.trim()).join("\n");
};
const failed = (error) => {
  if (process.listenerCount("uncaughtException") > 1) return; // the script has its own way
  process.exitCode = 1;
  process.stderr.write(`${inWords(error)}\n`, () => process.exit(1));
};
process.on("uncaughtException", failed);
