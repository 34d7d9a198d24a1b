// The names of Nym's SDK, in Node.js.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { createMixFetch, createNymMixnetClient, disconnectMixFetch, mixFetch } from '../src/compat.mjs';
import { startWorld } from './world.mjs';

let world;
before(async () => { world = await startWorld(); });
after(() => world.end());
const config = () => ({ clientId: 'test', nymApiUrl: world.directory, profile: 'fast', webSocket: WebSocket });

test('createNymMixnetClient', { timeout: 60_000 }, async (t) => {
  const nym = await createNymMixnetClient();
  t.after(() => nym.client.stop());
  assert.deepEqual(await nym.client.getTextMimeTypes(), ['application/json', 'text/plain']);
  await assert.rejects(nym.client.send({ payload: 'early', recipient: 'x' }), (e) => e.code === 'closed');
  const once = (subscribe) => new Promise((resolve) => { const end = subscribe((e) => { end(); resolve(e); }); });
  const connected = once(nym.events.subscribeToConnected);
  await nym.client.start(config());
  const recipient = await nym.client.selfAddress();
  assert.deepEqual(await connected, { kind: 'Connected', args: { address: recipient } });

  const text = once(nym.events.subscribeToTextMessageReceivedEvent);
  await nym.client.send({ payload: { message: 'Hello mixnet', mimeType: 'text/plain', headers: 'h' }, recipient });
  const { args } = await text;
  assert.equal(args.payload, 'Hello mixnet');
  assert.equal(args.headers, 'h');
  const answer = once(nym.events.subscribeToBinaryMessageReceivedEvent);
  await nym.client.reply({ payload: new Uint8Array([1]), sender: args.sender });
  assert.deepEqual((await answer).args.payload, new Uint8Array([1]));
  const raw = once(nym.events.subscribeToRawMessageReceivedEvent);
  await nym.client.rawSend({ payload: new Uint8Array([2]), recipient, replySurbs: 0 });
  assert.deepEqual((await raw).args, { payload: new Uint8Array([2]), sender: undefined });
});

test('createMixFetch', { timeout: 60_000 }, async () => {
  const { mixFetch: same } = await createMixFetch({
    ...config(), preferredGateway: world.gateways[0], preferredNetworkRequester: world.requester, forceTls: false, mixFetchOverride: { requestTimeoutMs: 2000 },
  });
  assert.equal(same, mixFetch);
  const r = await mixFetch(world.http('/echo'), { method: 'POST', body: 'x', mode: 'unsafe-ignore-cors' });
  assert.equal(await r.text(), 'x');
  await assert.rejects(mixFetch(world.http('/never')), (e) => e.code === 'timeout');
  await disconnectMixFetch();
});
