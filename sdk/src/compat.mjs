// The names and options of Nym's SDK for TypeScript and of mix-fetch, over this
// package: an app moves over by changing one import. What theirs cannot do is here
// beside: replies, time-outs that hold, errors with codes.
import { NymError } from './errors.mjs';
import { connect, connectStreams } from './index.mjs';
import { unwrapPayload, wrapPayload } from './payload.mjs';

export { NymError } from './errors.mjs';

export const EventKinds = Object.freeze({
  Loaded: 'Loaded', Connected: 'Connected', StringMessageReceived: 'StringMessageReceived',
  BinaryMessageReceived: 'BinaryMessageReceived', RawMessageReceived: 'RawMessageReceived',
});

export const MimeTypes = Object.freeze({
  ApplicationOctetStream: 'application/octet-stream', TextPlain: 'text/plain', ApplicationJson: 'application/json',
});

// The reply SURBs that Nym's SDK sends along if the caller does not say how many.
const defaultSurbs = 10;

const common = ({ nymApiUrl, clientId, profile, webSocket, storage, passphrase, storagePassphrase, wasm, worker, log, signal, directoryKey }) => {
  if (!nymApiUrl) throw new NymError('bad-argument', 'nymApiUrl: give the URL of the network\'s directory');
  const inBrowser = typeof indexedDB !== 'undefined';
  return {
    directory: nymApiUrl, storage: storage ?? (inBrowser && clientId ? clientId : undefined), passphrase: passphrase ?? storagePassphrase,
    profile, webSocket, wasm, worker, log, signal, directoryKey,
  };
};

// createNymMixnetClient gives {client, events}, not started.
export async function createNymMixnetClient({ autoConvertStringMimeTypes } = {}) {
  let textTypes = autoConvertStringMimeTypes ?? [MimeTypes.ApplicationJson, MimeTypes.TextPlain];
  let client;
  const handlers = new Map(Object.values(EventKinds).map((kind) => [kind, new Set()]));
  const tell = (kind, args) => {
    for (const handler of handlers.get(kind)) {
      try {
        handler({ kind, args });
      } catch (e) {
        console.error('Unhandled error in event handler', e);
      }
    }
  };
  const subscribe = (kind) => (handler) => {
    handlers.get(kind).add(handler);
    return () => handlers.get(kind).delete(handler);
  };
  const running = () => {
    if (!client) throw new NymError('closed', 'the client is not started');
    return client;
  };
  const arrived = (m) => {
    const sender = m.sender ?? undefined;
    tell(EventKinds.RawMessageReceived, { payload: m.raw, sender });
    const wrapped = unwrapPayload(m.raw);
    if (!wrapped) return;
    const { mimeType, headers, data } = wrapped;
    const more = { mimeType, headers: headers ?? undefined, sender };
    if (textTypes.includes(mimeType)) {
      tell(EventKinds.StringMessageReceived, { ...more, payload: new TextDecoder().decode(data), payloadRaw: data });
    } else tell(EventKinds.BinaryMessageReceived, { ...more, payload: data });
  };
  const wrap = (payload) => {
    const { message, mimeType, headers } = typeof payload === 'string' || payload instanceof Uint8Array ? { message: payload } : payload;
    const text = typeof message === 'string';
    return wrapPayload(mimeType ?? (text ? MimeTypes.TextPlain : MimeTypes.ApplicationOctetStream), text ? new TextEncoder().encode(message) : message, headers ?? null);
  };
  const post = async (recipient, bytes, replySurbs = defaultSurbs) => {
    const send = replySurbs > 0 ? running().sendAnonymous(recipient, bytes, { replySurbs }) : running().send(recipient, bytes);
    await send;
  };
  return {
    client: {
      async start(config) {
        if (client) throw new NymError('bad-argument', 'the client is started already');
        client = await connect({ ...common(config), gateway: config.preferredGatewayIdentityKey });
        client.addEventListener('message', (e) => arrived(e.message));
        client.addEventListener('connected', () => tell(EventKinds.Connected, { address: client?.address }));
        (async () => { for await (const m of client) void m; })().catch(() => {}); // events have them
        tell(EventKinds.Connected, { address: client.address });
      },
      async stop() {
        const c = client;
        client = undefined;
        await c?.close();
      },
      selfAddress: async () => client?.address,
      setTextMimeTypes: async (types) => { textTypes = [...types]; },
      getTextMimeTypes: async () => [...textTypes],
      send: ({ payload, recipient, replySurbs }) => post(recipient, wrap(payload), replySurbs),
      rawSend: ({ payload, recipient, replySurbs }) => post(recipient, payload, replySurbs),
      reply: async ({ payload, sender }) => { await running().reply(sender, wrap(payload)); },
    },
    events: {
      subscribeToLoaded(handler) {
        queueMicrotask(() => handler({ kind: EventKinds.Loaded, args: { loaded: true } }));
        return () => {};
      },
      subscribeToConnected: subscribe(EventKinds.Connected),
      subscribeToTextMessageReceivedEvent: subscribe(EventKinds.StringMessageReceived),
      subscribeToBinaryMessageReceivedEvent: subscribe(EventKinds.BinaryMessageReceived),
      subscribeToRawMessageReceivedEvent: subscribe(EventKinds.RawMessageReceived),
    },
  };
}

// The one mix-fetch of the page.
let shared;
let timeoutMs;

async function setup(opts = {}) {
  if (shared) return;
  timeoutMs = opts.mixFetchOverride?.requestTimeoutMs;
  const opening = connectStreams({
    ...common(opts), gateway: opts.preferredGateway, requester: opts.preferredNetworkRequester ?? 'auto', authorities: opts.authorities,
  });
  shared = opening;
  try {
    await opening;
  } catch (e) {
    shared = undefined;
    throw e;
  }
}

// mixFetch is fetch; opts count the first time.
export async function mixFetch(url, args = {}, opts = undefined) {
  if (!shared) await setup(opts);
  const { mode, ...init } = args ?? {}; // there is no CORS; theirs has modes of its own
  const limit = timeoutMs ? AbortSignal.timeout(timeoutMs) : undefined;
  init.signal = limit && init.signal ? AbortSignal.any([limit, init.signal]) : limit ?? init.signal;
  return (await shared).fetch(url, init);
}

export async function disconnectMixFetch() {
  const s = shared;
  shared = undefined;
  await (await s)?.close();
}

export async function createMixFetch(opts) {
  await setup(opts);
  return { mixFetch, setupMixFetch: setup, disconnectMixFetch };
}
