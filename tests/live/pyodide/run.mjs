// Runs a Python program in Pyodide: node run.mjs ARCHIVE.zip PROGRAM.py [ARGUMENTS...]
// The archive becomes the folder /site, which the program finds first on its path. What its main(*arguments) returns is our exit status.
import { readFileSync } from "node:fs";
import { loadPyodide } from "pyodide";

const [archive, program, ...rest] = process.argv.slice(2);
const python = await loadPyodide();
python.unpackArchive(new Uint8Array(readFileSync(archive)), "zip", { extractDir: "/site" });
python.globals.set("arguments", python.toPy(rest));
try {
  await python.runPythonAsync("import sys; sys.path.insert(0, '/site')");
  await python.runPythonAsync(readFileSync(program, "utf8"), { filename: program });
  process.exit(await python.runPython("main(*arguments)")); // a coroutine is awaited on the browser's loop
} catch (error) {
  console.error(error.message); // Node alone would print Pyodide's whole source
  process.exit(1);
}
