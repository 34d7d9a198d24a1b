// The engine in a Web Worker, so that no work of it blocks the page.
//
//   page → worker   {start: {name, program, options}} worker → page   {started} | {failed}
//                   {call: name, number, args}                       {number, value} | {number, error}
//                   {cancel: number}                                 {message: [data, from, to]}
//                   {close: number}                                  {event: [kind, error, facts]}
//   a body that the page pulls: {pulled: n, value}                   {pull: n}
import { immediate, startEngine } from './engine.mjs';
import { openStore } from './storage.mjs';

let engine;
let store;
const pulls = new Map();
let lastPull = 0;

const plain = (e) => e && { message: e.message ?? String(e), code: e.code ?? 'failed' };

function post(m) {
  const bytes = (v) => (v instanceof Uint8Array ? [v.buffer] : []);
  self.postMessage(m, [...bytes(m.value), ...bytes(m.message?.[0])]);
}

// pulled stands for a function of the page: the next piece of a request's body.
function pulled(body) {
  return () => new Promise((resolve, reject) => {
    const n = ++lastPull;
    pulls.set(n, { resolve, reject });
    post({ pull: n, body });
  });
}

const handlers = {
  async start({ name, program, options }) {
    try {
      store = await openStore(options, name);
      engine = await startEngine(fetch(program, { credentials: 'same-origin' }), {
        ...options,
        store,
        log: options.log ? (line) => post({ log: line }) : undefined,
        message: (data, from, to) => post({ message: [data, from, to] }),
        event: (kind, error, ...facts) => post({ event: [kind, plain(error), ...facts] }),
      });
      post({ started: engine.address() });
    } catch (e) {
      store?.close?.();
      post({ failed: plain(e) });
    }
  },
  async call(name, { number, args }) {
    try {
      if (name === 'fetch' && args[0].pull !== undefined) args[0].body = pulled(args[0].pull);
      const value = immediate.has(name) ? engine[name]() : await engine[name](number, ...args);
      post({ number, value });
    } catch (e) {
      post({ number, error: plain(e) });
    }
  },
  cancel(number) { engine?.cancel(number); },
  async close(number) {
    try {
      await engine?.close();
      store?.close?.();
      post({ number });
    } catch (e) {
      post({ number, error: plain(e) });
    }
  },
  pulled(n, { value, error }) {
    const p = pulls.get(n);
    pulls.delete(n);
    if (error) p?.reject(Object.assign(new Error(error.message), error));
    else p?.resolve(value);
  },
};

self.onmessage = ({ data }) => {
  for (const [kind, handle] of Object.entries(handlers)) {
    if (kind in data) return void handle(data[kind], data);
  }
};
