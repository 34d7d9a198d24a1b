// Byte streams and fetch, in Node.js.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { connectStreams } from '../src/index.mjs';
import { pattern, startWorld } from './world.mjs';

let world, a;
const options = (more) => ({
  directory: world.directory, requester: world.requester, authorities: world.authority, profile: 'fast', webSocket: WebSocket, ...more,
});
before(async () => {
  world = await startWorld();
  a = await connectStreams(options());
});
after(async () => {
  await a?.close();
  await world.end();
});

const code = (c) => (e) => { assert.equal(e.code, c, `${e.code}: ${e.message}`); return true; };
const within = { timeout: 120_000 };

test('fetch', within, async () => {
  const r = await a.fetch(world.http('/hello'));
  assert.equal(r.status, 200);
  assert.equal(r.url, world.http('/hello'));
  assert.equal(r.headers.get('content-type'), 'text/plain');
  assert.equal(await r.text(), 'hello GET');
  assert.equal((await a.fetch(world.http('/nothing'))).status, 404);
  assert.equal((await a.fetch(world.http('/empty'))).body, null);
  assert.equal(await (await a.fetch(world.http('/hello'), { method: 'HEAD' })).text(), '');
});

test('fetch by TLS and HTTP/2', within, async () => {
  const r = await a.fetch(world.https('/hello'));
  assert.equal(r.headers.get('x-proto'), 'HTTP/2.0');
  assert.equal(await r.text(), 'hello GET');
});

test('fetch of a server whose authority is unknown', within, async (t) => {
  const b = await connectStreams(options({ authorities: undefined }));
  t.after(() => b.close());
  await assert.rejects(b.fetch(world.https('/hello')), code('bad-certificate'));
});

test('fetch with a body', within, async () => {
  for (const url of [world.http('/echo'), world.https('/echo')]) {
    const text = await a.fetch(url, { method: 'POST', body: 'words' });
    assert.equal(await text.text(), 'words');
    assert.match(text.headers.get('content-type'), /^text\/plain/);
    const bytes = pattern(100_000);
    assert.deepEqual(new Uint8Array(await (await a.fetch(new Request(url, { method: 'PUT', body: bytes }))).arrayBuffer()), bytes);
    const form = new FormData();
    form.set('field', 'value');
    assert.match(await (await a.fetch(url, { method: 'POST', body: form })).text(), /name="field"\r\n\r\nvalue/);
  }
});

test('bodies stream both ways', within, async () => {
  const { readable, writable } = new TransformStream();
  const w = writable.getWriter();
  w.write(new TextEncoder().encode('one'));
  const r = await a.fetch(world.https('/echo'), { method: 'POST', body: readable, duplex: 'half' });
  const reader = r.body.getReader();
  const read = async () => new TextDecoder().decode((await reader.read()).value);
  assert.equal(await read(), 'one');
  w.write(new TextEncoder().encode('two'));
  assert.equal(await read(), 'two');
  w.close();
  assert.equal((await reader.read()).done, true);
});

test('a megabyte', within, async () => {
  const got = new Uint8Array(await (await a.fetch(world.http('/noise/1000000'))).arrayBuffer());
  assert.deepEqual(got, pattern(1_000_000));
});

test('ten at once', within, async () => {
  const sizes = Array.from({ length: 10 }, (_, i) => 10_000 + i);
  const got = await Promise.all(sizes.map(async (n) => (await (await a.fetch(world.http(`/noise/${n}`))).arrayBuffer()).byteLength));
  assert.deepEqual(got, sizes);
});

test('redirects', within, async () => {
  const r = await a.fetch(world.http('/redirect/3'));
  assert.equal(await r.text(), 'arrived');
  assert.equal(r.redirected, true);
  assert.equal(r.url, world.http('/redirect/0'));
  assert.equal((await a.fetch(world.http('/redirect/3'), { redirect: 'manual' })).status, 302);
  await assert.rejects(a.fetch(world.http('/redirect/3'), { redirect: 'error' }), code('failed'));
  await assert.rejects(a.fetch(world.http('/redirect/30')), code('failed'));
});

test('cookies are kept by choice', within, async () => {
  const get = async (init) => (await a.fetch(world.http('/cookie'), init)).text();
  assert.equal(await get(), 'set');
  assert.equal(await get(), 'set');
  assert.equal(await get({ credentials: 'include' }), 'set');
  assert.equal(await get({ credentials: 'include' }), 'sweet');
  assert.equal(await get(), 'set');
});

test('a request tells nothing of the page', within, async () => {
  const sent = await (await a.fetch(world.http('/headers'), { headers: { 'X-Mine': 'yes' } })).json();
  assert.deepEqual(Object.keys(sent).sort(), ['Accept-Encoding', 'X-Mine']);
});

test('abort and time-outs', within, async () => {
  await assert.rejects(a.fetch(world.http('/never'), { signal: AbortSignal.timeout(1000) }), code('timeout'));
  const controller = new AbortController();
  const r = await a.fetch(world.http('/slow'), { signal: controller.signal });
  const reader = r.body.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), 'a');
  controller.abort();
  await assert.rejects(reader.read(), code('aborted'));
});

test('a requester that refuses', within, async () => {
  await assert.rejects(a.fetch('http://refused.test/'), code('denied'));
  await assert.rejects(a.dial('refused.test:80'), code('denied'));
  await assert.rejects(a.fetch('ftp://example.com/'), code('bad-argument'));
});

test('dial', within, async () => {
  const s = await a.dial(`www.example.com:${world.plain}`);
  const w = s.writable.getWriter();
  await w.write('GET /hello HTTP/1.0\r\n\r\n');
  assert.match(await new Response(s.readable).text(), /hello GET$/);
  await s.close();
  await (await a.dial(`bücher。example.com:${world.plain}`)).close();
  await assert.rejects(a.dial('a b.ü:80'), code('bad-argument'));
});

test('streams between addresses', within, async (t) => {
  const b = await connectStreams(options({ requester: undefined, peers: true }));
  t.after(() => b.close());
  const ln = await b.listen(7);
  assert.equal(ln.port, 7);
  (async () => {
    for await (const s of ln) s.readable.pipeTo(s.writable); // an echo
  })();
  const s = await a.dialAddress(b.address, 7);
  const w = s.writable.getWriter();
  w.write(pattern(50_000));
  w.close();
  assert.deepEqual(new Uint8Array(await new Response(s.readable).arrayBuffer()), pattern(50_000));
  await ln.close();
  await assert.rejects(a.dialAddress(b.address, 8), (e) => { t.diagnostic(`nobody listens: ${e.code}: ${e.message}`); return true; });
});
