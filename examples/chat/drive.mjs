// Two people use the page in Chromium, each with a program of their own. "make examples"
// runs it:
//
//   drive.mjs PROGRAM DIRECTORY FOLDER     pictures of what it looks like stay in FOLDER
//
// It fails if something is not as it should be, and ends what it has started.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findChromium, launch } from '../../sdk/test/browser.mjs';

const [program, directory, folder] = process.argv.slice(2);
const patience = 60_000;
const running = new Set();

// start starts a person's program and gives it with the URL of its page.
async function start(name, port = 0) {
  const p = spawn(program, ['-directory', directory, '-state', join(folder, name), '-name', name, '-listen', `127.0.0.1:${port}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(p);
  p.once('exit', () => running.delete(p));
  for await (const line of createInterface({ input: p.stdout })) {
    if (line.startsWith('open ')) return { p, url: line.slice(5) };
  }
  throw new Error(`${name}'s program ended`);
}

async function end(p) {
  p.kill('SIGTERM');
  const [code] = await once(p, 'exit');
  assert.equal(code, 0, 'the program ends in order');
}

const path = findChromium();
if (!path) throw new Error('there is no Chromium (on Debian: apt-get install chromium)');
mkdirSync(folder, { recursive: true });
const browser = await launch(path);

async function open(url, options) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 720 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  page.problems = [];
  page.on('console', (m) => { if (m.type() === 'error') page.problems.push(m.text()); });
  page.on('pageerror', (e) => page.problems.push(String(e)));
  await page.goto(url);
  return page;
}

const entries = (page) => page.locator('#entries .entry');
const says = async (page, text) => {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.keyboard.press('Enter');
};
const tick = (page, text, label) => entries(page).filter({ hasText: text }).getByRole('img', { name: label }).waitFor();
const picture = (page, name) => page.screenshot({ path: join(folder, `${name}.png`) });

try {
  let [a, b] = await Promise.all([start('Alice'), start('Bob')]);
  const alice = await open(a.url, { colorScheme: 'light' });
  const bob = await open(b.url, { colorScheme: 'dark' });
  await alice.getByRole('heading', { name: 'Alice' }).waitFor();
  assert.equal(alice.url(), new URL(a.url).origin + '/', 'the token does not stay in the address bar');
  await picture(alice, '1-nobody');

  // Bob shows his QR code; Alice has a picture of it.
  await bob.getByRole('button', { name: 'My card' }).click();
  await bob.waitForFunction(() => document.getElementById('qr').naturalWidth > 0);
  await picture(bob, '2-card');
  const photo = join(folder, 'photo.png');
  await bob.screenshot({ path: photo });
  const card = await bob.locator('#card-text').inputValue();
  await bob.keyboard.press('Escape');
  await alice.getByRole('button', { name: 'Add' }).click();
  await alice.locator('#add-card').fill('nobody');
  await alice.locator('#add-form').getByRole('button', { name: 'Add' }).click();
  await alice.getByRole('alert').filter({ hasText: 'a card is nymchat:ADDRESS' }).waitFor();
  await alice.locator('#add-picture').setInputFiles(photo);
  await alice.waitForFunction((card) => document.getElementById('add-card').value === card, card);
  await picture(alice, '3-add');
  await alice.locator('#add-form').getByRole('button', { name: 'Add' }).click();

  // Bob agrees.
  await bob.locator('#contacts button').filter({ hasText: 'Alice' }).click();
  await bob.getByText('would like to write to you').waitFor();
  await picture(bob, '4-asks');
  await bob.getByRole('button', { name: 'Accept' }).click();
  await alice.getByText('through the mixnet').waitFor();

  // They talk.
  await says(alice, 'Good evening, Bob. Are we on for Saturday?');
  await tick(alice, 'Good evening', 'received');
  await entries(bob).filter({ hasText: 'Good evening, Bob.' }).waitFor();
  await says(bob, 'Yes! The 9:20 train, as always.');
  await tick(bob, '9:20', 'received');

  // Bob is away: one tick, and two when he is back, at the same port.
  const port = new URL(b.url).port;
  await end(b.p);
  await bob.getByText('The program does not run.').waitFor();
  await says(alice, 'I will bring the sandwiches');
  await tick(alice, 'sandwiches', 'with their gateway');
  await picture(alice, '5-away');
  b = await start('Bob', port);
  await tick(alice, 'sandwiches', 'received');
  await bob.context().close();
  const bobAgain = await open(b.url, { colorScheme: 'dark' });
  await bobAgain.locator('#contacts button').filter({ hasText: 'Alice' }).click();
  await entries(bobAgain).filter({ hasText: 'sandwiches' }).waitFor();
  await says(bobAgain, 'You are the best. Here is the map:');

  // A file, with progress.
  const map = randomBytes(600_000);
  writeFileSync(join(folder, 'map of the lake.bin'), map);
  await bobAgain.locator('#attach').setInputFiles(join(folder, 'map of the lake.bin'));
  await entries(alice).filter({ hasText: 'map of the lake.bin' }).getByRole('button', { name: 'Accept' }).click();
  const bar = entries(alice).getByRole('progressbar');
  await bar.waitFor();
  await alice.waitForFunction(() => document.querySelector('#entries progress')?.value > 100_000);
  await picture(alice, '6-moving');
  const saving = alice.waitForEvent('download');
  await entries(alice).getByRole('button', { name: 'Save' }).click();
  const saved = await saving;
  assert.equal(saved.suggestedFilename(), 'map of the lake.bin');
  assert.deepEqual(readFileSync(await saved.path()), map);
  await says(alice, 'Got it, thank you');
  await tick(alice, 'Got it', 'received');
  await entries(bobAgain).filter({ hasText: 'Got it' }).waitFor();
  await bobAgain.waitForFunction(() => !document.querySelector('#contacts .news'));
  await picture(alice, '7-light');
  await picture(bobAgain, '8-dark');

  // They compare numbers.
  const numbers = [];
  for (const page of [alice, bobAgain]) {
    await page.getByRole('button', { name: 'About' }).click();
    numbers.push(await page.locator('#safety').textContent());
    if (page === alice) await picture(page, '9-about');
    await page.keyboard.press('Escape');
  }
  assert.equal(numbers[0], numbers[1]);
  assert.match(numbers[0], /^\d{5}( \d{5}){5}$/);

  // On a small screen.
  await bobAgain.setViewportSize({ width: 390, height: 760 });
  await picture(bobAgain, '10-small');
  await bobAgain.getByRole('button', { name: 'Back' }).click();
  await bobAgain.locator('#contacts').getByText('Alice').waitFor();
  await picture(bobAgain, '11-small-contacts');

  // What one writes is text, whatever it looks like.
  await says(alice, '<img src=x onerror="document.title = `broken`"><b>not bold</b>');
  await entries(alice).filter({ hasText: '<b>not bold</b>' }).waitFor();
  assert.equal(await entries(alice).locator('b, img').count(), 0);
  assert.equal(await alice.title(), 'Alice · Chat');

  // Everything that can be pressed or filled in has a name, by keyboard too.
  const nameless = await alice.evaluate(() => [...document.querySelectorAll('button, input, textarea')]
    .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') || e.title || e.labels?.length)).map((e) => e.outerHTML));
  assert.deepEqual(nameless, []);

  // Another page of the machine reaches nothing, and neither does who has no token.
  const evil = createServer((_, res) => { res.setHeader('Content-Type', 'text/html'); res.end('<!doctype html><title>evil</title>'); }).listen(0, '127.0.0.1');
  await once(evil, 'listening');
  const other = await open(`http://127.0.0.1:${evil.address().port}/`);
  const token = new URL(a.url).hash.slice(1);
  const tried = await other.evaluate(async ([origin, token]) => {
    const one = (path, init) => fetch(origin + path, init).then((r) => r.status || r.type, () => 'refused');
    const frame = document.createElement('iframe');
    frame.src = origin;
    document.body.append(frame);
    await new Promise((resolve) => { frame.onload = resolve; });
    let framed = 'refused';
    try { framed = frame.contentDocument ? 'empty' : 'refused'; } catch { /* of another origin */ }
    return [
      await one('/api/events', { headers: { Authorization: `Bearer ${token}` } }),
      await one('/api/contacts/1/remove', { method: 'POST', body: '{}' }),
      await one('/chat.js', { mode: 'no-cors' }),
      framed,
    ];
  }, [new URL(a.url).origin, token]);
  assert.deepEqual(tried, ['refused', 'refused', 'refused', 'refused'], 'what another page can do');
  evil.close();
  const stranger = await open(new URL(a.url).origin);
  await stranger.getByText('Open the URL that the program has printed.').waitFor();

  for (const page of [alice, bobAgain]) assert.deepEqual(page.problems.filter((p) => !p.includes('422')), [], 'errors in the console');
  await end(a.p);
  await end(b.p);
  console.log('a conversation in Chromium, with ticks, a file and somebody who is away');
} finally {
  await browser.close();
  for (const p of running) p.kill('SIGKILL');
}
