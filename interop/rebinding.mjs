// Opens pages in a headless Chromium that try to use a local WebSocket port, and
// tells which could: {"NAME":"open" or "refused", ...}.
//
// The names of the pages all lead to 127.0.0.1, as those of an attacker do who
// lets a name point elsewhere once its page is loaded.
//
// Usage: node rebinding.mjs CHROMIUM PAGE-PORT WEBSOCKET-PORT

import { chromium } from "playwright-core";

const [executablePath, pagePort, port] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--host-resolver-rules=MAP rebound.test 127.0.0.1, MAP allowed.test 127.0.0.1",
  ],
});

// attempt is run in a page.
const attempt = (url) => new Promise((resolve) => {
  const ws = new WebSocket(url);
  ws.onopen = () => { ws.close(); resolve("open"); };
  ws.onerror = () => resolve("refused");
});

const results = {};
try {
  const page = await browser.newPage();
  const from = async (name, host, url) => {
    await page.goto(`http://${host}:${pagePort}/`);
    results[name] = await page.evaluate(attempt, url);
  };
  await from("a page that is allowed", "allowed.test", `ws://127.0.0.1:${port}/`);
  await from("an allowed page, by a foreign name", "allowed.test", `ws://rebound.test:${port}/`);
  await from("a foreign page", "rebound.test", `ws://127.0.0.1:${port}/`);
  await from("a foreign page, by its own name", "rebound.test", `ws://rebound.test:${port}/`);
  await from("a page of another local port", "127.0.0.1", `ws://127.0.0.1:${port}/`);

  // A sandboxed frame has the origin null.
  await page.goto(`http://allowed.test:${pagePort}/`);
  await page.evaluate(() => {
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    frame.srcdoc = "<title>null</title>";
    document.body.append(frame);
    return new Promise((resolve) => { frame.onload = resolve; });
  });
  results["a frame without an origin"] = await page.frames()[1].evaluate(attempt, `ws://127.0.0.1:${port}/`);
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(results) + "\n");
