// Runs mix-fetch, which Nym publishes for Node, and lets the test drive it.
// What is said on stdin and stdout is what mixfetch.mjs says.
//
// Requests run beside each other. Whatever mix-fetch itself prints goes to stderr.
//
// Usage: node --no-experimental-global-webcrypto mixfetch-node.cjs OPTIONS-JSON

const { createInterface } = require("node:readline");
const { createMixFetch } = require("@nymproject/mix-fetch-node-commonjs");

// The worker of mix-fetch prints to our stdout, which is the test's.
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);
const tell = (event) => write(JSON.stringify(event) + "\n");

async function request({ mixFetch }, { id, url, method }) {
  // Its own rules of origin are not what is tested.
  const r = await mixFetch(url, { method, mode: "unsafe-ignore-cors" });
  tell({
    event: "response",
    id,
    status: r.status,
    type: r.headers.get("content-type") ?? "",
    body: Buffer.from(await r.arrayBuffer()).toString("base64"),
  });
}

async function main(options) {
  try {
    const client = await createMixFetch(JSON.parse(options));
    tell({ event: "ready" });
    for await (const line of createInterface({ input: process.stdin })) {
      const order = JSON.parse(line);
      request(client, order).catch((err) => tell({ event: "error", id: order.id, error: String(err) }));
    }
  } catch (err) {
    tell({ event: "error", error: String(err) });
    process.exitCode = 1;
  }
  process.exit();
}

main(process.argv[2]);
