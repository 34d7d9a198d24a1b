// The examples, and a package that npm makes: installed from the file, bundled by
// Vite, run in Chromium.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { createReadStream, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { findChromium, launch } from './browser.mjs';
import { startWorld } from './world.mjs';

const path = findChromium();
if (!path) console.error('SKIPPED: the tests of examples need Chromium (on Debian: apt-get install chromium)');
const within = { timeout: 240_000, skip: path ? false : 'no Chromium' };
const top = fileURLToPath(new URL('../..', import.meta.url));
const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

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

// serve gives the URL of a folder.
async function serve(t, folder) {
  const server = createServer((request, response) => {
    const file = join(folder, normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname)));
    if (!existsSync(file) || !statSync(file).isFile()) return response.writeHead(404).end();
    response.setHeader('Content-Type', types[extname(file)] ?? 'application/octet-stream');
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.after(() => { server.closeAllConnections(); server.close(); });
  return `http://127.0.0.1:${server.address().port}`;
}

test('the chat page, and the script that answers', within, async (t) => {
  const script = spawn(process.execPath, [join(top, 'examples/web/echo.mjs'), world.directory, 'fast'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => script.kill());
  const { value: address } = await createInterface({ input: script.stdout })[Symbol.asyncIterator]().next();
  const page = await browser.newPage({ viewport: { width: 720, height: 640 } });
  t.after(() => page.close());
  await page.goto(`${await serve(t, top)}/examples/web/chat.html?${new URLSearchParams({ directory: world.directory, profile: 'fast' })}`);
  await page.fill('#to', address);
  await page.fill('#text', 'Is anybody there?');
  await page.click('#form button:enabled');
  await page.getByText('you said: Is anybody there?').waitFor();
  await page.getByText('delivered').waitFor();
  if (process.env.PICTURE) await page.screenshot({ path: process.env.PICTURE });
});

test('a fresh Vite project', within, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'nym-vite-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const run = (cwd, ...args) => {
    const got = spawnSync('npm', args, { cwd, encoding: 'utf8' });
    assert.equal(got.status, 0, got.stdout + got.stderr);
    return got.stdout.trim();
  };
  const packed = JSON.parse(run(join(top, 'sdk'), 'pack', '--json', '--pack-destination', dir))[0];
  writeFileSync(join(dir, 'package.json'), '{"name": "app", "private": true, "type": "module"}');
  writeFileSync(join(dir, 'index.html'), '<!doctype html><p id="out"></p><script type="module" src="/main.js"></script>');
  writeFileSync(join(dir, 'main.js'), `
    import { connect } from 'nym-socks5';
    const directory = new URLSearchParams(location.search).get('directory');
    const client = await connect({ directory, profile: 'fast' });
    await client.send(client.address, 'bundled');
    document.getElementById('out').textContent = (await client.next()).value.text();
  `);
  run(dir, 'install', '--no-audit', '--no-fund', `./${packed.filename}`, 'vite@^7');
  run(dir, 'exec', '--', 'vite', 'build', '--target', 'es2022');
  const page = await browser.newPage();
  t.after(() => page.close());
  page.on('console', (m) => { if (m.type() === 'error') t.diagnostic(m.text()); });
  await page.goto(`${await serve(t, join(dir, 'dist'))}/index.html?directory=${encodeURIComponent(world.directory)}`);
  await page.getByText('bundled').waitFor();
});
