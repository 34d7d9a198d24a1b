// The same in a page of Chromium, with the engine in a Web Worker.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { findChromium, launch } from './browser.mjs';
import { startWorld } from './world.mjs';

const path = findChromium();
if (!path) console.error('SKIPPED: the tests of the page need Chromium (on Debian: apt-get install chromium)');
const within = { timeout: 180_000, skip: path ? false : 'no Chromium' };

let world, browser;
before(async () => {
  if (!path) return;
  world = await startWorld();
  browser = await launch(path);
});
after(async () => {
  await browser?.close();
  await world?.end();
});

// open opens the test's page, in a profile of its own if none is given.
async function open(t, context, at = world.files) {
  const own = context ?? await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await own.newPage();
  page.problems = [];
  page.on('console', (m) => { if (m.type() === 'error') page.problems.push(m.text()); });
  page.on('pageerror', (e) => page.problems.push(String(e)));
  await page.goto(`${at}/test/page.html`);
  await page.waitForFunction(() => window.loaded);
  if (!context) t.after(() => own.close());
  return page;
}

test('messages', within, async (t) => {
  const page = await open(t);
  const got = await page.evaluate(async (directory) => {
    const options = { directory, profile: 'fast', storage: 'memory' };
    const [a, b] = await Promise.all([nym.connect(options), nym.connect(options)]);
    const { delivered } = await a.sendAnonymous(b.address, { mimeType: 'text/html', data: '<p>' }, { replySurbs: 5 });
    const m = (await b.next()).value;
    await b.reply(m, 'thanks');
    const answer = (await a.next()).value.text();
    await delivered;
    const { connected } = await a.status();
    await Promise.all([a.close(), b.close()]);
    return { type: m.payload.mimeType, text: m.text(), answer, connected, state: a.state };
  }, world.directory);
  assert.deepEqual(got, { type: 'text/html', text: '<p>', answer: 'thanks', connected: true, state: 'closed' });
  assert.deepEqual(page.problems, []);
});

test('fetch, streams and errors', within, async (t) => {
  const page = await open(t);
  const got = await page.evaluate(async ({ directory, requester, authority, plain, secure }) => {
    const s = await nym.connectStreams({ directory, requester, authorities: authority, profile: 'fast', storage: 'memory', peers: true });
    const out = {};
    out.hello = await (await s.fetch(`http://www.example.com:${plain}/hello`)).text();
    const r = await s.fetch(`https://example.com:${secure}/echo`, { method: 'POST', body: 'words' });
    out.echo = await r.text();
    out.http2 = (await s.fetch(`https://example.com:${secure}/hello`)).headers.get('x-proto');
    const { readable, writable } = new TransformStream();
    const w = writable.getWriter();
    w.write(new TextEncoder().encode('piece'));
    const streamed = (await s.fetch(`https://example.com:${secure}/echo`, { method: 'POST', body: readable, duplex: 'half' })).body.getReader();
    out.piece = new TextDecoder().decode((await streamed.read()).value);
    w.close();
    out.end = (await streamed.read()).done;
    out.sizes = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(async (n) => (await (await s.fetch(`http://www.example.com:${plain}/noise/${n * 1000}`)).arrayBuffer()).byteLength));
    out.denied = await s.fetch('http://refused.test/').catch((e) => [e.name, e.code, e instanceof nym.NymError]);
    out.timeout = await s.fetch(`http://www.example.com:${plain}/never`, { signal: AbortSignal.timeout(800) }).catch((e) => e.code);
    const ln = await s.listen();
    const accepted = ln.accept();
    const there = await s.dialAddress(s.address, ln.port);
    const sent = there.writable.getWriter();
    sent.write('over there');
    sent.close();
    out.there = await new Response((await accepted).readable).text();
    await s.close();
    out.closed = await s.fetch('http://www.example.com/').catch((e) => e.code);
    return out;
  }, world.facts);
  assert.deepEqual(got, {
    hello: 'hello GET', echo: 'words', http2: 'HTTP/2.0', piece: 'piece', end: true,
    sizes: [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10000],
    denied: ['NymError', 'denied', true], timeout: 'timeout', there: 'over there', closed: 'closed',
  });
  assert.deepEqual(page.problems, []);
});

const connectA = (page, directory, more = {}) => page.evaluate(async ([directory, more]) => {
  window.a = await nym.connect({ directory, profile: 'fast', ...more });
  window.events = [];
  for (const kind of ['connected', 'reconnecting', 'closed']) a.addEventListener(kind, () => events.push(kind));
  return a.address;
}, [directory, more]);

test('a page that comes back', within, async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await open(t, context);
  const address = await connectA(page, world.directory);
  await page.close();
  const friend = await open(t);
  await connectA(friend, world.directory, { storage: 'memory' });
  await friend.evaluate(async (to) => { await (await a.send(to, 'while you were away')).delivered; }, address);
  const again = await open(t, context);
  assert.equal(await connectA(again, world.directory), address);
  assert.equal(await again.evaluate(async () => (await a.next()).value.text()), 'while you were away');
});

test('a passphrase', within, async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await open(t, context);
  const fails = (more) => page.evaluate(([directory, more]) => nym.connect({ directory, profile: 'fast', ...more }).catch((e) => e.code), [world.directory, more]);
  const address = await connectA(page, world.directory, { passphrase: 'right' });
  await page.evaluate(() => a.close());
  assert.equal(await fails({ passphrase: 'wrong' }), 'wrong-passphrase');
  assert.equal(await fails({}), 'wrong-passphrase');
  assert.equal(await connectA(page, world.directory, { passphrase: 'right' }), address);
});

test('tabs are one client', within, async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const one = await open(t, context);
  const two = await open(t, context);
  const three = await open(t, context);
  const address = await connectA(one, world.directory);
  assert.equal(await connectA(two, world.directory), address);
  assert.equal(await connectA(three, world.directory), address);
  const speak = (page, text) => page.evaluate(async (text) => { await (await a.send(a.address, text)).delivered; }, text);
  const changes = async (page, want) => page.waitForFunction((want) => JSON.stringify(events) === want, JSON.stringify(want));
  const hear = (page) => page.evaluate(async () => (await a.next()).value.text());
  await speak(two, 'of two');
  for (const page of [one, two, three]) assert.equal(await hear(page), 'of two');

  await one.close(); // the leader, without a word
  for (const page of [two, three]) await changes(page, ['reconnecting', 'connected']);
  await speak(two, 'after one');
  for (const page of [two, three]) assert.equal(await hear(page), 'after one');

  await two.evaluate(() => a.close()); // whichever leads
  await speak(three, 'after two');
  assert.equal(await hear(three), 'after two');
  assert.equal(await three.evaluate(() => a.state), 'connected');
  assert.equal(await two.evaluate(() => a.send(a.address, 'x').catch((e) => e.code)), 'closed');
});

test('streams of a tab that does not lead', within, async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const one = await open(t, context);
  const two = await open(t, context);
  const join = (page) => page.evaluate(async ({ directory, requester }) => {
    window.s = await nym.connectStreams({ directory, requester, profile: 'fast' });
  }, world.facts);
  await join(one);
  await join(two);
  const echoed = await two.evaluate(async (url) => {
    const { readable, writable } = new TransformStream();
    const w = writable.getWriter();
    w.write(new TextEncoder().encode('one '));
    w.write(new TextEncoder().encode('two'));
    w.close();
    return (await s.fetch(url, { method: 'POST', body: readable, duplex: 'half' })).text();
  }, world.http('/echo'));
  assert.equal(echoed, 'one two');
  assert.equal(await two.evaluate((url) => s.fetch(url, { signal: AbortSignal.timeout(500) }).catch((e) => e.code), world.http('/never')), 'timeout');
  await two.evaluate(async (url) => { window.slow = (await s.fetch(url)).body.getReader(); await slow.read(); }, world.http('/slow'));
  await one.close();
  assert.equal(await two.evaluate(() => slow.read().catch((e) => e.code)), 'closed');
  assert.equal(await two.evaluate(async (url) => (await s.fetch(url)).text(), world.http('/hello')), 'hello GET');
});

test('a page that came over https', within, async (t) => {
  const page = await open(t, undefined, world.securePages);
  const fails = (more) => page.evaluate(async (o) => nym.connect(o).catch((e) => e.code), { directory: world.directory, profile: 'fast', ...more });
  assert.equal(await fails({}), 'insecure');
  assert.equal(await fails({ storage: 'memory', gateway: world.gateways[0] }), 'insecure');
});

// The client waits long before it tries a gateway again that was away for a while;
// when the browser says that the network is back it does not.
test('a page that was offline', within, async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await open(t, context);
  await page.evaluate(async ({ directory, gateways }) => {
    window.pause = 0; // until the next attempt, as the log announces it
    window.next = 0; // when that is
    const log = (line) => {
      const { retry_ms: ms } = JSON.parse(line);
      if (ms) { window.pause = ms; window.next = performance.now() + ms; }
    };
    window.a = await nym.connect({ directory, gateway: gateways[0], profile: 'fast', log });
    window.lost = new Promise((resolve) => a.addEventListener('reconnecting', resolve, { once: true }));
  }, world.facts);
  await world.order('stop gateway-1');
  await page.evaluate(() => window.lost);
  await page.waitForFunction(() => window.pause > 8000 && window.next - performance.now() > 7000);
  await world.order('start gateway-1');
  await page.evaluate(() => { window.back = new Promise((resolve) => a.addEventListener('connected', () => resolve(window.next - performance.now()), { once: true })); });
  await context.setOffline(true);
  await context.setOffline(false);
  const early = await page.evaluate(() => window.back);
  assert.ok(early > 0, `connected ${-early} ms after the next attempt was due, not before`);
  assert.equal(await page.evaluate(async () => { await a.send(a.address, 'again'); return (await a.next()).value.text(); }), 'again');
});

test('a gateway that is killed while an answer comes', within, async (t) => {
  const page = await open(t);
  await page.evaluate(async ({ directory, requester, gateways }) => {
    window.s = await nym.connectStreams({ directory, requester, gateway: gateways[0], profile: 'fast', storage: 'memory' });
    window.lost = new Promise((resolve) => s.addEventListener('reconnecting', resolve, { once: true }));
  }, world.facts);
  const size = 4_000_000;
  await page.evaluate(async (url) => {
    const reader = (await s.fetch(url)).body.getReader();
    let got = (await reader.read()).value.length;
    window.rest = (async () => {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return got;
        if (value.some((b, i) => b !== ((got + i) * 7 & 255))) return `wrong bytes after ${got}`;
        got += value.length;
      }
    })().catch((e) => e.code);
  }, world.http(`/noise/${size}`));
  await world.order('stop gateway-1');
  await page.evaluate(() => window.lost);
  await world.order('start gateway-1');
  assert.equal(await page.evaluate(() => window.rest), size);
  assert.equal(await page.evaluate(async (url) => (await s.fetch(url)).text(), world.http('/hello')), 'hello GET');
  await page.evaluate(() => s.close());
});

test('fifty requests at once', within, async (t) => {
  const page = await open(t);
  const sizes = await page.evaluate(async ({ directory, requester, authority, plain, secure }) => {
    const s = await nym.connectStreams({ directory, requester, authorities: authority, profile: 'fast', storage: 'memory' });
    const url = (i) => (i % 2 ? `http://www.example.com:${plain}/noise/${i}` : `https://example.com:${secure}/noise/${i}`);
    const got = await Promise.all(Array.from({ length: 50 }, async (_, i) => (await (await s.fetch(url(i + 1))).arrayBuffer()).byteLength));
    await s.close();
    return got;
  }, world.facts);
  assert.deepEqual(sizes, Array.from({ length: 50 }, (_, i) => i + 1));
});

test('a storage without room', within, async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await open(t, context);
  const devtools = await context.newCDPSession(page);
  const connect = () => page.evaluate((directory) => nym.connect({ directory, profile: 'fast' }).then((a) => a.address, (e) => [e.name, e.code]), world.directory);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: world.files, quotaSize: 1 });
  assert.deepEqual(await connect(), ['NymError', 'storage']);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: world.files });
  assert.match(await connect(), /@/);
});

test('a page in a frame of another origin', within, async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(world.target); // has no policy of its own
  await page.setContent(`<iframe src="${world.files}/test/page.html"></iframe>`);
  const frame = await (await page.waitForSelector('iframe')).contentFrame();
  await frame.waitForFunction(() => window.loaded);
  const got = await frame.evaluate(async (directory) => {
    const a = await nym.connect({ directory, profile: 'fast' });
    await a.send(a.address, 'framed');
    const text = (await a.next()).value.text();
    await a.close();
    return text;
  }, world.directory);
  assert.equal(got, 'framed');
});
