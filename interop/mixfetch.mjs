// Runs mix-fetch, which Nym publishes for browsers, in a headless Chromium and
// lets the test drive it.
//
//   test ── stdin ──▶  {"id":1,"url":URL,"method":"POST","body":BASE64,"binary":true}
//   test ◀─ stdout ──  {"event":"ready"}
//                      {"event":"response","id":1,"status":200,"type":TEXT,"body":BASE64}
//                      {"event":"error","id":1 or absent,"error":TEXT}
//
// Requests run beside each other. A body is given to mix-fetch as text, or as
// bytes if it is binary. If mix-fetch panics, all open requests fail, since it
// will not settle them. What the page prints goes to stderr.
//
// Usage: node mixfetch.mjs CHROMIUM PAGE-URL OPTIONS-JSON

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [executablePath, url, options] = process.argv.slice(2);
const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");

const browser = await chromium.launch({
  executablePath,
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
const open = new Set();
const settle = (id, event) => open.delete(id) && tell({ id, ...event });
try {
  const page = await browser.newPage();
  const print = (line) => process.stderr.write(line.slice(0, 500) + "\n");
  page.on("console", (msg) => {
    print(`${msg.type()}: ${msg.text()}`);
    if (msg.text().startsWith("panic: ")) {
      open.forEach((id) => settle(id, { event: "error", error: msg.text() }));
    }
  });
  page.on("pageerror", (err) => print(`uncaught: ${err.stack ?? err}`));
  await page.goto(url);
  await page.evaluate((options) => window.start(options), JSON.parse(options));
  tell({ event: "ready" });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    open.add(order.id);
    page.evaluate((order) => window.request(order), order).then(
      (response) => settle(order.id, { event: "response", ...response }),
      (err) => settle(order.id, { event: "error", error: String(err) }),
    );
  }
} catch (err) {
  tell({ event: "error", error: String(err) });
  process.exitCode = 1;
}
await browser.close();
process.exit();
