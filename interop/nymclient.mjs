// Runs the client that Nym publishes for Node and lets the test drive it.
//
//   test ── stdin ──▶  {"do":"send","to":RECIPIENT,"body":BASE64}
//                      {"do":"ask","to":RECIPIENT,"body":BASE64,"surbs":10}
//                      {"do":"reply","tag":BASE58,"body":BASE64}
//                      {"do":"quit"}
//   test ◀─ stdout ──  {"event":"address","address":RECIPIENT}
//                      {"event":"message","body":BASE64,"tag":BASE64 or absent}
//                      {"event":"bye"}
//                      {"event":"error","error":TEXT}
//
// Whatever the client itself prints goes to stderr. With a FILE, the client has
// the keys and the gateway of the one that quit with the same FILE before.
//
// Usage: node nymclient.mjs DIRECTORY-URL [OPTIONS-JSON [FILE]]

import "fake-indexeddb/auto";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import WebSocket from "ws";
import { load, save } from "./storage.mjs";

const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");
for (const level of ["log", "info", "warn", "error", "debug"]) {
  console[level] = (...args) => process.stderr.write(args.join(" ") + "\n");
}

// The client looks for what a browser has.
globalThis.WebSocket = WebSocket;
globalThis.self = globalThis;

// It drops the listeners of a socket before the socket is closed. A browser
// reports what an event listener throws, and goes on.
process.on("uncaughtException", (err) => console.error(err.stack ?? err));

const nym = createRequire(import.meta.url)("@nymproject/nym-client-wasm-node");
nym.set_panic_hook();

const encode = (bytes) => Buffer.from(bytes).toString("base64");
const decode = (text) => new Uint8Array(Buffer.from(text, "base64"));

// The tag of a stranger comes as an object that shows nothing of itself, though
// replies want its text: its 16 bytes lie in the client's memory behind the
// counter of borrowers.
const tagBytes = (tag) => new Uint8Array(nym.__wasm.memory.buffer, tag.__wbg_ptr + 4, 16);

// Mail may come before the client is ready; the address is told first.
let early = [];
const onMessage = (body, tag) => {
  const event = { event: "message", body: encode(body), tag: tag && encode(tagBytes(tag)) };
  early ? early.push(event) : tell(event);
};
const [, , directory, optionsText = "{}", file] = process.argv;
const options = JSON.parse(optionsText);

const actions = {
  send: (client, { to, body }) => client.send_regular_message(decode(body), to),
  ask: (client, { to, body, surbs }) => client.send_anonymous_message(decode(body), to, surbs),
  reply: (client, { tag, body }) => client.send_reply(decode(body), tag),
};

try {
  if (file) {
    await load(file);
  }
  const client = await new nym.NymClient(onMessage, { nymApiUrl: directory, ...options });
  tell({ event: "address", address: client.selfAddress() });
  early.forEach(tell);
  early = null;
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    if (order.do === "quit") {
      await save(file);
      tell({ event: "bye" });
      break;
    }
    try {
      await actions[order.do](client, order);
    } catch (err) {
      tell({ event: "error", error: String(err) });
    }
  }
} catch (err) {
  tell({ event: "error", error: String(err) });
  process.exitCode = 1;
}
process.exit();
