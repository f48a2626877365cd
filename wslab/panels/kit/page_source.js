/** Which JavaScript a learner means who pastes a script or a whole HTML page, and where its addresses lead. */

const PAGE = /^\s*<(?!!--)/; // no script begins so; one may begin with <!--, which hides it from browsers of 1995
const SCRIPT = /<script\b([^>]*)>([\s\S]*?)(<\/\s*script\s*>|$)/gi;
const JAVASCRIPT = /^(?:|(?:text|application)\/(?:java|ecma)script)$/i;
const blank = (text) => text.replace(/[^\n]/g, " "); // so that lines and columns stay what they are

const attribute = (tag, name) => new RegExp(`\\b${name}\\s*=\\s*["']?([^"'\\s>]*)`, "i").exec(tag)?.[1];

/** `{ code, notes }`: the script itself, or the inline scripts of a page, each in its place; and what to say of it. */
export function scriptsOf(text) {
  if (!PAGE.test(text)) return { code: text, notes: [] };
  const notes = new Set();
  let code = "";
  let at = 0;
  for (const found of text.matchAll(SCRIPT)) {
    const [whole, tag, inner, end] = found;
    const begin = found.index + whole.length - inner.length - end.length;
    const source = attribute(tag, "src");
    const type = attribute(tag, "type") ?? "";
    if (source !== undefined) notes.add(`The script ${source} is not fetched: only what stands in the page runs.`);
    else if (!JAVASCRIPT.test(type)) notes.add(`A script of type ${type} is left out.`);
    else {
      code += blank(text.slice(at, begin)) + inner;
      at = begin + inner.length;
      if (/\s/.test(end.slice(2, 3)))
        notes.add(
          `${end} is no end tag: a browser would take the rest of the page for script and run none of it. ` +
            "Here it is taken for </script>.",
        );
      if (!end) notes.add("The last script has no end tag: a browser would run none of it. Here it runs.");
    }
  }
  code += blank(text.slice(at));
  if (!code.trim()) notes.add("There is no inline script in this page.");
  return { code, notes: [...notes] };
}

/** The Jupyter server that this page comes from: its `root`, null where there is none, and its `token` for the page. */
export function jupyterServer() {
  try {
    const { baseUrl, token } = JSON.parse(document.getElementById("jupyter-config-data").textContent);
    return { root: new URL(baseUrl, location.href).href.replace(/\/?$/, "/"), token };
  } catch {
    return { root: null, token: "" };
  }
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);
const DEFAULT_PORTS = { "ws:": "80", "wss:": "443" };

/** Whether a page of that host can reach the machine that its browser runs on by these names. */
export const isLoopback = (host) =>
  LOOPBACK.has(host) || /^127(\.\d{1,3}){3}$/.test(host) || host.endsWith(".localhost");

/**
 * Where an address that the code gives leads: `{ href, target, port, name }`.
 *
 * `ports` says for each port that is known where it is: `{ port, path, name, secret }`, with a `path` below `root`
 * where the Jupyter server passes it on, and else with a `secret`, or "", that goes before the path. An address that is
 * not one of these goes where it says; what cannot be read is the browser's to refuse.
 */
export function destination(written, { ports, root, page, token }) {
  const asWritten = { href: written, target: null, port: null, name: null };
  let url;
  try {
    url = new URL(written, page);
  } catch {
    return asWritten;
  }
  const port = url.port || DEFAULT_PORTS[url.protocol.replace(/^http/, "ws")]; // which browsers take for one another
  const known = LOOPBACK.has(url.hostname) ? ports[port] : undefined;
  if (!known) return asWritten;
  const found = { target: url.pathname + url.search, port: known.port, name: known.name };
  if (known.path === null) {
    const changed = port !== String(known.port) || known.secret;
    url.port = String(known.port);
    url.pathname = (known.secret ?? "") + url.pathname;
    return { ...found, href: changed ? url.href : written };
  }
  // The server keeps the token to itself.
  const login = token ? `${url.search ? "&" : "?"}token=${encodeURIComponent(token)}` : "";
  return { ...found, href: root + known.path + url.pathname.slice(1) + url.search + login + url.hash };
}
