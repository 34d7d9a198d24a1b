// Opens a page in a headless Chromium and lets the test drive it: mixfetch.html,
// which runs mix-fetch as Nym publishes it for browsers, or ours.html.
//
//	test ── stdin ──▶  {"id":1,…}  an order for the page's window.request
//	test ◀─ stdout ──  {"event":"ready"}
//	                   {"event":"response","id":1,…}  with what window.request gives
//	                   {"event":"error","id":1 or absent,"error":TEXT}
//	                   {…}  whatever the page tells by window.tell
//
// Orders run beside each other; one without an id has no response. If a Go program
// in the page panics, all open orders fail, since it will not settle them. What
// the page prints goes to stderr.
//
// Usage: node page.mjs CHROMIUM PAGE-URL OPTIONS-JSON

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
  await page.exposeFunction("tell", tell);
  await page.goto(url);
  await page.evaluate((options) => window.start(options), JSON.parse(options));
  tell({ event: "ready" });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    if (order.id) open.add(order.id);
    page.evaluate((order) => window.request(order), order).then(
      (response) => settle(order.id, { event: "response", ...response }),
      (err) => (order.id ? settle(order.id, { event: "error", error: String(err) }) : tell({ event: "error", error: String(err) })),
    );
  }
} catch (err) {
  tell({ event: "error", error: String(err) });
  process.exitCode = 1;
}
await browser.close();
process.exit();
