// Measures pages in Chromium on a network without delays, and prints a table:
//
//	node figures.mjs            # after ./build.sh and npm ci
//
// Times are medians of five pages, each with a profile of its own, so that nothing is
// cached. Memory is that of the program, which it keeps, after 100 requests.
import { loadavg } from 'node:os';
import { findChromium, launch } from './test/browser.mjs';
import { startWorld } from './test/world.mjs';

const world = await startWorld();
const browser = await launch(findChromium());
const median = (all) => all.toSorted((a, b) => a - b)[all.length >> 1];

// measure opens a page of its own and gives what it measures; the page notes tasks of its
// thread that took 50 ms or more.
async function measure(f) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(() => {
    window.tasks = [];
    new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: 'longtask', buffered: true });
  });
  await page.goto(`${world.files}/test/page.html`);
  await page.waitForFunction(() => window.loaded);
  const got = await page.evaluate(f, world.facts);
  got.longest = await page.evaluate(() => Math.max(0, ...window.tasks));
  await context.close();
  return got;
}

const messages = async ({ directory }) => {
  const a = await nym.connect({ directory, profile: 'fast', storage: 'memory' });
  const connected = performance.now(); // since the navigation began
  await a.close();
  return { connected };
};
const streams = async ({ directory, requester, authority, plain }) => {
  const s = await nym.connectStreams({ directory, requester, authorities: authority, profile: 'fast', storage: 'memory' });
  const connected = performance.now();
  const url = (path) => `http://www.example.com:${plain}${path}`;
  for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 10 }, async () => (await s.fetch(url('/noise/10000'))).arrayBuffer()));
  const { memory } = await s.status();
  const start = performance.now();
  await (await s.fetch(url('/noise/1000000'))).arrayBuffer();
  const megabyte = performance.now() - start;
  await s.close();
  return { connected, megabyte, memory };
};

const runs = { messages: [], streams: [] };
for (let i = 0; i < 5; i++) {
  runs.messages.push(await measure(messages));
  runs.streams.push(await measure(streams));
}
const of = (name, key) => median(runs[name].map((r) => r[key]));
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
console.log(`load average ${loadavg()[0].toFixed(1)}\n`);
console.log('| | measured | goal |\n|---|---:|---|');
console.log(`| page load to connected, messages | ${seconds(of('messages', 'connected'))} | <= 1.5 s |`);
console.log(`| page load to connected, streams | ${seconds(of('streams', 'connected'))} | <= 1.5 s |`);
console.log(`| fetch of 1 MB, no pacing and no delays | ${seconds(of('streams', 'megabyte'))} | - |`);
console.log(`| memory of the program after 100 requests | ${(of('streams', 'memory') / 1e6).toFixed(1)} MB | <= 40 MB |`);
console.log(`| longest task of the page's own thread, of all runs | ${Math.max(...[...runs.messages, ...runs.streams].map((r) => r.longest)).toFixed(0)} ms (0: none took 50) | <= 50 ms |`);
await browser.close();
await world.end();
