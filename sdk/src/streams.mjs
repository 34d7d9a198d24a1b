import { NymError } from './errors.mjs';
import { aborted } from './call.mjs';
import { openLink } from './link.mjs';

// A Duplex is a byte stream: readable and writable as WHATWG streams. Closing the
// writable ends this direction only; close() ends both.
class Duplex {
  #link;
  #number;

  constructor(link, number) {
    this.#link = link;
    this.#number = number;
    this.readable = readableOf(link, number);
    this.writable = new WritableStream({
      write: (piece) => link.call('write', [number, piece instanceof Uint8Array ? piece : new TextEncoder().encode(String(piece))]),
      close: () => link.call('closeWrite', [number]),
      abort: () => link.call('shut', [number]),
    });
  }

  async close() { await this.#link.call('shut', [this.#number]); }
}

// readableOf reads what a number stands for, on demand. The body of a response
// is shut at its end, and when signal says so.
function readableOf(link, number, { shutAtEnd = false, signal } = {}) {
  let stop;
  return new ReadableStream({
    type: 'bytes',
    start(c) {
      stop = () => {
        c.error(aborted(signal));
        link.call('shut', [number]).catch(() => {});
      };
      signal?.addEventListener('abort', stop, { once: true });
    },
    async pull(c) {
      let piece;
      try {
        piece = await link.call('read', [number]);
      } catch (e) {
        signal?.removeEventListener('abort', stop);
        throw e;
      }
      if (signal?.aborted) return;
      if (piece === null) {
        signal?.removeEventListener('abort', stop);
        c.close();
        c.byobRequest?.respond(0);
        if (shutAtEnd) await link.call('shut', [number]);
      } else c.enqueue(piece);
    },
    cancel() {
      signal?.removeEventListener('abort', stop);
      return link.call('shut', [number]);
    },
  }, { highWaterMark: 0 });
}

// Statuses of responses that have no body (WHATWG Fetch §2.2.3).
const bodiless = new Set([101, 103, 204, 205, 304]);

// toASCII gives "host:port" with the host as DNS knows it, by the page's URL parser.
function toASCII(target) {
  const [, host, port] = /^(.*):(\d+)$/s.exec(target) ?? [];
  if (host === undefined || !/[^\x00-\x7f]/.test(host)) return target;
  if (!URL.canParse(`http://${host}/`)) throw new NymError('bad-argument', 'target: the host is no name that DNS can know');
  return `${new URL(`http://${host}/`).hostname}:${port}`;
}

// Streams opens byte streams, and fetches, through requesters and to other clients.
export class Streams extends EventTarget {
  #link;
  #address;

  static async connect(options = {}) {
    const s = new Streams();
    s.#link = await openLink('nym-streams', options, {
      event: (kind, error) => { if (kind !== 'moved') s.dispatchEvent(Object.assign(new Event(kind), { error })); },
    });
    s.#address = await s.#link.call('address');
    return s;
  }

  get address() { return this.#address; }

  // dial opens a stream to "host:port" through the requester. Streams of different
  // isolation are not seen to come from one sender.
  async dial(target, { isolation = '', signal } = {}) {
    const number = await this.#link.call('dial', [toASCII(String(target)), isolation], signal);
    return new Duplex(this.#link.now(), number);
  }

  // dialAddress opens a stream to a port of another client that listens.
  async dialAddress(address, port, { signal } = {}) {
    const number = await this.#link.call('dialAddress', [String(address), port], signal);
    return new Duplex(this.#link.now(), number);
  }

  // listen takes streams of other clients; it needs the option peers.
  async listen(port = 0) {
    const [number, at] = await this.#link.call('listen', [port]);
    const link = this.#link.now();
    const accept = async () => {
      try {
        return { value: new Duplex(link, await link.call('accept', [number])), done: false };
      } catch (e) {
        if (e.code === 'closed') return { value: undefined, done: true };
        throw e;
      }
    };
    return {
      port: at,
      accept: async () => (await accept()).value,
      close: () => link.call('shut', [number]),
      [Symbol.asyncIterator]: () => ({ next: accept, return: async () => ({ value: undefined, done: true }) }),
    };
  }

  // fetch is that of the page, through the requester. There is no CORS: the
  // request does not come from the page's origin, and carries nothing of it.
  async fetch(input, init = {}) {
    const request = new Request(input, { ...init, signal: undefined, ...(init.body instanceof ReadableStream ? { duplex: 'half' } : {}) });
    const signal = init.signal ?? (input instanceof Request ? input.signal : undefined);
    const headers = [...new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined))];
    if (request.headers.has('content-type') && !headers.some(([name]) => name === 'content-type')) {
      headers.push(['content-type', request.headers.get('content-type')]); // that of a form, or of text
    }
    let body = null;
    if (request.body) {
      if (init.body instanceof ReadableStream) {
        const reader = request.body.getReader();
        body = async () => {
          const { value, done } = await reader.read();
          return done ? null : value;
        };
      } else body = new Uint8Array(await request.arrayBuffer());
    }
    const got = await this.#link.call('fetch', [{
      url: request.url, method: request.method, headers, body,
      redirect: request.redirect, cookies: init.credentials === 'include',
    }], signal);
    const link = this.#link.now();
    const empty = bodiless.has(got.status) || request.method === 'HEAD';
    if (empty) await link.call('shut', [got.body]);
    const stream = empty ? null : readableOf(link, got.body, { shutAtEnd: true, signal });
    const response = new Response(stream, { status: got.status, statusText: got.statusText, headers: got.headers.filter(([name]) => !/^set-cookie2?$/i.test(name)) });
    Object.defineProperties(response, { url: { value: got.url }, redirected: { value: got.redirected } });
    return response;
  }

  async status() { return JSON.parse(await this.#link.call('status')); }

  async close() { await this.#link.close(); }
}

// mixFetch shares one Streams for as long as the page lives.
let shared;

// setupMixFetch says how mixFetch connects, before it is used for the first time.
export function setupMixFetch(options) {
  if (shared) throw new NymError('bad-argument', 'mixFetch is in use already; disconnectMixFetch first');
  shared = Streams.connect({ requester: 'auto', ...options });
  shared.catch(() => { shared = undefined; });
  return shared;
}

export async function mixFetch(input, init = {}, options) {
  if (!shared && !options) throw new NymError('bad-argument', 'mixFetch: call setupMixFetch first, or give options');
  const s = await (shared ?? setupMixFetch(options));
  return s.fetch(input, init);
}

export async function disconnectMixFetch() {
  const s = shared;
  shared = undefined;
  await (await s)?.close();
}
