import { aborted } from './call.mjs';
import { NymError } from './errors.mjs';
import { openLink } from './link.mjs';
import { unwrapPayload, wrapPayload } from './payload.mjs';

// toBytes makes bytes of what may be sent: text, bytes, or {mimeType, data} in
// Nym's wrapper.
function toBytes(data) {
  if (typeof data === 'string') return new TextEncoder().encode(data);
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data && typeof data.mimeType === 'string') return wrapPayload(data.mimeType, toBytes(data.data), data.headers ?? null);
  throw new NymError('bad-argument', 'data: want a string, a Uint8Array, an ArrayBuffer, or {mimeType, data}');
}

// A Message is what arrived.
export class Message {
  constructor(bytes, sender, tag) {
    this.payload = unwrapPayload(bytes);
    this.bytes = this.payload ? this.payload.data : bytes;
    this.raw = bytes;
    this.sender = sender;
    this.tag = tag;
  }

  text() { return new TextDecoder().decode(this.bytes); }
}

// maxUnread bounds the messages that nobody iterates over: the oldest go first.
const maxUnread = 10_000;

// A Client sends and receives messages. connect makes one.
export class Client extends EventTarget {
  #link;
  #address;
  #last = 0;
  #deliveries = new Map();
  #unread = [];
  #readers = [];
  #state = 'connecting';

  static async connect(options = {}) {
    const c = new Client();
    c.#link = await openLink('nym', options, {
      message: (data, from, to) => c.#arrive(new Message(data, from, to)),
      event: (kind, error, ...facts) => c.#event(kind, error, facts),
    });
    c.#address = await c.#link.call('address');
    c.#state = 'connected';
    return c;
  }

  get address() { return this.#address; }
  get state() { return this.#state; }

  #event(kind, error, [message]) {
    if (kind === 'delivery') {
      const d = this.#deliveries.get(message);
      if (!d) return; // another tab's
      this.#deliveries.delete(message);
      if (error) d.reject(error);
      else d.resolve();
      this.dispatchEvent(Object.assign(new Event('delivery'), { id: d.id, error }));
      return;
    }
    this.#state = kind;
    if (kind === 'moved') { // to another tab, which will not hear of our messages
      this.#state = 'reconnecting';
      this.#forget('the tab that ran the client closed before the message was acknowledged');
      return;
    }
    if (kind === 'closed') this.#end(error);
    this.dispatchEvent(Object.assign(new Event(kind), { error }));
  }

  #arrive(m) {
    this.dispatchEvent(Object.assign(new Event('message'), { message: m }));
    const reader = this.#readers.shift();
    if (reader) return reader.resolve({ value: m, done: false });
    this.#unread.push(m);
    if (this.#unread.length > maxUnread) this.#unread.shift();
  }

  #end(error) {
    for (const r of this.#readers.splice(0)) {
      if (error) r.reject(error);
      else r.resolve({ value: undefined, done: true });
    }
    this.#forget('the client closed before the message was acknowledged');
  }

  #forget(why) {
    for (const d of this.#deliveries.values()) d.reject(new NymError('closed', why));
    this.#deliveries.clear();
  }

  // #send sends, and gives what becomes of the message.
  async #send(name, args, signal) {
    const id = ++this.#last;
    const key = `${this.#link.tab ?? ''}${id}`; // other tabs hear of it too
    const delivered = new Promise((resolve, reject) => this.#deliveries.set(key, { id, resolve, reject }));
    delivered.catch(() => {}); // not everybody looks
    try {
      await this.#link.call(name, [key, ...args], signal);
    } catch (e) {
      this.#deliveries.delete(key);
      throw e;
    }
    return { id, delivered };
  }

  // send sends to an address; whoever receives it cannot answer, save to an
  // address in the data.
  async send(to, data, { signal } = {}) {
    return this.#send('send', [String(to), toBytes(data), null, 0], signal);
  }

  // sendAnonymous sends under a tag, with reply SURBs: whoever receives it can
  // answer and learns no address. Without a tag a new one is drawn: messages
  // under one tag are seen to come from one sender.
  async sendAnonymous(to, data, { tag, replySurbs = 0, signal } = {}) {
    const as = tag ?? await this.#link.call('tag');
    return { ...(await this.#send('send', [String(to), toBytes(data), as, replySurbs], signal)), tag: as };
  }

  // reply answers the sender of a message that came with reply SURBs.
  async reply(to, data, { signal } = {}) {
    const sender = to instanceof Message ? to.sender : to;
    if (!sender) throw new NymError('unknown-tag', 'the message has no sender that could be answered');
    return this.#send('reply', [sender, toBytes(data)], signal);
  }

  // next waits for a message.
  async next(signal) {
    if (this.#unread.length > 0) return { value: this.#unread.shift(), done: false };
    if (this.#state === 'closed') return { value: undefined, done: true };
    if (signal?.aborted) throw aborted(signal);
    let stop;
    try {
      return await new Promise((resolve, reject) => {
        const reader = { resolve, reject };
        this.#readers.push(reader);
        stop = () => {
          const i = this.#readers.indexOf(reader);
          if (i >= 0) this.#readers.splice(i, 1);
          reject(aborted(signal));
        };
        signal?.addEventListener('abort', stop, { once: true });
      });
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  [Symbol.asyncIterator]() { return { next: () => this.next(), return: async () => ({ value: undefined, done: true }) }; }

  async status() { return JSON.parse(await this.#link.call('status')); }

  // close ends the client. Messages that are under way are not waited for.
  async close() {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    await this.#link.close();
    this.#end();
  }

  async [Symbol.asyncDispose ?? Symbol.for('asyncDispose')]() { await this.close(); }
}
