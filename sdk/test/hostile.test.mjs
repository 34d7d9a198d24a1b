// A gateway that answers what no gateway should, in Node.js: its answers are changed
// on their way to the client.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { connect, NymError } from '../src/index.mjs';
import { startWorld } from './world.mjs';

// What becomes of each message of the gateway; null: it is as it was.
let change = null;

class Changed extends WebSocket {
  emit(event, data, ...more) {
    if (event !== 'message' || !change) return super.emit(event, data, ...more);
    for (const [bytes, binary] of change(data, ...more)) super.emit(event, bytes, binary);
    return true;
  }
}

const text = (v) => [[Buffer.from(typeof v === 'string' ? v : JSON.stringify(v)), false]];
const answers = {
  silence: () => [],
  'no JSON': () => text('{"type":'),
  'an empty text': () => text(''),
  'JSON of another kind': () => text([1, 2, 3]),
  'deep JSON': () => text('['.repeat(200_000)),
  'an unknown type': () => text({ type: 'surprise' }),
  'a refusal': () => text({ type: 'error', message: 'go away' }),
  'a handshake of zeros': () => text({ type: 'handshakePayload', protocol_version: 6, data: Array(124).fill(0) }),
  'a handshake that is too long': () => text({ type: 'handshakePayload', protocol_version: 6, data: Array(10_000).fill(7) }),
  'a protocol of the future': () => text({ type: 'supportedProtocol', version: 255 }),
  'noise instead': () => [[crypto.getRandomValues(Buffer.alloc(1000)), true]],
  'noise before': (data, binary) => [[crypto.getRandomValues(Buffer.alloc(50)), true], [data, binary]],
  'everything twice': (data, binary) => [[data, binary], [data, binary]],
  'one bit wrong': (data, binary) => {
    const b = Buffer.from(data);
    b[b.length >> 1] ^= 1;
    return [[b, binary]];
  },
};

let world;
before(async () => { world = await startWorld(); });
after(() => world.end());
const options = () => ({ directory: world.directory, profile: 'fast', webSocket: Changed, signal: AbortSignal.timeout(1500) });

test('at the start', { timeout: 180_000 }, async () => {
  for (const [name, answer] of Object.entries(answers)) {
    change = answer;
    const a = await connect(options()).catch((e) => e);
    change = null;
    if (a instanceof Error) {
      assert.ok(a instanceof NymError, `${name}: ${a.stack}`);
      assert.notEqual(a.code, 'failed', `${name}: ${a.message}`);
    } else await a.close(); // what makes no difference
  }
});

test('later on', { timeout: 180_000 }, async (t) => {
  const a = await connect({ ...options(), signal: undefined });
  t.after(() => a.close());
  for (const [name, answer] of Object.entries(answers)) {
    change = answer;
    await a.send(a.address, name);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
    change = null;
    await a.send(a.address, `after ${name}`); // the other one may be lost: its gateway has acknowledged it
    for (;;) {
      const { value, done } = await a.next(AbortSignal.timeout(60_000)).catch((e) => { throw new Error(`${name}: ${e.message}`); });
      assert.ok(!done, `${name}: the client has ended`);
      if (value.text() === `after ${name}`) break;
    }
  }
});
