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

// run runs a program to its end and gives what it printed.
function run(cwd, program, ...args) {
  const got = spawnSync(program, args, { cwd, encoding: 'utf8' });
  assert.equal(got.status, 0, `${program} ${args.join(' ')}\n${got.stdout}${got.stderr}`);
  return got.stdout.trim();
}

// fresh makes a project in a folder of its own into which the packed file is
// installed, with other packages.
function fresh(t, files, ...packages) {
  const dir = mkdtempSync(join(tmpdir(), 'nym-project-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const packed = JSON.parse(run(join(top, 'sdk'), 'npm', 'pack', '--json', '--pack-destination', dir))[0];
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  run(dir, 'npm', 'install', '--no-audit', '--no-fund', `./${packed.filename}`, ...packages);
  return dir;
}

// The same few lines in each project.
const main = `
  import { connect } from 'nym-socks5';
  const directory = new URLSearchParams(location.search).get('directory');
  const client = await connect({ directory, profile: 'fast' });
  await client.send(client.address, 'bundled');
  document.getElementById('out').textContent = (await client.next()).value.text();
`;
const html = (script) => `<!doctype html><p id="out"></p><script type="module" src="${script}"></script>`;
const project = '{"name": "app", "private": true, "type": "module"}';

// shows opens a project's page and waits for what those lines show.
async function shows(t, folder) {
  const page = await browser.newPage();
  t.after(() => page.close());
  page.on('console', (m) => { if (m.type() === 'error') t.diagnostic(m.text()); });
  await page.goto(`${await serve(t, folder)}/index.html?directory=${encodeURIComponent(world.directory)}`);
  await page.getByText('bundled').waitFor();
}

test('a fresh Vite project', within, async (t) => {
  const dir = fresh(t, { 'package.json': project, 'index.html': html('/main.js'), 'main.js': main }, 'vite@^7');
  run(dir, 'npm', 'exec', '--', 'vite', 'build', '--target', 'es2022');
  await shows(t, join(dir, 'dist'));
});

test('a fresh webpack project', within, async (t) => {
  const dir = fresh(t, { 'package.json': project, 'main.js': main }, 'webpack@^5', 'webpack-cli@^6');
  run(dir, 'npm', 'exec', '--', 'webpack', '--mode', 'production', '--entry', './main.js', '--output-path', 'dist');
  writeFileSync(join(dir, 'dist/index.html'), html('main.js'));
  await shows(t, join(dir, 'dist'));
});

test('a page without a bundler', within, async (t) => {
  const dir = fresh(t, { 'package.json': project, 'main.js': main.replace('nym-socks5', './node_modules/nym-socks5/src/index.mjs'), 'index.html': html('main.js') });
  await shows(t, dir);
});

test('require and import in Node.js', within, async (t) => {
  const lines = (open) => `
    (async () => {
      ${open}
      const client = await connect({ directory: process.argv[2], profile: 'fast', webSocket: require('ws') });
      await client.send(client.address, 'in Node.js');
      console.log((await client.next()).value.text());
      await client.close();
    })();`;
  const dir = fresh(t, {
    'package.json': '{"name": "app", "private": true}',
    'required.cjs': lines("const { connect } = require('nym-socks5');"),
    'imported.cjs': lines("const { connect } = await import('nym-socks5');"),
  }, 'ws@^8');
  for (const file of ['required.cjs', 'imported.cjs']) {
    assert.equal(run(dir, process.execPath, file, world.directory), 'in Node.js');
  }
});
