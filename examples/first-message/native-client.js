// Does what Nym's documentation shows of its native client, and nothing beyond: texts and
// files, in JSON and in binary, plain and with reply SURBs, all to itself. It works with
// Nym's client and with nym-client. Needs Node.js 22, or 20 and the package ws.
//
//   native-client.js URL [FILE]
//
// URL is where the client listens, such as ws://127.0.0.1:1977. Without a FILE it sends
// some bytes that are no text.

"use strict";

const { readFileSync } = require("node:fs");

// The first byte of a request in binary, and of a response.
const SEND = 0, SEND_ANONYMOUS = 1, REPLY = 2, SELF_ADDRESS = 3;
const RECEIVED = 1;
const SURBS = 20; // with a question: enough for an answer of 16 kB

// frames gives what the client sends, one frame at a time.
function frames(ws) {
  const come = [], waiting = [];
  ws.binaryType = "arraybuffer";
  ws.onmessage = ({ data }) => {
    const frame = typeof data === "string" ? data : Buffer.from(data);
    waiting.length ? waiting.shift().resolve(frame) : come.push(frame);
  };
  ws.onclose = () => waiting.forEach((w) => w.reject(new Error("the connection has ended")));
  return () => (come.length ? Promise.resolve(come.shift()) : new Promise((resolve, reject) => waiting.push({ resolve, reject })));
}

function number(n, size) {
  const b = Buffer.alloc(size);
  size === 8 ? b.writeBigUInt64BE(BigInt(n)) : b.writeUInt32BE(n);
  return b;
}

// Data behind its length.
const counted = (data) => Buffer.concat([number(data.length, 8), data]);

function want(what, got, expected) {
  if (Buffer.compare(Buffer.from(got), Buffer.from(expected)) !== 0) throw new Error(`${what}: got ${got.slice(0, 60)}, want ${expected.slice(0, 60)}`);
  console.log("ok:", what);
}

async function main(url, data) {
  const WebSocket = globalThis.WebSocket ?? require("ws");
  const ws = new WebSocket(url);
  const next = frames(ws);
  await new Promise((resolve, reject) => {
    ws.onopen = resolve;
    ws.onerror = () => reject(new Error(`no connection to ${url}: does a client run there?`));
  });
  const text = (request) => ws.send(JSON.stringify(request));
  const heard = async (type) => {
    const response = JSON.parse(await next());
    if (response.type !== type) throw new Error(`got ${JSON.stringify(response)}, want ${type}`);
    return response;
  };
  // The next message, and the sender tag by which it can be answered.
  const heardBytes = async () => {
    const b = await next();
    if (b[0] !== RECEIVED) throw new Error(`got ${b.toString("hex")}, want a message`);
    const at = b[1] ? 18 : 2;
    if (b.readBigUInt64BE(at) !== BigInt(b.length - at - 8)) throw new Error("the length of a message is not that of what follows");
    return { message: b.subarray(at + 8), tag: b[1] ? b.subarray(2, 18) : null };
  };

  text({ type: "selfAddress" });
  const { address } = await heard("selfAddress");
  console.log("my address:", address);

  text({ type: "send", recipient: address, message: "hello, myself" });
  want("text", (await heard("received")).message, "hello, myself");

  text({ type: "sendAnonymous", recipient: address, message: "who am I?", replySurbs: SURBS });
  const question = await heard("received");
  want("text with reply SURBs", question.message, "who am I?");
  text({ type: "reply", senderTag: question.senderTag, message: "somebody" });
  want("reply", (await heard("received")).message, "somebody");

  ws.send(Buffer.from([SELF_ADDRESS]));
  const recipient = (await next()).subarray(1); // the same address in its 96 bytes
  const nobody = number(0, 8); // no connection id
  ws.send(Buffer.concat([Buffer.from([SEND]), recipient, nobody, counted(data)]));
  want("file", (await heardBytes()).message, data);

  ws.send(Buffer.concat([Buffer.from([SEND_ANONYMOUS]), number(SURBS, 4), recipient, nobody, counted(data)]));
  const { message, tag } = await heardBytes();
  want("file with reply SURBs", message, data);
  ws.send(Buffer.concat([Buffer.from([REPLY]), tag, nobody, counted(Buffer.from("thanks"))]));
  want("reply in binary", (await heardBytes()).message, Buffer.from("thanks"));
  ws.onclose = null;
  ws.close();
}

const [url, file, ...rest] = process.argv.slice(2);
if (!url || rest.length > 0) {
  console.error("usage: native-client.js URL [FILE]");
  process.exit(2);
}
const some = Buffer.from(Array.from({ length: 256 * 20 }, (_, i) => i % 256));
main(url, file ? readFileSync(file) : some).catch((err) => {
  console.error(err.message);
  process.exit(1);
});
