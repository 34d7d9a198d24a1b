// The links to an engine in a worker and in this thread, and which one is used.
import { aborted, Link } from './call.mjs';
import { NymError, nymError } from './errors.mjs';
import { openStore } from './storage.mjs';
import { TabsLink } from './tabs.mjs';

const inNode = typeof process !== 'undefined' && !!process.versions?.node && typeof window === 'undefined' && typeof importScripts === 'undefined';

// WorkerLink runs the engine in a Web Worker.
class WorkerLink extends Link {
  #worker;
  #waiting = new Map();
  #bodies = new Map();
  #lastBody = 0;
  #closing;
  #over; // why nothing can be called any more
  #on;

  static async open(name, worker, program, options, on, signal) {
    const link = new WorkerLink();
    link.#worker = worker;
    link.#on = on;
    const started = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => {
        if ('started' in data) resolve();
        else if ('failed' in data) reject(nymError(data.failed));
        else link.#take(data);
      };
      worker.onerror = (e) => {
        e.preventDefault?.();
        const error = new NymError('failed', `the worker failed: ${e.message ?? 'it could not be loaded'}`);
        reject(error);
        link.#fail(error);
      };
      signal?.addEventListener('abort', () => reject(aborted(signal)), { once: true });
    });
    worker.postMessage({ start: { name, program: String(program), options } });
    try {
      await started;
      return link;
    } catch (e) {
      worker.terminate();
      throw e;
    }
  }

  #take(m) {
    if (m.message) return this.#on.message?.(...m.message);
    if (m.event) {
      const [kind, error, ...facts] = m.event;
      return this.#on.event?.(kind, error && nymError(error), ...facts);
    }
    if (m.log !== undefined) return this.#on.log?.(m.log);
    if (m.pull !== undefined) return void this.#pull(m.pull, m.body);
    const w = this.#waiting.get(m.number);
    this.#waiting.delete(m.number);
    if (m.error) w?.reject(m.error);
    else w?.resolve(m.value);
  }

  // #pull gives the worker the next piece of a request's body.
  async #pull(n, body) {
    try {
      const value = await this.#bodies.get(body)();
      if (value === null) this.#bodies.delete(body);
      this.#worker.postMessage({ pulled: n, value });
    } catch (e) {
      this.#worker.postMessage({ pulled: n, error: { message: String(e?.message ?? e), code: e?.code ?? 'failed' } });
    }
  }

  #fail(error) {
    this.#over = error;
    for (const w of this.#waiting.values()) w.reject(error);
    this.#waiting.clear();
  }

  run(name, number, args) {
    if (this.#over) throw this.#over;
    if (name === 'fetch' && typeof args[0].body === 'function') {
      const { body, ...rest } = args[0];
      this.#bodies.set(++this.#lastBody, body);
      args = [{ ...rest, pull: this.#lastBody }];
    }
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ call: name, number, args });
    });
  }

  cancel(number) { this.#worker.postMessage({ cancel: number }); }

  close() {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close() {
    if (this.#over) return;
    const number = -1;
    try {
      await new Promise((resolve, reject) => {
        this.#waiting.set(number, { resolve, reject });
        this.#worker.postMessage({ close: number });
      });
    } finally {
      this.#worker.terminate();
      this.#fail(new NymError('closed', 'the client is closed'));
    }
  }
}

// LocalLink runs the engine in this thread: Node.js has no page that it could block.
class LocalLink extends Link {
  #engine;
  #immediate;
  #store;

  static async open(name, program, options, on, signal) {
    const { immediate, startEngine } = await import('./engine.mjs');
    const link = new LocalLink();
    link.#immediate = immediate;
    link.#store = await openStore(options, name);
    const started = startEngine(program, { ...options, store: link.#store, log: on.log, message: on.message, event: (kind, e, ...facts) => on.event?.(kind, e && nymError(e), ...facts) });
    const late = new Promise((_, reject) => signal?.addEventListener('abort', () => reject(aborted(signal)), { once: true }));
    try {
      link.#engine = await (signal ? Promise.race([started, late]) : started);
      return link;
    } catch (e) {
      started.then((engine) => engine.close(), () => {});
      link.#store.close?.();
      throw nymError(e);
    }
  }

  async run(name, number, args) {
    return this.#immediate.has(name) ? this.#engine[name]() : this.#engine[name](number, ...args);
  }

  cancel(number) { this.#engine.cancel(number); }

  async close() {
    await this.#engine.close();
    this.#store.close?.();
  }
}

// watchNetwork has the engine look after its connection when the browser says that
// the network, or the page, is back, until over is aborted: a session must show that it
// lives, and one that is away is tried at once instead of after a pause. Every tab
// tells, since the one that runs the engine may be in the background.
function watchNetwork(link, over) {
  const look = () => { link.call('networkChanged').catch(() => {}); }; // it has ended
  const { signal } = over;
  for (const event of ['online', 'offline', 'pageshow']) globalThis.addEventListener(event, look, { signal });
  globalThis.document?.addEventListener('visibilitychange', () => { if (!document.hidden) look(); }, { signal });
  globalThis.navigator?.connection?.addEventListener?.('change', look, { signal });
}

// openLink starts the program of that name, 'nym' or 'nym-streams'.
export async function openLink(name, { signal, worker, wasm, webSocket, log, ...options }, on) {
  if (signal?.aborted) throw aborted(signal);
  on.log = log;
  if (inNode) {
    if (webSocket) globalThis.WebSocket ??= webSocket;
    if (typeof WebSocket === 'undefined') {
      throw new NymError('bad-argument', 'this Node.js has no WebSocket (22 and later have): pass webSocket, for example that of the package ws');
    }
    const { readFile } = await import(/* webpackIgnore: true */ 'node:fs/promises');
    return LocalLink.open(name, readFile(wasm ?? new URL(`../dist/${name}.wasm`, import.meta.url)), options, on, signal);
  }
  // Bundlers know these two forms, and take the files along.
  const program = wasm ?? (name === 'nym' ? new URL('../dist/nym.wasm', import.meta.url) : new URL('../dist/nym-streams.wasm', import.meta.url));
  const start = (on, signal) => WorkerLink.open(name, worker ?? new Worker(new URL('./worker.mjs', import.meta.url), { type: 'module' }),
    new URL(program, globalThis.location?.href), { ...options, log: !!log }, on, signal);
  if (typeof options.storage === 'object') {
    throw new NymError('bad-argument', 'storage: in a browser, pass a name, since a worker uses it');
  }
  const over = new AbortController();
  const watched = {
    ...on,
    event: (kind, ...more) => {
      if (kind === 'closed') over.abort();
      on.event?.(kind, ...more);
    },
  };
  const link = options.storage === 'memory' || !globalThis.navigator?.locks ? await start(watched, signal) : await TabsLink.open(`nym-socks5/${options.storage ?? name}`, {
    start, on: watched, check: async () => (await openStore(options, name)).close(),
  }, signal);
  watchNetwork(link, over);
  const close = link.close.bind(link);
  link.close = () => {
    over.abort();
    return close();
  };
  return link;
}
