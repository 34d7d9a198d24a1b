/**
 * The names and options of Nym's SDK for TypeScript and of mix-fetch. Change
 * `@nymproject/sdk` or `@nymproject/mix-fetch` to `nym-socks5/compat`.
 */
import type { CommonOptions } from './index.js';

export { NymError } from './index.js';

export declare const EventKinds: {
  readonly Loaded: 'Loaded';
  readonly Connected: 'Connected';
  readonly StringMessageReceived: 'StringMessageReceived';
  readonly BinaryMessageReceived: 'BinaryMessageReceived';
  readonly RawMessageReceived: 'RawMessageReceived';
};
export declare const MimeTypes: {
  readonly ApplicationOctetStream: 'application/octet-stream';
  readonly TextPlain: 'text/plain';
  readonly ApplicationJson: 'application/json';
};

/** Options that this package has beside Nym's. */
type More = Pick<CommonOptions, 'profile' | 'webSocket' | 'storage' | 'passphrase' | 'wasm' | 'worker' | 'log' | 'signal' | 'directoryKey'>;

export interface NymClientConfig extends More {
  /** In browsers, the name of the storage. */
  clientId: string;
  nymApiUrl: string;
  preferredGatewayIdentityKey?: string;
  /** Not used: the directory says where a gateway listens. */
  gatewayListener?: string;
  /** Not used. */
  debug?: unknown;
}

export interface Payload {
  message: string | Uint8Array;
  mimeType?: string;
  headers?: string;
}

interface Event<Kind extends string, Args> {
  kind: Kind;
  args: Args;
}
export type LoadedEvent = Event<'Loaded', { loaded: true }>;
export type ConnectedEvent = Event<'Connected', { address?: string }>;
/** `sender` is for `client.reply`; Nym's SDK has none. */
export type StringMessageReceivedEvent = Event<'StringMessageReceived', { mimeType: string; payload: string; payloadRaw: Uint8Array; headers?: string; sender?: string }>;
export type BinaryMessageReceivedEvent = Event<'BinaryMessageReceived', { mimeType: string; payload: Uint8Array; headers?: string; sender?: string }>;
export type RawMessageReceivedEvent = Event<'RawMessageReceived', { payload: Uint8Array; sender?: string }>;
export type EventHandlerSubscribeFn<E> = (handler: (event: E) => void | Promise<void>) => () => void;

export interface Client {
  start(config: NymClientConfig): Promise<void>;
  stop(): Promise<void>;
  selfAddress(): Promise<string | undefined>;
  setTextMimeTypes(mimeTypes: string[]): Promise<void>;
  getTextMimeTypes(): Promise<string[]>;
  /** Without `replySurbs`, 10. */
  send(args: { payload: Payload | string | Uint8Array; recipient: string; replySurbs?: number }): Promise<void>;
  rawSend(args: { payload: Uint8Array; recipient: string; replySurbs?: number }): Promise<void>;
  /** Answers the sender of an event; Nym's SDK cannot. */
  reply(args: { payload: Payload | string | Uint8Array; sender: string }): Promise<void>;
}

export interface Events {
  subscribeToLoaded: EventHandlerSubscribeFn<LoadedEvent>;
  subscribeToConnected: EventHandlerSubscribeFn<ConnectedEvent>;
  subscribeToTextMessageReceivedEvent: EventHandlerSubscribeFn<StringMessageReceivedEvent>;
  subscribeToBinaryMessageReceivedEvent: EventHandlerSubscribeFn<BinaryMessageReceivedEvent>;
  subscribeToRawMessageReceivedEvent: EventHandlerSubscribeFn<RawMessageReceivedEvent>;
}

export interface NymMixnetClient {
  client: Client;
  events: Events;
}

export declare function createNymMixnetClient(options?: { autoConvertStringMimeTypes?: string[] }): Promise<NymMixnetClient>;

export interface SetupMixFetchOps extends More {
  clientId?: string;
  nymApiUrl: string;
  preferredGateway?: string;
  /** Without it, one that the directory lists. */
  preferredNetworkRequester?: string;
  storagePassphrase?: string;
  /** PEM of authorities that https trusts beside those of browsers. */
  authorities?: string;
  mixFetchOverride?: { requestTimeoutMs?: number };
  /** Not used: a page on https uses gateways with TLS only, others need none. */
  forceTls?: boolean;
  /** Not used. */
  clientOverride?: unknown;
  /** Not used. */
  extra?: unknown;
  /** Not used: a body is a stream, of whatever type. */
  responseBodyConfigMap?: unknown;
}

export type IMixFetchFn = (url: string | URL | Request, args?: any, opts?: SetupMixFetchOps) => Promise<Response>;
export interface IMixFetch {
  mixFetch: IMixFetchFn;
  setupMixFetch: (opts?: SetupMixFetchOps) => Promise<void>;
  disconnectMixFetch: () => Promise<void>;
}
export declare function createMixFetch(opts: SetupMixFetchOps): Promise<IMixFetch>;
export declare const mixFetch: IMixFetchFn;
export declare function disconnectMixFetch(): Promise<void>;
