// Messages, in Node.js.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { connect, memoryStore } from '../src/index.mjs';
import { startWorld } from './world.mjs';

let world;
before(async () => { world = await startWorld(); });
after(() => world.end());

const options = (more) => ({ directory: world.directory, profile: 'fast', webSocket: WebSocket, ...more });

test('messages, replies and what becomes of them', { timeout: 120_000 }, async (t) => {
  const [a, b] = await Promise.all([connect(options()), connect(options())]);
  t.after(() => Promise.all([a.close(), b.close()]));
  assert.match(a.address, /^\w+\.\w+@\w+$/);
  assert.notEqual(a.address, b.address);

  const { delivered } = await a.send(b.address, 'hello');
  const first = (await b.next()).value;
  assert.equal(first.text(), 'hello');
  assert.equal(first.sender, null);
  await delivered;

  const { tag } = await a.sendAnonymous(b.address, { mimeType: 'text/plain', data: 'who am I?' }, { replySurbs: 5 });
  const second = (await b.next()).value;
  assert.equal(second.sender, tag);
  assert.equal(second.payload.mimeType, 'text/plain');
  assert.equal(second.text(), 'who am I?');
  const answer = await b.reply(second, new Uint8Array([1, 2, 3]));
  for await (const m of a) {
    assert.deepEqual([...m.bytes], [1, 2, 3]);
    assert.equal(m.tag, tag);
    break;
  }
  await answer.delivered;

  const big = new Uint8Array(200_000).fill(7);
  await a.send(b.address, big);
  assert.deepEqual((await b.next()).value.bytes, big);

  assert.equal((await a.status()).connected, true);
});

test('a message that arrives is an event', { timeout: 60_000 }, async (t) => {
  const a = await connect(options());
  t.after(() => a.close());
  const heard = new Promise((resolve) => a.addEventListener('message', (e) => resolve(e.message.text()), { once: true }));
  const told = new Promise((resolve) => a.addEventListener('delivery', resolve, { once: true }));
  const { id } = await a.send(a.address, 'to myself');
  assert.equal(await heard, 'to myself');
  const e = await told;
  assert.equal(e.id, id);
  assert.equal(e.error, null);
});

test('a client of Go answers', { timeout: 60_000 }, async (t) => {
  const echo = await world.order('echo');
  const a = await connect(options());
  t.after(() => a.close());
  await a.sendAnonymous(echo, 'echo?', { replySurbs: 3 });
  assert.equal((await a.next()).value.text(), 'echo?');
});

test('the store keeps the address', { timeout: 60_000 }, async () => {
  const storage = memoryStore();
  const a = await connect(options({ storage }));
  const { address } = a;
  await a.close();
  const b = await connect(options({ storage }));
  assert.equal(b.address, address);
  await b.close();
});

test('a gateway goes and comes back', { timeout: 120_000 }, async (t) => {
  const a = await connect(options({ gateway: world.gateways[0] }));
  t.after(() => a.close());
  const event = (name) => new Promise((resolve) => a.addEventListener(name, resolve, { once: true }));
  const lost = event('reconnecting');
  await world.order('stop gateway-1');
  await lost;
  assert.equal(a.state, 'reconnecting');
  const back = event('connected');
  await world.order('start gateway-1');
  await back;
  await a.send(a.address, 'again');
  assert.equal((await a.next()).value.text(), 'again');
});

test('failures have codes', { timeout: 60_000 }, async (t) => {
  const code = (c) => (e) => { assert.equal(e.name, c === 'aborted' ? 'AbortError' : 'NymError'); assert.equal(e.code, c, e.message); return true; };
  await assert.rejects(connect(options({ directory: [] })), code('bad-argument'));
  await assert.rejects(connect(options({ profile: 'quick' })), code('bad-argument'));
  await assert.rejects(connect(options({ gateway: 'x' })), code('bad-argument'));
  await assert.rejects(connect(options({ signal: AbortSignal.abort() })), code('aborted'));
  await assert.rejects(connect(options({ directory: 'http://127.0.0.1:1/api/', signal: AbortSignal.timeout(500) })), code('timeout'));
  const a = await connect(options());
  t.after(() => a.close());
  await assert.rejects(a.send('nobody', 'x'), code('bad-argument'));
  await assert.rejects(a.send(a.address, 7), code('bad-argument'));
  await assert.rejects(a.reply('11111111111111111111111111111111', 'x'), (e) => ['bad-argument', 'unknown-tag'].includes(e.code));
  await assert.rejects(a.reply(null, 'x'), code('unknown-tag'));
  const controller = new AbortController();
  const waiting = a.next(controller.signal);
  controller.abort();
  await assert.rejects(waiting, code('aborted'));
  await assert.rejects(a.next(controller.signal), code('aborted'));
  await assert.rejects(a.next(AbortSignal.timeout(1)), code('timeout'));
  await a.close();
  await assert.rejects(a.send(a.address, 'x'), code('closed'));
  assert.equal((await a.next()).done, true);
});
