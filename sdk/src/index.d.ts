/** Messages, fetch and byte streams through a Nym mixnet, from pages and from Node.js. */

/** What kind of failure a {@link NymError} is. */
export type ErrorCode =
  /** An argument or option is not what it should be; the message names it. */
  | 'bad-argument'
  /** The directory cannot be asked, or what it says cannot be believed. */
  | 'directory'
  /** The directory shows others another network. Nothing more is sent. */
  | 'fork'
  /** The storage cannot be read or written; its quota may be used up. */
  | 'storage'
  /** What is in the storage was written by a newer version, or is damaged. */
  | 'bad-storage'
  /** The storage has another passphrase, or none. Nothing was changed. */
  | 'wrong-passphrase'
  /** The page came over https, and the gateway speaks ws only, which browsers refuse. */
  | 'insecure'
  /** The client has been closed, or has ended. */
  | 'closed'
  /** The caller's AbortSignal said so; the name of the error is AbortError. */
  | 'aborted'
  /** It took too long, by the caller's AbortSignal.timeout or by a limit of the network. */
  | 'timeout'
  /** The message is too long. */
  | 'too-long'
  /** A reply needs at least one byte. */
  | 'empty'
  /** Nobody of that tag has written lately. */
  | 'unknown-tag'
  /** Whoever wrote has sent too few reply SURBs, and sends no more. */
  | 'no-surbs'
  /** No acknowledgement came, after many attempts. */
  | 'gave-up'
  /** There is no requester, or it does not answer. */
  | 'no-requester'
  /** The requester's policy does not allow the target. */
  | 'denied'
  /** The requester cannot look the target's name up. */
  | 'no-such-name'
  /** The target refused the connection, or nobody listens at that port of a client. */
  | 'refused'
  /** The target cannot be reached from the requester. */
  | 'unreachable'
  /** The target's certificate is not one that is trusted. */
  | 'bad-certificate'
  /** There are too many streams. */
  | 'limit'
  /** No gateway can be reached. */
  | 'no-network'
  /** Anything else; the message says what. */
  | 'failed';

/** How everything here fails. */
export class NymError extends Error {
  constructor(code: ErrorCode, message: string, options?: ErrorOptions);
  readonly name: 'NymError' | 'AbortError';
  readonly code: ErrorCode;
}

/** A record of a {@link Store}. */
export interface StoredRecord {
  version: number;
  body: Uint8Array;
}

/**
 * Where a client keeps its keys, its gateways and what these know it by. A record
 * holds keys: nobody else may read it. `save` replaces a record whole or not at
 * all, and fulfils when it is there to stay.
 */
export interface Store {
  load(name: string): Promise<StoredRecord | null>;
  save(name: string, version: number, body: Uint8Array): Promise<void>;
  close?(): void;
}

/** A store that ends with the client. */
export function memoryStore(): Store;
/** A store in the browser's IndexedDB, under a name. */
export function indexedDBStore(name: string): Promise<Store>;
/** Puts a passphrase before a store: AES-256-GCM under PBKDF2. */
export function encryptedStore(inner: Store, passphrase: string): Promise<Store>;

/** A constructor of WebSockets, such as that of the package `ws`. */
export type WebSocketConstructor = new (url: string, ...rest: any[]) => any;

export interface CommonOptions {
  /** URL of the network's directory, or of several. */
  directory: string | string[];
  /** The name that the directory's documents must have. */
  network?: string;
  /** The directory's public key (base58), if the page knows it: then its documents must be signed by it. */
  directoryKey?: string;
  /** Identity (base58) of the gateway to use. Otherwise one is drawn the first time, and kept. */
  gateway?: string;
  /**
   * Where the client keeps what makes it the same one the next time: a name in
   * IndexedDB, `"memory"`, or, in Node.js, a store of yours.
   * By default IndexedDB in browsers, and memory in Node.js.
   */
  storage?: string | Store;
  /** Encrypts the storage. */
  passphrase?: string;
  /**
   * `"default"` sends at the pace and with the cover traffic that protect against who
   * watches the network; `"fast"` has neither, and is for tests.
   */
  profile?: 'default' | 'fast';
  /** Ends the attempt to connect. */
  signal?: AbortSignal;
  /** Takes lines of the client's log, JSON each, without keys, addresses or data. */
  log?: (line: string) => void;
  /** The WebSocket of Node.js before version 22, which has none of its own. */
  webSocket?: WebSocketConstructor;
  /** Where the program is, if your bundler moved it: `nym.wasm` or `nym-streams.wasm` of this package. */
  wasm?: string | URL;
  /** The worker, if your bundler cannot find `src/worker.mjs` by itself. Browsers only. */
  worker?: Worker;
}

export interface ConnectOptions extends CommonOptions {}

/** Text, bytes, or data in the wrapper that Nym's SDK for TypeScript puts around messages. */
export type Data = string | Uint8Array | ArrayBuffer | ArrayBufferView | WrappedData;

export interface WrappedData {
  mimeType: string;
  data: string | Uint8Array | ArrayBuffer | ArrayBufferView;
  headers?: string | null;
}

/** A message that arrived. */
export class Message {
  private constructor();
  /** The data, without wrapper. */
  readonly bytes: Uint8Array;
  /** The data, with the wrapper that may be around it. */
  readonly raw: Uint8Array;
  /** The wrapper, if there is one. */
  readonly payload: { mimeType: string; headers: string | null; data: Uint8Array } | null;
  /** The tag to {@link Client.reply} to; null if the sender does not want an answer. */
  readonly sender: string | null;
  /** In an answer: the tag under which we had written. */
  readonly tag: string | null;
  /** The data as text. */
  text(): string;
}

/** A message that was accepted. */
export interface Sent {
  /** Its number in {@link DeliveryEvent}. */
  id: number;
  /** Fulfilled when the recipient's gateway has all of it. */
  delivered: Promise<void>;
}

/** A change of the connection. */
export interface ConnectionEvent extends Event {
  /** Why it is closed, if that was an error. */
  readonly error: NymError | null;
}
export interface DeliveryEvent extends Event {
  readonly id: number;
  /** null: the message arrived. */
  readonly error: NymError | null;
}
export interface MessageArrivedEvent extends Event {
  readonly message: Message;
}

export interface ConnectionEvents {
  connected: ConnectionEvent;
  reconnecting: ConnectionEvent;
  closed: ConnectionEvent;
}
export interface ClientEvents extends ConnectionEvents {
  message: MessageArrivedEvent;
  delivery: DeliveryEvent;
}

export interface Status {
  connected: boolean;
  /** Identity of the gateway. */
  gateway: string;
  /** When `connected` became what it is (RFC 3339). */
  since: string;
  /** Packets of cover that were sent, and came home, in the last five minutes. */
  loopsSent: number;
  loopsHome: number;
  /** Memory that the program has taken, in bytes. */
  memory: number;
}

/** An EventTarget that knows its events. */
export interface Target<Events> extends EventTarget {
  addEventListener<K extends keyof Events>(type: K, listener: (event: Events[K]) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof Events>(type: K, listener: (event: Events[K]) => void, options?: boolean | EventListenerOptions): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;
}

export interface Cancelable {
  signal?: AbortSignal;
}

/** Sends and receives messages. {@link connect} makes one. */
export interface Client extends Target<ClientEvents>, AsyncIterable<Message> {
  /** Where others reach the client. */
  readonly address: string;
  readonly state: 'connected' | 'reconnecting' | 'closed';
  /** Sends to an address. Whoever receives it cannot answer, save to an address in the data. */
  send(to: string, data: Data, options?: Cancelable): Promise<Sent>;
  /**
   * Sends under a tag and with reply SURBs: whoever receives it can answer, and learns no address.
   * Messages under one tag are seen to come from one sender; by default each has a new one.
   * Without `replySurbs` the client sends as many as one answer of usual length needs, and more when asked.
   */
  sendAnonymous(to: string, data: Data, options?: Cancelable & { tag?: string; replySurbs?: number }): Promise<Sent & { tag: string }>;
  /** Answers the sender of a message that came with reply SURBs. */
  reply(to: Message | string, data: Data, options?: Cancelable): Promise<Sent>;
  /** Waits for the next message. Messages that nobody waits for are kept, the newest 10 000 of them. */
  next(signal?: AbortSignal): Promise<IteratorResult<Message, undefined>>;
  status(): Promise<Status>;
  /** Ends the client. What is under way is not waited for. */
  close(): Promise<void>;
}
export const Client: { prototype: Client };

/** Connects a client of messages. */
export function connect(options: ConnectOptions): Promise<Client>;

export interface StreamOptions extends CommonOptions {
  /**
   * Addresses of network requesters, through which targets are reached: one at a time, another when it does not
   * answer. `"auto"` draws one from those that the directory lists, and keeps it. Without it there are only streams
   * between addresses.
   */
  requester?: string | string[];
  /** Takes in streams of other clients, for {@link Streams.listen}. */
  peers?: boolean;
  /** Certificates, PEM, of authorities that https trusts beside those of browsers. */
  authorities?: string;
}

/** A byte stream. Closing `writable` ends that direction; `close` ends both. */
export interface Duplex {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array | string>;
  close(): Promise<void>;
}

export interface Listener extends AsyncIterable<Duplex> {
  readonly port: number;
  /** The next stream; undefined when the listener is closed. */
  accept(): Promise<Duplex | undefined>;
  close(): Promise<void>;
}

/** Opens byte streams, and fetches. {@link connectStreams} makes one. */
export interface Streams extends Target<ConnectionEvents> {
  /** Where others reach the client, at its ports. */
  readonly address: string;
  /**
   * The page's `fetch`, through the requester. TLS ends here. There is no CORS, no origin, no referrer and no
   * `User-Agent`, and cookies are kept with `credentials: "include"` only, for as long as the client lives.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit & { duplex?: 'half' }): Promise<Response>;
  /** Opens a stream to `"host:port"`. Streams of different `isolation` are not seen to come from one sender. */
  dial(target: string, options?: Cancelable & { isolation?: string }): Promise<Duplex>;
  /** Opens a stream to a port of another client that listens. */
  dialAddress(address: string, port: number, options?: Cancelable): Promise<Duplex>;
  /** Takes streams of other clients at a port; 0: one that is free. Needs the option `peers`. */
  listen(port?: number): Promise<Listener>;
  status(): Promise<Status>;
  close(): Promise<void>;
}
export const Streams: { prototype: Streams };

/** Connects a client of byte streams. */
export function connectStreams(options: StreamOptions): Promise<Streams>;

/** Connects the client of {@link mixFetch}; `requester` is `"auto"` by default. */
export function setupMixFetch(options: StreamOptions): Promise<Streams>;
/** `fetch` through a client that is shared by the page, made by {@link setupMixFetch} or by the options of the first call. */
export function mixFetch(input: RequestInfo | URL, init?: RequestInit & { duplex?: 'half' }, options?: StreamOptions): Promise<Response>;
/** Closes that client. */
export function disconnectMixFetch(): Promise<void>;

/** Puts data into the wrapper of Nym's SDK for TypeScript. */
export function wrapPayload(mimeType: string, data: Uint8Array, headers?: string | null): Uint8Array;
/** Takes it apart; null where there is none. */
export function unwrapPayload(bytes: Uint8Array): { mimeType: string; headers: string | null; data: Uint8Array } | null;
