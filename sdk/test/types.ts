// Compiled, not run: what index.d.ts must allow, and what it must not.
import {
  connect, connectStreams, disconnectMixFetch, encryptedStore, memoryStore, mixFetch, NymError, setupMixFetch, unwrapPayload, wrapPayload,
  type Client, type ErrorCode, type Message, type Store, type Streams,
} from '../src/index.js';

async function messages(): Promise<void> {
  const client: Client = await connect({
    directory: ['https://a.example/api/', 'https://b.example/api/'], profile: 'fast', storage: 'chat', passphrase: 'secret', signal: AbortSignal.timeout(1000),
    log: (line: string) => console.log(line),
  });
  const address: string = client.address;
  const { id, delivered } = await client.send(address, 'text');
  await delivered;
  client.addEventListener('delivery', (e) => { const same: boolean = e.id === id; const why: ErrorCode | undefined = e.error?.code; void [same, why]; });
  client.addEventListener('message', (e) => { const m: Message = e.message; void m; });
  client.addEventListener('closed', (e) => { if (e.error) console.error(e.error.code); });
  const { tag } = await client.sendAnonymous(address, { mimeType: 'text/plain', data: 'x' }, { replySurbs: 3 });
  const again: string = tag;
  for await (const m of client) {
    if (m.sender) await client.reply(m, new Uint8Array([1]));
    if (m.sender) await client.reply(m.sender, m.bytes.buffer as ArrayBuffer);
    void [m.text(), m.payload?.mimeType, again];
    break;
  }
  const n = await client.next(AbortSignal.timeout(10));
  if (!n.done) n.value.text();
  const connected: boolean = (await client.status()).connected;
  void connected;
  await client.close();

  // @ts-expect-error there is no directory
  await connect({});
  // @ts-expect-error there is no such profile
  await connect({ directory: 'x', profile: 'quick' });
  // @ts-expect-error a number is no data
  await client.send(address, 7);
  // @ts-expect-error there is no such event
  client.addEventListener('nothing', (e: { error: NymError }) => void e);
}

async function streams(): Promise<void> {
  const s: Streams = await connectStreams({ directory: 'x', requester: 'auto', peers: true, authorities: '-----BEGIN…' });
  const r: Response = await s.fetch('https://example.com', { method: 'POST', body: new ReadableStream(), duplex: 'half', signal: AbortSignal.timeout(1) });
  await r.body?.pipeTo(new WritableStream());
  const d = await s.dial('example.com:22', { isolation: 'me' });
  await d.readable.pipeThrough(new TransformStream<Uint8Array, Uint8Array>()).pipeTo(d.writable);
  for await (const c of await s.listen()) await c.close();
  await (await s.dialAddress(s.address, 7)).close();
  await setupMixFetch({ directory: 'x' });
  await mixFetch(new URL('https://example.com'));
  await disconnectMixFetch();
}

async function stores(): Promise<void> {
  const own: Store = { load: async () => null, save: async (name, version, body) => void [name, version, body.length] };
  await connect({ directory: 'x', storage: await encryptedStore(own, 'secret') });
  await connect({ directory: 'x', storage: memoryStore() });
  unwrapPayload(wrapPayload('text/plain', new Uint8Array()))?.data.length;
}

function failures(e: unknown): string {
  if (!(e instanceof NymError)) return '';
  switch (e.code) {
    case 'denied': return 'by the requester';
    // @ts-expect-error there is no such code
    case 'no-code': return '';
    default: return e.message;
  }
}

void [messages, streams, stores, failures];

import { createMixFetch, createNymMixnetClient, MimeTypes } from '../src/compat.js';

async function compat(): Promise<void> {
  const nym = await createNymMixnetClient({ autoConvertStringMimeTypes: [MimeTypes.TextPlain] });
  nym.events.subscribeToTextMessageReceivedEvent((e) => { const text: string = e.args.payload; void text; });
  await nym.client.start({ clientId: 'x', nymApiUrl: 'https://directory.example/api/' });
  await nym.client.send({ payload: { message: 'x', mimeType: MimeTypes.TextPlain }, recipient: (await nym.client.selfAddress()) ?? '' });
  const { mixFetch } = await createMixFetch({ nymApiUrl: 'x', forceTls: true, mixFetchOverride: { requestTimeoutMs: 1 } });
  const r: Response = await mixFetch('https://example.com', { mode: 'unsafe-ignore-cors' });
  void r;
}
void compat;
