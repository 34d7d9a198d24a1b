// What needs no network.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { encryptedStore, memoryStore, NymError, unwrapPayload, wrapPayload } from '../src/index.mjs';

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
const hex = (b) => Buffer.from(b).toString('hex');

test('index.d.ts has every code that is thrown', () => {
  const listed = new Set(read('../src/index.d.ts').match(/export type ErrorCode =[^]*?';/)[0].match(/'[a-z-]+'/g).map((s) => s.slice(1, -1)));
  const thrown = new Set([...read('../../cmd/nym-wasm/errors.go').matchAll(/code\w+\s+(?:code\s+)?= "([a-z-]+)"/g)].map((m) => m[1]));
  for (const file of ['client', 'engine', 'link', 'storage', 'streams', 'worker']) {
    for (const [, c] of read(`../src/${file}.mjs`).matchAll(/NymError\('([a-z-]+)'/g)) thrown.add(c);
  }
  assert.deepEqual([...listed].sort(), [...thrown].sort());
});

// socks.md §18
test('the wrapper of Nym\'s SDK', () => {
  const wrapped = wrapPayload('text/plain', new TextEncoder().encode('hi'));
  assert.equal(hex(wrapped), '0000000000000028' + hex(Buffer.from('{"mimeType":"text/plain","headers":null}')) + '6869');
  assert.deepEqual(unwrapPayload(wrapped), { mimeType: 'text/plain', headers: null, data: wrapped.subarray(48) });
  for (const bad of ['', '00', '0000000000000001', 'ffffffffffffffff00', '00000000000000027b7d', '0000000000000002ffff', '00000000000000046e756c6c']) {
    assert.equal(unwrapPayload(Buffer.from(bad, 'hex')), null, bad);
  }
});

test('a passphrase', async () => {
  const inner = memoryStore();
  const bytes = new Uint8Array([1, 2, 3]);
  const wrong = (e) => e instanceof NymError && e.code === 'wrong-passphrase';
  await (await encryptedStore(inner, 'right')).save('keys', 1, bytes);
  assert.notDeepEqual((await inner.load('keys')).body, bytes);
  const before = hex((await inner.load('keys')).body);
  await assert.rejects(encryptedStore(inner, 'wrong'), wrong);
  assert.equal(hex((await inner.load('keys')).body), before);
  const again = await encryptedStore(inner, 'right');
  assert.deepEqual(await again.load('keys'), { version: 1, body: bytes });
  assert.equal(await again.load('entries'), null);
  await inner.save('entries', 1, (await inner.load('keys')).body); // a record in another's place
  await assert.rejects(again.load('entries'), (e) => e.code === 'bad-storage');

  const open = memoryStore();
  await open.save('keys', 1, bytes);
  await assert.rejects(encryptedStore(open, 'late'), wrong);
  assert.deepEqual((await open.load('keys')).body, bytes);
});

test('require', async () => {
  const nym = createRequire(import.meta.url)('nym-socks5');
  await assert.rejects(nym.connect({ directory: [], webSocket: class {} }), (e) => e.code === 'bad-argument');
});
