// Sends and receives messages through nym-client. Needs Node.js 22, or 20 and
// the package ws (npm install --no-save ws).
//
//   first-message.js URL self                 write to yourself
//   first-message.js URL send ADDRESS TEXT    write to somebody
//   first-message.js URL ask ADDRESS TEXT     ask without saying who asks, and wait for the answer
//   first-message.js URL listen [COUNT]       show what arrives, and answer what can be answered
//
// URL is what "nym-client run" prints, such as ws://127.0.0.1:1977.

"use strict";

function webSocket() {
  if (globalThis.WebSocket) return globalThis.WebSocket;
  try {
    return require("ws");
  } catch {
    throw new Error(`Node.js ${process.versions.node} has no WebSocket of its own: say "npm install --no-save ws", or use Node.js 22`);
  }
}

// A client of the mixnet, by way of nym-client.
class Nym {
  constructor(url) {
    // The protocol says that messages should be JSON before we ask anything.
    this.ws = new (webSocket())(url, "nym.text");
    this.responses = []; // that nobody has waited for yet
    this.waiting = []; // who waits: { types, resolve, reject }
    this.opened = new Promise((resolve, reject) => {
      this.ws.onopen = resolve;
      this.ws.onerror = () => reject(new Error(`no connection to ${url}: does nym-client run there?`));
    });
    this.ws.onmessage = (event) => {
      this.responses.push(JSON.parse(event.data));
      this.match();
    };
    this.ws.onclose = () => this.waiting.forEach((w) => w.reject(new Error("the connection has ended")));
  }

  // match gives responses to those who wait for them.
  match() {
    for (const w of [...this.waiting]) {
      const i = this.responses.findIndex((r) => w.types.includes(r.type) || r.type === "error");
      if (i < 0) continue;
      const [response] = this.responses.splice(i, 1);
      this.waiting.splice(this.waiting.indexOf(w), 1);
      if (response.type === "error") w.reject(new Error(`nym-client says: ${response.message}`));
      else w.resolve(response);
    }
  }

  // next waits for a response of these types; others are kept.
  next(...types) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ types, resolve, reject });
      this.match();
    });
  }

  async request(request, ...answer) {
    await this.opened;
    this.ws.send(JSON.stringify(request));
    return this.next(...answer);
  }

  async address() {
    return (await this.request({ type: "selfAddress" }, "selfAddress")).address;
  }

  // With an id, nym-client says "ok" when the message is on its way.
  send(recipient, message) {
    return this.request({ type: "send", recipient, message, id: 1 }, "ok");
  }

  // The message carries ten reply SURBs: what an answer needs, in place of our address.
  ask(recipient, message) {
    return this.request({ type: "sendAnonymous", recipient, message, replySurbs: 10, id: 2 }, "ok");
  }

  answer(senderTag, message) {
    return this.request({ type: "reply", senderTag, message, id: 3 }, "ok");
  }

  message() {
    return this.next("received");
  }

  close() {
    this.ws.onclose = null;
    this.ws.close();
  }
}

async function main(url, command, ...rest) {
  const nym = new Nym(url);
  await nym.opened;
  switch (command) {
    case "self": {
      const address = await nym.address();
      console.log("my address:", address);
      await nym.send(address, "hello, myself");
      console.log("received:", (await nym.message()).message);
      break;
    }
    case "send":
      await nym.send(rest[0], rest[1]);
      console.log("sent:", rest[1]);
      break;
    case "ask":
      await nym.ask(rest[0], rest[1]);
      console.log("received:", (await nym.message()).message);
      break;
    case "listen":
      console.log("my address:", await nym.address());
      for (let left = Number(rest[0] ?? Infinity); left > 0; left--) {
        const { message, senderTag } = await nym.message();
        console.log("received:", message);
        if (senderTag) await nym.answer(senderTag, `an answer to: ${message}`);
      }
  }
  nym.close();
}

const [url, command, ...rest] = process.argv.slice(2);
const count = { self: [0], send: [2], ask: [2], listen: [0, 1] }[command];
if (count?.includes(rest.length)) {
  main(url, command, ...rest).catch((err) => {
    console.error(err.message);
    process.exit(1);
  });
} else {
  console.error("usage: first-message.js URL self | send ADDRESS TEXT | ask ADDRESS TEXT | listen [COUNT]");
  process.exit(2);
}
