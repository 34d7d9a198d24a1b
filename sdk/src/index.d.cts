// For require: see index.cjs. Types can be imported from 'nym-socks5' as they are.
import type * as esm from './index.js' with { 'resolution-mode': 'import' };

export const connect: typeof esm.connect;
export const connectStreams: typeof esm.connectStreams;
export const setupMixFetch: typeof esm.setupMixFetch;
export const mixFetch: typeof esm.mixFetch;
export const disconnectMixFetch: typeof esm.disconnectMixFetch;
/** Everything else. */
export const loaded: Promise<typeof esm>;
