// Messages, fetch and byte streams through a Nym mixnet.
import { Client } from './client.mjs';
import { Streams } from './streams.mjs';

export { Client, Message } from './client.mjs';
export { Streams, setupMixFetch, mixFetch, disconnectMixFetch } from './streams.mjs';
export { NymError } from './errors.mjs';
export { wrapPayload, unwrapPayload } from './payload.mjs';
export { memoryStore, indexedDBStore, encryptedStore } from './storage.mjs';

// connect makes a client of messages, and waits until it is connected.
export const connect = (options) => Client.connect(options);

// connectStreams makes a client of byte streams, and waits until it is connected.
export const connectStreams = (options) => Streams.connect(options);
